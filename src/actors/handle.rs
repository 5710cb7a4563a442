//! The door to the actors: takes the permit, sends, waits for the answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AuthError;
use super::accounts::AccountsMessage;
use super::attempts::Attempts;
use super::hash_gate::HashGate;
use super::job::{Job, Pending};
use super::keys::{KeyRefusal, KeysMessage, ListedKey, RetireKey, RotateKey};
use super::mint::Mint;
use super::refresh::{Refresh, RefreshTokenFacts};
use super::requests::{Login, Readiness, Registration, Revoke, TokenGrant, TokenPair};
use super::sessions::SessionsMessage;
use super::slot::Slot;
use super::supervisor::Slots;
use crate::domain::account::Account;
use crate::domain::audit::AuditEvent;
use crate::domain::id::{AccountId, AuditEventId, SessionId};
use crate::domain::refresh::RefreshTokenText;
use crate::store::{DurableStore, SharedStore};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{HashResult, RefreshResult};

/// Calls that only ask a store: how many at once. Refreshes, which anybody can ask for, have as many of their own,
/// so that a flood of them keeps nobody from logging out.
const STORE_PERMITS: usize = 512;
/// Calls on the way of a protected request, made only while revocations are stale.
const CONFIRM_PERMITS: usize = 16;
/// Their deadline. The stores have shorter ones of their own.
const STORE_DEADLINE: Duration = Duration::from_secs(3);
/// Deadline of disabling an account, whose sessions are ended page by page.
pub(super) const DISABLE_DEADLINE: Duration = Duration::from_secs(60);
/// Deadline of minting tokens, some of which take long to sign (RS256).
const MINT_DEADLINE: Duration = Duration::from_secs(15);
/// Deadline of calls with a password hash in them: longer than `password.hash_wait` may be.
const HASH_DEADLINE: Duration = Duration::from_secs(15);
/// How long to look for the successor of an actor that just stopped, and how often.
const SUCCESSOR: (u32, Duration) = (40, Duration::from_millis(5));

/// Reaches the actors. Cheap to clone; any number of holders.
#[derive(Clone)]
pub struct AuthHandle {
    pub(super) slots: Slots,
    hash_gate: HashGate,
    attempts: Arc<Attempts>,
    store_permits: Arc<Semaphore>,
    confirm_permits: Arc<Semaphore>,
    refresh_permits: Arc<Semaphore>,
    durable: Arc<dyn DurableStore>,
    shared: Arc<dyn SharedStore>,
    metrics: Arc<Metrics>,
}

impl AuthHandle {
    pub(super) fn new(
        slots: Slots,
        hash_gate: HashGate,
        attempts: Arc<Attempts>,
        durable: Arc<dyn DurableStore>,
        shared: Arc<dyn SharedStore>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            slots,
            hash_gate,
            attempts,
            store_permits: Arc::new(Semaphore::new(STORE_PERMITS)),
            confirm_permits: Arc::new(Semaphore::new(CONFIRM_PERMITS)),
            refresh_permits: Arc::new(Semaphore::new(STORE_PERMITS)),
            durable,
            shared,
            metrics,
        }
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`AuthError::EmailTaken`], [`AuthError::WeakPassword`], [`AuthError::TooManyAttempts`], or a fault of ours.
    pub async fn register(&self, ask: Registration) -> Result<Account, AuthError> {
        let (job, pending) = self.hash_job(ask)?;
        reach(&self.slots.accounts, AccountsMessage::Register(job), pending).await
    }

    /// Checks a password, begins a session and mints its first tokens.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`], [`AuthError::TooManyAttempts`], or a fault of ours.
    pub async fn login(&self, ask: Login) -> Result<TokenPair, AuthError> {
        let (job, pending) = self.hash_job(ask)?;
        reach(&self.slots.sessions, SessionsMessage::Login(job), pending).await
    }

    /// Charges an address for a token or client secret that was wrong.
    ///
    /// # Errors
    /// [`AuthError::TooManyAttempts`].
    pub fn charge_secret(&self, address: IpAddr) -> Result<(), AuthError> {
        self.attempts.secret(address)
    }

    /// Hands a refresh token over to its successor. Asking again within the grace, after a lost answer or a fault
    /// of ours, gives the same client the same successor; an old token otherwise ends its session.
    ///
    /// # Errors
    /// [`AuthError::InvalidRefreshToken`], or a fault of ours.
    pub async fn refresh(&self, ask: Refresh) -> Result<TokenPair, AuthError> {
        let permit =
            permit(&self.refresh_permits).inspect_err(|_| self.metrics.refresh(RefreshResult::Busy))?;
        let (job, pending) = Job::new(ask, permit, STORE_DEADLINE);
        reach(&self.slots.sessions, SessionsMessage::Refresh(job), pending).await
    }

    /// What is known of a refresh token, `None` of one that was never handed out. Changes nothing.
    ///
    /// # Errors
    /// A fault of ours.
    pub async fn refresh_token_facts(
        &self,
        token: RefreshTokenText,
    ) -> Result<Option<RefreshTokenFacts>, AuthError> {
        let (job, pending) = self.store_job(token)?;
        reach(&self.slots.sessions, SessionsMessage::RefreshFacts(job), pending).await
    }

    /// Audit events in order of age, after one, at most `limit`.
    ///
    /// # Errors
    /// A fault of ours.
    pub async fn audit_events(
        &self,
        after: Option<AuditEventId>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, AuthError> {
        let (job, pending) = self.store_job((after, limit))?;
        reach(&self.slots.sessions, SessionsMessage::Audit(job), pending).await
    }

    /// Ends the session of a token that its holder revokes: like [`AuthHandle::logout`], for another reason.
    ///
    /// # Errors
    /// A fault of ours: the session may be alive.
    pub async fn revoke(&self, ask: Revoke) -> Result<(), AuthError> {
        let (job, pending) = self.store_job(ask)?;
        reach(&self.slots.sessions, SessionsMessage::Revoke(job), pending).await
    }

    /// How many places in the status list were taken so far, on all replicas.
    ///
    /// # Errors
    /// A fault of ours.
    pub async fn status_indexes_taken(&self) -> Result<i64, AuthError> {
        let (job, pending) = self.store_job(())?;
        reach(&self.slots.sessions, SessionsMessage::StatusIndexesTaken(job), pending).await
    }

    /// The account behind a verified token.
    ///
    /// # Errors
    /// [`AuthError::SessionEnded`], [`AuthError::AccountGone`], or a fault of ours.
    pub async fn profile(&self, account: AccountId, session: SessionId) -> Result<Account, AuthError> {
        let (job, pending) = self.store_job((account, session))?;
        reach(&self.slots.accounts, AccountsMessage::Profile(job), pending).await
    }

    /// Whether the durable store knows account and session as good, and the key as not retired. For when what this process knows is too old:
    /// a few at a time, so that a crowd of requests is no load on a store in trouble.
    ///
    /// # Errors
    /// [`AuthError::SessionEnded`], [`AuthError::AccountGone`], or a fault of ours.
    pub async fn confirm(
        &self,
        account: AccountId,
        session: SessionId,
        kid: String,
    ) -> Result<(), AuthError> {
        let ask = (account, session, kid);
        let (job, pending) = Job::new(ask, permit(&self.confirm_permits)?, STORE_DEADLINE);
        reach(&self.slots.accounts, AccountsMessage::Confirm(job), pending).await
    }

    /// Accounts in order of age, after one, at most `limit`.
    ///
    /// # Errors
    /// A fault of ours.
    pub async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, AuthError> {
        let (job, pending) = self.store_job((after, limit))?;
        reach(&self.slots.accounts, AccountsMessage::List(job), pending).await
    }

    /// The account with this id.
    ///
    /// # Errors
    /// A fault of ours.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, AuthError> {
        let (job, pending) = self.store_job(id)?;
        reach(&self.slots.accounts, AccountsMessage::ById(job), pending).await
    }

    /// The account with this address in normal form.
    ///
    /// # Errors
    /// A fault of ours.
    pub async fn find(&self, email_normal: String) -> Result<Option<Account>, AuthError> {
        let (job, pending) = self.store_job(email_normal)?;
        reach(&self.slots.accounts, AccountsMessage::Find(job), pending).await
    }

    /// Disables an account and ends its sessions; says how many were alive, or `None` without account.
    ///
    /// # Errors
    /// A fault of ours: the account may be disabled with sessions left. Disabling it again ends those.
    pub async fn disable(&self, account: AccountId) -> Result<Option<usize>, AuthError> {
        let (job, pending) = self.store_job_within(account, DISABLE_DEADLINE)?;
        reach(&self.slots.accounts, AccountsMessage::Disable(job), pending).await
    }

    /// Lets a disabled account log in again; `false` without account.
    ///
    /// # Errors
    /// A fault of ours.
    pub async fn enable(&self, account: AccountId) -> Result<bool, AuthError> {
        let (job, pending) = self.store_job(account)?;
        reach(&self.slots.accounts, AccountsMessage::Enable(job), pending).await
    }

    /// Begins sessions without a password, for an operator's tests.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`] for a disabled account, or a fault of ours.
    pub async fn mint(&self, ask: Mint) -> Result<Vec<TokenGrant>, AuthError> {
        let (job, pending) = self.store_job_within(ask, MINT_DEADLINE)?;
        reach(&self.slots.sessions, SessionsMessage::Mint(job), pending).await
    }

    /// The signing keys that are stored, oldest first.
    ///
    /// # Errors
    /// A fault of ours.
    pub async fn signing_keys(&self) -> Result<Vec<ListedKey>, AuthError> {
        let (job, pending) = self.store_job(())?;
        reach(&self.slots.keys, KeysMessage::List(job), pending).await
    }

    /// Brings the next signing key before it is due.
    ///
    /// # Errors
    /// A fault of ours; inside, the refusal.
    pub async fn rotate_key(&self, ask: RotateKey) -> Result<Result<ListedKey, KeyRefusal>, AuthError> {
        let (job, pending) = self.store_job(ask)?;
        reach(&self.slots.keys, KeysMessage::Rotate(job), pending).await
    }

    /// Ends all tokens of a signing key: durably, then in this process, then answers.
    ///
    /// # Errors
    /// A fault of ours: its tokens may be alive. Inside, the refusal.
    pub async fn retire_key(&self, ask: RetireKey) -> Result<Result<(), KeyRefusal>, AuthError> {
        let (job, pending) = self.store_job(ask)?;
        reach(&self.slots.keys, KeysMessage::Retire(job), pending).await
    }

    /// Asks both stores whether they are there. Not through an actor: it must answer when they do not.
    pub async fn readiness(&self) -> Readiness {
        let (durable, shared) = tokio::join!(self.durable.ping(), self.shared.ping());
        Readiness {
            missing: durable.err().map(|error| error.store()).into_iter().collect(),
            degraded: shared.err().map(|error| error.store()).into_iter().collect(),
        }
    }

    fn hash_job<Ask, Answer>(&self, ask: Ask) -> Result<(Job<Ask, Answer>, Pending<Answer>), AuthError>
    where
        Ask: Send + 'static,
        Answer: Send + 'static,
    {
        self.hash_job_within(ask, HASH_DEADLINE)
    }

    pub(super) fn hash_job_within<Ask, Answer>(
        &self,
        ask: Ask,
        limit: Duration,
    ) -> Result<(Job<Ask, Answer>, Pending<Answer>), AuthError>
    where
        Ask: Send + 'static,
        Answer: Send + 'static,
    {
        let permit = self.hash_gate.enter().inspect_err(|_| self.metrics.hash_job(HashResult::Rejected))?;
        Ok(Job::new(ask, permit, limit))
    }

    pub(super) fn store_job<Ask, Answer>(
        &self,
        ask: Ask,
    ) -> Result<(Job<Ask, Answer>, Pending<Answer>), AuthError>
    where
        Ask: Send + 'static,
        Answer: Send + 'static,
    {
        self.store_job_within(ask, STORE_DEADLINE)
    }

    pub(super) fn store_job_within<Ask, Answer>(
        &self,
        ask: Ask,
        limit: Duration,
    ) -> Result<(Job<Ask, Answer>, Pending<Answer>), AuthError>
    where
        Ask: Send + 'static,
        Answer: Send + 'static,
    {
        Ok(Job::new(ask, permit(&self.store_permits)?, limit))
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }
}

fn permit(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, AuthError> {
    Arc::clone(permits).try_acquire_owned().map_err(|_| AuthError::Busy)
}

pub(super) async fn reach<Message: ractor::Message, Answer>(
    slot: &Slot<Message>,
    message: Message,
    pending: Pending<Answer>,
) -> Result<Answer, AuthError> {
    let mut message = Box::new(message);
    for _ in 0..SUCCESSOR.0 {
        match slot.send(*message) {
            Ok(()) => return pending.answer().await,
            // Its actor stopped a moment ago; the supervisor is putting a new one into the slot.
            Err(back) => message = back,
        }
        tokio::time::sleep(SUCCESSOR.1).await;
    }
    Err(AuthError::Unavailable("an actor is restarting".to_owned()))
}
