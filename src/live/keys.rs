//! The key ring in force.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::domain::keyring::Keyring;

/// Reads the ring. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveKeys(Arc<ArcSwap<Keyring>>);

/// Replaces the ring.
#[derive(Debug)]
pub struct KeyPublisher(Arc<ArcSwap<Keyring>>);

/// A ring with its one writer and any number of readers.
pub fn keys_channel(first: Keyring) -> (KeyPublisher, LiveKeys) {
    let shared = Arc::new(ArcSwap::from_pointee(first));
    (KeyPublisher(Arc::clone(&shared)), LiveKeys(shared))
}

impl LiveKeys {
    /// The ring in force.
    pub fn load(&self) -> Guard<Arc<Keyring>> {
        self.0.load()
    }
}

impl KeyPublisher {
    /// Puts a new ring in force, for every request that looks from now on.
    pub fn publish(&mut self, ring: Keyring) {
        self.0.store(Arc::new(ring));
    }
}
