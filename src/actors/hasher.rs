//! Password hashing: the most expensive thing the gateway does, so it has threads of its own.
//!
//! The threads are fewer than the cores, so that a flood of logins leaves the proxy room. Work waits in a
//! bounded queue; a full one is [`AuthError::Busy`] at once. Before each hash a thread looks whether
//! anybody still waits for it. On Linux they give way to all other threads of the process and the machine
//! ([`NICENESS`]): what is left of a core is enough for hashes, and a request never waits for one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use super::AuthError;
use super::hash_gate::HashLoad;
use crate::domain::password::{Password, PasswordPolicy};
use crate::domain::password_hash::{PasswordHash, StoredHash, Verdict};
use crate::telemetry::HashResult;
use crate::telemetry::metrics::Metrics;

/// Work for a hash thread.
pub enum HashWork {
    /// Judge by the policy, then hash.
    New {
        /// The password.
        password: Password,
        /// What the strength estimate counts as guessable besides its lists: address, name.
        context: Vec<String>,
        /// The salt.
        salt: [u8; 16],
        /// Where the hash goes.
        reply: oneshot::Sender<Result<PasswordHash, AuthError>>,
    },
    /// Check a password; when it matches a hash of another form or cost, also make a new one.
    Verify {
        /// The password.
        password: Password,
        /// The stored hash; `None` for unknown people, which costs the same.
        stored: Option<StoredHash>,
        /// The salt of a new hash, should one be needed.
        salt: [u8; 16],
        /// Where the outcome goes.
        reply: oneshot::Sender<Result<Checked, AuthError>>,
    },
}

/// Outcome of a check.
#[derive(Debug)]
pub enum Checked {
    /// Not the password, nobody's password, or a hash that cannot be judged.
    Wrong,
    /// The password.
    Right,
    /// The password, and a hash to replace the stored one.
    RightWithRehash(PasswordHash),
}

/// How to hash.
#[derive(Debug, Clone)]
pub struct HashPlan {
    /// bcrypt cost.
    pub cost: u32,
    /// What new passwords must satisfy.
    pub policy: PasswordPolicy,
    /// Threads.
    pub threads: usize,
    /// Work that may wait.
    pub queue: usize,
    /// Told how long hashes take.
    pub load: Arc<HashLoad>,
}

/// The actor: owns the threads.
pub struct Hasher;

/// Its state: the queue's entrance. Dropping it ends the threads after their current hash.
pub struct HasherState {
    queue: SyncSender<HashWork>,
    metrics: Arc<Metrics>,
}

impl Actor for Hasher {
    type Msg = HashWork;
    type State = HasherState;
    type Arguments = (HashPlan, Arc<Metrics>);

    async fn pre_start(
        &self,
        _myself: ActorRef<HashWork>,
        (plan, metrics): Self::Arguments,
    ) -> Result<HasherState, ActorProcessingErr> {
        let (queue, work) = sync_channel(plan.queue);
        let work = Arc::new(Mutex::new(work));
        for number in 0..plan.threads {
            let (plan, work, metrics) = (plan.clone(), Arc::clone(&work), Arc::clone(&metrics));
            std::thread::Builder::new().name(format!("gateward-hash-{number}")).spawn(move || {
                give_way(number);
                serve(&plan, &work, &metrics);
            })?;
        }
        Ok(HasherState { queue, metrics })
    }

    async fn handle(
        &self,
        _myself: ActorRef<HashWork>,
        work: HashWork,
        state: &mut HasherState,
    ) -> Result<(), ActorProcessingErr> {
        // Before it is sent: a thread may take it at once.
        state.metrics.hash_queue_length.inc();
        let sent = state.queue.try_send(work);
        if sent.is_err() {
            state.metrics.hash_queue_length.dec();
        }
        match sent {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(work)) => {
                state.metrics.hash_job(HashResult::Rejected);
                work.fail(AuthError::Busy);
                Ok(())
            }
            // Every thread is gone: start over.
            Err(TrySendError::Disconnected(_)) => Err("the hash threads are gone".into()),
        }
    }
}

impl HashWork {
    fn abandoned(&self) -> bool {
        match self {
            Self::New { reply, .. } => reply.is_closed(),
            Self::Verify { reply, .. } => reply.is_closed(),
        }
    }

    fn fail(self, error: AuthError) {
        // A receiver that is gone has nothing to be told.
        match self {
            Self::New { reply, .. } => drop(reply.send(Err(error))),
            Self::Verify { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

/// How much nicer a hash thread is than the others. Against one of them that wants the same core it gets a quarter, not
/// nothing: with a service or a database at work on the same machine logins are slower, and come to an end.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;
/// The nicest there is.
#[cfg(target_os = "linux")]
const NICEST: i32 = 19;

/// Lowers the priority of the calling thread, which needs no privilege. On Linux, and there alone, "the calling process"
/// is the calling thread.
#[cfg(target_os = "linux")]
fn give_way(number: usize) {
    // One of them says it for all.
    let nicer = rustix::process::getpriority_process(None).map(|nice| (nice + NICENESS).min(NICEST));
    if let Err(error) = nicer.and_then(|nice| rustix::process::setpriority_process(None, nice))
        && number == 0
    {
        tracing::warn!(%error, "hash threads keep the priority of the others");
    }
}

/// Elsewhere it would lower the whole process.
#[cfg(not(target_os = "linux"))]
const fn give_way(_: usize) {}

fn serve(plan: &HashPlan, queue: &Mutex<Receiver<HashWork>>, metrics: &Metrics) {
    loop {
        let next = queue.lock().recv();
        let Ok(work) = next else { return };
        if work.abandoned() {
            metrics.hash_queue_length.dec();
            metrics.hash_job(HashResult::Abandoned);
            continue;
        }
        #[expect(clippy::disallowed_methods, reason = "measures a duration for a metric")]
        let started = Instant::now();
        // A panic in a library drops the reply, which its caller sees; the thread lives on.
        let count = |hashed: bool| {
            metrics.hash_queue_length.dec();
            let took = started.elapsed();
            // A password that was judged and not hashed says nothing of how long hashes take.
            if hashed {
                plan.load.took(took);
            }
            metrics.hash_took(took);
            metrics.hash_job(HashResult::Done);
        };
        if catch_unwind(AssertUnwindSafe(|| work_on(plan, work, count))).is_err() {
            metrics.hash_queue_length.dec();
            metrics.hash_job(HashResult::Failed);
        }
    }
}

/// `count` comes before the reply: whoever has the reply finds it counted.
fn work_on(plan: &HashPlan, work: HashWork, count: impl FnOnce(bool)) {
    match work {
        HashWork::New { password, context, salt, reply } => {
            let outcome = judge_and_hash(plan, &password, &context, salt);
            count(outcome.is_ok());
            drop(reply.send(outcome));
        }
        HashWork::Verify { password, stored, salt, reply } => {
            let outcome = check(plan, &password, stored, salt);
            count(true);
            drop(reply.send(outcome));
        }
    }
}

fn judge_and_hash(
    plan: &HashPlan,
    password: &Password,
    context: &[String],
    salt: [u8; 16],
) -> Result<PasswordHash, AuthError> {
    let context: Vec<&str> = context.iter().map(String::as_str).collect();
    plan.policy.check(password, &context).map_err(AuthError::WeakPassword)?;
    hash(plan, password, salt)
}

fn hash(plan: &HashPlan, password: &Password, salt: [u8; 16]) -> Result<PasswordHash, AuthError> {
    PasswordHash::new(password, plan.cost, salt).map_err(|error| AuthError::Internal(error.to_string()))
}

fn check(
    plan: &HashPlan,
    password: &Password,
    stored: Option<StoredHash>,
    salt: [u8; 16],
) -> Result<Checked, AuthError> {
    let known = stored.is_some();
    let stored = stored.unwrap_or_else(|| StoredHash::dummy(plan.cost));
    match stored.verify(password, plan.cost) {
        Ok(Verdict::Match) if known => Ok(Checked::Right),
        Ok(Verdict::MatchNeedsRehash) if known => Ok(Checked::RightWithRehash(hash(plan, password, salt)?)),
        Ok(Verdict::Match | Verdict::MatchNeedsRehash | Verdict::Mismatch) => Ok(Checked::Wrong),
        Err(error) => {
            // Costs what a real check costs, so that a damaged hash does not stand out.
            let _same_work = StoredHash::dummy(plan.cost).verify(password, plan.cost);
            tracing::error!(%error, "a stored password hash cannot be used");
            Ok(Checked::Wrong)
        }
    }
}
