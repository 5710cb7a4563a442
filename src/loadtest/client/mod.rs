//! The clients, which know HTTP as the sender of a request must and share no code with the gateway.

mod answer;
mod connect;
mod deadline;
mod http1;

pub(super) use connect::Connector;
pub use connect::TlsError;
pub(super) use http1::{Http1Lane, RequestText};
