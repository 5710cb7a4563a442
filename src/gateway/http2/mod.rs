//! Connections that speak HTTP/2 (RFC 9113).
//!
//! A stream is served as a connection of HTTP/1.1 would be that carries one request: its fields become the head
//! of HTTP/1.1 that says the same ([`CanonicalRequest::from_http2`]), which is judged like any other, and the
//! proxy library gets that head, and the body behind it, as bytes of HTTP/1.1 ([`exchange`]). So every rule,
//! deadline and answer holds here as it does there, what is decided on is what is forwarded, and the
//! library's own translation between the versions is not used. What it writes is turned back into an answer
//! of HTTP/2 ([`answer`]).
//!
//! What only HTTP/2 has is bounded by `h2` and, on the bytes below it, by [`watched_stream`].
//!
//! [`CanonicalRequest::from_http2`]: super::request::CanonicalRequest::from_http2

mod answer;
mod connection;
mod exchange;
mod floods;
mod fragments;
mod header_blocks;
mod huffman;
mod prior_knowledge;
mod stream;
mod watched_stream;

pub(super) use prior_knowledge::speaks_http2;
