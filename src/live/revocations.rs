//! Sessions and keys that ended before their tokens did, as far as this process knows.
//!
//! Reads are wait-free and do not slow down with the number of entries. An entry is forgotten once its
//! session would have expired by itself, for then no token of it can be alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::revocation::{Revocation, Revoked};

#[derive(Debug, Default)]
struct Shared {
    /// Session to the end of its natural life.
    ended: papaya::HashMap<SessionId, Timestamp>,
    /// Retired key to the end of its last token.
    keys: papaya::HashMap<String, Timestamp>,
    /// Grows with `keys`, after them.
    key_epoch: AtomicU32,
    /// When the durable store was last known to hold nothing newer, in Unix milliseconds.
    followed_at: AtomicI64,
}

/// Reads the set. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LiveRevocations(Arc<Shared>);

/// Adds to the set and prunes it. Several actors learn of revocations (the one that wrote it, and the
/// follower), and adding is idempotent, so this is handed out behind an `Arc`; it is still not `Clone`.
#[derive(Debug)]
pub struct RevocationPublisher(Arc<Shared>);

/// An empty set with its writer and any number of readers.
pub fn revocations_channel() -> (RevocationPublisher, LiveRevocations) {
    let shared = Arc::new(Shared::default());
    (RevocationPublisher(Arc::clone(&shared)), LiveRevocations(shared))
}

impl LiveRevocations {
    /// Whether the session was ended.
    pub fn contains(&self, session: SessionId) -> bool {
        self.0.ended.pin().contains_key(&session)
    }

    /// Whether the key was retired.
    pub fn contains_key(&self, kid: &str) -> bool {
        self.0.keys.pin().contains_key(kid)
    }

    /// Another number once more keys are retired. To be read before [`LiveRevocations::contains_key`].
    pub fn key_epoch(&self) -> u32 {
        self.0.key_epoch.load(Ordering::Acquire)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.ended.len()
    }

    /// Whether none are remembered.
    pub fn is_empty(&self) -> bool {
        self.0.ended.is_empty()
    }

    /// When the durable store was last read to its end.
    pub fn followed_at(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.followed_at.load(Ordering::Relaxed))
    }
}

impl RevocationPublisher {
    /// Refuses the sessions, and the tokens of the keys, from now on.
    pub fn add<'a>(&self, revocations: impl IntoIterator<Item = &'a Revocation>) {
        let ended = self.0.ended.pin();
        for revocation in revocations {
            match &revocation.revoked {
                Revoked::Session { id, .. } => {
                    ended.insert(*id, revocation.forget_at);
                }
                Revoked::Key { kid } => {
                    if self.0.keys.pin().insert(kid.clone(), revocation.forget_at).is_none() {
                        self.0.key_epoch.fetch_add(1, Ordering::Release);
                    }
                }
            }
        }
    }

    /// Whether the key was retired.
    pub fn contains_key(&self, kid: &str) -> bool {
        self.0.keys.pin().contains_key(kid)
    }

    /// Says that the durable store held nothing newer at `asked_at`.
    pub fn mark_followed(&self, asked_at: Timestamp) {
        self.0.followed_at.fetch_max(asked_at.unix_millis(), Ordering::Relaxed);
    }

    /// Forgets sessions that would have expired before `before`.
    pub fn prune(&self, before: Timestamp) {
        self.0.ended.pin().retain(|_, expires_at| *expires_at >= before);
        self.0.keys.pin().retain(|_, forget_at| *forget_at >= before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::session::EndReason;

    #[test]
    fn a_revoked_session_is_known_until_it_would_have_expired() {
        let (publisher, live) = revocations_channel();
        let now = Timestamp::from_unix_millis(1000);
        let session_id = SessionId::new(now, [1; 10]);
        publisher.add(&[Revocation {
            number: 1,
            revoked: Revoked::Session { id: session_id, status_index: None },
            forget_at: Timestamp::from_unix_millis(5000),
            revoked_at: now,
            reason: EndReason::Logout,
        }]);
        assert!(live.contains(session_id));
        publisher.prune(Timestamp::from_unix_millis(5000));
        assert!(live.contains(session_id));
        publisher.prune(Timestamp::from_unix_millis(5001));
        assert!(live.is_empty());
    }
}
