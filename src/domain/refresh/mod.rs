//! Refresh tokens: what one is, and what may become of it.
//!
//! A session has a family of them, one after the other: each is used once and hands over to its successor
//! (rotation, RFC 9700 4.14.2). [`judge`] is the only rule about them; stores ask it inside their transaction.
//!
//! A lost answer must not cost a session, and a stored hash cannot be handed out again. So a successor is
//! computed ([`RefreshTokenText::successor`]) from the text that the client presents and a random nonce that
//! the winning rotation stores. Whoever has only the database cannot compute it, whoever has only the old
//! token cannot either, and every replica that is shown the old token computes the same one.

mod client;
mod rules;
#[cfg(test)]
mod tests;
mod token;

pub use client::ClientFingerprint;
pub use rules::{
    Judgement, RefreshRecord, RefreshRefusal, RefreshRules, RefreshToken, RefreshTokenState, Standing, judge,
    standing,
};
pub use token::{NotARefreshToken, RefreshTokenHash, RefreshTokenText, SuccessorNonce};
