//! Where things are kept: the contract that both store kinds fulfil.
//!
//! [`DurableStore`] is the truth: what it acknowledged is committed. [`SharedStore`] holds what
//! expires by itself and may be lost at any moment; nothing depends on it for correctness.
//! Nothing above this module knows which kind runs: `postgres` with `redis`, or `sqlite` with `memory`.

mod columns;
mod contract;
mod feed;
pub mod memory;
mod migrations;
mod observer;
pub mod postgres;
pub mod redis;
mod refresh;
pub mod sqlite;

pub use contract::{
    DurableStore, ENDED_AT_ONCE, EndedSessions, KeyRetirement, MigrationStatus, OneTimeCode, PasswordChange,
    SealedKey, SharedStore, StoreError,
};
pub use feed::{FeedConnection, FeedError, FeedPage, RevocationFeed, RevocationPage};
pub use observer::{StoreObserver, Unobserved};
pub use refresh::{Presentation, Refreshed, Turn};
