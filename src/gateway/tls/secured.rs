//! A connection on the TLS listener, from its first byte to its end.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, Version};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::handshake::{Secured, Unsecured};
use super::protocol::Protocol;
use super::server::Tls;
use crate::api::Problem;
use crate::gateway::arrival::Client;
use crate::gateway::client_socket::ClientSocket;
use crate::gateway::edge::Edge;
use crate::gateway::guarded_stream::GuardedStream;
use crate::gateway::head_reader::last_words;
use crate::gateway::places::Place;
use crate::gateway::respond::{self, Content};
use crate::telemetry::HandshakeFailure;

impl Edge {
    /// Shakes hands, then serves what the client speaks.
    pub(in crate::gateway) async fn secured(
        self: &Arc<Self>,
        tls: &Tls,
        tcp: TcpStream,
        mut client: Client,
        place: Place,
        mut stop: watch::Receiver<bool>,
    ) {
        // Within the time that a client has for its first head.
        let until = client.opened + tls.rules.handshake_timeout.min(self.limits.head_timeout);
        let accepted = tokio::select! {
            accepted = Box::pin(tls.accept(tcp, until)) => accepted,
            _ = stop.wait_for(|stopping| *stopping) => return,
            () = place.lost() => return,
        };
        match accepted {
            Ok(Secured { stream, protocol, by }) => {
                client.proto = HeaderValue::from_static("https");
                client.tls = Some(by);
                match protocol {
                    Protocol::Http1 => {
                        let stream = GuardedStream::new(ClientSocket::Tls(stream));
                        self.http1(stream, client, place, stop).await;
                    }
                    Protocol::Http2 => Box::pin(self.http2(*stream, client, place, stop)).await,
                }
            }
            Err(Unsecured::Plain(tcp)) => {
                self.gateway.metrics().handshake_failed(HandshakeFailure::NotTls);
                self.not_tls(tcp, &client).await;
            }
            Err(Unsecured::Failed(reason, error)) => {
                self.gateway.metrics().handshake_failed(reason);
                let error = error.as_ref().map(tracing::field::display);
                tracing::debug!(client = %client.address, reason = reason.as_str(), error, "no tls connection");
            }
        }
    }

    /// Most likely a browser or a service that was given the wrong scheme: it is told so in its own language.
    async fn not_tls(&self, tcp: TcpStream, client: &Client) {
        let problem =
            Problem::new(StatusCode::BAD_REQUEST, "not_tls", "this port speaks TLS only: write https://");
        let id = self.gateway.request_id();
        self.gateway.report_refused_head(client.address, id, &problem, Version::HTTP_11);
        let mut stream = GuardedStream::new(tcp);
        last_words(&mut stream, &respond::raw(&problem, id, Content::Whole, client)).await;
    }
}
