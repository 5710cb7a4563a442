//! The proxy: from bytes on a connection to a request at a service.
//!
//! [`request`] decides what a request head means, on its raw bytes; [`headers`] decides what a service gets
//! to see. Both are pure rules: sockets, deadlines and answers are made by their callers.

pub mod headers;
pub mod request;
