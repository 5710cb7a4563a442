//! The clients, which know HTTP as the sender of a request must and share no code with the gateway.

mod answer;
mod connect;
mod deadline;
mod http1;
mod http2;
mod lane;

pub(super) use connect::Connector;
pub use connect::TlsError;
pub(super) use lane::{Lane, Lanes};
