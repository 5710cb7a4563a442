//! The shared store of the `embedded` kind: in process, gone with it.
//!
//! Bounded. When it is full, what has expired goes first, then what was put first: a flood costs old
//! entries, never memory. Losing an entry is allowed by the contract.

mod buckets;
mod expiring;
mod store;

pub use buckets::MemoryBuckets;
pub use store::MemoryStore;
