//! Raw clients: they send exactly the bytes they are given and read leniently what comes.

mod answer;
mod connect;
mod control;
mod h1;
mod h2;
mod hpack;
mod outcome;

pub(super) use connect::Connector;
pub(super) use control::{Control, ControlError};
pub(super) use h1::{Bytes, body_of, exchange};
pub(super) use h2::{Frames, talk};
pub(super) use hpack::literal;
pub(super) use outcome::{End, Outcome};
