//! Buckets of attempts in this process.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::expiring::ExpiringMap;
use crate::domain::attempts::{Attempt, Bucket, BucketKey, Charged, Micros, Settlement};

/// Buckets and known places, each bounded: strangers who fill many buckets push out other buckets, the ones that
/// were charged longest ago first, and never a known place.
pub struct MemoryBuckets {
    /// The clock of the buckets counts from here.
    epoch: Instant,
    maps: Mutex<Maps>,
}

struct Maps {
    buckets: ExpiringMap<BucketKey, Micros>,
    known: ExpiringMap<BucketKey, Micros>,
}

impl MemoryBuckets {
    /// Holds at most `capacity` buckets and as many known places.
    pub fn new(capacity: usize) -> Self {
        let maps = Maps { buckets: ExpiringMap::new(capacity), known: ExpiringMap::new(capacity) };
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
                Ok(then) => charged.push((bucket.key, then)),
                Err(wait) if lacking.is_none_or(|(_, longest)| wait > longest) => {
                    lacking = Some((bucket, wait))
                }
                Err(_) => {}
            }
        };
        for bucket in attempt.buckets.iter().copied().chain(stranger) {
            try_charge(bucket, maps.buckets.find(&bucket.key, now));
        }
        if let Some(door) = known {
            try_charge(door.known, maps.known.find(&door.known.key, now));
        }
        if let Some((bucket, wait)) = lacking {
            return Charged::Refused { by: bucket.kind, wait };
        }
        if known.is_some()
            && let Some((key, full_at)) = charged.pop()
        {
            maps.known.replace(&key, full_at, now);
        }
        for (key, full_at) in charged {
            maps.buckets.put(key, full_at, until(full_at, micros), now);
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
            if let Some(full_at) = maps.buckets.find(&bucket.key, now).copied() {
                let full_at = bucket.limit.refund(full_at, *units);
                maps.buckets.put(bucket.key, full_at, until(full_at, micros), now);
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
