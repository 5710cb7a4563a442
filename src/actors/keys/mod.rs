//! Signing keys: made by one of the replicas, sealed, kept in the durable store, followed by all.
//!
//! The stored keys and [`domain::key_schedule`](crate::domain::key_schedule) decide which key signs. The actor
//! reads them four times a second, brings the next one when it is due, deletes those whose tokens are dead, and
//! publishes a new ring when something changed. Private halves are sealed before they reach a store; a lost
//! key-encryption key is not replaced, for another would open nothing.
//!
//! With HS256 there is one key, the configured secret: nothing is stored, followed or rotated.

mod actor;
mod attempt_keys;
mod error;
mod file;
mod key_set;
mod rotation;
mod sealing;

pub use actor::{Keys, KeysMessage};
pub use attempt_keys::attempt_keys;
pub use error::KeysError;
pub use file::{KEY_ENCRYPTION_FILE, make_private_dir};
pub use key_set::{KeyRefusal, KeySet, ListedKey, RetireKey, RotateKey};
