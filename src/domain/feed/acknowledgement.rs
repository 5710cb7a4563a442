//! When the end of a session may be acknowledged.
//!
//! The revocation is committed and in this process's set. What is left to know is whether the other replicas
//! can count themselves fresh without it. Those that ask the durable store cannot; those that follow the stream
//! cannot once the stream has it.

use std::time::Duration;

use super::Monotonic;
use crate::domain::id::ReplicaId;

/// What is known about the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Published {
    /// It holds the entries, or newer ones that betray a gap to whoever lacks these.
    Yes,
    /// It did not answer, or refused: it may hold them or not.
    Unknown,
}

/// A replica that serves, as the durable store knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Registration {
    /// Which.
    pub replica: ReplicaId,
    /// It has everything up to this number.
    pub followed: i64,
    /// How long ago it registered, by the store's clock.
    pub age: Duration,
    /// For how long it may follow the stream without renewing its registration.
    pub lease: Duration,
}

/// What to do with an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Say that it is done.
    Acknowledge,
    /// Read the registrations (again).
    Wait,
    /// Say that it may be done or not.
    Refuse,
}

/// One end on its way to be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Acknowledgement {
    /// The highest number of its revocations.
    number: i64,
    /// Whoever ended it; none for a command, which serves nobody.
    own: Option<ReplicaId>,
    /// When waiting is over.
    until: Monotonic,
}

impl Acknowledgement {
    /// A registration counts for longer than its lease by this: clocks do not run at one speed.
    pub const MARGIN: Duration = Duration::from_secs(5);

    /// For revocations up to `number`, committed and live here, waiting at most `patience` from `now` on.
    pub fn new(number: i64, own: Option<ReplicaId>, now: Monotonic, patience: Duration) -> Self {
        Self { number, own, until: now.plus(patience) }
    }

    /// The stream's part is over.
    pub const fn published(&self, published: Published) -> Verdict {
        match published {
            Published::Yes => Verdict::Acknowledge,
            Published::Unknown => Verdict::Wait,
        }
    }

    /// The registrations as they are in the durable store, read after the revocations were committed.
    pub fn registrations(&self, now: Monotonic, registrations: &[Registration]) -> Verdict {
        let lagging = registrations.iter().any(|registration| self.must_wait_for(registration));
        match (lagging, now < self.until) {
            (false, _) => Verdict::Acknowledge,
            (true, true) => Verdict::Wait,
            (true, false) => Verdict::Refuse,
        }
    }

    /// They could not be read.
    pub fn unread(&self, now: Monotonic) -> Verdict {
        if now < self.until { Verdict::Wait } else { Verdict::Refuse }
    }

    fn must_wait_for(&self, registration: &Registration) -> bool {
        // One without a lease never counts on the stream alone.
        let void = registration.lease.is_zero()
            || registration.age > registration.lease.saturating_add(Self::MARGIN);
        Some(registration.replica) != self.own && registration.followed < self.number && !void
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;

    const LEASE: Duration = Duration::from_secs(60);

    fn replica(number: u8) -> ReplicaId {
        ReplicaId::new(Timestamp::from_unix_millis(0), [number; 10])
    }

    fn registration(number: u8, followed: i64, age: Duration) -> Registration {
        Registration { replica: replica(number), followed, age, lease: LEASE }
    }

    fn waiting() -> Acknowledgement {
        Acknowledgement::new(7, Some(replica(1)), Monotonic::from_millis(0), Duration::from_millis(800))
    }

    #[test]
    fn what_the_stream_took_is_acknowledged_at_once_and_nothing_else() {
        assert_eq!(waiting().published(Published::Yes), Verdict::Acknowledge);
        assert_eq!(waiting().published(Published::Unknown), Verdict::Wait);
    }

    #[test]
    fn without_the_stream_every_other_registered_replica_must_have_followed() {
        let (soon, fresh) = (Monotonic::from_millis(10), Duration::from_millis(100));
        for (registrations, verdict) in [
            (vec![], Verdict::Acknowledge),
            (vec![registration(1, 0, fresh)], Verdict::Acknowledge),
            (vec![registration(1, 0, fresh), registration(2, 7, fresh)], Verdict::Acknowledge),
            (vec![registration(2, 8, fresh)], Verdict::Acknowledge),
            (vec![registration(2, 6, fresh)], Verdict::Wait),
            (vec![registration(2, 7, fresh), registration(3, 6, fresh)], Verdict::Wait),
        ] {
            assert_eq!(waiting().registrations(soon, &registrations), verdict, "{registrations:?}");
        }
    }

    #[test]
    fn a_lagging_replica_is_waited_for_until_patience_ends_and_then_the_end_is_refused() {
        let lagging = [registration(2, 6, Duration::ZERO)];
        assert_eq!(waiting().registrations(Monotonic::from_millis(799), &lagging), Verdict::Wait);
        assert_eq!(waiting().registrations(Monotonic::from_millis(800), &lagging), Verdict::Refuse);
        assert_eq!(waiting().unread(Monotonic::from_millis(799)), Verdict::Wait);
        assert_eq!(waiting().unread(Monotonic::from_millis(800)), Verdict::Refuse);
    }

    #[test]
    fn a_replica_counts_until_its_lease_and_a_margin_are_over() {
        let last = LEASE + Acknowledgement::MARGIN;
        let soon = Monotonic::from_millis(1);
        assert_eq!(waiting().registrations(soon, &[registration(2, 0, last)]), Verdict::Wait);
        let over = last + Duration::from_millis(1);
        assert_eq!(waiting().registrations(soon, &[registration(2, 0, over)]), Verdict::Acknowledge);
    }

    #[test]
    fn a_replica_that_never_counts_on_the_stream_alone_is_not_waited_for() {
        let without = Registration { lease: Duration::ZERO, ..registration(2, 0, Duration::ZERO) };
        assert_eq!(waiting().registrations(Monotonic::from_millis(1), &[without]), Verdict::Acknowledge);
    }

    #[test]
    fn a_command_waits_for_every_replica() {
        let command = Acknowledgement::new(7, None, Monotonic::from_millis(0), Duration::from_secs(1));
        let one = [registration(1, 6, Duration::ZERO)];
        assert_eq!(command.registrations(Monotonic::from_millis(1), &one), Verdict::Wait);
    }
}
