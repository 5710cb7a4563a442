//! Forgetting what says nothing new any more.

use std::sync::Arc;
use std::time::Duration;

use crate::actors::audit;
use crate::actors::workshop::Workshop;
use crate::domain::clock::Timestamp;

/// Rows deleted at once.
const PAGE: u32 = 10_000;
/// Pages deleted in one clean-up at most, so that it ends before the next one begins.
const MOST_PAGES: u32 = 100;
/// An entry outlives its session by this, so that clocks that differ do not matter.
const KEEP_LONGER: Duration = Duration::from_secs(60);

pub(super) async fn prune(shop: Arc<Workshop>) {
    let now = shop.clock.now().unix_millis();
    let keep = i64::try_from(KEEP_LONGER.as_millis()).unwrap_or(i64::MAX);
    let before = Timestamp::from_unix_millis(now.saturating_sub(keep));
    shop.revocations.prune(before);
    audit::prune(&shop).await;
    // Page by page, so that no call holds the database for long; all of them, or more logins than a page a
    // minute would make the tables grow for ever.
    for _ in 0..MOST_PAGES {
        match shop.durable.prune(before, PAGE).await {
            Ok(rows) => {
                tracing::debug!(rows, "expired sessions removed");
                if rows < u64::from(PAGE) {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "expired sessions not removed");
                return;
            }
        }
    }
}
