//! A bounded map whose entries expire.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// Entries by key, in order of their age and in order of their expiry.
///
/// All three parts hold the same entries. Each operation takes logarithmic time, plus the removal of
/// what has expired.
pub(super) struct ExpiringMap<K, V> {
    capacity: usize,
    entries: HashMap<K, Entry<V>>,
    by_age: BTreeMap<u64, K>,
    by_expiry: BTreeMap<(Instant, u64), K>,
    next_age: u64,
}

struct Entry<V> {
    value: V,
    expires_at: Instant,
    age: u64,
}

/// Longer than anything lives here, and short enough to be added to any instant.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

impl<K: Clone + Eq + Hash, V> ExpiringMap<K, V> {
    /// Holds at most `capacity` entries, at least one.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            entries: HashMap::new(),
            by_age: BTreeMap::new(),
            by_expiry: BTreeMap::new(),
            next_age: 0,
        }
    }

    /// Puts or replaces an entry. In a full map, the expired go first, then the oldest.
    pub(super) fn put(&mut self, key: K, value: V, ttl: Duration, now: Instant) {
        self.remove(&key);
        self.drop_expired(now);
        while self.entries.len() >= self.capacity {
            let Some(oldest) = self.by_age.first_key_value().map(|(_, key)| key.clone()) else { break };
            self.remove(&oldest);
        }
        let age = self.next_age;
        self.next_age = age.wrapping_add(1);
        let expires_at = now + ttl.min(LONGEST);
        self.by_age.insert(age, key.clone());
        self.by_expiry.insert((expires_at, age), key.clone());
        self.entries.insert(key, Entry { value, expires_at, age });
    }

    /// The entry, if it is there and has not expired.
    pub(super) fn find(&self, key: &K, now: Instant) -> Option<&V> {
        self.entries.get(key).filter(|entry| now < entry.expires_at).map(|entry| &entry.value)
    }

    /// Replaces the value of an entry that is there and has not expired; it expires when it would have.
    pub(super) fn replace(&mut self, key: &K, value: V, now: Instant) {
        if let Some(entry) = self.entries.get_mut(key).filter(|entry| now < entry.expires_at) {
            entry.value = value;
        }
    }

    /// Removes the entry; what it was, if it had not expired.
    pub(super) fn take(&mut self, key: &K, now: Instant) -> Option<V> {
        self.remove(key).filter(|entry| now < entry.expires_at).map(|entry| entry.value)
    }

    fn remove(&mut self, key: &K) -> Option<Entry<V>> {
        let entry = self.entries.remove(key)?;
        self.by_age.remove(&entry.age);
        self.by_expiry.remove(&(entry.expires_at, entry.age));
        Some(entry)
    }

    fn drop_expired(&mut self, now: Instant) {
        while let Some((&(expires_at, _), key)) = self.by_expiry.first_key_value() {
            if now < expires_at {
                break;
            }
            let key = key.clone();
            self.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_entry_is_there_until_it_expires() {
        let now = Instant::now();
        let mut map = ExpiringMap::new(10);
        map.put("a", 1, SECOND, now);
        assert_eq!(map.find(&"a", now), Some(&1));
        assert_eq!(map.find(&"a", now + SECOND), None);
        assert_eq!(map.take(&"a", now + SECOND), None);
        map.put("a", 2, Duration::MAX, now);
        assert_eq!(map.take(&"a", now + SECOND), Some(2));
        assert_eq!(map.take(&"a", now + SECOND), None);
    }

    #[test]
    fn a_full_map_drops_the_expired_before_the_oldest() {
        let now = Instant::now();
        let mut map = ExpiringMap::new(2);
        map.put("old", 1, 9 * SECOND, now);
        map.put("short", 2, SECOND, now);
        map.put("new", 3, 9 * SECOND, now + SECOND);
        assert_eq!(map.find(&"old", now + SECOND), Some(&1));
        assert_eq!(map.find(&"new", now + SECOND), Some(&3));
        map.put("newer", 4, 9 * SECOND, now + SECOND);
        assert_eq!(map.find(&"old", now + SECOND), None);
        assert_eq!(map.find(&"new", now + SECOND), Some(&3));
    }

    #[test]
    fn it_never_holds_more_than_its_capacity_in_any_part() {
        let now = Instant::now();
        let mut map = ExpiringMap::new(100);
        for number in 0..1000_u64 {
            map.put(number % 300, number, Duration::from_millis(number % 7 + 1), now);
            assert!(map.entries.len() <= 100);
            assert_eq!(map.by_age.len(), map.entries.len());
            assert_eq!(map.by_expiry.len(), map.entries.len());
        }
    }
}
