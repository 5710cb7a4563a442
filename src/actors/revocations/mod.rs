//! Follows the revocations and publishes them to the hot path; acknowledges ends.
//!
//! The rules are in [`crate::domain::feed`]; here they are driven. [`Revocations`] asks the durable store and
//! the stream, one question at a time each, adds what they answer to the live set, tells the follower, and does
//! what it says. `Workshop::publish_ended` is the other side: what a session's end waits for.
//!
//! A start or restart knows nothing and reads everything.

mod acknowledge;
mod actor;
mod prune;
mod questions;
mod sources;

pub use acknowledge::Membership;
pub use actor::{Revocations, RevocationsMessage};
