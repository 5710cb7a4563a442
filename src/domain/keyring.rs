//! The keys that sign and check access tokens.
//!
//! A key carries its algorithm, and a token's header is never interpreted: each key knows the one
//! encoded header segment that its tokens begin with, and [`Keyring::key_for_header`] looks that up
//! byte for byte. `alg`, `kid`, `jwk`, `jku`, `x5u`, `crit`, `typ` of a forged header therefore decide
//! nothing (RFC 8725 3.1). What a key signs besides access tokens begins with another segment, which is never
//! looked up: no status list can pass for an access token.
//!
//! Making key material needs randomness and keeping it needs a store: both live in `actors::keys`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::signature::Verifier;

/// Key material that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a private key of the named algorithm.
    #[error("not a usable {algorithm} private key")]
    Material {
        /// The algorithm it was said to be for.
        algorithm: KeyAlgorithm,
    },
    /// A stored algorithm name that this program does not know.
    #[error("unknown signing algorithm `{0}`")]
    UnknownAlgorithm(String),
}

/// Algorithms with a key pair (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl KeyAlgorithm {
    /// The `alg` name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm behind a stored `alg` name.
    ///
    /// # Errors
    /// [`KeyError::UnknownAlgorithm`].
    pub fn parse(name: &str) -> Result<Self, KeyError> {
        [Self::EdDsa, Self::Es256, Self::Rs256]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or_else(|| KeyError::UnknownAlgorithm(name.to_owned()))
    }

    const fn jwt(self) -> Algorithm {
        match self {
            Self::EdDsa => Algorithm::EdDSA,
            Self::Es256 => Algorithm::ES256,
            Self::Rs256 => Algorithm::RS256,
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key that signs, and checks what it signed.
pub struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    encoding: EncodingKey,
    verifier: Verifier,
    header_segment: String,
    status_list_segment: String,
    /// The public half; none for a shared secret.
    public: Option<Jwk>,
}

impl SigningKey {
    /// From a private key in PKCS#8 DER. The key id is the RFC 7638 thumbprint of the public half.
    ///
    /// # Errors
    /// [`KeyError::Material`] when it is not such a key.
    pub fn from_pkcs8(algorithm: KeyAlgorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let bad = || KeyError::Material { algorithm };
        let encoding = match algorithm {
            KeyAlgorithm::EdDsa => EncodingKey::from_ed_der(pkcs8),
            KeyAlgorithm::Es256 => EncodingKey::from_ec_der(pkcs8),
            // The library takes RSA keys as PKCS#1 only, but unwraps PKCS#8 from PEM.
            KeyAlgorithm::Rs256 => {
                EncodingKey::from_rsa_pem(pem("PRIVATE KEY", pkcs8).as_bytes()).map_err(|_| bad())?
            }
        };
        let mut public = Jwk::from_encoding_key(&encoding, algorithm.jwt()).map_err(|_| bad())?;
        let verifier = Verifier::from_pkcs8(algorithm, pkcs8).ok_or_else(bad)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(|_| bad())?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self {
            header_segment: header_segment(ACCESS_TOKEN, algorithm.as_str(), &kid),
            status_list_segment: header_segment(STATUS_LIST, algorithm.as_str(), &kid),
            kid,
            algorithm: algorithm.jwt(),
            encoding,
            verifier,
            public: Some(public),
        })
    }

    /// An HMAC-SHA256 key from a shared secret. Its key id names the secret without telling it.
    pub fn from_secret(secret: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"gateward hs256 key id\0");
        hash.update(secret);
        let kid = URL_SAFE_NO_PAD.encode(hash.finalize().get(..12).unwrap_or_default());
        Self {
            header_segment: header_segment(ACCESS_TOKEN, "HS256", &kid),
            status_list_segment: header_segment(STATUS_LIST, "HS256", &kid),
            kid,
            algorithm: Algorithm::HS256,
            encoding: EncodingKey::from_secret(secret),
            verifier: Verifier::from_secret(secret),
            public: None,
        }
    }

    /// Its id, the `kid` of its tokens.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The encoded header that each of its tokens begins with.
    pub fn header_segment(&self) -> &str {
        &self.header_segment
    }

    /// The encoded header of a status list token. Never one of those that [`Keyring::key_for_header`] knows.
    pub fn status_list_segment(&self) -> &str {
        &self.status_list_segment
    }

    /// Signs `message`; returns the signature in base64url.
    ///
    /// # Errors
    /// When the cryptographic library refuses, which it does not for a key that was accepted.
    pub fn sign(&self, message: &[u8]) -> Result<String, jsonwebtoken::errors::Error> {
        jsonwebtoken::crypto::sign(message, &self.encoding, self.algorithm)
    }

    /// Whether `signature` (base64url, no padding) is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        self.verifier.verifies(message, signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish()
    }
}

/// All keys whose tokens are accepted, those that are to sign later among them; the first one signs.
#[derive(Debug)]
pub struct Keyring {
    generation: u64,
    keys: Vec<Arc<SigningKey>>,
    by_header: HashMap<String, usize>,
}

impl Keyring {
    /// A ring that signs with `signer` and also accepts tokens of `others`. `generation` numbers the
    /// rings of one process, so that a cached verdict of an older ring can be told apart.
    pub fn new(generation: u64, signer: impl Into<Arc<SigningKey>>, others: Vec<Arc<SigningKey>>) -> Self {
        let mut keys = vec![signer.into()];
        keys.extend(others);
        let by_header =
            keys.iter().enumerate().map(|(index, key)| (key.header_segment.clone(), index)).collect();
        Self { generation, keys, by_header }
    }

    /// Which ring of this process.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The key that signs new tokens. A ring is never empty.
    pub fn signer(&self) -> &SigningKey {
        #[expect(clippy::indexing_slicing, reason = "`new` puts the signer first and nothing removes it")]
        &self.keys[0]
    }

    /// The key whose tokens begin with exactly this encoded header.
    pub fn key_for_header(&self, segment: &str) -> Option<&Arc<SigningKey>> {
        self.by_header.get(segment).and_then(|index| self.keys.get(*index))
    }

    /// All keys, the signer first.
    pub fn keys(&self) -> &[Arc<SigningKey>] {
        &self.keys
    }

    /// The public halves (RFC 7517). Empty for a shared secret.
    pub fn jwks(&self) -> JwkSet {
        JwkSet { keys: self.keys.iter().filter_map(|key| key.public.clone()).collect() }
    }
}

/// `typ` of an access token (RFC 9068 2.1).
const ACCESS_TOKEN: &str = "at+jwt";
/// `typ` of a status list token (draft-ietf-oauth-status-list 5.1).
const STATUS_LIST: &str = "statuslist+jwt";

/// The one header of a key's tokens of one kind, encoded. Fixed member order, no white space.
fn header_segment(typ: &str, alg: &str, kid: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"{typ}","alg":"{alg}","kid":"{kid}"}}"#))
}

/// The header of a key's access tokens.
pub(crate) fn access_token_header(alg: &str, kid: &str) -> String {
    header_segment(ACCESS_TOKEN, alg, kid)
}

fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(format!("-----BEGIN {label}-----\n"));
    for (index, character) in body.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_not_in_its_debug_output() {
        let key = SigningKey::from_secret(b"correct horse battery staple 0123456789");
        assert!(!format!("{key:?}").contains("horse"));
    }

    #[test]
    fn a_secret_is_not_published() {
        let ring = Keyring::new(1, SigningKey::from_secret(&[7; 32]), Vec::new());
        assert!(ring.jwks().keys.is_empty());
    }

    #[test]
    fn different_secrets_have_different_key_ids() {
        assert_ne!(SigningKey::from_secret(&[7; 32]).kid(), SigningKey::from_secret(&[8; 32]).kid());
    }

    #[test]
    fn garbage_is_no_key() {
        for algorithm in [KeyAlgorithm::EdDsa, KeyAlgorithm::Es256, KeyAlgorithm::Rs256] {
            assert_eq!(
                SigningKey::from_pkcs8(algorithm, b"not a key").map(|_| ()),
                Err(KeyError::Material { algorithm })
            );
        }
    }
}
