//! [`SqliteStore`]: the contract's calls, each one an operation on the database thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;

use super::error::Failure;
use super::thread::DatabaseThread;
use super::{
    account_sessions, accounts, audit, keys, migrate, open, refresh, replicas, revocations, sessions,
};
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

/// Deadline of one call. Longer than SQLite's own wait for another writer, so that a locked file says so.
const DEADLINE: Duration = Duration::from_secs(2);

/// Accounts, sessions, revocations and keys in a SQLite file.
///
/// Other processes of the same machine may use the file at the same time. Not for a network file system.
pub struct SqliteStore {
    thread: DatabaseThread,
    path: PathBuf,
    observer: Arc<dyn StoreObserver>,
}

impl SqliteStore {
    /// Opens the file, or creates it for its owner only, and starts the thread that works on it. The
    /// folder must exist. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the file cannot be opened or written, [`StoreError::Corrupt`] if
    /// it is no database.
    pub fn open(path: &Path, observer: Arc<dyn StoreObserver>) -> Result<Self, StoreError> {
        let connection = open::open(path)?;
        let thread = DatabaseThread::start(connection, Arc::clone(&observer))?;
        Ok(Self { thread, path: path.to_owned(), observer })
    }

    async fn call<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.thread.call(DEADLINE, operation).await
    }
}

#[async_trait]
impl DurableStore for SqliteStore {
    async fn migrate(&self) -> Result<MigrationStatus, StoreError> {
        let lock = ended(&*self.observer, migrate::lock(&self.path).await)?;
        let run = move |connection: &mut Connection| {
            let status = migrate::run(connection);
            drop(lock);
            status
        };
        self.thread.call(migrate::DEADLINE, run).await
    }

    async fn migration_status(&self) -> Result<MigrationStatus, StoreError> {
        self.call(|connection| migrate::status(connection)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.call(|connection| Ok(connection.query_row("PRAGMA schema_version", [], |_| Ok(()))?)).await
    }

    async fn create_account(&self, new: NewAccount) -> Result<(), StoreError> {
        self.call(move |connection| accounts::create(connection, &new)).await
    }

    async fn credentials(&self, email_normal: &str) -> Result<Option<Credentials>, StoreError> {
        let email_normal = email_normal.to_owned();
        self.call(move |connection| accounts::credentials(connection, &email_normal)).await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.call(move |connection| accounts::by_id(connection, id)).await
    }

    async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError> {
        self.call(move |connection| accounts::page(connection, after, limit)).await
    }

    async fn replace_password_hash(
        &self,
        id: AccountId,
        old: &StoredHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let (old, new) = (old.clone(), new.clone());
        self.call(move |connection| accounts::replace_password_hash(connection, id, &old, &new)).await
    }

    async fn disable_account(
        &self,
        id: AccountId,
        now: Timestamp,
    ) -> Result<Option<EndedSessions>, StoreError> {
        self.call(move |connection| sessions::disable_account(connection, id, now)).await
    }

    async fn enable_account(&self, id: AccountId) -> Result<bool, StoreError> {
        self.call(move |connection| accounts::enable(connection, id)).await
    }

    async fn rename_account(&self, id: AccountId, name: Option<&str>) -> Result<Option<Account>, StoreError> {
        let name = name.map(str::to_owned);
        self.call(move |connection| accounts::rename(connection, id, name.as_deref())).await
    }

    async fn change_password(
        &self,
        change: &PasswordChange,
        now: Timestamp,
    ) -> Result<Option<EndedSessions>, StoreError> {
        let change = change.clone();
        self.call(move |connection| account_sessions::change_password(connection, &change, now)).await
    }

    async fn delete_account(
        &self,
        id: AccountId,
        epoch: Option<CredentialEpoch>,
        last: Option<SessionId>,
        now: Timestamp,
    ) -> Result<Option<EndedSessions>, StoreError> {
        self.call(move |connection| account_sessions::delete(connection, id, epoch, last, now)).await
    }

    async fn sessions_of(
        &self,
        account: AccountId,
        before: Option<SessionId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        self.call(move |connection| account_sessions::page(connection, account, before, limit, now)).await
    }

    async fn end_sessions_of(
        &self,
        account: AccountId,
        except: Option<SessionId>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<EndedSessions, StoreError> {
        self.call(move |connection| account_sessions::end(connection, account, except, reason, now)).await
    }

    async fn create_session(
        &self,
        session: &Session,
        checked: Option<CredentialEpoch>,
    ) -> Result<bool, StoreError> {
        let session = session.clone();
        self.call(move |connection| sessions::create(connection, &session, checked)).await
    }

    async fn create_sessions(&self, account: AccountId, sessions: &[Session]) -> Result<bool, StoreError> {
        let sessions = sessions.to_vec();
        self.call(move |connection| sessions::create_many(connection, account, &sessions)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.call(move |connection| sessions::by_id(connection, id)).await
    }

    async fn end_session(
        &self,
        id: SessionId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<EndedSessions, StoreError> {
        self.call(move |connection| sessions::end(connection, id, reason, now)).await
    }

    async fn create_session_with_refresh(
        &self,
        session: &Session,
        first: &RefreshToken,
        checked: Option<CredentialEpoch>,
    ) -> Result<bool, StoreError> {
        let (session, first) = (session.clone(), first.clone());
        self.call(move |connection| refresh::create_session(connection, &session, &first, checked)).await
    }

    async fn refresh_token(&self, hash: RefreshTokenHash) -> Result<Option<RefreshRecord>, StoreError> {
        self.call(move |connection| refresh::by_hash(connection, hash)).await
    }

    async fn refresh(&self, presented: &Presentation) -> Result<Refreshed, StoreError> {
        let presented = presented.clone();
        self.call(move |connection| refresh::refresh(connection, &presented)).await
    }

    async fn audit_events(
        &self,
        after: Option<AuditEventId>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.call(move |connection| audit::page(connection, after, limit)).await
    }

    async fn prune_audit(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.call(move |connection| audit::prune(connection, before, limit)).await
    }

    async fn revocations_after(&self, after: i64, limit: u32) -> Result<Vec<Revocation>, StoreError> {
        self.call(move |connection| revocations::after(connection, after, limit)).await
    }

    async fn follow_revocations(&self, after: Position, limit: u32) -> Result<RevocationPage, StoreError> {
        self.call(move |connection| revocations::follow(connection, after, limit)).await
    }

    async fn newest_revocation(&self) -> Result<Option<Revocation>, StoreError> {
        self.call(|connection| revocations::newest(connection)).await
    }

    async fn register_replica(
        &self,
        replica: ReplicaId,
        followed: Position,
        lease: Duration,
    ) -> Result<Renewal, StoreError> {
        self.call(move |connection| replicas::register(connection, replica, followed, lease)).await
    }

    async fn registrations(&self) -> Result<Vec<Registration>, StoreError> {
        self.call(move |connection| replicas::all(connection)).await
    }

    async fn deregister_replica(&self, replica: ReplicaId) -> Result<(), StoreError> {
        self.call(move |connection| replicas::remove(connection, replica)).await
    }

    async fn reserve_status_indexes(&self, count: u32) -> Result<StatusIndex, StoreError> {
        self.call(move |connection| revocations::reserve_status_indexes(connection, count)).await
    }

    async fn key_is_retired(&self, kid: &str) -> Result<bool, StoreError> {
        let kid = kid.to_owned();
        self.call(move |connection| revocations::key_is_retired(connection, &kid)).await
    }

    async fn status_indexes_taken(&self) -> Result<i64, StoreError> {
        self.call(|connection| revocations::status_indexes_taken(connection)).await
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        // Two calls: a session has had many refresh tokens, and others get their turn in between.
        let rows = self.call(move |connection| revocations::prune(connection, before, limit)).await?;
        let tokens = self.call(move |connection| refresh::prune(connection, before, limit)).await?;
        Ok(rows.saturating_add(tokens))
    }

    async fn signing_keys(&self) -> Result<Vec<SealedKey>, StoreError> {
        self.call(|connection| keys::all(connection)).await
    }

    async fn add_signing_key(&self, key: SealedKey, expected: &[String]) -> Result<bool, StoreError> {
        let expected = expected.to_vec();
        self.call(move |connection| keys::add(connection, &key, &expected)).await
    }

    async fn retire_signing_key(
        &self,
        retirement: KeyRetirement,
        expected: &[String],
    ) -> Result<Option<Vec<Revocation>>, StoreError> {
        let expected = expected.to_vec();
        self.call(move |connection| keys::retire(connection, &retirement, &expected)).await
    }

    async fn forget_signing_keys(&self, kids: &[String]) -> Result<(), StoreError> {
        let kids = kids.to_vec();
        self.call(move |connection| keys::forget(connection, &kids)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Unobserved;

    #[tokio::test]
    async fn a_full_disk_is_unavailable_and_reading_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("gateward.db"), Arc::new(Unobserved)).unwrap();
        store.migrate().await.unwrap();
        // SQLite's own bound on the file's size fails as a full disk does.
        let fill = |connection: &mut Connection| {
            connection.execute_batch("PRAGMA max_page_count = 1")?;
            connection.execute_batch("CREATE TABLE filler AS SELECT zeroblob(100000) AS zeros")?;
            Ok(())
        };
        let result = store.call(fill).await;
        assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
        assert!(store.signing_keys().await.unwrap().is_empty());
    }
}
