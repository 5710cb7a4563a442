//! The rules: pure, without I/O, without a clock or randomness of their own.

pub mod account;
pub mod attempts;
pub mod audit;
pub mod certificate;
pub mod client;
pub mod clock;
pub mod email;
pub mod feed;
pub mod forwarding;
pub mod id;
#[cfg(test)]
pub(crate) mod kept_corpus;
pub mod key_schedule;
pub mod keyring;
pub mod name;
pub mod password;
pub mod password_hash;
pub mod refresh;
pub mod revocation;
pub mod route;
pub mod secret;
pub mod session;
pub mod signature;
pub mod status_list;
pub mod token;
