//! Sessions and keys that ended before their tokens did, as far as this process knows.
//!
//! Reads are wait-free and do not slow down with the number of entries. An entry is forgotten once its
//! session would have expired by itself, for then no token of it can be alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::{KeyMark, Moment, OpenRequests};
use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::session::StatusIndex;

#[derive(Debug)]
struct Shared {
    /// Session to the end of its natural life.
    ended: papaya::HashMap<SessionId, Ended>,
    /// Retired key to the end of its last token.
    keys: papaya::HashMap<String, Timestamp>,
    /// Grows with `keys`, after them.
    key_epoch: AtomicU32,
    /// As of when the set is known to be complete: a [`Moment`].
    complete_as_of: AtomicU64,
    /// For how long after that it may be relied on.
    max_staleness: Duration,
    /// What ends with a session.
    open: OpenRequests,
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
#[derive(Debug, Clone)]
pub struct LiveRevocations(Arc<Shared>);

/// Adds to the set and prunes it. Several actors learn of revocations (the one that wrote it, and the
/// follower), and adding is idempotent, so this is handed out behind an `Arc`; it is still not `Clone`.
#[derive(Debug)]
pub struct RevocationPublisher(Arc<Shared>);

/// An empty set, not known to be complete, with its writer and any number of readers. `max_staleness`: how old
/// the last proof of completeness may be.
pub fn revocations_channel(max_staleness: Duration) -> (RevocationPublisher, LiveRevocations) {
    let shared = Arc::new(Shared {
        ended: papaya::HashMap::new(),
        keys: papaya::HashMap::new(),
        key_epoch: AtomicU32::new(0),
        complete_as_of: AtomicU64::new(Moment::NEVER.raw()),
        max_staleness,
        open: OpenRequests::default(),
    });
    (RevocationPublisher(Arc::clone(&shared)), LiveRevocations(shared))
}

impl LiveRevocations {
    /// Whether the session was ended.
    pub fn contains(&self, session: SessionId) -> bool {
        self.0.ended.pin().contains_key(&session)
    }

    /// The requests that end with their session.
    pub fn open_requests(&self) -> &OpenRequests {
        &self.0.open
    }

    /// Tells the places in the status list of all that are remembered. Looks at every entry: not for the hot path.
    pub fn each_status_index(&self, tell: impl FnMut(StatusIndex)) {
        let ended = self.0.ended.pin();
        let indexes = ended.values().map(|ended| StatusIndex(ended.status_index));
        indexes.filter(|index| index.0 >= 0).for_each(tell);
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

    /// How old the last proof is that the set is complete. Hours, before the first.
    pub fn lag(&self, now: Moment) -> Duration {
        now.since(Moment::from_raw(self.0.complete_as_of.load(Ordering::Acquire)))
    }

    /// Whether that is young enough to rely on: a session that is not in the set is alive.
    pub fn is_fresh(&self, now: Moment) -> bool {
        self.lag(now) <= self.0.max_staleness
    }

    /// Whether everything that had ended by this moment is known.
    pub fn is_complete_as_of(&self, moment: Moment) -> bool {
        self.0.complete_as_of.load(Ordering::Acquire) >= moment.raw()
    }

    /// Whether there was a proof at all.
    pub fn is_loaded(&self) -> bool {
        self.0.complete_as_of.load(Ordering::Acquire) != Moment::NEVER.raw()
    }
}

impl RevocationPublisher {
    /// Refuses the sessions, and the tokens of the keys, from now on, and closes what is open of them.
    pub fn add<'a>(&self, revocations: impl IntoIterator<Item = &'a Revocation>) {
        let ended = self.0.ended.pin();
        for revocation in revocations {
            match &revocation.revoked {
                Revoked::Session { id, status_index } => {
                    if ended.contains_key(id) {
                        // Read again: what it had open was closed the first time.
                        continue;
                    }
                    let status_index = status_index.map_or(-1, |index| index.0);
                    ended.insert(*id, Ended { forget_at: revocation.forget_at, status_index });
                    // Behind the line above: see `live::open`.
                    self.0.open.end(*id);
                }
                Revoked::Key { kid } => {
                    if self.0.keys.pin().insert(kid.clone(), revocation.forget_at).is_none() {
                        self.0.key_epoch.fetch_add(1, Ordering::Release);
                        self.0.open.end_key(KeyMark::of(kid));
                    }
                }
            }
        }
    }

    /// Whether the key was retired.
    pub fn contains_key(&self, kid: &str) -> bool {
        self.0.keys.pin().contains_key(kid)
    }

    /// Says that everything which had ended by `as_of` is in the set. To be taken before the question was sent
    /// whose answer proves it.
    pub fn prove(&self, as_of: Moment) {
        self.0.complete_as_of.fetch_max(as_of.raw(), Ordering::AcqRel);
    }

    /// Forgets sessions that would have expired before `before`.
    pub fn prune(&self, before: Timestamp) {
        self.0.ended.pin().retain(|_, ended| ended.forget_at >= before);
        self.0.keys.pin().retain(|_, forget_at| *forget_at >= before);
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
        let (publisher, live) = revocations_channel(Duration::from_secs(1));
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

    #[test]
    fn the_set_is_fresh_for_a_while_after_each_proof() {
        let (publisher, live) = revocations_channel(Duration::from_secs(1));
        let now = Moment::now();
        assert!(!live.is_loaded() && !live.is_fresh(now), "before the first proof");
        publisher.prove(now);
        assert!(live.is_loaded());
        assert!(live.is_fresh(now.plus(Duration::from_secs(1))));
        assert!(!live.is_fresh(now.plus(Duration::from_millis(1001))));
        publisher.prove(Moment::NEVER);
        assert_eq!(live.lag(now.plus(Duration::from_millis(5))), Duration::from_millis(5), "never goes back");
    }
}
