//! A replica's registration in the durable store, as the replica sees it.

use std::time::Duration;

use super::Monotonic;

/// What the durable store answered to a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// The row was there.
    Renewed,
    /// There was no row: writers did not count this replica a moment ago.
    New,
}

/// The registration in force. A writer that reads the registrations counts this replica at every moment from
/// `unbroken_since` until at least `sent` plus the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    unbroken_since: Monotonic,
    sent: Monotonic,
    limit: Duration,
}

impl Lease {
    /// A registration was sent at `sent` and its answer arrived `now`; before it there was `before`.
    ///
    /// The row's own clock is the store's, and starts after `sent`. So the replica's view ends first.
    pub fn after(
        before: Option<Self>,
        sent: Monotonic,
        now: Monotonic,
        renewal: Renewal,
        limit: Duration,
    ) -> Self {
        match before {
            Some(before) if renewal == Renewal::Renewed && before.holds(now) => {
                Self { unbroken_since: before.unbroken_since, sent: before.sent.max(sent), limit }
            }
            Some(_) | None => Self { unbroken_since: now, sent, limit },
        }
    }

    /// Whether what was true at `now` may rest on this registration.
    pub fn holds(self, now: Monotonic) -> bool {
        now.since(self.sent) <= self.limit
    }

    /// From when on no writer has overlooked this replica.
    pub const fn unbroken_since(self) -> Monotonic {
        self.unbroken_since
    }

    /// When it was last renewed.
    pub const fn sent(self) -> Monotonic {
        self.sent
    }
}
