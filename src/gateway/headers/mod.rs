//! What a service gets to see of the header.
//!
//! A service behind the gateway believes a few headers without question: who the caller is, where the call
//! came from. So every inbound header that any service could take for one of these is removed, on every
//! route, and ours are set, one value each. Called in pingora's `upstream_request_filter`, except
//! [`settle_connection`], which comes before, and [`settle_answer`], [`strip_answer`] and [`keep_our_cookies`],
//! which are for the way back.
//!
//! What this module deliberately does not do: decide who the caller is, or read inbound forwarding
//! headers (see `gateway::forwarded`).

mod answer_framing;
mod credentials;
mod fold;
mod hop_by_hop;
mod identity;
mod protected;

pub use answer_framing::settle_framing;
pub use credentials::{keep_our_cookies, remove_authorization, remove_our_cookies};
pub use fold::folds_to;
pub use hop_by_hop::{settle_answer, settle_connection, settle_for_http2};
pub use identity::{ConnectionFacts, set};
pub use protected::{is_protected, strip, strip_answer, strip_trailers};
