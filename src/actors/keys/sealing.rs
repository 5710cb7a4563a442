//! Making, sealing and opening private keys.
//!
//! Private keys are sealed with AES-256-GCM under the key-encryption key before they reach a store; the
//! key id and algorithm are bound to it as associated data, so that a sealed key cannot be passed off as
//! another.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::error::KeysError;
use super::file::{KEY_ENCRYPTION_FILE, read_or_make};
use crate::actors::random_bytes;
use crate::domain::clock::Timestamp;
use crate::domain::keyring::{KeyAlgorithm, SigningKey};
use crate::store::SealedKey;

/// A new key, sealed, that signs from `active_from` on.
pub(super) fn generate(
    algorithm: KeyAlgorithm,
    seal: &Seal,
    now: Timestamp,
    active_from: Timestamp,
) -> Result<SealedKey, KeysError> {
    let failed = |_| KeysError::Generate(format!("{algorithm}: the library refused"));
    let pkcs8: Zeroizing<Vec<u8>> = Zeroizing::new(match algorithm {
        KeyAlgorithm::EdDsa => {
            Ed25519KeyPair::generate().and_then(|key| key.to_pkcs8v1()).map_err(failed)?.as_ref().to_vec()
        }
        KeyAlgorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .and_then(|key| key.to_pkcs8v1())
            .map_err(failed)?
            .as_ref()
            .to_vec(),
        KeyAlgorithm::Rs256 => {
            let key = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).map_err(failed)?;
            let der: Pkcs8V1Der<'_> = key.as_der().map_err(failed)?;
            der.as_ref().to_vec()
        }
    });
    let kid = SigningKey::from_pkcs8(algorithm, &pkcs8)?.kid().to_owned();
    tracing::info!(%algorithm, kid, "signing key made");
    Ok(SealedKey { active_from, ..seal.close(kid, algorithm, pkcs8, now)? })
}

/// Seals and opens private keys.
pub(super) struct Seal(LessSafeKey);

impl Seal {
    /// The configured key-encryption key, or the one in the data directory, which is made unless something is
    /// `sealed` already: a new key would not open it, and would stand where the lost one has to be restored.
    pub(super) fn load(
        configured: Option<&SecretString>,
        data_dir: &Path,
        sealed: Option<&SealedKey>,
    ) -> Result<Self, KeysError> {
        match configured {
            Some(key) => Self::from_base64(key.expose_secret(), "token.key_encryption_key"),
            None => {
                let path = data_dir.join(KEY_ENCRYPTION_FILE);
                let shown = path.display().to_string();
                if let (Some(sealed), false) = (sealed, path.exists()) {
                    return Err(KeysError::Lost { path: shown, kid: sealed.kid.clone() });
                }
                let text = read_or_make(data_dir, &path)
                    .map_err(|reason| KeysError::KeyEncryption { path: shown.clone(), reason })?;
                Self::from_base64(text.trim(), &shown)
            }
        }
    }

    fn from_base64(text: &str, origin: &str) -> Result<Self, KeysError> {
        let bad = || KeysError::KeyEncryption {
            path: origin.to_owned(),
            reason: "expected base64 of 32 bytes".to_owned(),
        };
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| bad())?);
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| bad())?;
        Ok(Self(LessSafeKey::new(key)))
    }

    fn close(
        &self,
        kid: String,
        algorithm: KeyAlgorithm,
        pkcs8: Zeroizing<Vec<u8>>,
        created_at: Timestamp,
    ) -> Result<SealedKey, KeysError> {
        let nonce: [u8; NONCE_LEN] =
            random_bytes().map_err(|error| KeysError::Generate(error.to_string()))?;
        let mut sealed = pkcs8.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated(&kid, algorithm.as_str())),
                &mut sealed,
            )
            .map_err(|_| KeysError::Generate("sealing failed".to_owned()))?;
        sealed.splice(0..0, nonce);
        Ok(SealedKey {
            kid,
            algorithm: algorithm.as_str().to_owned(),
            sealed,
            created_at,
            active_from: created_at,
            retired_at: None,
        })
    }

    pub(super) fn open(&self, key: &SealedKey) -> Result<SigningKey, KeysError> {
        let closed = || KeysError::Sealed { kid: key.kid.clone() };
        let algorithm = KeyAlgorithm::parse(&key.algorithm)?;
        let (nonce, sealed) = key.sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(closed)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let pkcs8 = self
            .0
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(associated(&key.kid, &key.algorithm)),
                &mut bytes,
            )
            .map_err(|_| closed())?;
        Ok(SigningKey::from_pkcs8(algorithm, pkcs8)?)
    }
}

fn associated(kid: &str, algorithm: &str) -> Vec<u8> {
    format!("gateward signing key\0{algorithm}\0{kid}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::keyring::Keyring;

    const T0: Timestamp = Timestamp::from_unix_millis(0);

    fn seal(byte: u8) -> Seal {
        Seal::from_base64(&STANDARD.encode([byte; 32]), "test").unwrap()
    }

    #[test]
    fn each_algorithm_makes_a_key_that_signs_and_publishes() {
        for algorithm in [KeyAlgorithm::EdDsa, KeyAlgorithm::Es256, KeyAlgorithm::Rs256] {
            let sealed = generate(algorithm, &seal(1), T0, T0).unwrap();
            let key = seal(1).open(&sealed).unwrap();
            assert_eq!(key.kid(), sealed.kid);
            let signature = key.sign(b"message").unwrap();
            assert!(key.verifies(b"message", &signature), "{algorithm}");
            assert!(!key.verifies(b"massage", &signature), "{algorithm}");
            let jwks = serde_json::to_value(Keyring::new(1, key, Vec::new()).jwks()).unwrap();
            let published = &jwks["keys"][0];
            assert_eq!(published["kid"], sealed.kid.as_str());
            assert_eq!(published["alg"], algorithm.as_str());
            assert_eq!(published["use"], "sig");
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(published.get(private).is_none(), "{algorithm} publishes {private}");
            }
        }
    }

    #[test]
    fn a_sealed_key_opens_only_with_its_own_seal_name_and_algorithm() {
        let sealed = generate(KeyAlgorithm::EdDsa, &seal(1), T0, T0).unwrap();
        assert!(matches!(seal(2).open(&sealed), Err(KeysError::Sealed { .. })));
        let renamed = SealedKey { kid: "other".to_owned(), ..sealed.clone() };
        assert!(matches!(seal(1).open(&renamed), Err(KeysError::Sealed { .. })));
        let retyped = SealedKey { algorithm: "ES256".to_owned(), ..sealed.clone() };
        assert!(matches!(seal(1).open(&retyped), Err(KeysError::Sealed { .. })));
        let cut = SealedKey { sealed: sealed.sealed[..8].to_vec(), ..sealed };
        assert!(matches!(seal(1).open(&cut), Err(KeysError::Sealed { .. })));
    }

    #[test]
    fn a_lost_key_encryption_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let sealed = generate(KeyAlgorithm::EdDsa, &seal(1), T0, T0).unwrap();
        let lost = Seal::load(None, dir.path(), Some(&sealed));
        assert!(matches!(lost, Err(KeysError::Lost { .. })));
        assert!(!dir.path().join(KEY_ENCRYPTION_FILE).exists());
        assert!(Seal::load(None, dir.path(), None).is_ok());
        assert!(Seal::load(None, dir.path(), Some(&sealed)).is_ok(), "found, though it may not open");
    }
}
