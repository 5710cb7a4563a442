//! The shared store of the `postgres` kind: Redis 6.2 or newer, shared by all replicas.
//!
//! Keys, each with an expiry: `{prefix}session:{id}` holds a session as JSON,
//! `{prefix}code:{purpose}:{hex of SHA-256}` the payload of a one-time code,
//! `{prefix}bucket:{hex}` when a bucket of attempts will be full, `{prefix}known:{hex}` the same at a known place. And one without:
//! `{prefix}revocations`, the stream that carries ends to the other replicas at once.
//!
//! Deliberately not here: anything that must not be lost. Redis acknowledges writes that a failover
//! can lose.

mod attempts;
mod entry;
mod error;
mod feed;
mod manager;
mod publish;
mod store;

pub use store::RedisStore;
