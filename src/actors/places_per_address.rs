//! How many of the places in the hash queue one address may hold: a quarter.
//!
//! Its bucket bounds how many hashes an address gets in the long run; until that is empty it could fill the queue, and
//! everybody else would be turned away meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::AuthError;
use crate::domain::attempts::{Attempt, BucketKey, BucketKind};

/// Places held, by address. Holds no more addresses than there are places in the queue.
#[derive(Debug)]
pub struct PlacesPerAddress {
    most: usize,
    held: Mutex<HashMap<BucketKey, usize>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    all: Arc<PlacesPerAddress>,
    key: BucketKey,
}

impl PlacesPerAddress {
    /// Of a queue with so many places.
    pub fn new(queue: usize) -> Arc<Self> {
        Arc::new(Self { most: (queue / 4).max(1), held: Mutex::default() })
    }

    /// A place for whoever makes this attempt; none is needed where addresses are not limited.
    ///
    /// # Errors
    /// [`AuthError::Busy`].
    pub fn take(self: &Arc<Self>, attempt: &Attempt) -> Result<Option<Place>, AuthError> {
        let of_address = |kind| matches!(kind, BucketKind::Address | BucketKind::Registration);
        let Some(bucket) = attempt.buckets.iter().find(|bucket| of_address(bucket.kind)) else {
            return Ok(None);
        };
        let mut held = self.held.lock();
        let count = held.entry(bucket.key).or_insert(0);
        if *count >= self.most {
            return Err(AuthError::Busy);
        }
        *count += 1;
        Ok(Some(Place { all: Arc::clone(self), key: bucket.key }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.all.held.lock();
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use zeroize::Zeroizing;

    use super::*;
    use crate::domain::attempts::{AttemptKeys, Limit, Limits};

    #[test]
    fn an_address_holds_a_quarter_of_the_places_and_gives_them_back() {
        let limit = Some(Limit::new(NonZeroU32::MIN, Duration::from_secs(1)));
        let limits = Limits {
            address: limit,
            network: None,
            account: None,
            registration: limit,
            secret: None,
            known_for: Duration::from_secs(1),
        };
        let keys = AttemptKeys::new(Zeroizing::new([1; 32]));
        let from = |last| limits.login(&keys, [192, 0, 2, last].into(), None, None);
        let places = PlacesPerAddress::new(12);
        let mut held: Vec<_> = (0..3).map(|_| places.take(&from(1)).unwrap()).collect();
        assert!(places.take(&from(1)).is_err());
        assert!(places.take(&from(2)).unwrap().is_some());
        held.pop();
        held.push(places.take(&from(1)).unwrap());
        assert!(places.take(&from(1)).is_err());
        drop(held);
        assert!(places.held.lock().is_empty());
        let unlimited = Limits { address: None, ..limits };
        for _ in 0..9 {
            assert!(
                places.take(&unlimited.login(&keys, [192, 0, 2, 1].into(), None, None)).unwrap().is_none()
            );
        }
    }
}
