//! A request head in its one canonical reading, or a [`Refusal`].
//!
//! Everything behind the gateway (the proxy library, nginx, Node, Python, Go, Java) parses the same bytes
//! again, each with its own leniencies. So the rule here is: a head that any of them could read differently
//! is refused, and what is accepted is forwarded byte for byte. Nothing is repaired, decoded or normalised on
//! the way, because a repaired request is a different request from the one that was judged. (One exception, for
//! routes that ask for it: runs of slashes are merged before anything is judged, so that it is the merged path
//! that is decided on, logged and forwarded.)
//!
//! The way: [`find_head_end`] watches the bytes as they arrive; [`CanonicalRequest::parse`] reads one
//! complete head in a single pass over its lines. A request of HTTP/2 is brought into that form first
//! ([`CanonicalRequest::from_http2`]).
//!
//! What this module deliberately does not do: read sockets, know deadlines, limit bodies, match routes,
//! verify tokens, or write answers.

mod byte_class;
mod canonical;
mod chunks;
mod connection;
mod credentials;
mod fields;
mod framing;
mod head;
mod host;
mod http2;
mod oddity;
mod refusal;
mod request_line;
mod target;
#[cfg(test)]
mod tests;

pub use canonical::CanonicalRequest;
pub use chunks::{BadChunk, Chunks};
pub use connection::Upgrade;
pub use credentials::Credentials;
pub use framing::Body;
pub use head::{HeadLimits, HeadProgress, find_head_end};
pub use host::is_host;
pub use http2::Received;
pub use oddity::{Oddities, Oddity};
pub use refusal::Refusal;
