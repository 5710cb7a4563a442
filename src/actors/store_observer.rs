//! What the stores tell becomes counts and log lines: the one place that knows both sides.
//!
//! While a store is out, every call fails and the revocation follower asks four times a second. The log gets
//! a line when it begins and one when it is over; in between the failures are counted, and a request that
//! suffers from it says so in its own line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::StartError;
use super::outage::{Outage, Over};
use crate::store::{StoreError, StoreObserver};
use crate::telemetry::metrics::{Metrics, StoreMetrics};

/// Counts and logs what one store tells.
struct Observer {
    store: &'static str,
    metrics: StoreMetrics,
    outage: Mutex<Outage>,
    /// Whether there is an outage, written under the lock: an answered call asks this and takes no lock.
    is_out: AtomicBool,
}

impl StoreObserver for Observer {
    fn waited(&self, wait: Duration) {
        self.metrics.waited(wait);
    }

    fn answered(&self) {
        if !self.is_out.load(Ordering::Relaxed) {
            return;
        }
        let mut outage = self.outage.lock();
        let over = outage.answered(Instant::now());
        self.is_out.store(*outage != Outage::None, Ordering::Relaxed);
        drop(outage);
        if let Some(Over { took, failures }) = over {
            tracing::info!(store = self.store, failures, seconds = took.as_secs(), "store answers again");
        }
    }

    fn failed(&self, error: &StoreError) {
        self.metrics.failed();
        let mut outage = self.outage.lock();
        let begins = outage.failed(Instant::now());
        self.is_out.store(true, Ordering::Relaxed);
        drop(outage);
        if begins {
            tracing::warn!(store = self.store, %error, "store fails; counting until it answers again");
        }
    }
}

/// An observer for the store of this name (`postgres`, `redis`, `sqlite`).
pub(super) fn observer(metrics: &Metrics, store: &'static str) -> Result<Arc<dyn StoreObserver>, StartError> {
    let metrics = metrics.for_store(store).map_err(|error| StartError::Failed(error.to_string()))?;
    let (outage, is_out) = (Mutex::new(Outage::None), AtomicBool::new(false));
    Ok(Arc::new(Observer { store, metrics, outage, is_out }))
}
