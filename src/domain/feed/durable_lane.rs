//! What is asked of the durable store, one question at a time: reads, registrations, sweeps.

use std::time::Duration;

use super::Monotonic;

/// Between the end of a sweep and the next one.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// A registration is renewed when it is older than this, or a position behind.
const RENEW_AFTER: Duration = Duration::from_secs(1);

/// The lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct DurableLane {
    /// A question is under way.
    pub(super) busy: bool,
    /// The last question was answered.
    pub(super) answers: bool,
    /// To be read as soon as the lane is free.
    pub(super) read_wanted: bool,
    /// To be registered, likewise, after that.
    pub(super) register_wanted: bool,
    /// The number of the last registration.
    pub(super) registered: Option<i64>,
    pub(super) sweep: Sweep,
}

/// Reading everything again, page by page behind the polls: whatever a restored or repaired store holds that no
/// position tells of is learned too. Where it goes on and when; a sweep may be cut short by an error.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Sweep {
    /// Above which number the next page begins.
    pub(super) after: i64,
    /// Not before this.
    pub(super) not_before: Monotonic,
    /// One page after each poll at most.
    pub(super) wanted: bool,
}

impl DurableLane {
    /// Whether a registration at `number` would say something new.
    pub(super) fn registration_is_due(
        &self,
        number: i64,
        last_sent: Option<Monotonic>,
        now: Monotonic,
    ) -> bool {
        self.registered != Some(number) || last_sent.is_none_or(|sent| now.since(sent) >= RENEW_AFTER)
    }

    /// An answer to a sweep arrived: where it goes on, or its end.
    pub(super) fn swept(&mut self, now: Monotonic, goes_on_after: Option<i64>) {
        self.sweep.after = goes_on_after.unwrap_or(0);
        if goes_on_after.is_none() {
            self.sweep.not_before = now.plus(SWEEP_EVERY);
        }
    }
}
