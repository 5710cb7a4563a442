//! How a replica knows that it knows every ended session, and when an end may be acknowledged.
//!
//! Pure state machines, without I/O and clock: [`Follower`] for each replica that serves,
//! [`Acknowledgement`] for each end. `actors::revocations` drives them; docs/decisions/0005 has the protocol
//! and its reasons. In short:
//!
//! - The durable store numbers revocations without gaps. Reading "everything above my position" to its end
//!   proves the set complete as of the moment before the question was sent.
//! - A stream (Redis) carries the same entries faster. An answer of it proves as much, but only while the
//!   stream is trusted: see [`Follower::trusts_stream`].
//! - Whoever ends something waits, when the stream did not take it, until every registered replica has
//!   confirmed through the durable store. A replica therefore counts on the stream alone only while its
//!   registration there is in force.
//!
//! Whoever drives a follower adds the entries of an answer to the live set *before* it tells the follower, all
//! of them: a revocation is true in whatever order it comes.

mod acknowledgement;
mod durable_lane;
mod follower;
mod lease;
mod monotonic;
mod need;
mod position;
mod stream_lane;
#[cfg(test)]
mod test_world;
#[cfg(test)]
mod tests;

pub use acknowledgement::{Acknowledgement, Published, Registration, Verdict};
pub use follower::{Action, Event, Failure, Follower, FollowerRules, ResyncCause, Source};
pub use lease::Renewal;
pub use monotonic::Monotonic;
pub use position::{DurablePage, Position, StreamAnswer};
