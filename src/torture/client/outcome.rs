//! What came of sending something.

use std::fmt;
use std::time::Duration;

/// How the exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::torture) enum End {
    /// The connection was still open when we left.
    Open,
    /// The other side closed it.
    Closed,
    /// The stream was reset, with this error code (RFC 9113, section 7).
    Reset(u32),
    /// The connection was ended, with this error code.
    GoAway(u32),
    /// No end of the answer within the deadline.
    Late,
    /// There was no connection.
    Unreachable(String),
}

/// The answers and the end.
#[derive(Debug, Clone)]
pub(in crate::torture) struct Outcome {
    /// The statuses of all answers that were no interim ones, in order.
    pub statuses: Vec<u16>,
    /// How it ended.
    pub end: End,
    /// From the first byte out to the end.
    pub took: Duration,
}

impl Outcome {
    /// There was no connection.
    pub(in crate::torture) fn unreachable(why: impl fmt::Display) -> Self {
        Self { statuses: Vec::new(), end: End::Unreachable(why.to_string()), took: Duration::ZERO }
    }

    /// The status of the first answer.
    pub(in crate::torture) fn status(&self) -> Option<u16> {
        self.statuses.first().copied()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses: Vec<_> = self.statuses.iter().take(8).map(u16::to_string).collect();
        let statuses = if statuses.is_empty() { "no answer".to_owned() } else { statuses.join(" ") };
        match &self.end {
            End::Open => write!(f, "{statuses}"),
            End::Closed => write!(f, "{statuses}, closed"),
            End::Reset(code) => write!(f, "{statuses}, reset {code}"),
            End::GoAway(code) => write!(f, "{statuses}, goaway {code}"),
            End::Late => write!(f, "{statuses}, late"),
            End::Unreachable(why) => write!(f, "not reached: {why}"),
        }
    }
}
