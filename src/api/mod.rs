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
mod client_auth;
pub mod demo;
mod device;
mod discovery;
mod docs;
mod hardening;
mod introspect;
mod issuer;
mod listener;
mod login;
mod logout;
mod me;
mod problem;
#[cfg(any(test, feature = "fuzzing"))]
pub mod properties;
mod refresh;
mod revoke;
mod router;
mod sessions;
mod state;
mod status_lists;
mod token;
mod token_form;
mod well_known;

pub use bearer::{Denied, Presented, authenticate};
pub use client_auth::BasicCredentials;
pub use issuer::Issuer;
pub use listener::{ADMIN_BOUNDS, ADMIN_CONNECTIONS, DEMO_BOUNDS, ListenerBounds, serve};
pub use problem::{Problem, Reason};
pub use router::{owns, public_router};
pub use state::{ApiState, RequestFacts};
pub use status_lists::StatusListCache;
