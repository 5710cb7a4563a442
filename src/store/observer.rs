//! Who hears how the stores do.
//!
//! A store does not know the metrics (it may import only `domain` and its settings), so whoever makes a
//! store hands it somebody to tell.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::StoreError;

/// Hears what the calls of one store go through. Called on the way of every call: must not block.
pub trait StoreObserver: Send + Sync + 'static {
    /// A call waited this long for its connection (SQLite: for its turn), whether it got it or not.
    fn waited(&self, wait: Duration);
    /// A call was answered: it worked, or ended with [`StoreError::EmailTaken`].
    fn answered(&self);
    /// A call ended with [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    fn failed(&self, error: &StoreError);
}

/// Hears nothing: for commands and tests that nobody asks for counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl StoreObserver for Unobserved {
    fn waited(&self, _wait: Duration) {}
    fn answered(&self) {}
    fn failed(&self, _error: &StoreError) {}
}

/// The result of a whole call, told to the observer.
pub(super) fn ended<T>(observer: &dyn StoreObserver, result: Result<T, StoreError>) -> Result<T, StoreError> {
    match &result {
        Ok(_) | Err(StoreError::EmailTaken) => observer.answered(),
        Err(error @ (StoreError::Unavailable { .. } | StoreError::Corrupt { .. })) => observer.failed(error),
    }
    result
}

/// A wait that is under way. Dropping it ends it: also when a deadline drops the call that waits.
pub(super) struct Waiting {
    observer: Arc<dyn StoreObserver>,
    since: Instant,
}

impl Waiting {
    pub(super) fn begin(observer: &Arc<dyn StoreObserver>) -> Self {
        Self { observer: Arc::clone(observer), since: Instant::now() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.observer.waited(self.since.elapsed());
    }
}
