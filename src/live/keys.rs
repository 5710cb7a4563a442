//! The key ring in force, and how old the knowledge behind it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};

use super::Moment;
use crate::domain::keyring::Keyring;

/// A ring that was compared with the stored keys this long ago may lack one.
const FRESH: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Shared {
    ring: ArcSwap<Keyring>,
    /// When the stored keys were last read: a [`Moment`]. The end of time: they cannot change.
    followed_at: AtomicU64,
}

/// Reads the ring. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveKeys(Arc<Shared>);

/// Replaces the ring.
#[derive(Debug)]
pub struct KeyPublisher(Arc<Shared>);

/// A ring with its one writer and any number of readers. It counts as complete until it is followed.
pub fn keys_channel(first: Keyring) -> (KeyPublisher, LiveKeys) {
    let shared = Shared { ring: ArcSwap::from_pointee(first), followed_at: AtomicU64::new(u64::MAX) };
    let shared = Arc::new(shared);
    (KeyPublisher(Arc::clone(&shared)), LiveKeys(shared))
}

impl LiveKeys {
    /// The ring in force.
    pub fn load(&self) -> Guard<Arc<Keyring>> {
        self.0.ring.load()
    }

    /// Whether the ring was compared with the stored keys a moment ago, so that a key it lacks is none of ours.
    pub fn is_fresh(&self, now: Moment) -> bool {
        now.since(Moment::from_raw(self.0.followed_at.load(Ordering::Relaxed))) < FRESH
    }
}

impl KeyPublisher {
    /// Puts a new ring in force, for every request that looks from now on.
    pub fn publish(&mut self, ring: Keyring) {
        self.0.ring.store(Arc::new(ring));
    }

    /// The ring in force.
    pub fn ring(&self) -> Arc<Keyring> {
        self.0.ring.load_full()
    }

    /// Says that the ring is what the stored keys at `asked_at` make it.
    pub fn mark_followed(&mut self, asked_at: Moment) {
        self.0.followed_at.store(asked_at.raw(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::keyring::SigningKey;

    #[test]
    fn a_ring_is_fresh_for_a_second_after_it_was_compared() {
        let (mut publisher, live) =
            keys_channel(Keyring::new(1, SigningKey::from_secret(&[7; 32]), Vec::new()));
        let at = |millis| Moment::since_begin(Duration::from_millis(millis));
        assert!(live.is_fresh(at(u64::MAX / 2)), "keys that cannot change");
        publisher.mark_followed(at(5_000));
        assert!(live.is_fresh(at(5_999)));
        assert!(!live.is_fresh(at(6_000)));
    }
}
