//! A token bucket: so much at once, and then so much in every span.
//!
//! Kept as one number, the moment at which the bucket will be full again (the virtual scheduling of ITU-T I.371,
//! known as GCRA): nothing has to be refilled, a bucket that nobody touched for long is a full one, and a table of
//! them costs eight bytes for each.

use std::time::Duration;

use super::feed::Monotonic;

/// How much a bucket holds and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketRule {
    /// What a full one holds.
    holds: u32,
    /// Nanoseconds until one more is in it.
    interval: u64,
}

/// What is left of one. The emptiest one is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    /// When it is full again: nanoseconds of the monotonic clock.
    full_at: u64,
}

impl BucketRule {
    /// A bucket of `holds`, filled from empty in `refill`. `None` for one that holds nothing.
    pub fn new(holds: u32, refill: Duration) -> Option<Self> {
        let interval = nanos(refill).checked_div(u64::from(holds))?;
        Some(Self { holds, interval })
    }

    fn span(self) -> u64 {
        self.interval.saturating_mul(u64::from(self.holds))
    }
}

impl Bucket {
    /// Nothing was taken.
    pub const FULL: Self = Self { full_at: 0 };

    /// Whether there is one left to take.
    pub fn has_one(self, rule: BucketRule, now: Monotonic) -> bool {
        let missing = self.full_at.saturating_sub(nanos(now.0));
        missing.saturating_add(rule.interval) <= rule.span()
    }

    /// Takes one, if need be of what comes in next: to be asked before.
    pub fn take(&mut self, rule: BucketRule, now: Monotonic) {
        self.full_at = self.full_at.max(nanos(now.0)).saturating_add(rule.interval);
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(holds: u32, millis: u64) -> BucketRule {
        BucketRule::new(holds, Duration::from_millis(millis)).unwrap()
    }

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_millis(millis)
    }

    /// How many can be taken at once.
    fn drain(bucket: &mut Bucket, rule: BucketRule, now: Monotonic) -> u32 {
        let mut taken = 0;
        while bucket.has_one(rule, now) && taken < 1000 {
            bucket.take(rule, now);
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_what_comes_in() {
        let (rule, mut bucket) = (rule(10, 1000), Bucket::FULL);
        assert_eq!(drain(&mut bucket, rule, at(5000)), 10);
        assert_eq!(drain(&mut bucket, rule, at(5099)), 0);
        assert_eq!(drain(&mut bucket, rule, at(5100)), 1);
        assert_eq!(drain(&mut bucket, rule, at(5450)), 3);
        assert_eq!(drain(&mut bucket, rule, at(60_000)), 10, "no more than it holds, however long it rests");
    }

    #[test]
    fn a_bucket_that_holds_nothing_is_none() {
        assert_eq!(BucketRule::new(0, Duration::from_secs(1)), None);
    }

    proptest! {
        /// In any span, no more than it holds and what comes in meanwhile.
        #[test]
        fn no_more_is_given_than_the_rule_says(
            holds in 1_u32..50, refill in 1_u64..5000, steps in proptest::collection::vec(0_u64..500, 1..200),
        ) {
            let (rule, mut bucket) = (rule(holds, refill), Bucket::FULL);
            let (mut now, mut taken) = (10_000, 0);
            for step in steps {
                now += step;
                if bucket.has_one(rule, at(now)) {
                    bucket.take(rule, at(now));
                    taken += 1;
                }
            }
            let came_in = (now - 10_000) * u64::from(holds) / refill;
            prop_assert!(taken <= u64::from(holds) + came_in + 1, "{} of {} + {}", taken, holds, came_in);
        }
    }
}
