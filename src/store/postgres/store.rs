//! [`PostgresStore`]: the contract's calls, each one an operation on a pooled connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Client;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::Failure;
use super::pool::{CallPool, call};
use super::{
    account_sessions, accounts, audit, connect, keys, migrate, refresh, replicas, revocations, sessions,
};
use crate::config::PostgresSettings;
use crate::domain::account::{Account, CredentialEpoch, Credentials, NewAccount};
use crate::domain::audit::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::feed::{Position, Registration, Renewal};
use crate::domain::id::{AccountId, AuditEventId, ReplicaId, SessionId};
use crate::domain::password_hash::{PasswordHash, StoredHash};
use crate::domain::refresh::{RefreshRecord, RefreshToken, RefreshTokenHash};
use crate::domain::revocation::Revocation;
use crate::domain::session::{EndReason, Session, StatusIndex};
use crate::store::observer::ended;
use crate::store::{
    DurableStore, EndedSessions, KeyRetirement, MigrationStatus, PasswordChange, Presentation, Refreshed,
    RevocationPage, SealedKey, StoreError, StoreObserver,
};

/// Accounts, sessions, revocations and keys in Postgres 12 or newer.
pub struct PostgresStore {
    calls: CallPool,
    migrations: Config,
    tls: MakeRustlsConnect,
    observer: Arc<dyn StoreObserver>,
}

impl PostgresStore {
    /// Prepares the pool. Connections are made by the first calls, so this works while Postgres is down.
    ///
    /// Reads the trusted roots from disk, unless the URL says `sslmode=disable`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the URL or `tls_ca_file` cannot be used.
    pub async fn connect(
        settings: &PostgresSettings,
        observer: Arc<dyn StoreObserver>,
    ) -> Result<Self, StoreError> {
        let config = connect::config(settings, settings.timeout)?;
        let migrations = connect::config(settings, migrate::DEADLINE)?;
        let tls = connect::tls(&config, settings.tls_ca_file.as_deref())?;
        let calls = CallPool::new(
            config,
            tls.clone(),
            settings.max_connections,
            settings.timeout,
            Arc::clone(&observer),
        )?;
        Ok(Self { calls, migrations, tls, observer })
    }
}

#[async_trait]
impl DurableStore for PostgresStore {
    async fn migrate(&self) -> Result<MigrationStatus, StoreError> {
        ended(&*self.observer, migrate::run(&self.migrations, self.tls.clone()).await)
    }

    async fn migration_status(&self) -> Result<MigrationStatus, StoreError> {
        call!(self.calls, |client| migrate::status(client))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        call!(self.calls, |client| ping(client))
    }

    async fn create_account(&self, new: NewAccount) -> Result<(), StoreError> {
        call!(self.calls, |client| accounts::create(client, &new))
    }

    async fn credentials(&self, email_normal: &str) -> Result<Option<Credentials>, StoreError> {
        call!(self.calls, |client| accounts::credentials(client, email_normal))
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        call!(self.calls, |client| accounts::by_id(client, id))
    }

    async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError> {
        call!(self.calls, |client| accounts::page(client, after, limit))
    }

    async fn replace_password_hash(
        &self,
        id: AccountId,
        old: &StoredHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        call!(self.calls, |client| accounts::replace_password_hash(client, id, old, new))
    }

    async fn disable_account(
        &self,
        id: AccountId,
        now: Timestamp,
    ) -> Result<Option<EndedSessions>, StoreError> {
        call!(self.calls, |client| sessions::disable_account(client, id, now))
    }

    async fn enable_account(&self, id: AccountId) -> Result<bool, StoreError> {
        call!(self.calls, |client| accounts::enable(client, id))
    }

    async fn rename_account(&self, id: AccountId, name: Option<&str>) -> Result<Option<Account>, StoreError> {
        call!(self.calls, |client| accounts::rename(client, id, name))
    }

    async fn change_password(
        &self,
        change: &PasswordChange,
        now: Timestamp,
    ) -> Result<Option<EndedSessions>, StoreError> {
        call!(self.calls, |client| account_sessions::change_password(client, change, now))
    }

    async fn delete_account(
        &self,
        id: AccountId,
        epoch: Option<CredentialEpoch>,
        last: Option<SessionId>,
        now: Timestamp,
    ) -> Result<Option<EndedSessions>, StoreError> {
        call!(self.calls, |client| account_sessions::delete(client, id, epoch, last, now))
    }

    async fn sessions_of(
        &self,
        account: AccountId,
        before: Option<SessionId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        call!(self.calls, |client| account_sessions::page(client, account, before, limit, now))
    }

    async fn end_sessions_of(
        &self,
        account: AccountId,
        except: Option<SessionId>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<EndedSessions, StoreError> {
        call!(self.calls, |client| account_sessions::end(client, account, except, reason, now))
    }

    async fn create_session(
        &self,
        session: &Session,
        checked: Option<CredentialEpoch>,
    ) -> Result<bool, StoreError> {
        call!(self.calls, |client| sessions::create(client, session, checked))
    }

    async fn create_sessions(&self, account: AccountId, sessions: &[Session]) -> Result<bool, StoreError> {
        call!(self.calls, |client| sessions::create_many(client, account, sessions))
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        call!(self.calls, |client| sessions::by_id(client, id))
    }

    async fn end_session(
        &self,
        id: SessionId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<EndedSessions, StoreError> {
        call!(self.calls, |client| sessions::end(client, id, reason, now))
    }

    async fn create_session_with_refresh(
        &self,
        session: &Session,
        first: &RefreshToken,
        checked: Option<CredentialEpoch>,
    ) -> Result<bool, StoreError> {
        call!(self.calls, |client| refresh::create_session(client, session, first, checked))
    }

    async fn refresh_token(&self, hash: RefreshTokenHash) -> Result<Option<RefreshRecord>, StoreError> {
        call!(self.calls, |client| refresh::by_hash(&*client, hash))
    }

    async fn refresh(&self, presented: &Presentation) -> Result<Refreshed, StoreError> {
        call!(self.calls, |client| refresh::refresh(client, presented))
    }

    async fn audit_events(
        &self,
        after: Option<AuditEventId>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        call!(self.calls, |client| audit::page(client, after, limit))
    }

    async fn prune_audit(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        call!(self.calls, |client| audit::prune(client, before, limit))
    }

    async fn revocations_after(&self, after: i64, limit: u32) -> Result<Vec<Revocation>, StoreError> {
        call!(self.calls, |client| revocations::after(client, after, limit))
    }

    async fn follow_revocations(&self, after: Position, limit: u32) -> Result<RevocationPage, StoreError> {
        call!(self.calls, |client| revocations::follow(client, after, limit))
    }

    async fn newest_revocation(&self) -> Result<Option<Revocation>, StoreError> {
        call!(self.calls, |client| revocations::newest(client))
    }

    async fn register_replica(
        &self,
        replica: ReplicaId,
        followed: Position,
        lease: Duration,
    ) -> Result<Renewal, StoreError> {
        call!(self.calls, |client| replicas::register(client, replica, followed, lease))
    }

    async fn registrations(&self) -> Result<Vec<Registration>, StoreError> {
        call!(self.calls, |client| replicas::all(client))
    }

    async fn deregister_replica(&self, replica: ReplicaId) -> Result<(), StoreError> {
        call!(self.calls, |client| replicas::remove(client, replica))
    }

    async fn reserve_status_indexes(&self, count: u32) -> Result<StatusIndex, StoreError> {
        call!(self.calls, |client| revocations::reserve_status_indexes(client, count))
    }

    async fn key_is_retired(&self, kid: &str) -> Result<bool, StoreError> {
        call!(self.calls, |client| revocations::key_is_retired(client, kid))
    }

    async fn status_indexes_taken(&self) -> Result<i64, StoreError> {
        call!(self.calls, |client| revocations::status_indexes_taken(client))
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        // Two calls, each with its deadline: a session has had many refresh tokens.
        let rows = call!(self.calls, |client| revocations::prune(client, before, limit))?;
        let tokens = call!(self.calls, |client| refresh::prune(client, before, limit))?;
        Ok(rows.saturating_add(tokens))
    }

    async fn signing_keys(&self) -> Result<Vec<SealedKey>, StoreError> {
        call!(self.calls, |client| keys::all(client))
    }

    async fn add_signing_key(&self, key: SealedKey, expected: &[String]) -> Result<bool, StoreError> {
        call!(self.calls, |client| keys::add(client, &key, expected))
    }

    async fn retire_signing_key(
        &self,
        retirement: KeyRetirement,
        expected: &[String],
    ) -> Result<Option<Vec<Revocation>>, StoreError> {
        call!(self.calls, |client| keys::retire(client, &retirement, expected))
    }

    async fn forget_signing_keys(&self, kids: &[String]) -> Result<(), StoreError> {
        call!(self.calls, |client| keys::forget(client, kids))
    }
}

/// An empty statement: a round trip and nothing else.
async fn ping(client: &Client) -> Result<(), Failure> {
    Ok(client.batch_execute("").await?)
}
