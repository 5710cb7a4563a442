//! What the edge and the proxy share of a client's connection while one of its requests is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;
use parking_lot::Mutex;

use super::arrival::Arrival;
use crate::domain::id::AccountId;
use crate::live::{OpenConnection, OpenRequests};

/// The body is wanted: its bound is that of its taker.
pub const WANTED: u64 = u64::MAX;
/// Of a body that nobody wants: what an honest client has sent, on a fast line, before it reads its refusal.
const DRAIN_BYTES: u64 = 64 * 1024 * 1024;

/// One for each connection of a client.
pub struct ClientConnection {
    /// Its place among those whose requests end with their session.
    pub open: OpenConnection,
    /// What the proxy knew of a request that was dropped before its end.
    left: Mutex<Option<LeftOpen>>,
    /// How far the answer to the open request is: a [`Progress`].
    progress: AtomicU8,
    /// See [`ClientConnection::unwanted`].
    unwanted: Arc<AtomicU64>,
    /// Of the answer.
    trailers: Mutex<Option<HeaderMap>>,
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The service has said nothing yet.
    Waiting,
    /// Its head is on the way to the client.
    Answering,
    /// The connection speaks another protocol.
    Upgraded,
}

/// A request as it was when it was dropped.
pub struct LeftOpen {
    /// What it asked.
    pub arrival: Arrival,
    /// Place of its route in the route table.
    pub route: usize,
    /// Index of the upstream.
    pub upstream: usize,
    /// The subject of its token.
    pub account: Option<AccountId>,
    /// Of the answer, if it had begun.
    pub status: Option<u16>,
    /// What had passed of the two bodies.
    pub passed: Passed,
}

/// Bytes of bodies that have passed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passed {
    /// To the service.
    pub received: u64,
    /// To the client.
    pub sent: u64,
}

impl ClientConnection {
    /// A connection without a request.
    pub fn new(requests: &OpenRequests) -> Self {
        Self {
            open: requests.connection(),
            left: Mutex::new(None),
            progress: AtomicU8::new(0),
            unwanted: Arc::new(WANTED.into()),
            trailers: Mutex::new(None),
        }
    }

    /// The next request begins.
    pub fn begin(&self) {
        self.advance(Progress::Waiting);
        self.unwanted.store(WANTED, Ordering::Relaxed);
    }

    /// The answer is so far.
    pub fn advance(&self, progress: Progress) {
        // One task writes and reads it.
        self.progress.store(progress as u8, Ordering::Relaxed);
    }

    /// How long what is open may go on once it was cut. An ordinary call that is on its way comes to its end in
    /// that time, and its client reads an answer rather than a reset.
    pub fn grace(&self) -> Duration {
        match self.progress.load(Ordering::Relaxed) {
            answering if answering == Progress::Answering as u8 => Duration::from_millis(20),
            upgraded if upgraded == Progress::Upgraded as u8 => Duration::ZERO,
            _ => Duration::from_secs(1),
        }
    }

    /// The open request has its answer; what is left of its body is read away, so that the answer is not lost to a
    /// reset, but not without end.
    pub fn answered(&self) {
        self.unwanted.store(DRAIN_BYTES, Ordering::Relaxed);
    }

    /// Bytes of a body that may still be read; [`WANTED`] for one that somebody wants.
    pub fn unwanted(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.unwanted)
    }

    /// The trailers of the answer, which the proxy library would not write.
    pub fn set_trailers(&self, trailers: HeaderMap) {
        *self.trailers.lock() = Some(trailers);
    }

    /// Those trailers, once.
    pub fn take_trailers(&self) -> Option<HeaderMap> {
        self.trailers.lock().take()
    }

    /// A request was dropped in this state.
    pub fn leave(&self, left: LeftOpen) {
        *self.left.lock() = Some(left);
    }

    /// The request that was dropped, once.
    pub fn left(&self) -> Option<LeftOpen> {
        self.left.lock().take()
    }
}
