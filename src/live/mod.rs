//! What a request may read without waiting.
//!
//! Actors publish here; requests read, and enter themselves among the open ones. A read takes no lock that a writer could hold for long, asks no
//! actor and no database. Each publisher is the only writer of its part and is not `Clone`.
//!
//! [`TokenCheck::check`] is the one place that decides whether a token is valid *now*; the proxy and the
//! API both call it.

mod check;
mod clock;
mod identity;
mod keys;
mod moment;
mod open;
mod revocations;

pub use check::{CacheUse, CheckLimits, TokenCheck, Verified};
pub use clock::Clock;
pub use identity::IdentityValues;
pub use keys::{KeyPublisher, LiveKeys, keys_channel};
pub use moment::Moment;
pub use open::{Cut, KeyMark, OpenConnection, OpenRequest, OpenRequests};
pub use revocations::{LiveRevocations, RevocationPublisher, revocations_channel};
