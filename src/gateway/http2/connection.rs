//! A connection: accepts its streams, and knows when it is over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::stream::Opened;
use super::watched_stream::{Watch, WatchedStream};
use crate::gateway::arrival::Client;
use crate::gateway::edge::Edge;
use crate::gateway::places::Place;
use crate::telemetry::{ConnectionRefusal, Http2Abuse};

/// Bytes of a request body that may be on the way to a stream before the service has taken them.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for all streams of a connection. Streams that are not read can use it up, for this client.
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// Bytes of an answer that wait for a client that does not read. For each stream.
const SEND_BUFFER: usize = 16 * 1024;
/// Bytes of overhead that small DATA frames may make before they are read, of 256 for each. gRPC sends small messages in
/// bursts of thousands; those without content are counted apart.
const SMALL_FRAMES: usize = 1024 * 1024;
/// Streams that were given up before they were served, at once.
const MOST_UNSERVED_RESETS: usize = 50;
/// Streams that we reset because they were malformed, in all.
const MOST_MALFORMED: usize = 100;
/// Heads that were refused, in all. On HTTP/1.1 the first one ends the connection.
const MOST_REFUSED: usize = 100;
/// How long a client has to take our last words, or to close after them.
const CLOSING: Duration = Duration::from_secs(1);

type Accepted = Option<Result<(Request<RecvStream>, SendResponse<Bytes>), h2::Error>>;

impl Edge {
    /// Serves the streams of this connection until it ends. With it end those that are open.
    pub(in crate::gateway) async fn http2<S>(
        self: &Arc<Self>,
        stream: S,
        client: Client,
        place: Place,
        stop: watch::Receiver<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let watch = Arc::new(Watch::default());
        let limits = &self.limits;
        let stream = WatchedStream::new(stream, Arc::clone(&watch), limits.head_timeout);
        // Whatever came before on this connection took of the same time.
        let first = client.opened + limits.head_timeout;
        let handshake = self.options().handshake(stream);
        let connection = tokio::select! {
            biased;
            connection = timeout_at(first, handshake) => connection,
            abuse = watch.abused() => return self.report_abuse(&client, abuse),
            () = place.lost() => return,
        };
        if let Ok(Ok(connection)) = connection {
            let served = Served {
                edge: self,
                watch: Arc::clone(&watch),
                connection,
                client,
                place,
                stop,
                streams: JoinSet::new(),
                left: limits.max_requests_per_connection,
                refused: 0,
                closes: first,
                closing: false,
            };
            served.run().await;
        }
    }

    fn options(&self) -> Builder {
        let head = u32::try_from(self.limits.head.max_header_bytes).unwrap_or(u32::MAX);
        let mut options = Builder::new();
        options
            .max_concurrent_streams(self.limits.max_streams)
            .max_header_list_size(head)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .data_frame_budget(SMALL_FRAMES)
            .max_pending_accept_reset_streams(MOST_UNSERVED_RESETS)
            .max_local_error_reset_streams(Some(MOST_MALFORMED));
        options
    }

    fn report_abuse(&self, client: &Client, abuse: Http2Abuse) {
        self.gateway.metrics().http2_closed(abuse);
        tracing::warn!(client = %client.address, reason = abuse.as_str(), "http/2 connection closed");
    }
}

/// What happens on a connection.
#[expect(clippy::large_enum_variant, reason = "one at a time, and moved once")]
enum Event {
    Abuse(Http2Abuse),
    /// The gateway stops.
    Stop,
    /// A stream has come to its end.
    Ended {
        refused: bool,
    },
    /// No stream was open for as long as that may be.
    Idle,
    /// No stream was open, and a newcomer needed the place.
    Displaced,
    Accepted(Accepted),
}

/// A connection that is being served.
struct Served<'a, S> {
    edge: &'a Arc<Edge>,
    watch: Arc<Watch>,
    connection: Connection<WatchedStream<S>, Bytes>,
    client: Client,
    place: Place,
    stop: watch::Receiver<bool>,
    /// Those that are open. A panic in one is the end of that one.
    streams: JoinSet<bool>,
    /// Requests until it is wound up, so that clients spread again. None: any number.
    left: Option<u64>,
    refused: usize,
    /// When it is over, should no stream be open.
    closes: Instant,
    /// Whether the client was told that it is over.
    closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Served<'_, S> {
    async fn run(mut self) {
        self.place.wait();
        loop {
            match self.next().await {
                Event::Abuse(abuse) => return self.close(abuse).await,
                Event::Stop => self.wind_up(),
                Event::Ended { refused } => {
                    self.refused += usize::from(refused);
                    if self.refused > MOST_REFUSED {
                        return self.close(Http2Abuse::RefusedHeads).await;
                    }
                    let idle = if self.closing { CLOSING } else { self.edge.limits.keepalive_timeout };
                    self.closes = Instant::now() + idle;
                    if self.streams.is_empty() {
                        self.place.wait();
                    }
                }
                Event::Displaced => return self.leave(Reason::NO_ERROR).await,
                Event::Idle if self.closing => return self.end().await,
                Event::Idle => self.wind_up(),
                Event::Accepted(accepted) => {
                    if !self.accepted(accepted) {
                        return self.end().await;
                    }
                }
            }
        }
    }

    /// Waiting for the next stream is what moves the bytes of those that are open.
    async fn next(&mut self) -> Event {
        let idle = self.streams.is_empty();
        tokio::select! {
            biased;
            abuse = self.watch.abused() => Event::Abuse(abuse),
            _ = self.stop.wait_for(|stopping| *stopping), if !self.closing => Event::Stop,
            Some(ended) = self.streams.join_next(), if !idle => {
                Event::Ended { refused: matches!(ended, Ok(false)) }
            }
            () = sleep_until(self.closes), if idle => Event::Idle,
            () = self.place.lost(), if idle => Event::Displaced,
            accepted = self.connection.accept() => Event::Accepted(accepted),
        }
    }

    /// Whether the connection goes on.
    fn accepted(&mut self, accepted: Accepted) -> bool {
        match accepted {
            Some(Ok((request, respond))) => {
                let keeps_place = !self.streams.is_empty() || self.place.serve();
                if keeps_place {
                    self.open(request, respond);
                    if self.streams.is_empty() {
                        self.place.wait();
                    }
                }
                keeps_place
            }
            Some(Err(error)) => {
                // What `h2` counts by itself.
                if error.is_library() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM) {
                    self.edge.report_abuse(&self.client, Http2Abuse::Library);
                }
                false
            }
            None => false,
        }
    }

    fn open(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let fragment = self.watch.take_fragment(respond.stream_id().as_u32());
        // A client that does not answer our ping is not told the last stream; more are refused one by one.
        if self.left == Some(0) {
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        }
        let Ok(place) = self.edge.streams.enter(self.edge.counted(self.client.address)).place else {
            // The client may try again, here or elsewhere (RFC 9113 section 8.7).
            self.edge.gateway.metrics().connection_refused(ConnectionRefusal::TooManyStreams);
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        };
        let opened = Opened { request, respond, client: self.client.clone(), fragment };
        let stream = Arc::clone(self.edge).stream(opened, self.stop.clone());
        self.streams.spawn(async move {
            let _place = place;
            stream.await
        });
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) && !self.closing {
            self.wind_up();
        }
    }

    /// Takes no new streams; those that are open come to their end.
    fn wind_up(&mut self) {
        self.connection.graceful_shutdown();
        self.closing = true;
        self.closes = Instant::now() + CLOSING;
    }

    /// Says why it is over, if the client listens, and that is it.
    async fn close(self, abuse: Http2Abuse) {
        self.edge.report_abuse(&self.client, abuse);
        self.leave(Reason::ENHANCE_YOUR_CALM).await;
    }

    async fn leave(mut self, why: Reason) {
        self.connection.abrupt_shutdown(why);
        let said = async { while let Some(Ok(_)) = self.connection.accept().await {} };
        // Said or not, it closes now.
        let _over = timeout(CLOSING, said).await;
        self.end().await;
    }

    /// The streams learn that the client is gone, and say so in their log lines. Those that do not within a moment
    /// are dropped.
    async fn end(self) {
        let Self { connection, mut streams, .. } = self;
        drop(connection);
        let ended = async { while streams.join_next().await.is_some() {} };
        let _over = timeout(CLOSING, ended).await;
    }
}
