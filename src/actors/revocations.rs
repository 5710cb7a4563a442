//! Follows the durable store's revocations and publishes them to the hot path.
//!
//! Revocation numbers become visible in order and without gaps, so reading "everything above the last
//! one I saw" misses nothing: neither what another replica wrote, nor what `gateward user disable` did
//! from another process. After a start or restart the cursor is 0, which reloads everything.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::job;
use super::supervisor::Workshop;
use crate::domain::clock::Timestamp;

/// Between two looks at the store.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);
/// Between two clean-ups.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Rows read, or deleted, at once.
const PAGE: u32 = 10_000;
/// An entry outlives its session by this, so that clocks that differ do not matter.
const KEEP_LONGER: Duration = Duration::from_secs(60);

/// What [`Revocations`] is told.
pub enum RevocationsMessage {
    /// Look now.
    Follow,
    /// A look ended, with the highest number seen.
    Followed {
        /// The new cursor.
        cursor: i64,
        /// Whether the store may hold more right now.
        more: bool,
    },
    /// Clean up now.
    Prune,
}

/// Its state.
pub struct RevocationsState {
    shop: Arc<Workshop>,
    cursor: i64,
    /// A look is under way.
    looking: bool,
}

/// The actor.
pub struct Revocations;

impl Actor for Revocations {
    type Msg = RevocationsMessage;
    type State = RevocationsState;
    type Arguments = Arc<Workshop>;

    async fn pre_start(
        &self,
        myself: ActorRef<RevocationsMessage>,
        shop: Arc<Workshop>,
    ) -> Result<RevocationsState, ActorProcessingErr> {
        myself.send_message(RevocationsMessage::Follow)?;
        myself.send_interval(FOLLOW_EVERY, || RevocationsMessage::Follow);
        myself.send_interval(PRUNE_EVERY, || RevocationsMessage::Prune);
        Ok(RevocationsState { shop, cursor: 0, looking: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<RevocationsMessage>,
        message: RevocationsMessage,
        state: &mut RevocationsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RevocationsMessage::Follow if state.looking => {}
            RevocationsMessage::Follow => {
                state.looking = true;
                job::spawn(follow(Arc::clone(&state.shop), state.cursor, myself));
            }
            RevocationsMessage::Followed { cursor, more } => {
                state.looking = false;
                state.cursor = cursor;
                if more {
                    myself.send_message(RevocationsMessage::Follow)?;
                }
            }
            RevocationsMessage::Prune => job::spawn(prune(Arc::clone(&state.shop))),
        }
        Ok(())
    }
}

async fn follow(shop: Arc<Workshop>, cursor: i64, actor: ActorRef<RevocationsMessage>) {
    let asked_at = shop.clock.now();
    let (cursor, more) = match shop.durable.revocations_after(cursor, PAGE).await {
        Ok(found) => {
            shop.revocations.add(&found);
            let more = found.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
            if !more {
                shop.revocations.mark_followed(asked_at);
            }
            (found.last().map_or(cursor, |last| last.number), more)
        }
        Err(error) => {
            // The store layer counts it; a line every quarter of a second would say no more.
            tracing::debug!(%error, "revocations not read");
            (cursor, false)
        }
    };
    // The actor may have been restarted meanwhile; its successor starts from the beginning.
    let _gone = actor.send_message(RevocationsMessage::Followed { cursor, more });
}

async fn prune(shop: Arc<Workshop>) {
    let now = shop.clock.now().unix_millis();
    let keep = i64::try_from(KEEP_LONGER.as_millis()).unwrap_or(i64::MAX);
    let before = Timestamp::from_unix_millis(now.saturating_sub(keep));
    shop.revocations.prune(before);
    match shop.durable.prune(before, PAGE).await {
        Ok(0) => {}
        Ok(rows) => tracing::debug!(rows, "expired sessions removed"),
        Err(error) => tracing::debug!(%error, "expired sessions not removed"),
    }
}
