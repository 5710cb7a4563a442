//! The audit trail: forgetting what is old.

use super::workshop::Workshop;
use crate::domain::clock::Timestamp;

/// Rows deleted at once. Events are rare; what is left goes a minute later.
const PAGE: u32 = 10_000;

/// Deletes events that were kept long enough.
pub async fn prune(shop: &Workshop) {
    let retention = i64::try_from(shop.audit_retention.as_millis()).unwrap_or(i64::MAX);
    let before = Timestamp::from_unix_millis(shop.clock.now().unix_millis().saturating_sub(retention));
    match shop.durable.prune_audit(before, PAGE).await {
        Ok(rows) => tracing::debug!(rows, "old audit events removed"),
        Err(error) => tracing::debug!(%error, "old audit events not removed"),
    }
}
