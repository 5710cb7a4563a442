//! The durable store of the `postgres` kind: any number of replicas on one database.
//!
//! Read `store` for the operations, `pool` for how a call gets its connection and its deadline,
//! `connect` for what becomes of the URL. Each table has a file with its SQL.
//!
//! Deliberately not here: `synchronous_commit`. "Committed" means what the server's configuration says,
//! so that an operator may ask for more (`remote_apply`); never turn it off for this database.

mod account_sessions;
mod accounts;
mod audit;
mod connect;
mod error;
mod keys;
mod migrate;
mod pool;
mod refresh;
mod replicas;
mod revocations;
mod sessions;
mod store;

pub use store::PostgresStore;
