//! A client's connection as the proxy library sees it: it never gets a byte of a body that was not judged.
//!
//! The library decodes bodies and bounds each silence by itself. What it lacks is done here, on the bytes on
//! their way to it: chunks are read strictly ([`Chunks`](crate::gateway::request::Chunks)), and bodies and answers have a least speed
//! ([`Pace`](super::pace::Pace)). What is wrong becomes an I/O error that carries a [`Violation`](super::violation::Violation), which ends the request and, since
//! nobody knows what comes next, the connection.
//!
//! Nor does it get a byte behind a body: a client may send its next requests before it has the answer (pipelining,
//! RFC 9112 section 9.3.2). Their bytes are kept back, a few, for `head_reader`, which judges them when their turn
//! comes; when it does not come, because the connection closes, they are dropped unseen.
//!
//! Heads are not looked at, nor anything behind a handshake for a WebSocket.

mod stream;
#[cfg(test)]
mod tests;
mod traits;
mod write_buffer;

pub use stream::GuardedStream;
