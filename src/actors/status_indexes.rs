//! Places in the status list for new sessions.
//!
//! Reserved in blocks, so that a login asks the store for one only now and then; given out in random order, so
//! that neighbours in the list are not neighbours in time. What is left of a block is lost with the process.

use tokio::sync::Mutex;

use super::AuthError;
use super::random::random_bytes;
use crate::domain::session::StatusIndex;
use crate::store::DurableStore;

/// Indexes reserved at once.
const BLOCK: u32 = 256;

/// The indexes that this process may give out.
#[derive(Debug, Default)]
pub struct StatusIndexes(Mutex<Vec<StatusIndex>>);

impl StatusIndexes {
    /// One that nobody else gets.
    pub async fn take(&self, durable: &dyn DurableStore) -> Result<StatusIndex, AuthError> {
        // Held over the call: those who come meanwhile share the block instead of reserving one each.
        let mut left = self.0.lock().await;
        if left.is_empty() {
            let first = durable.reserve_status_indexes(BLOCK).await?;
            left.extend((0..i64::from(BLOCK)).map(|offset| StatusIndex(first.0.saturating_add(offset))));
            shuffle(&mut left)?;
        }
        left.pop().ok_or_else(|| AuthError::Internal("an empty block of status indexes".to_owned()))
    }
}

/// Fisher and Yates. The bias of the remainder does not matter here.
fn shuffle(indexes: &mut [StatusIndex]) -> Result<(), AuthError> {
    for at in (1..indexes.len()).rev() {
        let random = usize::from(u16::from_ne_bytes(random_bytes()?));
        indexes.swap(at, random % (at + 1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffling_keeps_every_index() {
        let ordered: Vec<_> = (0..256).map(StatusIndex).collect();
        let mut shuffled = ordered.clone();
        shuffle(&mut shuffled).unwrap();
        assert_ne!(shuffled, ordered);
        shuffled.sort();
        assert_eq!(shuffled, ordered);
    }
}
