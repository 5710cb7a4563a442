//! The one clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::clock::Timestamp;

/// Tells the time to whoever hands it on to the rules. A value, so that a test can stop it.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// The operating system's.
    #[default]
    System,
    /// One moment for ever.
    Stopped(Timestamp),
}

impl Clock {
    /// The time now. A system clock before 1970 reads as 1970.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    pub fn now(self) -> Timestamp {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Stopped(at) => at,
        }
    }
}
