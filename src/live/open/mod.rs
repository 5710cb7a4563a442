//! Requests that are open: what ends with the session that let them in.
//!
//! A token is checked when a request arrives. A WebSocket, an event stream or a long upload goes on for hours
//! after that, so each admitted request is entered here, and who ends a session ends them with it
//! ([`OpenRequests::end`]).
//!
//! The entry belongs to the client's connection, not to the request, and stays where it is while the next
//! request on the connection is of the same session. So an ordinary request costs a few atomic operations and
//! allocates nothing; an idle connection has an entry too, but no open request, and is left alone.
//!
//! Nothing slips through between check and entry: a count of changes is read before the check and again behind the
//! entry, and when it moved the check is made again. Whoever ends something makes it known to the check first,
//! then counts the change, then looks for entries.
//!
//! What this module does not do: close anything. It wakes the task that drives the connection, and
//! [`OpenConnection::until_cut`] gives up what the task was doing.

mod connection;
mod entry;
mod registry;
#[cfg(test)]
mod tests;

pub use connection::{OpenConnection, OpenRequest};
pub use entry::Cut;
pub use registry::{KeyMark, OpenRequests};
