//! Start and stop of everything behind [`AuthHandle`].

use std::sync::Arc;
use std::time::Duration;

use ractor::Actor;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::AuthHandle;
use super::attempts::Attempts;
use super::hash_gate::{HashGate, HashLoad};
use super::hasher::HashPlan;
use super::keys::{self, KeySet, KeysError};
use super::places_per_address::PlacesPerAddress;
use super::random::random_bytes;
use super::refresh::REFRESHES_AT_ONCE;
use super::replica_file::ReplicaFile;
use super::revocations::Membership;
use super::slot::Slot;
use super::status_indexes::StatusIndexes;
use super::store_observer::observer;
use super::supervisor::{Parts, Slots, Supervisor};
use super::workshop::Workshop;
use crate::config::{MigrateMode, PasswordSettings, Settings, StoreKind};
use crate::domain::id::ReplicaId;
use crate::domain::password::PasswordPolicy;
use crate::domain::refresh::RefreshRules;
use crate::domain::session::EndReason;
use crate::domain::status_list::StatusLists;
use crate::domain::token::Parties;
use crate::live::{CheckLimits, Clock, LiveRevocations, TokenCheck, revocations_channel};
use crate::store::memory::MemoryStore;
use crate::store::postgres::PostgresStore;
use crate::store::redis::RedisStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{
    DurableStore, MigrationStatus, RevocationFeed, SharedStore, StoreError, StoreObserver, Unobserved,
};
use crate::telemetry::metrics::Metrics;

/// File of the embedded database inside the data directory.
const DATABASE_FILE: &str = "gateward.db";
/// Records the in-process shared store holds at most.
const SHARED_CAPACITY: usize = 100_000;
/// How long a start waits for a durable store that does not answer yet.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// Threads of the runtime: they wait for stores and sign tokens; hashes have threads of their own.
const THREADS: usize = 2;

/// Why the system did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A dependency did not answer for ten seconds.
    #[error("{0}")]
    Unavailable(String),
    /// The schema is behind and `store.migrate = "manual"`.
    #[error("{} pending migration(s): run `gateward migrate up`", .0.len())]
    PendingMigrations(Vec<String>),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::Unavailable(error.to_string()),
            StoreError::EmailTaken | StoreError::Corrupt { .. } => Self::Failed(error.to_string()),
        }
    }
}

impl From<KeysError> for StartError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Store(error) => error.into(),
            KeysError::Sealed { .. }
            | KeysError::Lost { .. }
            | KeysError::Key(_)
            | KeysError::KeyEncryption { .. }
            | KeysError::Generate(_) => Self::Failed(error.to_string()),
        }
    }
}

/// What the system is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// To admit requests.
    Replica,
    /// To do one thing and stop.
    Command,
}

impl Role {
    fn replica(self, settings: &Settings, clock: Clock) -> Result<Option<ReplicaFile>, StartError> {
        if self == Self::Command {
            return Ok(None);
        }
        let random = random_bytes().map_err(|error| StartError::Failed(error.to_string()))?;
        let fresh = ReplicaId::new(clock.now(), random);
        Ok(Some(match settings.store.kind {
            // Registers nowhere.
            StoreKind::Embedded => ReplicaFile::of(fresh),
            StoreKind::Postgres { .. } => ReplicaFile::take(&settings.server.data_dir, fresh),
        }))
    }
}

/// The running system. Dropping it stops everything at once; see [`AuthSystem::stop`].
pub struct AuthSystem {
    runtime: Option<Runtime>,
    handle: AuthHandle,
    check: Arc<TokenCheck>,
    revocations: LiveRevocations,
    workshop: Arc<Workshop>,
    fatal: watch::Receiver<bool>,
    /// Locked until the process ends.
    _replica: Option<ReplicaFile>,
}

impl AuthSystem {
    /// Opens the stores, brings the schema up to date, loads keys and revocations, starts the actors.
    /// Returns when everything is ready to serve.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is left running then.
    pub fn start(settings: &Settings, metrics: Arc<Metrics>, clock: Clock) -> Result<Self, StartError> {
        Self::begin(settings, metrics, clock, Role::Replica)
    }

    /// The same for a command, which admits no requests: it need not know who is refused.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn for_command(settings: &Settings, metrics: Arc<Metrics>, clock: Clock) -> Result<Self, StartError> {
        Self::begin(settings, metrics, clock, Role::Command)
    }

    fn begin(
        settings: &Settings,
        metrics: Arc<Metrics>,
        clock: Clock,
        role: Role,
    ) -> Result<Self, StartError> {
        let runtime = runtime()?;
        let Stores { durable, shared, feed } =
            runtime.block_on(open_stores(settings, |store| observer(&metrics, store)))?;
        runtime.block_on(prepare_schema(&*durable, settings.store.migrate))?;
        let (key_set, live_keys) =
            runtime.block_on(KeySet::load(&settings.token, &settings.server.data_dir, &*durable, clock))?;
        let replica = role.replica(settings, clock)?;
        let (revocation_publisher, live_revocations) = revocations_channel(settings.revocation.max_staleness);
        let parties =
            Parties { issuer: settings.token.issuer.clone(), audience: settings.token.audience.clone() };
        let limits = CheckLimits {
            cache_bytes: settings.token.cache_bytes,
            forged_per_minute: settings.token.forged_per_minute,
            count_loopback: settings.token.count_loopback,
            trusted_proxies: settings.server.trusted_proxies.clone(),
        };
        let (known, revoked) = (live_keys.clone(), live_revocations.clone());
        let check = TokenCheck::with_limits(parties.clone(), known, revoked, clock, limits);
        EndReason::OF_SESSIONS.iter().for_each(|reason| metrics.watch_session_ends(reason.as_str()));
        let slots = Slots { accounts: Slot::empty(), sessions: Slot::empty(), keys: Slot::empty() };
        let (fatal_sender, fatal) = watch::channel(false);
        let attempt_keys = keys::attempt_keys(&settings.token, &settings.server.data_dir)?;
        let attempts = Arc::new(Attempts::new(
            Arc::clone(&shared),
            feed.is_some(),
            PlacesPerAddress::new(settings.password.hash_queue),
            settings.limits,
            attempt_keys,
            Arc::clone(&metrics),
        ));
        let load = Arc::new(HashLoad::new(settings.password.hash_threads));
        let workshop = Arc::new(Workshop {
            attempts: Arc::clone(&attempts),
            durable: Arc::clone(&durable),
            shared: Arc::clone(&shared),
            feed,
            membership: Membership::new(replica.as_ref().map(|replica| replica.id), settings.revocation),
            clock,
            parties,
            keys: live_keys,
            key_set,
            revocations: revocation_publisher,
            known: live_revocations.clone(),
            follower: Slot::empty(),
            access_lifetime: settings.token.access_lifetime,
            session_lifetime: settings.token.session_lifetime,
            refresh_rules: RefreshRules {
                idle_lifetime: settings.token.refresh_idle_lifetime,
                grace: settings.token.refresh_grace,
            },
            refresh_turns: Semaphore::new(REFRESHES_AT_ONCE),
            audit_retention: settings.audit.retention,
            metrics: Arc::clone(&metrics),
            hasher: Slot::empty(),
            status_indexes: StatusIndexes::default(),
            status_lists: settings.server.known_public_url().as_deref().map(StatusLists::at),
        });
        let parts = Parts {
            workshop: Arc::clone(&workshop),
            plan: plan(settings, Arc::clone(&load)),
            slots: slots.clone(),
            fatal: fatal_sender,
        };
        runtime
            .block_on(Supervisor::spawn(None, Supervisor, parts))
            .map_err(|error| StartError::Failed(format!("the actors did not start: {error}")))?;
        if replica.is_some() {
            let known = runtime.block_on(first_look(&live_revocations));
            if known.is_err() {
                runtime.block_on(workshop.membership.leave(&*durable));
            }
            known?;
        }
        let PasswordSettings { hash_queue, hash_wait, .. } = settings.password;
        let gate = HashGate::new(hash_queue, hash_wait, load);
        let handle = AuthHandle::new(slots, gate, attempts, durable, shared, metrics);
        Ok(Self {
            runtime: Some(runtime),
            handle,
            check: Arc::new(check),
            revocations: live_revocations,
            workshop,
            fatal,
            _replica: replica,
        })
    }

    /// The door.
    pub fn handle(&self) -> AuthHandle {
        self.handle.clone()
    }

    /// The token check, for the proxy and the API.
    pub fn check(&self) -> Arc<TokenCheck> {
        Arc::clone(&self.check)
    }

    /// The revocations in force, for metrics.
    pub fn revocations(&self) -> LiveRevocations {
        self.revocations.clone()
    }

    /// Becomes true when restarting actors did not help and the process must stop.
    pub fn fatal(&self) -> watch::Receiver<bool> {
        self.fatal.clone()
    }

    /// Runs one asynchronous call to its end, for commands that have no runtime of their own.
    pub fn run<Answer>(&self, call: impl Future<Output = Answer>) -> Option<Answer> {
        self.runtime.as_ref().map(|runtime| runtime.block_on(call))
    }

    /// Stops. A job under way ends at its next await; what it was told to commit is committed or not, and its
    /// caller, who is gone by now, was told nothing. Waits at most `grace` for threads that are busy.
    pub fn stop(mut self, grace: Duration) {
        if let Some(runtime) = self.runtime.take() {
            runtime.block_on(self.workshop.membership.leave(&*self.workshop.durable));
            runtime.shutdown_timeout(grace);
        }
    }
}

impl Drop for AuthSystem {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs the migrations that are pending, or says which are.
///
/// # Errors
/// See [`StartError`].
pub fn migrations(settings: &Settings, run: MigrationRun) -> Result<MigrationStatus, StartError> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let Stores { durable, .. } = open_stores(settings, |_| Ok(Arc::new(Unobserved))).await?;
        Ok(match run {
            MigrationRun::Up => durable.migrate().await?,
            MigrationRun::Status => durable.migration_status().await?,
        })
    })
}

/// What `gateward migrate` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationRun {
    /// Applies what is pending.
    Up,
    /// Changes nothing.
    Status,
}

fn runtime() -> Result<Runtime, StartError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("gateward-auth")
        .enable_all()
        .build()
        .map_err(|error| StartError::Failed(format!("no runtime: {error}")))
}

fn plan(settings: &Settings, load: Arc<HashLoad>) -> HashPlan {
    let password = &settings.password;
    HashPlan {
        cost: password.bcrypt_cost,
        policy: PasswordPolicy { min_length: password.min_length, min_strength: password.min_strength },
        threads: password.hash_threads,
        queue: password.hash_queue,
        load,
    }
}

/// The stores of one kind.
struct Stores {
    durable: Arc<dyn DurableStore>,
    shared: Arc<dyn SharedStore>,
    feed: Option<Arc<dyn RevocationFeed>>,
}

/// Makes the stores of the configured kind, each with an observer made for its name.
async fn open_stores(
    settings: &Settings,
    observer_of: impl Fn(&'static str) -> Result<Arc<dyn StoreObserver>, StartError>,
) -> Result<Stores, StartError> {
    match &settings.store.kind {
        StoreKind::Embedded => {
            let dir = &settings.server.data_dir;
            keys::make_private_dir(dir)
                .map_err(|error| StartError::Failed(format!("data directory {}: {error}", dir.display())))?;
            let durable = SqliteStore::open(&dir.join(DATABASE_FILE), observer_of("sqlite")?)?;
            let shared = Arc::new(MemoryStore::new(SHARED_CAPACITY));
            Ok(Stores { durable: Arc::new(durable), shared, feed: None })
        }
        StoreKind::Postgres { postgres, redis } => {
            let durable = PostgresStore::connect(postgres, observer_of("postgres")?).await?;
            let shared = Arc::new(RedisStore::connect(redis, observer_of("redis")?).await?);
            let feed: Arc<dyn RevocationFeed> = Arc::<RedisStore>::clone(&shared);
            Ok(Stores { durable: Arc::new(durable), shared, feed: Some(feed) })
        }
    }
}

/// Waits a little for a store that is just starting, as in a compose file.
async fn prepare_schema(store: &dyn DurableStore, mode: MigrateMode) -> Result<(), StartError> {
    let patience_ends = Instant::now() + PATIENCE;
    loop {
        let outcome = match mode {
            MigrateMode::Auto => migrate(store).await,
            MigrateMode::Manual => store.migration_status().await,
        };
        match outcome {
            Ok(status) if status.pending.is_empty() => return Ok(()),
            Ok(status) => return Err(StartError::PendingMigrations(status.pending)),
            Err(StoreError::Unavailable { .. }) if Instant::now() < patience_ends => {
                tokio::time::sleep(TRY_AGAIN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Applies what is pending, and says so.
async fn migrate(store: &dyn DurableStore) -> Result<MigrationStatus, StoreError> {
    let pending = store.migration_status().await?.pending;
    let status = store.migrate().await?;
    if !pending.is_empty() {
        // By this process or, at the same moment, by another replica.
        tracing::info!(migrations = pending.join(" "), "schema brought up to date");
    }
    Ok(status)
}

/// Serving before the revocations are known would accept tokens of ended sessions.
async fn first_look(revocations: &LiveRevocations) -> Result<(), StartError> {
    let look = async {
        while !revocations.is_loaded() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look)
        .await
        .map_err(|_| StartError::Unavailable("the revocations could not be read".to_owned()))
}
