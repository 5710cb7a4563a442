//! The table `sessions`, and how a session ends.
//!
//! One connection writes at a time, so a login cannot overlap with `disable_account` or a change of the password;
//! the conditions in the statement are enough.

use rusqlite::{Connection, Row, TransactionBehavior, params};
use uuid::Uuid;

use super::account_sessions::{self, mark_ended};
use super::error::{Failure, corrupt};
use super::revocations;
use crate::domain::account::CredentialEpoch;
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, SessionId};
use crate::domain::session::{EndReason, Session, StatusIndex};
use crate::store::{EndedSessions, columns};

const INSERT: &str = "INSERT INTO sessions \
    (id, account_id, created_at, expires_at, address, user_agent, revoked_at, revoked_reason, \
    status_index, last_used_at) \
    SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM accounts WHERE id = ?2 AND status = 'active' \
    AND (?11 IS NULL OR credential_epoch = ?11)";

const BY_ID: &str = "SELECT id, account_id, created_at, expires_at, address, user_agent, revoked_at, \
    revoked_reason, status_index, COALESCE(last_used_at, created_at) AS last_used_at FROM sessions WHERE id = ?1";

const DISABLE: &str = "UPDATE accounts SET status = 'disabled', updated_at = ?2 WHERE id = ?1";

const END_ONE: &str = "UPDATE sessions SET revoked_at = ?2, revoked_reason = ?3 \
    WHERE id = ?1 AND revoked_at IS NULL RETURNING id, expires_at, status_index, NULL AS ended_before";

pub(super) fn create(
    connection: &Connection,
    session: &Session,
    checked: Option<CredentialEpoch>,
) -> Result<bool, Failure> {
    let (revoked_at, reason) = columns::state_columns(session.state);
    let inserted = connection.prepare_cached(INSERT)?.execute(params![
        session.id.as_uuid().as_bytes(),
        session.account_id.as_uuid().as_bytes(),
        session.created_at.unix_millis(),
        session.expires_at.unix_millis(),
        session.address,
        session.user_agent,
        revoked_at,
        reason,
        session.status_index.map(|index| index.0),
        session.last_used_at.unix_millis(),
        checked.map(|epoch| epoch.0),
    ])?;
    Ok(inserted > 0)
}

/// All or none, of one account.
pub(super) fn create_many(
    connection: &mut Connection,
    account: AccountId,
    sessions: &[Session],
) -> Result<bool, Failure> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for session in sessions {
        let its_own = session.account_id == account;
        if !its_own || !create(&tx, session, None)? {
            return Ok(false);
        }
    }
    tx.commit()?;
    Ok(true)
}

pub(super) fn by_id(connection: &Connection, id: SessionId) -> Result<Option<Session>, Failure> {
    let mut select = connection.prepare_cached(BY_ID)?;
    let mut rows = select.query([id.as_uuid().as_bytes()])?;
    rows.next()?.map(read).transpose()
}

/// Ends the session unless it was ended before. One that has expired is ended too: a verifier's leeway
/// may still take its token.
pub(super) fn end(
    connection: &mut Connection,
    id: SessionId,
    reason: EndReason,
    now: Timestamp,
) -> Result<EndedSessions, Failure> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let ended = end_within(&tx, id, reason, now)?;
    tx.commit()?;
    Ok(ended)
}

/// The same inside a transaction.
pub(super) fn end_within(
    tx: &Connection,
    id: SessionId,
    reason: EndReason,
    now: Timestamp,
) -> Result<EndedSessions, Failure> {
    let update = tx.prepare_cached(END_ONE)?;
    let (ended, _) =
        mark_ended(update, params![id.as_uuid().as_bytes(), now.unix_millis(), reason.as_str()])?;
    let revocations = revocations::append(tx, ended, reason, now)?;
    Ok(EndedSessions { revocations, more: false })
}

/// Disables the account and ends sessions that were not ended before, as [`end`] does, a page of them.
pub(super) fn disable_account(
    connection: &mut Connection,
    id: AccountId,
    now: Timestamp,
) -> Result<Option<EndedSessions>, Failure> {
    let reason = EndReason::AccountDisabled;
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = tx.prepare_cached(DISABLE)?.execute(params![id.as_uuid().as_bytes(), now.unix_millis()])?;
    if found == 0 {
        return Ok(None);
    }
    let (ended, more) = account_sessions::end_page(&tx, id, None, reason, now)?;
    let revocations = revocations::append(&tx, ended, reason, now)?;
    tx.commit()?;
    Ok(Some(EndedSessions { revocations, more }))
}

pub(super) fn read(row: &Row<'_>) -> Result<Session, Failure> {
    let revoked_at: Option<i64> = row.get("revoked_at")?;
    let reason: Option<String> = row.get("revoked_reason")?;
    let status_index: Option<i64> = row.get("status_index")?;
    Ok(Session {
        id: SessionId::from_uuid(Uuid::from_bytes(row.get("id")?)),
        account_id: AccountId::from_uuid(Uuid::from_bytes(row.get("account_id")?)),
        created_at: Timestamp::from_unix_millis(row.get("created_at")?),
        expires_at: Timestamp::from_unix_millis(row.get("expires_at")?),
        address: row.get("address")?,
        last_used_at: Timestamp::from_unix_millis(row.get("last_used_at")?),
        user_agent: row.get("user_agent")?,
        status_index: status_index.map(StatusIndex),
        state: columns::parse_state(revoked_at, reason.as_deref())
            .ok_or_else(|| corrupt(format!("session ended for {reason:?}, which means nothing")))?,
    })
}
