//! The text of a refresh token, its hash, and its successor.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// In front of every refresh token, so that scanners for leaked secrets can know one.
const PREFIX: &str = "gwr_";

/// Keeps the two uses of SHA-256 on a token apart from each other and from any later one.
const SUCCESSOR_OF: &[u8] = b"gateward refresh token successor 1\0";

/// The text is no refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token")]
pub struct NotARefreshToken;

/// A refresh token: 256 random bits, written `gwr_` and 43 characters of base64url. Whoever has it is the person
/// until the session ends.
pub struct RefreshTokenText(Zeroizing<[u8; 32]>);

/// SHA-256 of a token, all that a store keeps of it. 256 random bits need no slow hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefreshTokenHash([u8; 32]);

/// What makes a successor another one than anybody could compute from its predecessor alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SuccessorNonce([u8; 32]);

impl RefreshTokenText {
    /// The token of these random bytes.
    pub fn from_random(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// Takes what a client presents. Each token has one spelling.
    ///
    /// # Errors
    /// [`NotARefreshToken`], without saying why.
    pub fn parse(text: &str) -> Result<Self, NotARefreshToken> {
        let encoded = text.strip_prefix(PREFIX).filter(|rest| rest.len() == 43).ok_or(NotARefreshToken)?;
        let mut bytes = Zeroizing::new([0; 33]); // the decoder wants room for whole groups
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut *bytes).map_err(|_| NotARefreshToken)?;
        let decoded = bytes.get(..length).and_then(|decoded| <[u8; 32]>::try_from(decoded).ok());
        decoded.map(Self::from_random).ok_or(NotARefreshToken)
    }

    /// The text, for the answer that hands it out.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(*self.0))
    }

    /// What a store knows it by.
    pub fn hash(&self) -> RefreshTokenHash {
        RefreshTokenHash(Sha256::digest(*self.0).into())
    }

    /// The token that takes over from this one in a rotation that stored `nonce`: HMAC-SHA256 with this token as
    /// the key.
    pub fn successor(&self, nonce: &SuccessorNonce) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("a key of 32 bytes");
        mac.update(SUCCESSOR_OF);
        mac.update(&nonce.0);
        Self::from_random(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for RefreshTokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokenText(redacted)")
    }
}

macro_rules! stored_bytes {
    ($name:ident) => {
        impl $name {
            /// As a store kept it.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// For a store.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

stored_bytes!(RefreshTokenHash);
stored_bytes!(SuccessorNonce);

#[cfg(test)]
mod tests {
    use super::*;

    fn token(byte: u8) -> RefreshTokenText {
        RefreshTokenText::from_random([byte; 32])
    }

    #[test]
    fn a_token_comes_back_from_its_text_and_has_one_spelling() {
        let text = token(7).expose();
        assert_eq!(text.len(), 47);
        assert_eq!(RefreshTokenText::parse(&text).unwrap().hash(), token(7).hash());
        let last = text.len() - 1;
        for other in [
            text[..last].to_owned(),
            format!("{text}A"),
            format!("{text}="),
            format!(" {text}"),
            text.replace("gwr_", "GWR_"),
            text.replace("gwr_", ""),
            // The same 256 bits with others behind them.
            format!("{}{}", &text[..last], if text.ends_with('c') { 'd' } else { 'B' }),
            format!("gwr_{}", "+".repeat(43)),
            format!("gwr_{}", "\u{fc}".repeat(21)),
            String::new(),
        ] {
            assert_eq!(RefreshTokenText::parse(&other).map(|_| ()), Err(NotARefreshToken), "{other}");
        }
    }

    #[test]
    fn a_successor_needs_both_the_token_and_the_nonce() {
        let nonce = |byte| SuccessorNonce::from_bytes([byte; 32]);
        let successor = token(1).successor(&nonce(1));
        assert_eq!(successor.hash(), token(1).successor(&nonce(1)).hash());
        let others = [token(1), token(2).successor(&nonce(1)), token(1).successor(&nonce(2))];
        assert!(others.iter().all(|other| other.hash() != successor.hash()));
        let stored = RefreshTokenText::from_random(*token(1).hash().as_bytes());
        assert_ne!(stored.successor(&nonce(1)).hash(), successor.hash(), "what the database holds is no key");
    }

    #[test]
    fn debug_shows_no_bytes() {
        let shown = format!("{:?} {:?}", token(7), token(7).hash());
        assert_eq!(shown, "RefreshTokenText(redacted) RefreshTokenHash(redacted)");
        assert_eq!(format!("{:?}", SuccessorNonce::from_bytes([7; 32])), "SuccessorNonce(redacted)");
    }
}
