//! Points in time as the rules see them.
//!
//! The domain has no clock of its own: whoever calls a rule says what time it is. The one place that
//! asks the operating system is `live::Clock`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
///
/// Milliseconds, because both stores keep it as a 64-bit integer and UUIDv7 carries the same unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down (the `NumericDate` of RFC 7519).
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This time plus `span`; saturates at the end of time.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long from `self` until `later`; zero when that is in the past.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with milliseconds, as the API prints times. Times outside the years
    /// 1 to 9999 print as the nearest end.
    pub fn rfc3339(self) -> String {
        let nanos = i128::from(self.0).saturating_mul(1_000_000);
        OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok())
            .unwrap_or_else(|| "9999-12-31T23:59:59.999Z".to_owned())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_down_before_the_epoch_too() {
        assert_eq!(Timestamp::from_unix_millis(1999).unix_seconds(), 1);
        assert_eq!(Timestamp::from_unix_millis(-1).unix_seconds(), -1);
    }

    #[test]
    fn prints_rfc3339_in_utc() {
        assert_eq!(Timestamp::from_unix_millis(1_700_000_000_123).rfc3339(), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn time_until_the_past_is_zero() {
        let now = Timestamp::from_unix_millis(10);
        assert_eq!(now.until(Timestamp::from_unix_millis(3)), Duration::ZERO);
        assert_eq!(now.until(Timestamp::from_unix_millis(13)), Duration::from_millis(3));
    }
}
