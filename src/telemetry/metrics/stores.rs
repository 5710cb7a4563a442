//! Counting what stores do.

use std::time::Duration;

use prometheus::{Histogram, IntCounter};

/// The handles of one store (`postgres`, `redis`, `sqlite`, `memory`).
#[derive(Debug, Clone)]
pub struct StoreMetrics {
    pool_wait: Histogram,
    errors: IntCounter,
}

impl StoreMetrics {
    pub(super) fn new(pool_wait: Histogram, errors: IntCounter) -> Self {
        Self { pool_wait, errors }
    }

    /// A call waited this long for its connection.
    pub fn waited(&self, wait: Duration) {
        self.pool_wait.observe(wait.as_secs_f64());
    }

    /// A call failed or passed its deadline.
    pub fn failed(&self) {
        self.errors.inc();
    }
}
