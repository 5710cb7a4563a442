//! Moments of the monotonic clock.
//!
//! How fresh something is must not change when somebody sets the clock, so it is measured in these.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::domain::feed::Monotonic;

/// A moment of this process; a pause of the process counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// What moments are counted from. An hour back, so that even the first moment is later than [`Moment::NEVER`].
const HEAD_START: Duration = Duration::from_secs(3600);

#[expect(clippy::disallowed_methods, reason = "one of the two places that ask the system for the time")]
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Moment {
    /// Before every other.
    pub const NEVER: Self = Self(0);

    /// The present one.
    pub fn now() -> Self {
        Self::since_begin(BEGIN.elapsed() + HEAD_START)
    }

    /// The one so long after the beginning of counting; for tests that need many.
    pub fn since_begin(span: Duration) -> Self {
        Self(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long from `earlier` until this; zero when that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This moment plus `span`.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// As the rules of the feed count it.
    pub const fn monotonic(self) -> Monotonic {
        Monotonic(Duration::from_nanos(self.0))
    }

    pub(super) const fn raw(self) -> u64 {
        self.0
    }

    pub(super) const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_moment_is_long_after_never() {
        assert!(Moment::now().since(Moment::NEVER) >= HEAD_START);
    }

    #[test]
    fn moments_do_not_go_back() {
        let first = Moment::now();
        let second = Moment::now();
        assert!(second >= first);
        assert_eq!(first.since(second.plus(Duration::from_secs(1))), Duration::ZERO);
    }
}
