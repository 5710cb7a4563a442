//! The composition root: builds the parts from the configuration, in order, and stops them in order.

mod dev_certificate;
mod error;
mod files;
mod operator;
mod operator_sessions;
mod ready_line;
mod runtime;
mod serve;
mod signing_keys;
mod tls;
mod upstreams;

pub use dev_certificate::{DevCertificate, dev_certificate};
pub use error::AppError;
pub use operator::{MintOrder, Operator, migrate};
pub use serve::serve;
