//! The durable store of the `embedded` kind: one SQLite file, one machine.
//!
//! Read `store` for the operations and `thread` for where they run. Each table has a file with its SQL.
//!
//! Deliberately not here: a second connection for reads, and batched commits. One connection on one
//! thread is enough for logins, which cost a password hash each; protected requests never come here.

mod account_sessions;
mod accounts;
mod audit;
mod error;
mod keys;
mod migrate;
mod open;
mod refresh;
mod replicas;
mod revocations;
mod sessions;
mod store;
mod thread;

pub use store::SqliteStore;
