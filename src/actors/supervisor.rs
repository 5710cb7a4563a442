//! Starts the actors, owns what they work with, restarts what breaks.
//!
//! One for one: only the broken child is replaced, and its successor is put into the slot through which
//! the handle reaches it. More than [`BUDGET`] restarts within [`WINDOW`] mean that restarting does not
//! help: the process is told to stop, for half alive is worse than restarted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::watch;
use tokio::time::Instant;

use super::accounts::{Accounts, AccountsMessage};
use super::hasher::{HashPlan, Hasher};
use super::keys::{Keys, KeysMessage};
use super::revocations::Revocations;
use super::sessions::{Sessions, SessionsMessage};
use super::slot::Slot;
use super::workshop::Workshop;

/// Restarts that are allowed within [`WINDOW`].
pub const BUDGET: usize = 10;
/// See [`BUDGET`].
pub const WINDOW: Duration = Duration::from_secs(30);
/// Before a child that failed to start is tried again.
const RETRY: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Child {
    Accounts,
    Sessions,
    Hasher,
    Revocations,
    Keys,
}

impl Child {
    const ALL: [Self; 5] = [Self::Hasher, Self::Revocations, Self::Keys, Self::Accounts, Self::Sessions];

    const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Sessions => "sessions",
            Self::Hasher => "hasher",
            Self::Revocations => "revocations",
            Self::Keys => "keys",
        }
    }
}

/// What the supervisor is told.
pub struct Restart(Child);

/// The slots of all children.
#[derive(Clone)]
pub struct Slots {
    /// Accounts.
    pub accounts: Slot<AccountsMessage>,
    /// Sessions.
    pub sessions: Slot<SessionsMessage>,
    /// Signing keys.
    pub keys: Slot<KeysMessage>,
}

/// What the supervisor starts with.
pub struct Parts {
    /// Lent to the children.
    pub workshop: Arc<Workshop>,
    /// How to hash.
    pub plan: HashPlan,
    /// Where children are found.
    pub slots: Slots,
    /// Set to true when the process must stop.
    pub fatal: watch::Sender<bool>,
}

/// Its state.
pub struct SupervisorState {
    parts: Parts,
    running: Vec<(ActorId, Child)>,
    restarts: VecDeque<Instant>,
}

/// The actor.
pub struct Supervisor;

impl Actor for Supervisor {
    type Msg = Restart;
    type State = SupervisorState;
    type Arguments = Parts;

    async fn pre_start(
        &self,
        myself: ActorRef<Restart>,
        parts: Parts,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        let mut state = SupervisorState { parts, running: Vec::new(), restarts: VecDeque::new() };
        for child in Child::ALL {
            if child == Child::Revocations && !state.parts.workshop.membership.serves() {
                // A command refuses nobody.
                continue;
            }
            state.parts.workshop.metrics.watch_actor(child.name());
            state.start(child, &myself).await?;
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Restart>,
        Restart(child): Restart,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        if !state.may_restart() {
            tracing::error!(actor = child.name(), "too many restarts; stopping");
            state.parts.fatal.send_replace(true);
            return Ok(());
        }
        state.parts.workshop.metrics.actor_restarted(child.name());
        if let Err(error) = state.start(child, &myself).await {
            tracing::error!(actor = child.name(), %error, "actor did not start");
            myself.send_after(RETRY, move || Restart(child));
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Restart>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        let (gone, why) = match event {
            SupervisionEvent::ActorFailed(gone, error) => (gone, error.to_string()),
            SupervisionEvent::ActorTerminated(gone, _, reason) => (gone, reason.unwrap_or_default()),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
        };
        let position = state.running.iter().position(|(id, _)| *id == gone.get_id());
        if let Some((_, child)) = position.map(|index| state.running.swap_remove(index)) {
            tracing::error!(actor = child.name(), reason = %why, "actor stopped; restarting it");
            myself.send_message(Restart(child))?;
        }
        Ok(())
    }
}

impl SupervisorState {
    async fn start(&mut self, child: Child, myself: &ActorRef<Restart>) -> Result<(), ractor::SpawnErr> {
        let (shop, slots) = (Arc::clone(&self.parts.workshop), &self.parts.slots);
        let cell = myself.get_cell();
        let id = match child {
            Child::Accounts => {
                let (actor, _) = Actor::spawn_linked(None, Accounts, shop, cell).await?;
                let id = actor.get_id();
                slots.accounts.put(actor);
                id
            }
            Child::Sessions => {
                let (actor, _) = Actor::spawn_linked(None, Sessions, shop, cell).await?;
                let id = actor.get_id();
                slots.sessions.put(actor);
                id
            }
            Child::Hasher => {
                let with = (self.parts.plan.clone(), Arc::clone(&shop.metrics));
                let (actor, _) = Actor::spawn_linked(None, Hasher, with, cell).await?;
                let id = actor.get_id();
                shop.hasher.put(actor);
                id
            }
            Child::Revocations => {
                let (actor, _) = Actor::spawn_linked(None, Revocations, Arc::clone(&shop), cell).await?;
                let id = actor.get_id();
                shop.follower.put(actor);
                id
            }
            Child::Keys => {
                let (actor, _) = Actor::spawn_linked(None, Keys, shop, cell).await?;
                let id = actor.get_id();
                slots.keys.put(actor);
                id
            }
        };
        self.running.push((id, child));
        Ok(())
    }

    fn may_restart(&mut self) -> bool {
        let now = Instant::now();
        while self.restarts.front().is_some_and(|first| now.duration_since(*first) > WINDOW) {
            self.restarts.pop_front();
        }
        self.restarts.push_back(now);
        self.restarts.len() <= BUDGET
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::AuthError;
    use crate::actors::{AuthSystem, Mint, Registration};
    use crate::config::{Flag, Settings, Sources, load};
    use crate::domain::clock::Timestamp;
    use crate::domain::email::EmailAddress;
    use crate::domain::password::Password;
    use crate::live::Clock;
    use crate::telemetry::metrics::Metrics;

    fn settings(data_dir: &std::path::Path) -> Settings {
        let flag = |key: &str, value: String| Flag { key: key.to_owned(), value, name: "--test".to_owned() };
        let flags = vec![
            flag("server.data_dir", data_dir.display().to_string()),
            flag("password.bcrypt_cost", "10".to_owned()),
        ];
        load(&Sources { flags, ..Sources::default() }).unwrap().settings
    }

    fn somebody(number: usize) -> Registration {
        Registration {
            email: EmailAddress::parse(&format!("person{number}@example.org")).unwrap(),
            password: Password::parse("seven purple otters juggle".to_owned()).unwrap(),
            name: None,
            roles: Vec::new(),
            address: None,
        }
    }

    fn start() -> (AuthSystem, Arc<Metrics>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new(0).unwrap());
        let system = AuthSystem::start(&settings(dir.path()), Arc::clone(&metrics), Clock::System).unwrap();
        (system, metrics, dir)
    }

    #[test]
    fn an_actor_that_panics_is_restarted_and_serves_the_next_call() {
        let (system, metrics, _dir) = start();
        let handle = system.handle();
        for round in 0..3 {
            assert!(handle.slots().accounts.send(AccountsMessage::Panic).is_ok());
            let made = system.run(handle.register(somebody(round))).unwrap();
            // The call may have been in the mailbox that died; the next one is served.
            if made.is_err() {
                let made = system.run(handle.register(somebody(100 + round))).unwrap();
                assert!(made.is_ok(), "{made:?}");
            }
        }
        let text = metrics.render().unwrap();
        assert!(text.contains("gateward_actor_restarts_total{actor=\"accounts\"} 3"), "{text}");
        assert!(!*system.fatal().borrow());
    }

    #[test]
    fn the_keys_are_followed_by_the_successor_of_an_actor_that_panicked() {
        let (system, metrics, _dir) = start();
        let handle = system.handle();
        assert!(handle.slots().keys.send(KeysMessage::Panic).is_ok());
        let deadline = Instant::now() + Duration::from_secs(10);
        let restarted = "gateward_actor_restarts_total{actor=\"keys\"} 1";
        while !metrics.render().unwrap().contains(restarted) {
            assert!(Instant::now() < deadline, "it is not restarted");
            std::thread::yield_now();
        }
        let first = system.check().keys().load().signer().kid().to_owned();
        let made = system.run(handle.rotate_key(crate::actors::RotateKey { at_once: true })).unwrap();
        let made = made.unwrap().unwrap();
        assert_ne!(made.kid, first);
        assert_eq!(system.check().keys().load().signer().kid(), made.kid, "published before the answer");
        assert_eq!(system.check().keys().load().keys().len(), 2);
    }

    #[test]
    fn nothing_is_signed_with_a_retired_key() {
        let (system, _metrics, _dir) = start();
        let handle = system.handle();
        let account = system.run(handle.register(somebody(1))).unwrap().unwrap();
        let kid = system.check().keys().load().signer().kid().to_owned();
        let retired = crate::domain::revocation::Revocation {
            number: 1,
            revoked: crate::domain::revocation::Revoked::Key { kid: kid.clone() },
            forget_at: Timestamp::from_unix_millis(i64::MAX),
            revoked_at: Timestamp::from_unix_millis(0),
            reason: crate::domain::session::EndReason::KeyRetired,
        };
        let ask = || Mint {
            account: account.clone(),
            lifetime: WINDOW,
            age: Duration::ZERO,
            scope: String::new(),
            count: 1,
        };
        let minted = || system.run(handle.mint(ask())).unwrap();
        assert!(minted().is_ok());
        // What the follower of revocations does when it learns before the follower of keys.
        assert!(handle.slots().keys.send(KeysMessage::Retired(retired)).is_ok());
        let deadline = Instant::now() + Duration::from_secs(10);
        while !system.revocations().contains_key(&kid) {
            assert!(Instant::now() < deadline, "it is not published");
            std::thread::yield_now();
        }
        assert!(matches!(minted(), Err(AuthError::Unavailable(_))));
    }

    #[test]
    fn too_many_restarts_stop_the_process() {
        let (system, _metrics, _dir) = start();
        let handle = system.handle();
        let mut fatal = system.fatal();
        let ended = system
            .run(async {
                for _ in 0..100_000 {
                    drop(handle.slots().accounts.send(AccountsMessage::Panic));
                    if tokio::time::timeout(Duration::from_millis(1), fatal.wait_for(|fatal| *fatal))
                        .await
                        .is_ok()
                    {
                        return true;
                    }
                }
                false
            })
            .unwrap();
        assert!(ended, "the budget is {BUDGET} restarts");
    }
}
