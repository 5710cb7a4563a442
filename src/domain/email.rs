//! E-mail addresses.

/// A syntactically valid address with its normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress {
    shown: String,
    normal: String,
}

impl EmailAddress {
    /// An address that a store kept.
    pub fn from_stored(shown: String, normal: String) -> Self {
        Self { shown, normal }
    }

    /// As the person wrote it, trimmed.
    pub fn as_shown(&self) -> &str {
        &self.shown
    }

    /// The form that is unique: NFKC, lower case.
    pub fn normal(&self) -> &str {
        &self.normal
    }
}
