//! What the edge and the proxy share of a client's connection while one of its requests is open.

use parking_lot::Mutex;

use super::arrival::Arrival;
use crate::domain::id::AccountId;
use crate::live::{OpenConnection, OpenRequests};

/// One for each connection of a client.
pub struct ClientConnection {
    /// Its place among those whose requests end with their session.
    pub open: OpenConnection,
    /// What the proxy knew of a request that was dropped before its end.
    left: Mutex<Option<LeftOpen>>,
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
        Self { open: requests.connection(), left: Mutex::new(None) }
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
