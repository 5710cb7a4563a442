//! The part that may wait: accounts, sessions, password hashing, revocations, keys.
//!
//! [`AuthSystem::start`] builds the stores and the tree of actors on a tokio runtime of its own;
//! everybody else holds an [`AuthHandle`]. The rules:
//!
//! - A call takes a permit before it is sent (mailboxes are unbounded); none free means
//!   [`AuthError::Busy`] now.
//! - `handle` never awaits I/O: it starts a job that carries permit, deadline and reply.
//! - Expected failures are replies; an actor that panics is restarted by the supervisor with a
//!   budget, and the handle reaches its successor.
//! - The stores are owned by the supervisor and lent to its children; nobody else has them.

mod accounts;
mod attempts;
mod audit;
mod ending;
mod error;
mod grant;
mod handle;
mod hash_gate;
mod hasher;
mod job;
mod keys;
mod mint;
mod outage;
mod places_per_address;
mod random;
mod refresh;
mod replica_file;
mod requests;
mod revocations;
mod sessions;
mod slot;
mod status_indexes;
mod store_observer;
mod supervisor;
mod system;
mod workshop;

pub use ending::{AccountDeletion, Logout, LogoutScope, PasswordChange, Principal, Renaming, SessionPage};
pub use error::AuthError;
pub use handle::AuthHandle;
pub use keys::{KEY_ENCRYPTION_FILE, KeyRefusal, ListedKey, RetireKey, RotateKey};
pub use mint::{MINTED_AT_ONCE, Mint};
pub use random::random_bytes;
pub use refresh::{Refresh, RefreshTokenFacts};
pub use requests::{ClientFacts, Login, Readiness, Registration, Revoke, TokenGrant, TokenPair};
pub use system::{AuthSystem, MigrationRun, StartError, migrations};
