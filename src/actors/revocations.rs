//! Follows the durable store's revocations and publishes them to the hot path.
//!
//! Revocation numbers become visible in order and without gaps, so reading "everything above the last
//! one I saw" misses nothing: neither what another replica wrote, nor what `gateward user disable` did
//! from another process. After a start or restart the cursor is 0, which reloads everything.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::supervisor::Workshop;
use super::{audit, job};
use crate::domain::clock::Timestamp;
use crate::live::Moment;

/// Between two looks at the store.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);
/// Between two clean-ups.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Rows read, or deleted, at once.
const PAGE: u32 = 10_000;
/// Pages deleted in one clean-up at most, so that it ends before the next one begins.
const MOST_PAGES: u32 = 100;
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

/// A look under way. However it ends, by a panic too, the actor hears of it: else it would wait for ever and
/// never look again.
struct Look {
    actor: ActorRef<RevocationsMessage>,
    cursor: i64,
    more: bool,
}

impl Drop for Look {
    fn drop(&mut self) {
        let ended = RevocationsMessage::Followed { cursor: self.cursor, more: self.more };
        // The actor may have been restarted meanwhile; its successor starts from the beginning.
        let _gone = self.actor.send_message(ended);
    }
}

async fn follow(shop: Arc<Workshop>, cursor: i64, actor: ActorRef<RevocationsMessage>) {
    let mut look = Look { actor, cursor, more: false };
    let asked_at = Moment::now();
    match shop.durable.revocations_after(cursor, PAGE).await {
        Ok(found) => {
            shop.revocations.add(&found);
            look.cursor = found.last().map_or(cursor, |last| last.number);
            look.more = found.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
            if !look.more {
                shop.revocations.prove(asked_at);
            }
        }
        // The store layer counts it; a line every quarter of a second would say no more. What answers after an
        // outage may have lost the last commits and gone on from there: only the beginning is sure.
        Err(error) => {
            look.cursor = 0;
            tracing::debug!(%error, "revocations not read");
        }
    }
}

async fn prune(shop: Arc<Workshop>) {
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
