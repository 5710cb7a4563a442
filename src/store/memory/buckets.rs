//! Buckets of attempts in this process.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::expiring::ExpiringMap;
use crate::domain::attempts::{Attempt, Bucket, BucketKey, BucketKind, Charged, Micros, Settlement};

/// Buckets of addresses, buckets of accounts, and known places, each bounded by itself: strangers with many addresses, or many
/// names, push out buckets of the same sort, the ones that were charged longest ago first. A bucket of an account is
/// charged only by an attempt that goes on to a hash, so pushing out others takes a hash for each.
pub struct MemoryBuckets {
    /// The clock of the buckets counts from here.
    epoch: Instant,
    maps: Mutex<Maps>,
}

struct Maps {
    addresses: ExpiringMap<BucketKey, Micros>,
    accounts: ExpiringMap<BucketKey, Micros>,
    known: ExpiringMap<BucketKey, Micros>,
}

impl Maps {
    /// Those that push each other out.
    fn of(&mut self, kind: BucketKind) -> &mut ExpiringMap<BucketKey, Micros> {
        match kind {
            BucketKind::Address | BucketKind::Network | BucketKind::Registration | BucketKind::Secret => {
                &mut self.addresses
            }
            BucketKind::Account | BucketKind::Known | BucketKind::Session => &mut self.accounts,
        }
    }
}

impl MemoryBuckets {
    /// Holds at most `capacity` of each sort.
    pub fn new(capacity: usize) -> Self {
        let [addresses, accounts, known] = std::array::from_fn(|_| ExpiringMap::new(capacity));
        let maps = Maps { addresses, accounts, known };
        Self { epoch: Instant::now(), maps: Mutex::new(maps) }
    }

    /// See [`SharedStore::charge`](crate::store::SharedStore::charge).
    pub fn charge(&self, attempt: &Attempt, now: Instant) -> Charged {
        let mut maps = self.maps.lock();
        let known = attempt.door.filter(|door| maps.known.find(&door.known.key, now).is_some());
        let stranger = attempt.door.filter(|_| known.is_none()).map(|door| door.stranger);
        let micros = self.micros(now);
        let mut charged = Vec::with_capacity(attempt.buckets.len() + 1);
        let mut lacking: Option<(Bucket, Duration)> = None;
        let mut try_charge = |bucket: Bucket, full_at: Option<&Micros>| {
            let full_at = full_at.copied().unwrap_or_default();
            match bucket.limit.charge(full_at, Attempt::UNITS, micros) {
                Ok(then) => charged.push((bucket, then)),
                Err(wait) if lacking.is_none_or(|(_, longest)| wait > longest) => {
                    lacking = Some((bucket, wait))
                }
                Err(_) => {}
            }
        };
        for bucket in attempt.buckets.iter().copied().chain(stranger) {
            try_charge(bucket, maps.of(bucket.kind).find(&bucket.key, now));
        }
        if let Some(door) = known {
            try_charge(door.known, maps.known.find(&door.known.key, now));
        }
        if let Some((bucket, wait)) = lacking {
            return Charged::Refused { by: bucket.kind, wait };
        }
        if known.is_some()
            && let Some((bucket, full_at)) = charged.pop()
        {
            maps.known.replace(&bucket.key, full_at, now);
        }
        for (bucket, full_at) in charged {
            maps.of(bucket.kind).put(bucket.key, full_at, until(full_at, micros), now);
        }
        Charged::Admitted { known: known.is_some() }
    }

    /// See [`SharedStore::settle`](crate::store::SharedStore::settle).
    pub fn settle(&self, settlement: &Settlement, now: Instant) {
        let mut maps = self.maps.lock();
        let micros = self.micros(now);
        for (bucket, units) in &settlement.refunds {
            // What undoes a charge at a known place comes this way too.
            if let Some(full_at) = maps.known.find(&bucket.key, now).copied() {
                maps.known.replace(&bucket.key, bucket.limit.refund(full_at, *units), now);
            }
            let buckets = maps.of(bucket.kind);
            if let Some(full_at) = buckets.find(&bucket.key, now).copied() {
                let full_at = bucket.limit.refund(full_at, *units);
                buckets.put(bucket.key, full_at, until(full_at, micros), now);
            }
        }
        if let Some(remember) = settlement.remember {
            let bucket = remember.bucket;
            let full_at = maps.known.find(&bucket.key, now);
            let full_at = full_at.map(|full_at| bucket.limit.refund(*full_at, remember.units));
            maps.known.put(bucket.key, full_at.unwrap_or(micros), remember.ttl, now);
        }
    }

    fn micros(&self, now: Instant) -> Micros {
        u64::try_from(now.saturating_duration_since(self.epoch).as_micros()).unwrap_or(u64::MAX)
    }
}

fn until(full_at: Micros, now: Micros) -> Duration {
    Duration::from_micros(full_at.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;
    use std::num::NonZeroU32;

    use zeroize::Zeroizing;

    use super::*;
    use crate::domain::attempts::{AttemptKeys, Limit, Limits};

    /// Found by attack: registrations that were refused for their form cost no hash, and pushed out guesses.
    #[test]
    fn many_addresses_push_out_no_bucket_of_an_account() {
        let limit = Some(Limit::new(NonZeroU32::MIN, Duration::from_hours(1)));
        let limits = Limits {
            address: None,
            network: None,
            account: limit,
            registration: limit,
            secret: None,
            known_for: Duration::from_secs(60),
        };
        let keys = AttemptKeys::new(Zeroizing::new([1; 32]));
        let (buckets, now) = (MemoryBuckets::new(100), Instant::now());
        let guess = || limits.login(&keys, Ipv6Addr::LOCALHOST.into(), Some("ann@example.org"), None);
        assert!(matches!(buckets.charge(&guess(), now), Charged::Admitted { .. }));
        for number in 0..1000_u128 {
            let address = Ipv6Addr::from_bits(number << 64);
            buckets.charge(&limits.registration(&keys, address.into()), now);
        }
        assert!(matches!(buckets.charge(&guess(), now), Charged::Refused { .. }));
    }
}
