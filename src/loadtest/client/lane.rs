//! A place for one request at a time, whatever the protocol.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connect::Connector;
use super::http1::{Http1Lane, RequestText};
use super::http2::{Http2Connection, Http2Lane, RequestParts};
use crate::loadtest::judge::Outcome;
use crate::loadtest::options::{Options, Protocol};
use crate::loadtest::tokens::TokenList;

/// Makes lanes; shared by all threads.
pub(in crate::loadtest) struct Lanes {
    connector: Connector,
    text: Arc<RequestText>,
    parts: Arc<RequestParts>,
    protocol: Protocol,
    streams: usize,
    limit: Duration,
}

/// A connection of HTTP/1.1, or a part of one of HTTP/2.
pub(in crate::loadtest) enum Lane {
    Http1(Box<Http1Lane>),
    Http2(Http2Lane),
}

impl Lanes {
    /// Of this run.
    pub(in crate::loadtest) fn new(options: &Options, connector: Connector) -> Self {
        Self {
            connector,
            text: Arc::new(RequestText::new(options)),
            parts: Arc::new(RequestParts::new(options)),
            protocol: options.protocol,
            streams: options.streams,
            limit: options.timeout,
        }
    }

    /// Those of one more connection.
    pub(in crate::loadtest) fn connection(&self, now: Instant) -> Vec<Lane> {
        let connector = self.connector.clone();
        match self.protocol {
            Protocol::Http1 => {
                let lane = Http1Lane::new(connector, Arc::clone(&self.text), self.limit, now);
                vec![Lane::Http1(Box::new(lane))]
            }
            Protocol::Http2 => {
                let connection = Http2Connection::new(connector);
                let lane = || Http2Lane::new(Rc::clone(&connection), Arc::clone(&self.parts), self.limit);
                (0..self.streams).map(|_| Lane::Http2(lane())).collect()
            }
        }
    }
}

impl Lane {
    /// Sends a request with the token number `token` of `list`, or without if there is none, and reads its whole
    /// answer.
    pub(in crate::loadtest) async fn exchange(
        &mut self,
        list: &TokenList,
        token: usize,
        now: Instant,
    ) -> Outcome {
        match self {
            Self::Http1(lane) => lane.exchange(list.header(token), now).await,
            Self::Http2(lane) => lane.exchange(list.shared_header(token)).await,
        }
    }
}
