//! Password hashes.

/// A hash that this program made and may store.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// Hash text from a store, not yet judged.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash(String);

impl PasswordHash {
    /// The text to store.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl StoredHash {
    /// Text that a store kept.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text, to compare or verify.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

impl std::fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredHash(redacted)")
    }
}
