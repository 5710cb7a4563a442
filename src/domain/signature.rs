//! Checking signatures with a key that was prepared once.
//!
//! The token library builds its verifier anew for every signature: it copies the key, decodes the point of an elliptic
//! curve or the numbers of an RSA key, hashes the padded secret of an HMAC. A gateway that is sent tokens it has never
//! seen pays that for each of them, so here it is done when the key is read. The cryptography is the same
//! (`aws_lc_rs`, the provider of the token library), and so is the strictness: base64url without padding, whose last
//! digit has no bits to spare; the fixed form of ECDSA signatures, not DER; RSA from 2048 bits on.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::keyring::KeyAlgorithm;

/// Bytes of the longest signature: RSA with 8192 bits, and what the decoder wants to spare.
const LONGEST: usize = 1024 + 4;

/// The half of a key that checks.
pub struct Verifier(Kind);

enum Kind {
    /// Boxed: a prepared one has more than a thousand bytes.
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Verifier {
    /// Of a private key in PKCS#8 DER; `None` when it is not a key of the algorithm.
    pub fn from_pkcs8(algorithm: KeyAlgorithm, pkcs8: &[u8]) -> Option<Self> {
        let public = match algorithm {
            KeyAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
                ParsedPublicKey::new(&ED25519, pair.public_key())
            }
            KeyAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key())
            }
            KeyAlgorithm::Rs256 => {
                let pair = rsa::KeyPair::from_pkcs8(pkcs8).ok()?;
                ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())
            }
        };
        Some(Self(Kind::Public(public.ok()?)))
    }

    /// Of a shared secret: HMAC-SHA256.
    pub fn from_secret(secret: &[u8]) -> Self {
        Self(Kind::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret))))
    }

    /// Whether `signature` (base64url, no padding) is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let mut bytes = [0; LONGEST];
        let length = URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes).unwrap_or(0);
        let Some(signature) = bytes.get(..length) else { return false };
        match &self.0 {
            Kind::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Kind::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Secret(_) => "Verifier(secret)",
            Kind::Public(_) => "Verifier(public)",
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    use jsonwebtoken::{Algorithm, EncodingKey, crypto};

    use super::*;

    /// Each kind of key: the token library's half that signs, and ours that checks.
    fn keys() -> Vec<(Algorithm, EncodingKey, Verifier)> {
        let ed = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
        let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
        let body = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        let verifier = |algorithm, der: &[u8]| Verifier::from_pkcs8(algorithm, der).unwrap();
        vec![
            (
                Algorithm::EdDSA,
                EncodingKey::from_ed_der(ed.as_ref()),
                verifier(KeyAlgorithm::EdDsa, ed.as_ref()),
            ),
            (
                Algorithm::ES256,
                EncodingKey::from_ec_der(ec.as_ref()),
                verifier(KeyAlgorithm::Es256, ec.as_ref()),
            ),
            (
                Algorithm::RS256,
                EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
                verifier(KeyAlgorithm::Rs256, der.as_ref()),
            ),
            (Algorithm::HS256, EncodingKey::from_secret(&[7; 32]), Verifier::from_secret(&[7; 32])),
        ]
    }

    #[test]
    fn what_the_token_library_signs_is_accepted_and_nothing_else() {
        for (algorithm, encoding, verifier) in keys() {
            let signature = crypto::sign(b"message", &encoding, algorithm).unwrap();
            assert!(verifier.verifies(b"message", &signature), "{algorithm:?}");
            assert!(!verifier.verifies(b"massage", &signature), "{algorithm:?}");
            let bytes = URL_SAFE_NO_PAD.decode(&signature).unwrap();
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 1;
                assert!(!verifier.verifies(b"message", &URL_SAFE_NO_PAD.encode(other)), "{algorithm:?} {at}");
            }
            for length in 0..signature.len() {
                assert!(!verifier.verifies(b"message", &signature[..length]), "{algorithm:?} {length}");
            }
            for other in [
                format!("{signature}="),
                format!("{signature}A"),
                format!("{signature}AAAA"),
                format!(" {signature}"),
                format!("{signature}\n"),
                "A".repeat(LONGEST * 4),
                URL_SAFE_NO_PAD.encode(vec![0; bytes.len()]),
                base64::engine::general_purpose::STANDARD.encode([0xfb; 64]),
            ] {
                assert!(!verifier.verifies(b"message", &other), "{algorithm:?} {other}");
            }
        }
    }

    #[test]
    fn last_digit_of_a_signature_has_one_form() {
        for (algorithm, encoding, verifier) in keys() {
            let signature = crypto::sign(b"message", &encoding, algorithm).unwrap();
            let (start, last) = signature.split_at(signature.len() - 1);
            for other in ('a'..='z').chain('A'..='Z').chain('0'..='9').chain(['-', '_']) {
                let accepted = verifier.verifies(b"message", &format!("{start}{other}"));
                assert_eq!(accepted, last == other.to_string(), "{algorithm:?} {other}");
            }
        }
    }

    #[test]
    fn key_of_another_algorithm_is_refused() {
        let ed = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
        for algorithm in [KeyAlgorithm::Es256, KeyAlgorithm::Rs256] {
            assert!(Verifier::from_pkcs8(algorithm, ed.as_ref()).is_none());
        }
    }

    #[test]
    fn a_verifier_shows_no_key() {
        assert_eq!(format!("{:?}", Verifier::from_secret(b"horse")), "Verifier(secret)");
    }
}
