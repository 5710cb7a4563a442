//! When an outage of a store begins and when it is over, so that the log says both once, however many calls
//! fail in between.

use std::time::Duration;

use tokio::time::Instant;

/// An outage is over when a call is answered and none has failed for this long: a store of which every
/// second call fails is one outage, and not hundreds.
pub const QUIET: Duration = Duration::from_secs(1);

/// What is known of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// It answers.
    None,
    /// Calls fail.
    Since {
        /// The first failure.
        began: Instant,
        /// The last one.
        last: Instant,
        /// How many.
        failures: u64,
    },
}

/// An outage that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// From its first failure to the answer.
    pub took: Duration,
    /// Calls that failed.
    pub failures: u64,
}

impl Outage {
    /// A call failed. `true`: an outage begins.
    pub fn failed(&mut self, now: Instant) -> bool {
        match self {
            Self::None => {
                *self = Self::Since { began: now, last: now, failures: 1 };
                true
            }
            Self::Since { last, failures, .. } => {
                *last = now;
                *failures = failures.saturating_add(1);
                false
            }
        }
    }

    /// A call was answered, which may be the end of an outage.
    pub fn answered(&mut self, now: Instant) -> Option<Over> {
        match *self {
            Self::Since { began, last, failures } if now.duration_since(last) >= QUIET => {
                *self = Self::None;
                Some(Over { took: now.duration_since(began), failures })
            }
            Self::None | Self::Since { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_at_its_beginning_and_once_at_its_end() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut outage = Outage::None;
        assert_eq!(outage.answered(at(0)), None);
        assert!(outage.failed(at(10)));
        for millis in 11..500 {
            assert!(!outage.failed(at(millis)));
        }
        assert_eq!(outage.answered(at(1400)), None, "not quiet for long enough");
        assert!(!outage.failed(at(1450)));
        let over = Over { took: Duration::from_millis(2440), failures: 491 };
        assert_eq!(outage.answered(at(2450)), Some(over));
        assert_eq!(outage.answered(at(2451)), None);
        assert!(outage.failed(at(2452)), "the next one is told again");
    }
}
