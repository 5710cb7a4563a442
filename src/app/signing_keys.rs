//! What an operator does to signing keys. A running gateway learns of it from the durable store.

use super::{AppError, Operator};
use crate::actors::{ListedKey, RetireKey, RotateKey};

impl Operator {
    /// All signing keys that are stored, oldest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn signing_keys(&self) -> Result<Vec<ListedKey>, AppError> {
        self.run(self.handle().signing_keys())
    }

    /// Brings the next signing key; it signs when it has been published for long enough, or at once.
    ///
    /// # Errors
    /// There is nothing to rotate, one is on its way, or the store does not answer.
    pub fn rotate_key(&self, at_once: bool) -> Result<ListedKey, AppError> {
        self.run(self.handle().rotate_key(RotateKey { at_once }))?.map_err(refused)
    }

    /// Ends all tokens of a signing key.
    ///
    /// # Errors
    /// There is no such key, it is the one that signs and no other is wanted, or the store does not answer.
    pub fn retire_key(&self, kid: String, rotate: bool) -> Result<(), AppError> {
        self.run(self.handle().retire_key(RetireKey { kid, rotate }))?.map_err(refused)
    }
}

fn refused(refusal: crate::actors::KeyRefusal) -> AppError {
    AppError::Failed(refusal.to_string())
}
