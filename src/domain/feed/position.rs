//! Places in the order of revocations, and what the two sources answer.

use crate::domain::id::SessionId;
use crate::domain::revocation::Revocation;

/// A place in the order of revocations: up to here everything is known.
///
/// The session makes a number that was given twice (the store lost its last commits and went on from there)
/// another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Position {
    /// The last revocation's number; 0 before the first.
    pub number: i64,
    /// The session that it ended; none for a key, and before the first.
    pub session: Option<SessionId>,
}

impl Position {
    /// Before the first.
    pub const START: Self = Self { number: 0, session: None };
}

impl From<&Revocation> for Position {
    fn from(revocation: &Revocation) -> Self {
        Self { number: revocation.number, session: revocation.session_id() }
    }
}

/// The durable store's answer to "what is above this position", without the entries themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DurablePage {
    /// The last entry of the answer; none when it is empty.
    pub last: Option<Position>,
    /// There may be more above it.
    pub more: bool,
    /// The position asked about is none of this store's: the answer begins at the first entry.
    pub restarted: bool,
    /// The highest number that was ever given, pruned ones too.
    pub newest: i64,
}

/// The stream's answer to "what is above this number", without the rest of the entries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamAnswer {
    /// Its entries, in order.
    pub entries: Vec<Position>,
    /// There may be more above them.
    pub more: bool,
}
