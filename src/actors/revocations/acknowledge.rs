//! The writer's side: from a committed end to its acknowledgement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::actor::RevocationsMessage;
use crate::actors::AuthError;
use crate::actors::job;
use crate::actors::workshop::Workshop;
use crate::config::RevocationSettings;
use crate::domain::feed::{Acknowledgement, Position, Published, Renewal, Verdict};
use crate::domain::id::ReplicaId;
use crate::domain::revocation::Revocation;
use crate::live::Moment;
use crate::store::{DurableStore, EndedSessions, StoreError};

/// How long an end waits for the other replicas when the stream did not take it.
const PATIENCE: Duration = Duration::from_millis(800);
/// Revocations that are put into the stream one by one, when it lacks them.
const RELAYED_AT_ONCE: usize = 256;
/// Between two looks at their registrations.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// This process among the replicas.
pub struct Membership {
    /// None for a command, which serves nobody and registers nowhere.
    replica: Option<ReplicaId>,
    settings: RevocationSettings,
    /// Whether it has left. Held while a registration is written, so that none follows the last word.
    left: Mutex<bool>,
    /// Something that the durable store told is not in the stream yet.
    relay_due: AtomicBool,
}

impl Membership {
    /// One that has not registered yet.
    pub fn new(replica: Option<ReplicaId>, settings: RevocationSettings) -> Self {
        Self { replica, settings, left: Mutex::new(false), relay_due: AtomicBool::new(false) }
    }

    /// Whether this process follows revocations.
    pub const fn serves(&self) -> bool {
        self.replica.is_some()
    }

    /// How old a proof may be.
    pub const fn max_staleness(&self) -> Duration {
        self.settings.max_staleness
    }

    /// How long the stream alone may be followed.
    pub const fn detached_limit(&self) -> Duration {
        self.settings.detached_limit
    }

    /// Says how far this replica is.
    pub(super) async fn register(
        &self,
        durable: &dyn DurableStore,
        followed: Position,
    ) -> Result<Renewal, StoreError> {
        let gone = || StoreError::Unavailable { store: "replicas", reason: "stopping".to_owned() };
        let left = self.left.lock().await;
        match self.replica {
            Some(replica) if !*left => {
                durable.register_replica(replica, followed, self.settings.detached_limit).await
            }
            Some(_) | None => Err(gone()),
        }
    }

    /// Nobody need wait for this replica any more: it serves no longer.
    pub async fn leave(&self, durable: &dyn DurableStore) {
        let mut left = self.left.lock().await;
        *left = true;
        if let Some(replica) = self.replica
            && let Err(error) = durable.deregister_replica(replica).await
        {
            tracing::warn!(%error, "this replica is still registered; ends may be refused while Redis is out");
        }
    }
}

impl Workshop {
    /// Refuses what has ended from now on: in this process at once, and everywhere once this returns. The durable
    /// rows are already written.
    ///
    /// When nothing was ended now, it was ended before, and perhaps nobody was told that it is done. So that the
    /// same holds then, everything that was ended so far is published again.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] when another replica may still admit it: it is ended for whoever learns of it,
    /// and asking again tries the rest again.
    pub async fn publish_ended(self: &Arc<Self>, ended: EndedSessions) -> Result<(), AuthError> {
        self.revocations.add(&ended.revocations);
        for revocation in ended.revocations.iter().filter(|ended| ended.session_id().is_some()) {
            self.metrics.session_ended(revocation.reason.as_str());
        }
        if !ended.revocations.is_empty() {
            let outcome = self.acknowledge(&ended.revocations).await;
            self.forget_records(ended.revocations);
            return outcome;
        }
        if !self.membership.serves() && self.feed.is_none() {
            return Ok(());
        }
        let asked = Moment::now();
        if let Some(newest) = self.durable.newest_revocation().await? {
            self.acknowledge(&[newest]).await?;
        }
        self.catch_up(asked).await
    }

    /// Puts what the durable store told into the stream. Usually it came from there, and there is nothing to tell;
    /// else whoever ended it could not, or died before. Nobody waits for this: it is for replicas that follow the
    /// stream alone.
    pub(super) fn relay(self: &Arc<Self>, told: &[Revocation]) {
        let due = &self.membership.relay_due;
        if self.feed.is_none() || (told.is_empty() && !due.load(Ordering::Relaxed)) {
            return;
        }
        // Of many the last will do: whoever lacks the others finds a gap.
        let from = if told.len() > RELAYED_AT_ONCE { told.len().saturating_sub(1) } else { 0 };
        let (shop, told) = (Arc::clone(self), told.get(from..).unwrap_or_default().to_vec());
        job::spawn(async move {
            shop.membership.relay_due.store(true, Ordering::Relaxed);
            if shop.relayed(told).await.is_ok() {
                shop.membership.relay_due.store(false, Ordering::Relaxed);
            }
        });
    }

    async fn relayed(&self, told: Vec<Revocation>) -> Result<(), StoreError> {
        let Some(feed) = &self.feed else { return Ok(()) };
        let told = if told.is_empty() {
            self.durable.newest_revocation().await?.into_iter().collect()
        } else {
            told
        };
        feed.publish(&told).await
    }

    /// Their records in the shared store go afterwards: nobody waits for it, for the revocation decides.
    fn forget_records(self: &Arc<Self>, ended: Vec<Revocation>) {
        let shop = Arc::clone(self);
        job::spawn(async move {
            for session in ended.iter().filter_map(Revocation::session_id) {
                if let Err(error) = shop.shared.remove_session(session).await {
                    // The store layer says that it is down; the records expire by themselves.
                    tracing::debug!(%error, "session records not removed");
                    return;
                }
            }
        });
    }

    async fn acknowledge(&self, revocations: &[Revocation]) -> Result<(), AuthError> {
        let (Some(feed), Some(last)) = (&self.feed, revocations.last()) else {
            // The embedded kind: this process is the only one that serves.
            return Ok(());
        };
        let state =
            Acknowledgement::new(last.number, self.membership.replica, Moment::now().monotonic(), PATIENCE);
        let published = match feed.publish(revocations).await {
            Ok(()) => Published::Yes,
            Err(error) => {
                tracing::debug!(%error, "revocations not in the stream");
                Published::Unknown
            }
        };
        let mut verdict = state.published(published);
        loop {
            match verdict {
                Verdict::Acknowledge => return Ok(()),
                Verdict::Refuse => {
                    return Err(AuthError::Unavailable(
                        "Redis is out, and a replica has not confirmed the end".to_owned(),
                    ));
                }
                Verdict::Wait => {}
            }
            verdict = match self.durable.registrations().await {
                Ok(registrations) => state.registrations(Moment::now().monotonic(), &registrations),
                Err(error) => {
                    tracing::debug!(%error, "registrations not read");
                    state.unread(Moment::now().monotonic())
                }
            };
            if verdict == Verdict::Wait {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Waits until this process itself knows everything that was ended before `asked`.
    async fn catch_up(&self, asked: Moment) -> Result<(), AuthError> {
        let until = asked.plus(PATIENCE);
        while self.membership.serves() && !self.known.is_complete_as_of(asked) {
            if Moment::now() > until {
                return Err(AuthError::Unavailable("revocations are not followed".to_owned()));
            }
            // It is asked in vain while a look is under way that began before.
            let _busy_or_restarting = self.follower.send(RevocationsMessage::Tick);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}
