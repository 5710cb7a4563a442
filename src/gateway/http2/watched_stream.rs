//! The bytes of a connection below `h2`: counted ([`Floods`]), and given time only as long as is due.
//!
//! `h2` bounds what a stream may hold, but knows no time, and does not count what costs work and no memory.
//! When a bound is passed, nothing more is read, and the connection's task is told ([`Watch`]), which closes it
//! with a word (GOAWAY).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep};

use super::floods::Floods;
use crate::telemetry::Http2Abuse;

/// Targets with fragments that are waiting for their stream.
const MOST_FRAGMENTS: usize = 1000;

/// What the watcher of a connection has to say.
#[derive(Debug, Default)]
pub(super) struct Watch {
    abuse: OnceLock<Http2Abuse>,
    /// Streams whose `:path` has a fragment, which are not accepted yet.
    fragments: Mutex<Vec<u32>>,
    said: Notify,
}

impl Watch {
    /// Waits for the first abuse.
    pub(super) async fn abused(&self) -> Http2Abuse {
        loop {
            if let Some(abuse) = self.abuse.get() {
                return *abuse;
            }
            self.said.notified().await;
        }
    }

    /// Whether the `:path` of this stream has a fragment. True once.
    pub(super) fn take_fragment(&self, stream: u32) -> bool {
        let mut fragments = self.fragments.lock();
        let place = fragments.iter().position(|found| *found == stream);
        place.map(|place| fragments.swap_remove(place)).is_some()
    }

    /// Remembers what will be asked. Those that `h2` refuses by itself nobody asks about: they stay, and count.
    fn remember(&self, streams: Vec<u32>) -> Result<(), Http2Abuse> {
        if streams.is_empty() {
            return Ok(());
        }
        let mut fragments = self.fragments.lock();
        fragments.extend(streams);
        if fragments.len() > MOST_FRAGMENTS { Err(Http2Abuse::RefusedHeads) } else { Ok(()) }
    }

    fn say(&self, abuse: Http2Abuse) {
        if self.abuse.set(abuse).is_ok() {
            self.said.notify_one();
        }
    }
}

/// A connection that is watched.
pub(super) struct WatchedStream<S> {
    inner: S,
    floods: Floods,
    watch: Arc<Watch>,
    /// How long what has begun may take (see [`Floods::unfinished`]).
    patience: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    stopped: bool,
}

impl<S> WatchedStream<S> {
    /// Around a connection of which nothing was read.
    pub(super) fn new(inner: S, watch: Arc<Watch>, patience: Duration) -> Self {
        let floods = Floods::new(Instant::now());
        Self { inner, floods, watch, patience, deadline: None, stopped: false }
    }

    fn stop(&mut self, abuse: Http2Abuse) {
        self.stopped = true;
        self.watch.say(abuse);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.stopped {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let poll = Pin::new(&mut this.inner).poll_read(cx, buf);
        if poll.is_ready() {
            let bytes = buf.filled().get(before..).unwrap_or_default();
            let judged = this.floods.received(bytes, Instant::now());
            // Before `h2` gets to see them.
            let judged = judged.and_then(|()| this.watch.remember(this.floods.take_fragments()));
            if let Err(abuse) = judged {
                buf.set_filled(before);
                this.stop(abuse);
                return Poll::Pending;
            }
            if !this.floods.unfinished() {
                this.deadline = None;
            } else if this.deadline.is_none() {
                this.deadline = Some(Box::pin(sleep(this.patience)));
            }
            return poll;
        }
        if let Some(deadline) = &mut this.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            this.stop(Http2Abuse::SlowFrame);
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(taken)) = &poll {
            self.floods.sent(*taken);
        }
        poll
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(taken)) = &poll {
            self.floods.sent(*taken);
        }
        poll
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
