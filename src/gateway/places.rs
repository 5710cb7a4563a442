//! Places for connections: how many there are at once, in all and of one address.
//!
//! When all are taken, a newcomer gets the place of a connection that only waits: for its next request, or for the
//! rest of a head that does not come. Somebody who holds thousands of connections open and says nothing on them keeps
//! nobody out, and is the first to lose them; nobody loses a request that is being served. Where everybody is being
//! served, the newcomer is refused.
//!
//! Which one has waited longest is not worth knowing exactly: a hand goes round over the taken places, looks at a few
//! of them each time, and takes the longest-waiting of those (the idea of the clock algorithm for page replacement).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::telemetry::ConnectionRefusal;

/// Places that the hand looks at for one newcomer.
const LOOKS: usize = 32;
/// A connection that has waited for less is left alone: its request may be on the way.
const FRESH: Duration = Duration::from_millis(100);

/// All places.
#[derive(Debug)]
pub struct Places {
    most: usize,
    /// None: as many as there are.
    most_of_address: Option<usize>,
    started: Instant,
    taken: Mutex<Taken>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: Ring,
    /// An address without connections is not in it.
    by_address: HashMap<IpAddr, Ring>,
}

/// Some places, in no order, and the hand that goes round over them.
#[derive(Debug, Default)]
struct Ring {
    seats: Vec<Arc<Seat>>,
    hand: usize,
}

#[derive(Debug)]
struct Seat {
    /// None: not counted by address.
    address: Option<IpAddr>,
    /// Where it is in the ring of all, and in that of its address; read and written under the lock.
    at: [AtomicUsize; 2],
    /// [`SERVED`], [`GIVEN_AWAY`], or since when it has waited: milliseconds from the start, from [`FIRST`] on.
    state: AtomicU64,
    taken_away: Notify,
}

const SERVED: u64 = 0;
const GIVEN_AWAY: u64 = 1;
const FIRST: u64 = 2;

const OF_ALL: usize = 0;
const OF_ADDRESS: usize = 1;

/// A place taken. Dropped, it is free.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    seat: Arc<Seat>,
}

/// What became of a newcomer.
#[derive(Debug)]
pub struct Entry {
    /// Its place, or why there is none.
    pub place: Result<Place, ConnectionRefusal>,
    /// For which bound another connection lost its place to it.
    pub displaced: Option<ConnectionRefusal>,
}

impl Places {
    /// So many places, and of these at most so many for one address.
    pub fn new(most: usize, most_of_address: Option<usize>) -> Arc<Self> {
        let (taken, emptied) = (Mutex::default(), Notify::new());
        Arc::new(Self { most, most_of_address, started: Instant::now(), taken, emptied })
    }

    /// Takes a place for a connection from this address; `None` for one that many people share, which is not
    /// counted by address. The place is a served one until [`Place::wait`].
    pub fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Entry {
        let seat = Arc::new(Seat {
            address: address.filter(|_| self.most_of_address.is_some()).map(counted_as),
            at: Default::default(),
            state: AtomicU64::new(SERVED),
            taken_away: Notify::new(),
        });
        let mut taken = self.taken.lock();
        let mut displaced = None;
        let full = |ring: &Ring, most: usize| ring.seats.len() >= most;
        if let (Some(address), Some(most)) = (seat.address, self.most_of_address)
            && taken.by_address.get(&address).is_some_and(|ring| full(ring, most))
        {
            let why = ConnectionRefusal::TooManyOfAddress;
            let waiting =
                taken.by_address.get_mut(&address).and_then(|ring| ring.longest_waiting(self.now()));
            match waiting {
                Some(other) => taken.give_away(&other),
                None => return Entry { place: Err(why), displaced },
            }
            displaced = Some(why);
        }
        if full(&taken.all, self.most) {
            let why = ConnectionRefusal::TooMany;
            match taken.all.longest_waiting(self.now()) {
                Some(other) => taken.give_away(&other),
                None => return Entry { place: Err(why), displaced },
            }
            displaced = Some(why);
        }
        taken.add(&seat);
        Entry { place: Ok(Place { places: Arc::clone(self), seat }), displaced }
    }

    /// Waits until no place is taken.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.taken.lock().all.seats.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// On the clock of [`Seat::state`].
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(FIRST)
    }
}

impl Place {
    /// From now on the connection only waits, and may lose its place.
    pub fn wait(&self) {
        self.turn(SERVED, self.places.now());
    }

    /// A request has come. `false`: the place is lost, and the connection is to be closed.
    #[must_use]
    pub fn serve(&self) -> bool {
        let state = self.seat.state.load(Ordering::Relaxed);
        state != GIVEN_AWAY && self.turn(state, SERVED)
    }

    /// Returns when the place is lost.
    pub async fn lost(&self) {
        self.seat.taken_away.notified().await;
    }

    fn turn(&self, from: u64, to: u64) -> bool {
        self.seat.state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        // What was given away is not counted any more.
        if self.seat.state.load(Ordering::Relaxed) != GIVEN_AWAY {
            taken.remove(&self.seat);
        }
        if taken.all.seats.is_empty() {
            self.places.emptied.notify_waiters();
        }
    }
}

impl Taken {
    fn add(&mut self, seat: &Arc<Seat>) {
        self.all.add(seat, OF_ALL);
        if let Some(address) = seat.address {
            self.by_address.entry(address).or_default().add(seat, OF_ADDRESS);
        }
    }

    fn remove(&mut self, seat: &Seat) {
        self.all.remove(seat, OF_ALL);
        if let Some(address) = seat.address
            && let Some(ring) = self.by_address.get_mut(&address)
        {
            ring.remove(seat, OF_ADDRESS);
            if ring.seats.is_empty() {
                self.by_address.remove(&address);
            }
        }
    }

    /// Its connection is told, and is counted no more.
    fn give_away(&mut self, seat: &Arc<Seat>) {
        self.remove(seat);
        seat.taken_away.notify_one();
    }
}

impl Ring {
    fn add(&mut self, seat: &Arc<Seat>, which: usize) {
        if let Some(at) = seat.at.get(which) {
            at.store(self.seats.len(), Ordering::Relaxed);
        }
        self.seats.push(Arc::clone(seat));
    }

    fn remove(&mut self, seat: &Seat, which: usize) {
        let Some(at) = seat.at.get(which).map(|at| at.load(Ordering::Relaxed)) else { return };
        if !self.seats.get(at).is_some_and(|found| std::ptr::eq(Arc::as_ptr(found), seat)) {
            return;
        }
        self.seats.swap_remove(at);
        if let Some(moved) = self.seats.get(at).and_then(|moved| moved.at.get(which)) {
            moved.store(at, Ordering::Relaxed);
        }
        // A crowd that has gone leaves no room behind.
        if self.seats.len() < self.seats.capacity() / 4 {
            self.seats.shrink_to(self.seats.len() * 2);
        }
    }

    /// The longest-waiting of the next few, which from now on is marked as given away.
    fn longest_waiting(&mut self, now: u64) -> Option<Arc<Seat>> {
        let fresh = u64::try_from(FRESH.as_millis()).unwrap_or(u64::MAX);
        let latest = now.saturating_sub(fresh);
        let looks = LOOKS.min(self.seats.len());
        let found = (0..looks)
            .filter_map(|step| self.seats.get((self.hand + step) % self.seats.len().max(1)))
            .map(|seat| (seat.state.load(Ordering::Relaxed), seat))
            .filter(|(since, _)| (FIRST..=latest).contains(since))
            .min_by_key(|(since, _)| *since)
            .map(|(since, seat)| (since, Arc::clone(seat)));
        self.hand = (self.hand + looks) % self.seats.len().max(1);
        let (since, seat) = found?;
        // Its request may have come this very moment.
        let state = &seat.state;
        state.compare_exchange(since, GIVEN_AWAY, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        Some(seat)
    }
}

/// One customer of a provider has a whole /64 of IPv6 (RFC 6177), so that is what is counted.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::advance;

    use super::*;

    fn ip(last: u8) -> Option<IpAddr> {
        Some([192, 0, 2, last].into())
    }

    fn enter(places: &Arc<Places>, address: Option<IpAddr>) -> Place {
        places.enter(address).place.unwrap()
    }

    fn refused(places: &Arc<Places>, address: Option<IpAddr>) -> Option<ConnectionRefusal> {
        places.enter(address).place.err()
    }

    #[test]
    fn places_are_bounded_in_all_and_by_address_and_come_back() {
        let places = Places::new(4, Some(2));
        let held = [enter(&places, ip(1)), enter(&places, ip(1))];
        assert_eq!(refused(&places, ip(1)), Some(ConnectionRefusal::TooManyOfAddress));
        let others = [enter(&places, ip(2)), enter(&places, ip(3))];
        assert_eq!(refused(&places, ip(4)), Some(ConnectionRefusal::TooMany));
        drop(held);
        let again = [enter(&places, ip(1)), enter(&places, ip(1))];
        assert_eq!(refused(&places, ip(1)), Some(ConnectionRefusal::TooManyOfAddress));
        drop((again, others));
        let taken = places.taken.lock();
        assert!(taken.all.seats.is_empty() && taken.by_address.is_empty());
    }

    #[test]
    fn ipv6_is_counted_by_its_64_and_mapped_ipv4_as_itself() {
        let places = Places::new(100, Some(1));
        let of = |text: &str| Some(text.parse().unwrap());
        let _held = [enter(&places, of("2001:db8:0:1::1")), enter(&places, of("192.0.2.1"))];
        for (address, expected) in [
            ("2001:db8:0:1:ffff::9", Some(ConnectionRefusal::TooManyOfAddress)),
            ("::ffff:192.0.2.1", Some(ConnectionRefusal::TooManyOfAddress)),
            ("2001:db8:0:2::1", None),
            ("192.0.2.2", None),
        ] {
            assert_eq!(refused(&places, of(address)), expected, "{address}");
        }
    }

    #[test]
    fn shared_address_is_counted_only_in_all() {
        let places = Places::new(3, Some(1));
        let _held = [enter(&places, None), enter(&places, None), enter(&places, None)];
        assert_eq!(refused(&places, None), Some(ConnectionRefusal::TooMany));
        assert!(places.taken.lock().by_address.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_gives_way_the_longest_waiting_first_and_nobody_who_is_served() {
        let places = Places::new(10, Some(3));
        let all: Vec<Place> = (0..3).map(|_| enter(&places, ip(1))).collect();
        advance(FRESH).await;
        all[1].wait();
        advance(FRESH).await;
        all[2].wait();
        advance(FRESH).await;
        let entry = places.enter(ip(1));
        assert_eq!(entry.displaced, Some(ConnectionRefusal::TooManyOfAddress));
        all[1].lost().await;
        assert!(!all[1].serve() && all[2].serve() && all[0].serve());
        // The others are served now, and the newcomer too.
        let _newcomer = entry.place.unwrap();
        assert_eq!(refused(&places, ip(1)), Some(ConnectionRefusal::TooManyOfAddress));
        assert_eq!(places.taken.lock().all.seats.len(), 3);
        drop(all);
        assert_eq!(places.taken.lock().all.seats.len(), 1, "what was given away is freed once");
    }

    #[tokio::test(start_paused = true)]
    async fn request_that_may_be_on_its_way_is_not_cut_off() {
        let places = Places::new(1, None);
        let only = enter(&places, ip(1));
        only.wait();
        advance(FRESH - Duration::from_millis(1)).await;
        assert_eq!(refused(&places, ip(2)), Some(ConnectionRefusal::TooMany));
        advance(Duration::from_millis(1)).await;
        assert!(refused(&places, ip(2)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn hand_finds_those_who_wait_among_many_who_do_not() {
        let places = Places::new(1000, None);
        let all: Vec<Place> = (0..1000).map(|_| enter(&places, ip(1))).collect();
        all[700].wait();
        advance(FRESH).await;
        let mut newcomers = (0..1000 / LOOKS + 1).map(|_| places.enter(ip(2)));
        assert!(newcomers.any(|entry| entry.place.is_ok()));
    }

    #[tokio::test]
    async fn emptied_is_told() {
        let places = Places::new(2, None);
        let held = enter(&places, ip(1));
        let waits = tokio::time::timeout(Duration::from_millis(1), places.emptied()).await;
        assert!(waits.is_err());
        tokio::join!(places.emptied(), async { drop(held) });
    }

    proptest! {
        /// Whatever comes, goes, waits and is served: the counts are those of the places held.
        #[test]
        fn counts_never_leak(steps in proptest::collection::vec((0_u8..4, 0_usize..12, 0_u8..4), 0..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let places = Places::new(8, Some(3));
                let mut held: Vec<Place> = Vec::new();
                for (step, which, address) in steps {
                    match (step, which.checked_rem(held.len())) {
                        (0, _) => held.extend(places.enter(ip(address)).place.ok()),
                        (1, Some(at)) => drop(held.swap_remove(at)),
                        (2, Some(at)) => held[at].wait(),
                        (_, Some(at)) => if !held[at].serve() { drop(held.swap_remove(at)) },
                        (_, None) => {}
                    }
                    advance(FRESH / 2).await;
                    let kept = held.iter().filter(|place| place.seat.state.load(Ordering::Relaxed) != GIVEN_AWAY);
                    let taken = places.taken.lock();
                    assert_eq!(taken.all.seats.len(), kept.count());
                    assert!(taken.all.seats.len() <= 8);
                    let by_address: usize = taken.by_address.values().map(|ring| ring.seats.len()).sum();
                    assert_eq!(by_address, taken.all.seats.len());
                    assert!(taken.by_address.values().all(|ring| (1..=3).contains(&ring.seats.len())));
                }
            });
        }
    }
}
