//! Forged tokens of one address: how many are looked at.
//!
//! A token that names one of our keys and was signed by somebody else costs us a signature check, 5 to 40
//! microseconds, and its sender nothing. So the failed checks of an address (of IPv6 its /64, RFC 6177) are taken from a bucket,
//! and while that is empty no unknown token of the address is looked at. Such a token may be a good one, of somebody behind
//! the same address: it is not refused for good (429, not 401), and tokens that were found good before pass without
//! coming here.
//!
//! A table of fixed size: an address that finds its place taken displaces the one that has forged least. That costs nobody
//! anything but us: an address that is not in the table has a full bucket. Local to the process.
//!
//! What this does not do: hold back somebody with thousands of networks; count tokens that were good once (expired, or of
//! an ended session), each of which costs a signature check as well when it is not in the cache.

use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv6Addr};

use parking_lot::Mutex;

use crate::domain::attempts::{Limit, Micros};
use crate::live::Moment;

/// Addresses are spread over so many parts of the table, each with a lock of its own.
const PARTS: usize = 256;
/// Places in a part. 2 048 in all, of 32 bytes.
const PLACES: usize = 8;

/// Counts forged tokens by address.
#[derive(Debug)]
pub(super) struct Forgeries {
    /// None: nothing is counted.
    rule: Option<Limit>,
    hash: std::hash::RandomState,
    parts: Box<[Mutex<[Place; PLACES]>]>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    address: IpAddr,
    /// When its bucket is full again.
    full_at: Micros,
}

const NOBODY: Place = Place { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), full_at: 0 };

impl Forgeries {
    pub(super) fn new(rule: Option<Limit>) -> Self {
        let parts = if rule.is_some() { PARTS } else { 0 };
        let parts = (0..parts).map(|_| Mutex::new([NOBODY; PLACES])).collect();
        Self { rule, hash: std::hash::RandomState::new(), parts }
    }

    /// Whether an unknown token of this address is to be looked at.
    pub(super) fn allow(&self, address: IpAddr, now: Moment) -> bool {
        let Some(rule) = self.rule else { return true };
        let address = counted_as(address);
        let Some(part) = self.part(address) else { return true };
        let places = part.lock();
        let place = places.iter().find(|place| place.address == address);
        place.is_none_or(|place| rule.fail(place.full_at, micros(now)).is_ok())
    }

    /// Counts one that was forged.
    pub(super) fn count(&self, address: IpAddr, now: Moment) {
        let Some(rule) = self.rule else { return };
        let address = counted_as(address);
        let Some(part) = self.part(address) else { return };
        let mut places = part.lock();
        let known = places.iter().position(|place| place.address == address);
        let place = match known {
            Some(at) => places.get_mut(at),
            None => places.iter_mut().min_by_key(|place| place.full_at),
        };
        let Some(place) = place else { return };
        if known.is_none() {
            *place = Place { address, ..NOBODY };
        }
        // Several may have been looked at before the first was counted: the bucket is empty, and no emptier.
        place.full_at = rule.fail(place.full_at, micros(now)).unwrap_or(place.full_at);
    }

    fn part(&self, address: IpAddr) -> Option<&Mutex<[Place; PLACES]>> {
        let parts = u64::try_from(self.parts.len()).ok()?;
        let at = self.hash.hash_one(address).checked_rem(parts)?;
        self.parts.get(usize::try_from(at).ok()?)
    }
}

fn micros(now: Moment) -> Micros {
    Micros::try_from(now.monotonic().0.as_micros()).unwrap_or(Micros::MAX)
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
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::since_begin(Duration::from_millis(millis))
    }

    fn forgeries() -> Forgeries {
        Forgeries::new(NonZeroU32::new(10).map(|ten| Limit::new(ten, Duration::from_secs(1))))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_forged_too_often_waits_and_others_do_not() {
        let forgeries = forgeries();
        for _ in 0..10 {
            assert!(forgeries.allow(ip("192.0.2.1"), at(1000)));
            forgeries.count(ip("192.0.2.1"), at(1000));
        }
        assert!(!forgeries.allow(ip("192.0.2.1"), at(1000)));
        assert!(!forgeries.allow(ip("::ffff:192.0.2.1"), at(1999)), "the same in its other form");
        assert!(forgeries.allow(ip("192.0.2.2"), at(1000)));
        assert!(forgeries.allow(ip("192.0.2.1"), at(2000)));
    }

    #[test]
    fn a_whole_network_of_ipv6_is_one_address() {
        let forgeries = forgeries();
        for host in 0..10 {
            forgeries.count(ip(&format!("2001:db8:1:2:{host}::7")), at(1000));
        }
        assert!(!forgeries.allow(ip("2001:db8:1:2::1"), at(1000)));
        assert!(forgeries.allow(ip("2001:db8:1:3::1"), at(1000)));
    }

    #[test]
    fn any_number_of_addresses_takes_the_same_memory_and_the_worst_stay_known() {
        let forgeries = forgeries();
        let worst = ip("203.0.113.9");
        for _ in 0..10 {
            forgeries.count(worst, at(1000));
        }
        for number in 0..100_000_u32 {
            forgeries.count(IpAddr::from(std::net::Ipv4Addr::from_bits(number)), at(1000));
        }
        assert!(!forgeries.allow(worst, at(1000)));
        assert_eq!(forgeries.parts.len() * PLACES * size_of::<Place>(), 64 * 1024);
    }

    #[test]
    fn without_a_rule_nothing_is_counted() {
        let forgeries = Forgeries::new(None);
        for _ in 0..1000 {
            forgeries.count(ip("192.0.2.1"), at(1000));
        }
        assert!(forgeries.allow(ip("192.0.2.1"), at(1000)));
    }
}
