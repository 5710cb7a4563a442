//! What Gateward answers itself: `/auth/*`, the published keys, the documentation; and, on an address of
//! its own, what operators ask.
//!
//! Plain axum routers. The proxy calls [`public_router`] in process (`gateway::bridge`), so there is no
//! second listener and no second parser between the edge and the handlers; it also hands over what it
//! found out about the request as [`RequestFacts`].

mod accounts;
pub mod admin;
mod bearer;
mod body;
pub mod demo;
mod docs;
mod listener;
mod login;
mod logout;
mod me;
mod problem;
mod router;
mod sessions;
mod state;
mod well_known;

pub use bearer::{Denied, Presented, authenticate};
pub use listener::serve;
pub use problem::{Problem, Reason};
pub use router::{owns, public_router};
pub use state::{ApiState, RequestFacts};
