//! A replica's registration in the durable store, as the replica sees it.

use std::time::Duration;

use super::Monotonic;
use super::need::Need;

/// What the durable store answered to a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// The row was there.
    Renewed,
    /// There was no row: writers did not count this replica a moment ago.
    New,
}

/// The registration in force. A writer that reads the registrations counts this replica until at least `sent`
/// plus the limit, by the store's own clock, which starts after `sent`: the replica's view ends first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lease {
    sent: Monotonic,
    limit: Duration,
    /// What was acknowledged while no registration was in force is read from the durable store after it is.
    pub(super) caught_up: Need,
}

impl Lease {
    /// A registration was sent at `sent` and its answer arrived `now`; before it there was `before`.
    pub(super) fn after(
        before: Option<Self>,
        sent: Monotonic,
        now: Monotonic,
        renewal: Renewal,
        limit: Duration,
    ) -> Self {
        let unbroken = before.filter(|before| renewal == Renewal::Renewed && before.holds(now));
        Self { sent, limit, caught_up: unbroken.map_or(Need::Unasked, |before| before.caught_up) }
    }

    /// Whether what is asked at this moment may rest on the registration.
    pub(super) fn holds(&self, asked: Monotonic) -> bool {
        asked.since(self.sent) <= self.limit
    }

    /// When it was last renewed.
    pub(super) const fn sent(&self) -> Monotonic {
        self.sent
    }
}
