//! The secret that names of buckets and device cookies are made with.
//!
//! Derived from one that every replica has anyway: what signs tokens (HS256), or what seals the keys that do.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::KeysError;
use super::file::{KEY_ENCRYPTION_FILE, read_or_make};
use crate::config::{SigningAlgorithm, TokenSettings};
use crate::domain::attempts::AttemptKeys;

const LABEL: &[u8] = b"gateward attempts 1";

/// Derives it. The signing keys were loaded before: what seals them is there.
///
/// # Errors
/// [`KeysError::KeyEncryption`].
pub fn attempt_keys(settings: &TokenSettings, data_dir: &Path) -> Result<AttemptKeys, KeysError> {
    let bad = |path: &str, reason: String| KeysError::KeyEncryption { path: path.to_owned(), reason };
    let secret = match (&settings.algorithm, &settings.key_encryption_key) {
        (SigningAlgorithm::Hs256 { secret }, _) => Zeroizing::new(secret.expose_secret().as_bytes().to_vec()),
        (SigningAlgorithm::EdDsa | SigningAlgorithm::Es256 | SigningAlgorithm::Rs256, configured) => {
            let path = data_dir.join(KEY_ENCRYPTION_FILE);
            let shown = path.display().to_string();
            let text = match configured {
                Some(key) => Zeroizing::new(key.expose_secret().to_owned()),
                None => read_or_make(data_dir, &path).map_err(|reason| bad(&shown, reason))?,
            };
            let decoded = STANDARD.decode(text.trim());
            Zeroizing::new(decoded.map_err(|_| bad(&shown, "expected base64 of 32 bytes".to_owned()))?)
        }
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret)
        .map_err(|_| bad("the secret", "cannot be derived from".to_owned()))?;
    mac.update(LABEL);
    Ok(AttemptKeys::new(Zeroizing::new(mac.finalize().into_bytes().into())))
}
