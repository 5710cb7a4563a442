//! What can go wrong with keys.

use super::file::KEY_ENCRYPTION_FILE;
use crate::domain::keyring::KeyError;
use crate::store::StoreError;

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
