//! How many of the places in the hash queue one address may hold: any number while half of them are free, then a quarter.
//!
//! Its bucket bounds how many hashes an address gets in the long run; until that is empty it could fill the queue, and
//! everybody else would be turned away meanwhile. Whatever an address does counts together: logins, registrations,
//! passwords given in a session.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::AuthError;
use crate::domain::attempts::place;

/// Places held, by address. Holds no more addresses than there are places in the queue.
#[derive(Debug)]
pub struct PlacesPerAddress {
    queue: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    by: HashMap<Vec<u8>, usize>,
    all: usize,
}

/// A place in the queue, until it is dropped.
#[derive(Debug)]
pub struct Place {
    all: Arc<PlacesPerAddress>,
    address: Vec<u8>,
}

impl PlacesPerAddress {
    /// Of a queue with so many places.
    pub fn new(queue: usize) -> Arc<Self> {
        Arc::new(Self { queue, held: Mutex::default() })
    }

    /// A place for an attempt from this address, of IPv6 from its /64.
    ///
    /// # Errors
    /// [`AuthError::Busy`].
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, AuthError> {
        let address = place(address);
        let mut held = self.held.lock();
        let crowded = 2 * held.all >= self.queue;
        let count = held.by.entry(address.clone()).or_insert(0);
        if crowded && *count >= (self.queue / 4).max(1) {
            return Err(AuthError::Busy);
        }
        *count += 1;
        held.all += 1;
        Ok(Place { all: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.all.held.lock();
        held.all = held.all.saturating_sub(1);
        if let Some(count) = held.by.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.by.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_a_quarter_of_the_places_once_half_are_taken_and_gives_them_back() {
        let from = |last| IpAddr::from([192, 0, 2, last]);
        let places = PlacesPerAddress::new(12);
        // An office in the morning: nobody else wants them.
        let mut held: Vec<_> = (0..6).map(|_| places.take(from(1)).unwrap()).collect();
        assert!(places.take(from(1)).is_err());
        for other in 2..4 {
            held.extend((0..3).map(|_| places.take(from(other)).unwrap()));
            assert!(places.take(from(other)).is_err());
        }
        drop(held.remove(0));
        assert!(places.take(from(1)).is_err(), "it holds more than its quarter still");
        drop(held.remove(0));
        drop(held.remove(0));
        drop(held.remove(0));
        held.push(places.take(from(1)).unwrap());
        drop(held);
        let left = places.held.lock();
        assert!(left.by.is_empty() && left.all == 0);
    }

    #[test]
    fn an_entry_is_made_only_for_a_place() {
        let places = PlacesPerAddress::new(1);
        let held = places.take(IpAddr::from([192, 0, 2, 1])).unwrap();
        drop(held);
        assert!(places.held.lock().by.is_empty());
    }
}
