//! Follows the stored keys, and takes an operator's orders.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::error::KeysError;
use super::key_set::{KeyRefusal, ListedKey, RetireKey, RotateKey};
use crate::actors::AuthError;
use crate::actors::job::{self, Job};
use crate::actors::workshop::Workshop;
use crate::store::EndedSessions;

/// Between two looks at the store.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// What may be asked of [`Keys`].
pub enum KeysMessage {
    /// Look now.
    Follow,
    /// A look ended.
    Followed,
    /// All stored keys.
    List(Job<(), Vec<ListedKey>>),
    /// Bring the next key.
    Rotate(Job<RotateKey, Result<ListedKey, KeyRefusal>>),
    /// End all tokens of a key.
    Retire(Job<RetireKey, Result<(), KeyRefusal>>),
    /// Breaks the actor, to see it come back.
    #[cfg(test)]
    Panic,
    /// A revocation is published, and nothing else happens.
    #[cfg(test)]
    Retired(crate::domain::revocation::Revocation),
}

/// Its state.
pub struct KeysState {
    shop: Arc<Workshop>,
    /// A look is under way.
    looking: bool,
}

/// The actor.
pub struct Keys;

impl Actor for Keys {
    type Msg = KeysMessage;
    type State = KeysState;
    type Arguments = Arc<Workshop>;

    async fn pre_start(
        &self,
        myself: ActorRef<KeysMessage>,
        shop: Arc<Workshop>,
    ) -> Result<KeysState, ActorProcessingErr> {
        myself.send_interval(FOLLOW_EVERY, || KeysMessage::Follow);
        Ok(KeysState { shop, looking: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<KeysMessage>,
        message: KeysMessage,
        state: &mut KeysState,
    ) -> Result<(), ActorProcessingErr> {
        let shop = Arc::clone(&state.shop);
        match message {
            KeysMessage::Follow if state.looking => {}
            KeysMessage::Follow => {
                state.looking = true;
                job::spawn(follow(shop, Look(myself)));
            }
            KeysMessage::Followed => state.looking = false,
            KeysMessage::List(job) => job.start(async move |()| {
                shop.key_set.list(&*shop.durable, shop.clock.now()).await.map_err(failed)
            }),
            KeysMessage::Rotate(job) => job.start(async move |ask| {
                let done = shop.key_set.rotate(&*shop.durable, shop.clock, ask).await.map_err(failed)?;
                refresh(&shop).await;
                Ok(done)
            }),
            KeysMessage::Retire(job) => job.start(async move |ask| {
                let done = shop.key_set.retire(&*shop.durable, shop.clock, &ask).await.map_err(failed)?;
                let ended = match done {
                    Ok(ended) => ended,
                    Err(refusal) => {
                        // It may have been retired by a try that was not acknowledged.
                        shop.publish_ended(EndedSessions::default()).await?;
                        return Ok(Err(refusal));
                    }
                };
                let published = shop.publish_ended(ended).await;
                refresh(&shop).await;
                published?;
                Ok(Ok(()))
            }),
            #[cfg(test)]
            KeysMessage::Panic => panic!("broken on purpose"),
            #[cfg(test)]
            KeysMessage::Retired(revocation) => shop.revocations.add(&[revocation]),
        }
        Ok(())
    }
}

/// A look under way. However it ends, by a panic too, the actor hears of it: else it would never look again.
struct Look(ActorRef<KeysMessage>);

impl Drop for Look {
    fn drop(&mut self) {
        // The actor may have been restarted meanwhile; its successor looks by itself.
        let _gone = self.0.send_message(KeysMessage::Followed);
    }
}

async fn follow(shop: Arc<Workshop>, _look: Look) {
    refresh(&shop).await;
}

async fn refresh(shop: &Workshop) {
    match shop.key_set.refresh(&*shop.durable, shop.clock).await {
        Ok(()) => {}
        // The store layer says that it is down.
        Err(KeysError::Store(error)) => tracing::debug!(%error, "signing keys not read"),
        // A key that does not open: the ring in force goes on, and an unknown key is answered with 503.
        Err(error) => shop.key_set.complain(&error),
    }
}

fn failed(error: KeysError) -> AuthError {
    match error {
        KeysError::Store(error) => error.into(),
        other => AuthError::Internal(other.to_string()),
    }
}
