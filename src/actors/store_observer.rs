//! What the stores tell becomes counts: the one place that knows both sides.

use std::sync::Arc;
use std::time::Duration;

use super::StartError;
use crate::store::StoreObserver;
use crate::telemetry::metrics::{Metrics, StoreMetrics};

/// Counts what one store tells.
struct Counted(StoreMetrics);

impl StoreObserver for Counted {
    fn waited(&self, wait: Duration) {
        self.0.waited(wait);
    }

    fn failed(&self) {
        self.0.failed();
    }
}

/// An observer that counts under this name (`postgres`, `redis`, `sqlite`).
pub(super) fn counted(metrics: &Metrics, store: &'static str) -> Result<Arc<dyn StoreObserver>, StartError> {
    let handles = metrics.for_store(store).map_err(|error| StartError::Failed(error.to_string()))?;
    Ok(Arc::new(Counted(handles)))
}
