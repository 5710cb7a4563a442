//! The proxy on the wire: raw bytes in, and the recording upstream as the judge of what came out behind.
//!
//! What single parsers and tables decide is tested next to them in `src`; here the whole way is.

mod bodies;
mod chunk_framing;
mod connections;
mod credentials;
mod forwarded;
mod framing_of_bodies;
mod front;
mod h2_client;
mod h2_floods;
mod h2_refusals;
mod h2_requests;
mod h2_streams;
mod heads;
mod identity;
mod limits;
mod many_sockets;
mod open_requests;
mod origin;

mod provenance;
mod refused_bodies;
mod routing;
mod slow_bodies;
mod stopping;
mod streaming;
mod upstream_failures;
mod upstream_reuse;
mod websocket;
