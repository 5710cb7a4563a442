//! Routes: which service a path belongs to, and what it asks of a request.
//!
//! The most specific route wins, by whole segments; a path without a route is refused by the caller. Paths
//! are compared as a service would see them: `%C3%A9` and `%c3%a9` are the same character, so they are the
//! same segment. What makes a path ambiguous beyond that (dot segments, encoded slashes) was refused before;
//! this module does not look for it.

mod rule;
mod table;
#[cfg(test)]
mod tests;

pub use rule::{Access, OnRevoke, OnStale, Route};
pub use table::{RouteError, RouteTable};
