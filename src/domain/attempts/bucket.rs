//! The rule of one bucket: GCRA (ITU-T I.371) on whole microseconds.
//!
//! A bucket is one number, the time at which it will be full again. That time lies in the past for a full one, so a
//! bucket that nobody charged needs no entry.

use std::num::NonZeroU32;
use std::time::Duration;

/// Microseconds on the clock of whoever keeps the bucket.
pub type Micros = u64;

/// What a failure takes out of a bucket, in units.
pub(super) const FAILURE: u32 = 10;
/// What a success takes.
pub(super) const SUCCESS: u32 = 1;

/// How much a bucket holds, and how soon it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    units: u32,
    micros_a_unit: u64,
}

impl Limit {
    /// A bucket of this many failures, each of which comes back after `every`.
    pub fn new(failures: NonZeroU32, every: Duration) -> Self {
        let micros = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
        Self {
            units: failures.get().saturating_mul(FAILURE),
            micros_a_unit: (micros / u64::from(FAILURE)).max(1),
        }
    }

    /// Units that a full bucket holds.
    pub const fn units(self) -> u32 {
        self.units
    }

    /// Microseconds until a unit comes back.
    pub const fn micros_a_unit(self) -> u64 {
        self.micros_a_unit
    }

    /// From empty to full.
    const fn span(self) -> Micros {
        self.micros_a_unit.saturating_mul(self.units as u64)
    }

    /// Takes `units` out of a bucket that will be full at `full_at`: when it will be full then.
    ///
    /// # Errors
    /// How long until there are enough. Nothing is taken.
    pub fn charge(self, full_at: Micros, units: u32, now: Micros) -> Result<Micros, Duration> {
        // A clock that went back would find a bucket emptier than empty; the second bound is for it.
        let full_at = full_at.max(now).min(now.saturating_add(self.span()));
        let then = full_at.saturating_add(self.micros_a_unit.saturating_mul(u64::from(units)));
        let latest = now.saturating_add(self.span());
        if then <= latest { Ok(then) } else { Err(Duration::from_micros(then - latest)) }
    }

    /// Takes a failure out of a bucket: [`Limit::charge`].
    ///
    /// # Errors
    /// How long until there is one.
    pub fn fail(self, full_at: Micros, now: Micros) -> Result<Micros, Duration> {
        self.charge(full_at, FAILURE, now)
    }

    /// Puts `units` back.
    pub fn refund(self, full_at: Micros, units: u32) -> Micros {
        full_at.saturating_sub(self.micros_a_unit.saturating_mul(u64::from(units)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn limit(failures: u32, seconds: u64) -> Limit {
        Limit::new(NonZeroU32::new(failures).unwrap(), Duration::from_secs(seconds))
    }

    #[test]
    fn a_bucket_holds_so_many_failures_and_gets_one_back_each_so_often() {
        let (limit, now) = (limit(3, 10), 100 * SECOND);
        let mut full_at = 0;
        for _ in 0..3 {
            full_at = limit.charge(full_at, FAILURE, now).unwrap();
        }
        assert_eq!(limit.charge(full_at, FAILURE, now), Err(Duration::from_secs(10)));
        assert_eq!(limit.charge(full_at, SUCCESS, now), Err(Duration::from_secs(1)));
        let later = now + 10 * SECOND;
        full_at = limit.charge(full_at, FAILURE, later).unwrap();
        assert_eq!(limit.charge(full_at, FAILURE, later), Err(Duration::from_secs(10)));
    }

    #[test]
    fn ten_successes_cost_what_one_failure_costs() {
        let (limit, now) = (limit(1, 10), 100 * SECOND);
        let mut full_at = 0;
        for _ in 0..9 {
            let charged = limit.charge(full_at, FAILURE, now);
            assert_eq!(charged.is_ok(), full_at == 0, "a failure needs a whole one");
            full_at = limit.charge(full_at, SUCCESS, now).unwrap();
        }
        full_at = limit.charge(full_at, SUCCESS, now).unwrap();
        assert!(limit.charge(full_at, SUCCESS, now).is_err());
    }

    #[test]
    fn what_is_refunded_can_be_charged_again_and_no_more() {
        let (limit, now) = (limit(2, 10), 100 * SECOND);
        let once = limit.charge(0, FAILURE, now).unwrap();
        assert_eq!(limit.refund(limit.charge(once, FAILURE, now).unwrap(), FAILURE), once);
        // Refunded late, when the bucket had filled by itself: it is full, not fuller.
        let full_at = limit.refund(once, FAILURE);
        let later = now + 60 * SECOND;
        let full_at = limit.charge(full_at, FAILURE, later).unwrap();
        let full_at = limit.charge(full_at, FAILURE, later).unwrap();
        assert!(limit.charge(full_at, FAILURE, later).is_err());
    }

    #[test]
    fn a_clock_that_went_back_closes_a_bucket_for_no_longer_than_an_empty_one() {
        let limit = limit(2, 10);
        let wait = limit.charge(1_000 * SECOND, FAILURE, 100 * SECOND).unwrap_err();
        assert_eq!(wait, Duration::from_secs(10));
    }

    proptest! {
        /// Whatever the order of charges and waits: never more than a full bucket and what came back since.
        #[test]
        fn no_more_is_taken_than_was_there(
            failures in 1_u32..20,
            every in 1_u64..100,
            steps in proptest::collection::vec((0_u64..200, 1_u32..=FAILURE), 1..60),
        ) {
            let limit = limit(failures, every);
            let (begin, mut full_at, mut taken) = (SECOND, 0, 0_u64);
            let mut now = begin;
            for (wait, units) in steps {
                now += wait * SECOND;
                match limit.charge(full_at, units, now) {
                    Ok(then) => {
                        full_at = then;
                        taken += u64::from(units);
                    }
                    Err(wait) => {
                        let later = now + u64::try_from(wait.as_micros()).unwrap();
                        prop_assert!(limit.charge(full_at, units, later).is_ok(), "the wait is enough");
                        prop_assert!(limit.charge(full_at, units, later - 1).is_err(), "and no longer than needed");
                    }
                }
                let came_back = (now - begin) / limit.micros_a_unit();
                prop_assert!(taken <= u64::from(limit.units()) + came_back);
            }
        }
    }
}
