//! Access tokens: JWTs in the shape of RFC 9068, minted and checked by the same rules.
//!
//! [`verify`] is the only maker of [`VerifiedClaims`]. It decides on signature, shape, issuer, audience
//! and time; whether the session has ended since is the caller's next question (`live::TokenCheck`).

mod access;
mod header;
#[cfg(any(test, feature = "fuzzing"))]
pub mod properties;
mod refusal;
#[cfg(test)]
mod tests;

pub use access::{
    CLIENT_ID, Candidate, Claims, Grant, LEEWAY, LONGEST_LIFE, MAX_TOKEN_BYTES, Parties, VerifiedBearer,
    VerifiedClaims, candidate, mint, read_claims, verify,
};
pub use header::kid_of_our_form;
pub use refusal::TokenRefusal;
