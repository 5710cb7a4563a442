//! Sessions that ended before their tokens did, as far as this process knows.
//!
//! Reads are wait-free and do not slow down with the number of entries. An entry is forgotten once its
//! session would have expired by itself, for then no token of it can be alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::session::StatusIndex;

#[derive(Debug, Default)]
struct Shared {
    ended: papaya::HashMap<SessionId, Ended>,
    /// When the durable store was last known to hold nothing newer, in Unix milliseconds.
    followed_at: AtomicI64,
}

/// 16 bytes: there may be a million of them.
#[derive(Debug, Clone, Copy)]
struct Ended {
    /// The end of its natural life.
    forget_at: Timestamp,
    /// Its place in the status list, from 0; -1 without one.
    status_index: i64,
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

    /// Tells the places in the status list of all that are remembered. Looks at every entry: not for the hot path.
    pub fn each_status_index(&self, tell: impl FnMut(StatusIndex)) {
        let ended = self.0.ended.pin();
        let indexes = ended.values().map(|ended| StatusIndex(ended.status_index));
        indexes.filter(|index| index.0 >= 0).for_each(tell);
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
    /// Refuses the sessions from now on.
    pub fn add<'a>(&self, revocations: impl IntoIterator<Item = &'a Revocation>) {
        let ended = self.0.ended.pin();
        for revocation in revocations {
            match &revocation.revoked {
                Revoked::Session { id, status_index } => {
                    let status_index = status_index.map_or(-1, |index| index.0);
                    ended.insert(*id, Ended { forget_at: revocation.forget_at, status_index });
                }
                // Not written yet: keys cannot be retired so far.
                Revoked::Key { .. } => {}
            }
        }
    }

    /// Says that the durable store held nothing newer at `asked_at`.
    pub fn mark_followed(&self, asked_at: Timestamp) {
        self.0.followed_at.fetch_max(asked_at.unix_millis(), Ordering::Relaxed);
    }

    /// Forgets sessions that would have expired before `before`.
    pub fn prune(&self, before: Timestamp) {
        self.0.ended.pin().retain(|_, ended| ended.forget_at >= before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::session::EndReason;

    fn status_indexes(live: &LiveRevocations) -> Vec<StatusIndex> {
        let mut indexes = Vec::new();
        live.each_status_index(|index| indexes.push(index));
        indexes
    }

    #[test]
    fn a_revoked_session_is_known_until_it_would_have_expired() {
        let (publisher, live) = revocations_channel();
        let now = Timestamp::from_unix_millis(1000);
        let session_id = SessionId::new(now, [1; 10]);
        publisher.add(&[Revocation {
            number: 1,
            revoked: Revoked::Session { id: session_id, status_index: Some(StatusIndex(7)) },
            forget_at: Timestamp::from_unix_millis(5000),
            revoked_at: now,
            reason: EndReason::Logout,
        }]);
        assert!(live.contains(session_id));
        assert_eq!(status_indexes(&live), [StatusIndex(7)]);
        publisher.prune(Timestamp::from_unix_millis(5000));
        assert!(live.contains(session_id));
        publisher.prune(Timestamp::from_unix_millis(5001));
        assert!(live.is_empty());
        assert_eq!(status_indexes(&live), []);
    }
}
