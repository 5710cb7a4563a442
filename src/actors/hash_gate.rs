//! Who may wait for a hash: as many as the queue has places, and nobody who would wait too long.
//!
//! A login that is let in and then gives up has cost a hash that nobody hears of, so under a flood the queue must not
//! be longer than callers are patient. How long it is shows only in time: a hash costs what it was measured to cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AuthError;

/// How long hashes take.
#[derive(Debug)]
pub struct HashLoad {
    threads: u32,
    /// Microseconds, an average that forgets; 0 before the first.
    average: AtomicU64,
}

impl HashLoad {
    /// Of so many threads, at least one.
    pub fn new(threads: usize) -> Self {
        Self { threads: u32::try_from(threads).unwrap_or(u32::MAX).max(1), average: AtomicU64::new(0) }
    }

    /// A hash took this long on its thread.
    pub fn took(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        // Two threads at once may lose one of two measurements, which is as good.
        let before = self.average.load(Ordering::Relaxed);
        let average = if before == 0 { micros } else { before - before / 8 + micros / 8 };
        self.average.store(average, Ordering::Relaxed);
    }

    /// How long a hash behind this many others will wait for its thread.
    pub fn wait_behind(&self, others: usize) -> Duration {
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        // Every thread is at work on one of them, on average at half of it: the wait is not counted too short.
        Duration::from_micros(self.average.load(Ordering::Relaxed)).saturating_mul(others) / self.threads
    }
}

/// The gate before the queue.
#[derive(Debug, Clone)]
pub struct HashGate {
    permits: Arc<Semaphore>,
    places: usize,
    longest_wait: Duration,
    load: Arc<HashLoad>,
}

impl HashGate {
    /// For so many at once, of whom none waits longer than this, if hashes take as long as they did.
    pub fn new(places: usize, longest_wait: Duration, load: Arc<HashLoad>) -> Self {
        Self { permits: Arc::new(Semaphore::new(places)), places, longest_wait, load }
    }

    /// A place.
    ///
    /// # Errors
    /// [`AuthError::Busy`], at once.
    pub fn enter(&self) -> Result<OwnedSemaphorePermit, AuthError> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| AuthError::Busy)?;
        let others = self.places.saturating_sub(self.permits.available_permits()).saturating_sub(1);
        if self.load.wait_behind(others) > self.longest_wait {
            return Err(AuthError::Busy);
        }
        Ok(permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(places: usize, wait_millis: u64, threads: usize) -> (HashGate, Arc<HashLoad>) {
        let load = Arc::new(HashLoad::new(threads));
        (HashGate::new(places, Duration::from_millis(wait_millis), Arc::clone(&load)), load)
    }

    #[test]
    fn nobody_is_let_in_who_would_wait_too_long() {
        let (gate, load) = gate(100, 1000, 2);
        load.took(Duration::from_millis(250));
        let inside: Vec<_> = std::iter::from_fn(|| gate.enter().ok()).collect();
        // 8 others x 250 ms on 2 threads are a second.
        assert_eq!(inside.len(), 9);
        drop(inside);
        assert!(gate.enter().is_ok(), "places are given back");
    }

    #[test]
    fn places_are_the_bound_while_hashes_are_quick_or_were_not_measured() {
        for millis in [0, 1] {
            let (gate, load) = gate(5, 1000, 1);
            load.took(Duration::from_millis(millis));
            assert_eq!(std::iter::from_fn(|| gate.enter().ok()).collect::<Vec<_>>().len(), 5);
        }
    }

    #[test]
    fn one_is_always_let_in_however_slow_hashes_were() {
        let (gate, load) = gate(5, 100, 1);
        load.took(Duration::from_hours(1));
        let inside = gate.enter().unwrap();
        assert!(gate.enter().is_err());
        drop(inside);
        for _ in 0..100 {
            load.took(Duration::from_millis(10));
        }
        assert_eq!(std::iter::from_fn(|| gate.enter().ok()).collect::<Vec<_>>().len(), 5);
    }
}
