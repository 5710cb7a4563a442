//! All open requests of this process, by session.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::connection::OpenConnection;
use super::entry::{Cut, Entry};
use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;

/// Locks, so that requests of different sessions hardly meet.
const SHARDS: u64 = 64;

/// Names a key in little space. Key ids are hashes themselves: two alike do not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyMark(pub(super) u64);

impl KeyMark {
    /// The mark of a key id.
    pub fn of(kid: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        kid.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OpenRequests(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    changes: Changes,
    shards: Box<[Mutex<Sessions>]>,
}

/// Every request reads it: it shares its cache line with nothing that is written more often.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Changes(AtomicU64);

/// Connections by the session of their last request, the open one if there is one.
type Sessions = HashMap<SessionId, Vec<Arc<Entry>>>;

impl Default for OpenRequests {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self(Arc::new(Shared { changes: Changes::default(), shards }))
    }
}

impl OpenRequests {
    /// A place for the requests of a new client connection.
    pub fn connection(&self) -> OpenConnection {
        OpenConnection::new(self.clone())
    }

    /// Moves whenever something ends. Unchanged from before a check until behind the entry: the check holds.
    pub(super) fn changes(&self) -> u64 {
        self.0.changes.0.load(Ordering::SeqCst)
    }

    /// Closes what is open of this session; how many requests. The token check must know of its end already.
    pub fn end(&self, session: SessionId) -> usize {
        self.0.changes.0.fetch_add(1, Ordering::SeqCst);
        let mut wake = Vec::new();
        if let Some(sessions) = self.shard(session) {
            let sessions = sessions.lock();
            let entries = sessions.get(&session).into_iter().flatten();
            wake.extend(entries.filter_map(|entry| entry.cut(Cut::SessionEnded, |_| true)));
        }
        let cut = wake.len();
        wake.into_iter().for_each(std::task::Waker::wake);
        cut
    }

    /// Closes what was admitted by tokens of this key; how many requests. Looks at every entry. The token check
    /// must refuse the key already.
    pub fn end_key(&self, key: KeyMark) -> usize {
        self.0.changes.0.fetch_add(1, Ordering::SeqCst);
        self.cut_each(|entry| entry.cut(Cut::KeyRetired, |terms| terms.key == key))
    }

    /// Closes what was admitted by tokens that are not accepted any more; how many requests. Looks at every
    /// entry, so it is called now and then: a request outlives its token by that much.
    pub fn end_expired(&self, now: Timestamp) -> usize {
        self.cut_each(|entry| entry.cut(Cut::TokenExpired, |terms| terms.deadline <= now))
    }

    /// How many requests are open.
    pub fn len(&self) -> usize {
        let open = |sessions: &Sessions| sessions.values().flatten().filter(|entry| entry.is_open()).count();
        self.0.shards.iter().map(|shard| open(&shard.lock())).sum()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn cut_each(&self, cut: impl Fn(&Entry) -> Option<std::task::Waker>) -> usize {
        let mut count = 0;
        for shard in &self.0.shards {
            let wake: Vec<_> = shard.lock().values().flatten().filter_map(|entry| cut(entry)).collect();
            count += wake.len();
            wake.into_iter().for_each(std::task::Waker::wake);
        }
        count
    }

    fn shard(&self, session: SessionId) -> Option<&Mutex<Sessions>> {
        // The low half of a version 7 id is random.
        let (_, random) = session.as_uuid().as_u64_pair();
        self.0.shards.get(usize::try_from(random % SHARDS).unwrap_or(0))
    }

    pub(super) fn enter(&self, session: SessionId, entry: &Arc<Entry>) {
        let Some(sessions) = self.shard(session) else { return };
        let mut sessions = sessions.lock();
        let entries = sessions.entry(session).or_default();
        entry.place.store(entries.len(), Ordering::Relaxed);
        entries.push(Arc::clone(entry));
    }

    pub(super) fn leave(&self, session: SessionId, entry: &Entry) {
        let Some(sessions) = self.shard(session) else { return };
        let mut sessions = sessions.lock();
        let Some(entries) = sessions.get_mut(&session) else { return };
        let place = entry.place.load(Ordering::Relaxed);
        if place < entries.len() {
            entries.swap_remove(place);
        }
        if let Some(moved) = entries.get(place) {
            moved.place.store(place, Ordering::Relaxed);
        }
        if entries.is_empty() {
            sessions.remove(&session);
        }
    }

    /// How many connections have an entry.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.lock().values().map(Vec::len).sum::<usize>()).sum()
    }
}
