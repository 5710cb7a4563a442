//! The proxy: from bytes on a connection to a request at a service.
//!
//! In the order of a request: [`edge`](Edge) accepts the connection, `tls` shakes hands on it if there is a certificate,
//! `http1` reads each request head itself, with one
//! deadline, deciding on the raw bytes ([`request`]); only then pingora gets the very same bytes,
//! and those of the body through `guarded_stream`, which judges them on their way.
//! `proxy` is pingora's view: it asks `admission` whether the request may pass, and either answers
//! (`respond`, or the API router through `bridge`) or names the service (`upstream`), for which [`headers`]
//! decides what it gets to see. A request that is open when its session ends is given up by the edge
//! ([`crate::live::OpenRequests`]).
//!
//! What this module does not do: parse tokens, read a database, or wait for an actor on the way of a request
//! to a service.

mod admission;
mod arrival;
mod bridge;
mod client_connection;
mod client_socket;
mod context;
mod edge;
mod forwarded;
mod guarded_stream;
mod head_reader;
pub mod headers;
mod http1;
mod http2;
mod old_client;
mod pace;
mod places;
#[cfg(any(test, feature = "fuzzing"))]
pub mod properties;
mod proxy;
mod report;
pub mod request;
mod request_ids;
mod respond;
mod spare_file;
mod tls;
mod upgrade_connection;
mod upstream;
mod upstream_peer;
mod verdict;
mod violation;
mod without_proxy;

pub use admission::{Admission, Admitted, Refused};
pub use bridge::{Bridge, OwnBodyLimits};
pub use edge::{Edge, EdgeLimits, KEPT_UPSTREAM_CONNECTIONS};
pub use proxy::Gateway;
pub use tls::{CertificateFiles, ClientAuth, OldestTls, Tls, TlsError, TlsRules};
pub use upstream::Upstreams;
pub use upstream_peer::{UpstreamProtocol, UpstreamSpec, UpstreamTls};
