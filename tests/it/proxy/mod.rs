//! The proxy on the wire: raw bytes in, and the recording upstream as the judge of what came out behind.
//!
//! What single parsers and tables decide is tested next to them in `src`; here the whole way is.

mod answers;
mod bodies;
mod body_limits;
mod caps;
mod chunk_framing;
mod connections;
mod credentials;
mod forgeries;
mod forwarded;
mod framing_of_bodies;
mod front;
mod grpc;
mod h2_client;
mod h2_floods;
mod h2_refusals;
mod h2_requests;
mod h2_rules;
mod h2_streams;
mod h2_tls;
mod heads;
mod identity;
mod limits;
mod many_sockets;
mod odd_paths;
mod open_requests;
mod origin;

mod pipelining;
mod provenance;
mod refused_bodies;
mod routing;
mod service_answers;
mod slow_bodies;
mod stopping;
mod streaming;
mod tls;
mod tls_clients;
mod tls_front;
mod tls_redirect;
mod tls_reload;
mod tls_requests;
mod trickle;
mod trusted_proxies;
mod upstream_failures;
mod upstream_h2;
mod upstream_h2_endings;
mod upstream_reuse;
mod upstream_tls;
mod websocket;
