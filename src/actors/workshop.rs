//! What the actors work with: the stores, the time, the keys, and where they publish.
//!
//! The supervisor owns the one there is and lends it to its children.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use super::AuthError;
use super::attempts::Attempts;
use super::hasher::HashWork;
use super::keys::KeySet;
use super::revocations::{Membership, RevocationsMessage};
use super::slot::Slot;
use super::status_indexes::StatusIndexes;
use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::keyring::Keyring;
use crate::domain::refresh::RefreshRules;
use crate::domain::session::Session;
use crate::domain::status_list::{StatusLists, StatusReference};
use crate::domain::token::Parties;
use crate::live::{Clock, LiveKeys, LiveRevocations, RevocationPublisher};
use crate::store::{DurableStore, RevocationFeed, SharedStore, StoreError};
use crate::telemetry::metrics::Metrics;

/// What every actor works with. The stores are lent from here and nowhere else.
pub struct Workshop {
    /// The truth.
    pub durable: Arc<dyn DurableStore>,
    /// What may be lost.
    pub shared: Arc<dyn SharedStore>,
    /// The stream of revocations, where replicas share one.
    pub feed: Option<Arc<dyn RevocationFeed>>,
    /// This process among the replicas.
    pub membership: Membership,
    /// The time.
    pub clock: Clock,
    /// Issuer and audience.
    pub parties: Parties,
    /// Keys to sign with.
    pub keys: LiveKeys,
    /// Follows and changes the stored keys.
    pub key_set: KeySet,
    /// Where ended sessions are published.
    pub revocations: RevocationPublisher,
    /// What is published there.
    pub known: LiveRevocations,
    /// The revocation follower.
    pub follower: Slot<RevocationsMessage>,
    /// Life of an access token.
    pub access_lifetime: Duration,
    /// Life of a session.
    pub session_lifetime: Duration,
    /// How long refresh tokens live.
    pub refresh_rules: RefreshRules,
    /// Refreshes that may ask the store now; the others wait here, in order.
    pub refresh_turns: Semaphore,
    /// How long audit events are kept.
    pub audit_retention: Duration,
    /// Charges attempts, before anything is hashed.
    pub attempts: Arc<Attempts>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The hash pool.
    pub hasher: Slot<HashWork>,
    /// Places in the status list for new sessions.
    pub status_indexes: StatusIndexes,
    /// Where the lists are published; none when that is not known yet as tokens are minted.
    pub status_lists: Option<StatusLists>,
}

impl Workshop {
    /// What a token says about where the status of its session is found.
    pub fn status_of(&self, session: &Session) -> Option<StatusReference> {
        Some(self.status_lists.as_ref()?.reference(session.status_index?))
    }

    /// Has something hashed.
    pub async fn hash<Outcome>(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<Outcome, AuthError>>) -> HashWork,
    ) -> Result<Outcome, AuthError> {
        let (reply, outcome) = oneshot::channel();
        if self.hasher.send(work(reply)).is_err() {
            return Err(AuthError::Unavailable("the hash pool is restarting".to_owned()));
        }
        outcome.await.unwrap_or_else(|_| Err(AuthError::Unavailable("the hash was lost".to_owned())))
    }

    /// The ring to sign with. There is none between the retirement of the key that signs and the next ring, a
    /// quarter of a second at most: a token of a retired key would be dead already.
    pub fn signing_ring(&self) -> Result<Arc<Keyring>, AuthError> {
        let ring = Arc::clone(&self.keys.load());
        if self.revocations.contains_key(ring.signer().kid()) {
            return Err(AuthError::Unavailable("the signing key was retired a moment ago".to_owned()));
        }
        Ok(ring)
    }

    /// Keeps a live session's record in the shared store. Nothing depends on it.
    pub async fn remember(&self, session: &Session, now: Timestamp) {
        let ttl = now.until(session.expires_at);
        if ttl.is_zero() {
            return;
        }
        if let Err(error) = self.shared.put_session(session, ttl).await {
            tracing::debug!(%error, "session record not kept");
        }
    }

    /// Whether a session is alive: by its record as the shared store gave it, else by the durable store.
    pub async fn session_is_live(
        &self,
        id: SessionId,
        record: Result<Option<Session>, StoreError>,
    ) -> Result<bool, AuthError> {
        let now = self.clock.now();
        match record {
            Ok(Some(session)) => return Ok(session.is_live(now)),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "session record not read"),
        }
        match self.durable.session(id).await? {
            Some(session) if session.is_live(now) => {
                self.remember(&session, now).await;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }
}
