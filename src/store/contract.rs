//! The traits, and what each call promises whichever kind is behind it.

use std::time::Duration;

use async_trait::async_trait;

use super::{Presentation, Refreshed, RevocationPage};
use crate::domain::account::{Account, CredentialEpoch, Credentials, NewAccount};
use crate::domain::attempts::{Attempt, Charged, Settlement};
use crate::domain::audit::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::feed::{Position, Registration, Renewal};
use crate::domain::id::{AccountId, AuditEventId, ReplicaId, SessionId};
use crate::domain::password_hash::{PasswordHash, StoredHash};
use crate::domain::refresh::{RefreshRecord, RefreshToken, RefreshTokenHash};
use crate::domain::revocation::Revocation;
use crate::domain::session::{EndReason, Session, StatusIndex};

/// Why a store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a second account with this address.
    #[error("an account with this e-mail address exists")]
    EmailTaken,
    /// The store did not answer in time, or not at all. Trying again later may work.
    #[error("{store} is unavailable: {reason}")]
    Unavailable {
        /// Which one: `postgres`, `redis`, `sqlite`.
        store: &'static str,
        /// What it said, without secrets.
        reason: String,
    },
    /// The store answered with something that cannot be: a bug, or foreign hands in the data.
    #[error("{store} holds or returned something unexpected: {reason}")]
    Corrupt {
        /// Which one.
        store: &'static str,
        /// What was found, without secrets.
        reason: String,
    },
}

impl StoreError {
    /// The name of the store that failed.
    pub const fn store(&self) -> &'static str {
        match self {
            Self::EmailTaken => "accounts",
            Self::Unavailable { store, .. } | Self::Corrupt { store, .. } => store,
        }
    }
}

/// Sessions that a call ended, with the revocations it wrote in the same transaction.
#[derive(Debug, Default)]
pub struct EndedSessions {
    /// In order of their numbers; empty when nothing was alive to be ended.
    pub revocations: Vec<Revocation>,
    /// There may be more to be ended: call again.
    pub more: bool,
}

/// Sessions that one call ends, when it ends those of an account: as many as fit into its deadline on a slow
/// database, with other writers waiting for the revocation counter meanwhile.
pub const ENDED_AT_ONCE: u32 = 2_000;

/// A new password for an account.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// Whose.
    pub account: AccountId,
    /// The epoch of the old password, which was checked.
    pub epoch: CredentialEpoch,
    /// The hash of the new one.
    pub new: PasswordHash,
    /// The session that asked: it ends last, so that whoever asked can ask again after a failure half way.
    pub last: SessionId,
}

/// A signing key at rest. The private half is sealed before it reaches a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// Key id, unique.
    pub kid: String,
    /// `EdDSA`, `ES256` or `RS256`.
    pub algorithm: String,
    /// The private key, sealed (see `actors::keys`).
    pub sealed: Vec<u8>,
    /// When it was made; published from then on.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub active_from: Timestamp,
    /// When an operator ended all its tokens.
    pub retired_at: Option<Timestamp>,
}

/// What to do to a signing key, and on which condition.
#[derive(Debug, Clone)]
pub struct KeyRetirement {
    /// Which key.
    pub kid: String,
    /// A key that is added in the same transaction.
    pub successor: Option<SealedKey>,
    /// Until when the revocation has something to say.
    pub forget_at: Timestamp,
    /// When.
    pub now: Timestamp,
}

/// What the schema looks like next to the migrations this program carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Migrations in the database, as `V1__accounts`.
    pub applied: Vec<String>,
    /// Migrations that this program carries and the database lacks.
    pub pending: Vec<String>,
}

/// The truth: accounts, sessions, revocations, signing keys.
///
/// Every call has a deadline inside and returns [`StoreError::Unavailable`] when it passes. An `Ok`
/// from a writing call means committed to disk.
#[async_trait]
pub trait DurableStore: Send + Sync + 'static {
    /// Applies pending migrations under a lock, so that any number of replicas may start at once.
    async fn migrate(&self) -> Result<MigrationStatus, StoreError>;
    /// Says which migrations are applied and which pending; changes nothing.
    async fn migration_status(&self) -> Result<MigrationStatus, StoreError>;
    /// Answers when the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Stores a new account. Uniqueness is the database's: of any number of calls with one address
    /// (normal form), one succeeds and the others get [`StoreError::EmailTaken`].
    async fn create_account(&self, new: NewAccount) -> Result<(), StoreError>;
    /// The account and stored hash behind an address in normal form.
    async fn credentials(&self, email_normal: &str) -> Result<Option<Credentials>, StoreError>;
    /// The account with this id.
    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError>;
    /// Accounts in order of id (age), after `after` if given, at most `limit`.
    async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError>;
    /// Replaces the hash if it still is `old`: a rehash never overwrites a changed password.
    async fn replace_password_hash(
        &self,
        id: AccountId,
        old: &StoredHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError>;
    /// Disables an account and ends its sessions, [`ENDED_AT_ONCE`] at most, in one transaction: from the first
    /// call on no session begins, and once `more` is false none is left. `None`: no such account.
    async fn disable_account(
        &self,
        id: AccountId,
        now: Timestamp,
    ) -> Result<Option<EndedSessions>, StoreError>;
    /// Lets a disabled account log in again; ended sessions stay ended. `false`: no such account.
    async fn enable_account(&self, id: AccountId) -> Result<bool, StoreError>;

    /// Changes the name; the account as it is then, or `None` without account.
    async fn rename_account(&self, id: AccountId, name: Option<&str>) -> Result<Option<Account>, StoreError>;
    /// Ends the sessions of an account, [`ENDED_AT_ONCE`] at most, and in the transaction that ends the last one
    /// changes the password and begins a new epoch: while `more` is true, the old password holds. `None`, with
    /// nothing done: the account is disabled or gone, or its epoch is another.
    async fn change_password(
        &self,
        change: &PasswordChange,
        now: Timestamp,
    ) -> Result<Option<EndedSessions>, StoreError>;
    /// Ends and removes the sessions of an account, [`ENDED_AT_ONCE`] at most and `last` as the last one, and in
    /// the transaction that takes the last one removes the account: while `more` is true, it is there. Their
    /// revocations stay. `None`, with nothing done: there is no such account, or `epoch` is given and not its own.
    async fn delete_account(
        &self,
        id: AccountId,
        epoch: Option<CredentialEpoch>,
        last: Option<SessionId>,
        now: Timestamp,
    ) -> Result<Option<EndedSessions>, StoreError>;

    /// Stores a new session, unless the account is disabled or gone by now, or has another epoch than the one of
    /// the password that was checked for it (`false`): a login that races with `disable_account`,
    /// `change_password` or `delete_account` never leaves a live session behind.
    async fn create_session(
        &self,
        session: &Session,
        checked: Option<CredentialEpoch>,
    ) -> Result<bool, StoreError>;
    /// Stores new sessions of one account in one transaction, all or, when the account is disabled or gone, none
    /// (`false`): for an operator who makes many.
    async fn create_sessions(&self, account: AccountId, sessions: &[Session]) -> Result<bool, StoreError>;
    /// As [`Self::create_session`], with the session's first refresh token, in one transaction.
    async fn create_session_with_refresh(
        &self,
        session: &Session,
        first: &RefreshToken,
        checked: Option<CredentialEpoch>,
    ) -> Result<bool, StoreError>;
    /// The session with this id.
    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError>;
    /// The live sessions of an account, newest first, from the one before `before` on, at most `limit`.
    async fn sessions_of(
        &self,
        account: AccountId,
        before: Option<SessionId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError>;
    /// Ends the sessions of an account but `except`, [`ENDED_AT_ONCE`] at most, with their revocations in one
    /// transaction. Once `more` is false, every session that was stored before that call has ended.
    async fn end_sessions_of(
        &self,
        account: AccountId,
        except: Option<SessionId>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<EndedSessions, StoreError>;
    /// Ends a session and writes its revocation in one transaction. Ending it again changes nothing.
    async fn end_session(
        &self,
        id: SessionId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<EndedSessions, StoreError>;

    /// The refresh token with this hash, its session and account, as they are; changes nothing.
    async fn refresh_token(&self, hash: RefreshTokenHash) -> Result<Option<RefreshRecord>, StoreError>;
    /// Does what [`judge`](crate::domain::refresh::judge) says about a presented token, in one transaction: of any
    /// number of calls with one token, one makes its successor. After [`StoreError::Unavailable`] nobody knows
    /// whether it happened; asking again within the grace is safe, and answers.
    async fn refresh(&self, presented: &Presentation) -> Result<Refreshed, StoreError>;

    /// Audit events in order of id (age), after `after` if given, at most `limit`.
    async fn audit_events(
        &self,
        after: Option<AuditEventId>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError>;
    /// Deletes audit events from before `before`, at most `limit`; returns how many went.
    async fn prune_audit(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Revocations with a number above `after`, in order, at most `limit`. Numbers become visible in
    /// order: once a reader has seen `n`, no smaller unseen number will ever appear. A reader that is ahead of
    /// the store (a restored backup, a failover that lost commits) is answered from the beginning.
    async fn revocations_after(&self, after: i64, limit: u32) -> Result<Vec<Revocation>, StoreError>;
    /// As [`Self::revocations_after`] for a follower, who says with the number whose end it was. One whose
    /// position is none of this store's (a restored backup, a failover that lost commits) is answered from the
    /// beginning.
    async fn follow_revocations(&self, after: Position, limit: u32) -> Result<RevocationPage, StoreError>;
    /// The revocation with the highest number that is still kept.
    async fn newest_revocation(&self) -> Result<Option<Revocation>, StoreError>;
    /// Keeps a replica's registration: it has followed up to there, and may go on without this store for `lease`.
    /// The first one of a replica, which counts from the beginning, is committed to disk; a later one may be lost
    /// in a crash.
    async fn register_replica(
        &self,
        replica: ReplicaId,
        followed: Position,
        lease: Duration,
    ) -> Result<Renewal, StoreError>;
    /// All registrations, void ones too.
    async fn registrations(&self) -> Result<Vec<Registration>, StoreError>;
    /// Forgets a replica, which serves no longer.
    async fn deregister_replica(&self, replica: ReplicaId) -> Result<(), StoreError>;
    /// Takes `count` places in the status list for good and returns the first; they follow one another.
    async fn reserve_status_indexes(&self, count: u32) -> Result<StatusIndex, StoreError>;
    /// Whether the key with this id was retired, as long as a token of it could be alive.
    async fn key_is_retired(&self, kid: &str) -> Result<bool, StoreError>;
    /// How many places in the status list were taken so far, by anybody.
    async fn status_indexes_taken(&self) -> Result<i64, StoreError>;
    /// Deletes sessions, refresh tokens and revocations whose `forget_at` (`expires_at`) is before `before`,
    /// at most `limit` of each; returns how many rows went.
    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// All signing keys, oldest first.
    async fn signing_keys(&self) -> Result<Vec<SealedKey>, StoreError>;
    /// Stores a key if those not retired are exactly the `expected`: of several replicas that find the next key
    /// due at once, one brings it. `false`: there are others by now.
    async fn add_signing_key(&self, key: SealedKey, expected: &[String]) -> Result<bool, StoreError>;
    /// Retires a key, and writes the revocation of its tokens, if the keys that are not retired are exactly the
    /// `expected`. `None`: there are others by now, or it is not one of them.
    async fn retire_signing_key(
        &self,
        retirement: KeyRetirement,
        expected: &[String],
    ) -> Result<Option<Vec<Revocation>>, StoreError>;
    /// Deletes keys of which no token is alive.
    async fn forget_signing_keys(&self, kids: &[String]) -> Result<(), StoreError>;
}

/// A code that works once: verification, reset, challenge. Stored by the hash of the code only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTimeCode {
    /// What it is for, for example `verify_email`. Letters, digits and `_`.
    pub purpose: String,
    /// SHA-256 of the code.
    pub code_hash: [u8; 32],
    /// What the code unlocks, for example an account id.
    pub payload: String,
}

/// What expires by itself and may be lost: live session records, one-time codes, buckets of attempts.
#[async_trait]
pub trait SharedStore: Send + Sync + 'static {
    /// Answers when the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
    /// Keeps a session record for `ttl` (at least a millisecond).
    async fn put_session(&self, session: &Session, ttl: Duration) -> Result<(), StoreError>;
    /// The session record, if it is there and has not expired.
    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError>;
    /// Forgets a session record.
    async fn remove_session(&self, id: SessionId) -> Result<(), StoreError>;
    /// Keeps a one-time code for `ttl`; a code with the same purpose and hash is replaced.
    async fn put_code(&self, code: &OneTimeCode, ttl: Duration) -> Result<(), StoreError>;
    /// Takes a code: of any number of calls with one hash, one gets the payload.
    async fn take_code(&self, purpose: &str, code_hash: &[u8; 32]) -> Result<Option<String>, StoreError>;
    /// Charges an attempt to all its buckets, or to none; one round trip. A bucket expires when it is full.
    async fn charge(&self, attempt: &Attempt) -> Result<Charged, StoreError>;
    /// Gives back what an attempt was charged too much, and remembers the place it came from; one round trip.
    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError>;
}
