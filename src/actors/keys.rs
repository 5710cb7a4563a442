//! Signing keys: made once, sealed, kept in the durable store, opened at start.
//!
//! Private keys are sealed with AES-256-GCM under the key-encryption key before they reach a store; the
//! key id and algorithm are bound to it as associated data, so that a sealed key cannot be passed off as
//! another. Replicas that start at once agree through the store on one key.
//!
//! This is not an actor yet: rotation, which needs one, is not there yet either.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::random_bytes;
use crate::config::{SigningAlgorithm, TokenSettings};
use crate::domain::clock::Timestamp;
use crate::domain::keyring::{KeyAlgorithm, KeyError, Keyring, SigningKey};
use crate::store::{DurableStore, SealedKey, StoreError};

/// File of the generated key-encryption key inside the data directory: base64 of 32 bytes, a line.
pub const KEY_ENCRYPTION_FILE: &str = "key-encryption.key";

/// Why there is no key ring.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key does not open.
    #[error(
        "signing key `{kid}` does not open with this key-encryption key; give every replica the same \
         token.key_encryption_key (or copy {KEY_ENCRYPTION_FILE}), the one the key was sealed with"
    )]
    Sealed {
        /// Which.
        kid: String,
    },
    /// There are sealed keys, and what opens them is gone.
    #[error(
        "{path} is missing, and signing key `{kid}` was sealed with it: restore it from a backup, or give \
         token.key_encryption_key"
    )]
    Lost {
        /// Where it belongs.
        path: String,
        /// A key that it opens.
        kid: String,
    },
    /// A stored or fresh key is not usable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key-encryption key could not be read or made.
    #[error("key-encryption key {path}: {reason}")]
    KeyEncryption {
        /// Its file, or the configuration key.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// No key could be made.
    #[error("no signing key could be made: {0}")]
    Generate(String),
}

/// The key ring that the configuration asks for.
///
/// # Errors
/// See [`KeysError`].
pub async fn load(
    settings: &TokenSettings,
    data_dir: &Path,
    store: &dyn DurableStore,
    now: Timestamp,
) -> Result<Keyring, KeysError> {
    let algorithm = match &settings.algorithm {
        SigningAlgorithm::Hs256 { secret } => {
            // The secret alone: whoever chose one in place of key pairs may no longer have what opens those.
            let key = SigningKey::from_secret(secret.expose_secret().as_bytes());
            return Ok(Keyring::new(1, key, Vec::new()));
        }
        SigningAlgorithm::EdDsa => KeyAlgorithm::EdDsa,
        SigningAlgorithm::Es256 => KeyAlgorithm::Es256,
        SigningAlgorithm::Rs256 => KeyAlgorithm::Rs256,
    };
    let mut stored = store.signing_keys().await?;
    let seal = Seal::load(settings.key_encryption_key.as_ref(), data_dir, stored.first())?;
    if !stored.iter().any(|key| key.algorithm == algorithm.as_str()) {
        stored = store.ensure_signing_key(generate(algorithm, &seal, now)?).await?;
    }
    let mut signer = None;
    let mut others = Vec::new();
    // Keys of algorithms that were in use before stay good for the tokens they signed.
    for sealed in &stored {
        let key = seal.open(sealed)?;
        if sealed.algorithm == algorithm.as_str() && signer.is_none() {
            signer = Some(key);
        } else {
            others.push(key);
        }
    }
    let signer = signer.ok_or_else(|| KeysError::Generate("the store did not keep it".to_owned()))?;
    Ok(Keyring::new(1, signer, others))
}

fn generate(algorithm: KeyAlgorithm, seal: &Seal, now: Timestamp) -> Result<SealedKey, KeysError> {
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
    seal.close(kid, algorithm, pkcs8, now)
}

/// Seals and opens private keys.
struct Seal(LessSafeKey);

impl Seal {
    /// The configured key-encryption key, or the one in the data directory, which is made unless something is
    /// `sealed` already: a new key would not open it, and would stand where the lost one has to be restored.
    fn load(
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
        Ok(SealedKey { kid, algorithm: algorithm.as_str().to_owned(), sealed, created_at })
    }

    fn open(&self, key: &SealedKey) -> Result<SigningKey, KeysError> {
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

/// Makes a directory that only its owner can enter, unless it is there.
///
/// # Errors
/// What the operating system says.
pub fn make_private_dir(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads the key-encryption key, or makes one that only its owner can read.
fn read_or_make(data_dir: &Path, path: &Path) -> Result<Zeroizing<String>, String> {
    make_private_dir(data_dir).map_err(|error| format!("the data directory cannot be made: {error}"))?;
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let mode = std::fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err("others may read it; run `chmod 600` on it".to_owned());
            }
            Ok(Zeroizing::new(text))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let bytes = Zeroizing::new(random_bytes::<32>().map_err(|error| error.to_string())?);
            let text = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
            make(data_dir, path, &text)?;
            // Another process may have been quicker: what is in the file counts.
            std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Writes the whole file under another name, then links it into place, unless there is one by now.
fn make(data_dir: &Path, path: &Path, text: &str) -> Result<(), String> {
    let draft = data_dir.join(format!(".{KEY_ENCRYPTION_FILE}.{}", std::process::id()));
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            writeln!(file, "{text}")?;
            file.sync_all()
        })
        .and_then(|()| match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        })
        .and_then(|()| std::fs::File::open(data_dir)?.sync_all());
    // The draft holds a secret: it goes, whatever happened.
    let removed = std::fs::remove_file(&draft);
    written.and(removed).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(byte: u8) -> Seal {
        Seal::from_base64(&STANDARD.encode([byte; 32]), "test").unwrap()
    }

    #[test]
    fn each_algorithm_makes_a_key_that_signs_and_publishes() {
        for algorithm in [KeyAlgorithm::EdDsa, KeyAlgorithm::Es256, KeyAlgorithm::Rs256] {
            let sealed = generate(algorithm, &seal(1), Timestamp::from_unix_millis(0)).unwrap();
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
        let sealed = generate(KeyAlgorithm::EdDsa, &seal(1), Timestamp::from_unix_millis(0)).unwrap();
        assert!(matches!(seal(2).open(&sealed), Err(KeysError::Sealed { .. })));
        let renamed = SealedKey { kid: "other".to_owned(), ..sealed.clone() };
        assert!(matches!(seal(1).open(&renamed), Err(KeysError::Sealed { .. })));
        let retyped = SealedKey { algorithm: "ES256".to_owned(), ..sealed.clone() };
        assert!(matches!(seal(1).open(&retyped), Err(KeysError::Sealed { .. })));
        let cut = SealedKey { sealed: sealed.sealed[..8].to_vec(), ..sealed };
        assert!(matches!(seal(1).open(&cut), Err(KeysError::Sealed { .. })));
    }

    #[test]
    fn the_key_encryption_key_is_made_once_with_owner_only_rights() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let path = data.join(KEY_ENCRYPTION_FILE);
        let first = read_or_make(&data, &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(read_or_make(&data, &path).unwrap(), first);
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "no draft stays behind");
    }

    #[test]
    fn a_lost_key_encryption_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let sealed = generate(KeyAlgorithm::EdDsa, &seal(1), Timestamp::from_unix_millis(0)).unwrap();
        let lost = Seal::load(None, dir.path(), Some(&sealed));
        assert!(matches!(lost, Err(KeysError::Lost { .. })));
        assert!(!dir.path().join(KEY_ENCRYPTION_FILE).exists());
        assert!(Seal::load(None, dir.path(), None).is_ok());
        assert!(Seal::load(None, dir.path(), Some(&sealed)).is_ok(), "found, though it may not open");
    }

    #[test]
    fn a_key_encryption_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_ENCRYPTION_FILE);
        read_or_make(dir.path(), &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read_or_make(dir.path(), &path).unwrap_err().contains("chmod 600"));
    }
}
