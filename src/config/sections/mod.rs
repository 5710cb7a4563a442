//! The sections: which keys exist, their defaults and ranges, and the rules over several of them.

mod accounts;
mod all;
mod clients;
mod limits;
mod revocation;
mod routing;
mod server;
mod store;
mod tls;
mod token;
mod upstream_tls;

pub(super) use all::read;
