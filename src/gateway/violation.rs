//! What a client can do wrong behind the head of its request.

use std::io;

use super::request::BadChunk;

/// What a client did wrong behind the head of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Its body is not well formed.
    #[error("{0}")]
    BadChunk(BadChunk),
    /// It sends its body too slowly.
    #[error("the request body arrives too slowly")]
    SlowBody,
    /// Its body has more bytes than its route takes: so many.
    #[error("the request body is larger than {0} bytes")]
    LargeBody(u64),
    /// It goes on sending a body that nobody wants.
    #[error("the body of an answered request goes on and on")]
    UnwantedBody,
    /// It takes the answer too slowly.
    #[error("the answer is read too slowly")]
    SlowReader,
}

impl Violation {
    /// The violation behind an error of the proxy library.
    pub fn behind(error: &pingora::Error) -> Option<Self> {
        error.root_cause().downcast_ref::<io::Error>()?.get_ref()?.downcast_ref().copied()
    }
}

impl From<Violation> for io::Error {
    fn from(violation: Violation) -> Self {
        let kind = match violation {
            Violation::SlowBody | Violation::SlowReader => io::ErrorKind::TimedOut,
            Violation::BadChunk(_) | Violation::LargeBody(_) | Violation::UnwantedBody => {
                io::ErrorKind::InvalidData
            }
        };
        Self::new(kind, violation)
    }
}
