//! All sessions of an account at once: listing them, ending them page by page, and what happens in the same
//! transaction as the end of the last one.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, TransactionBehavior, params};
use uuid::Uuid;

use super::error::Failure;
use super::revocations::{self, Ended};
use super::sessions;
use crate::domain::account::CredentialEpoch;
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, SessionId};
use crate::domain::revocation::Revoked;
use crate::domain::session::{EndReason, Session, StatusIndex};
use crate::store::{ENDED_AT_ONCE, EndedSessions, PasswordChange};

const PAGE: &str = "SELECT id, account_id, created_at, expires_at, address, user_agent, revoked_at, \
    revoked_reason, status_index, COALESCE(last_used_at, created_at) AS last_used_at FROM sessions \
    WHERE account_id = ?1 AND id < ?2 AND revoked_at IS NULL AND expires_at > ?3 ORDER BY id DESC LIMIT ?4";

const AT_EPOCH: &str = "SELECT 1 FROM accounts WHERE id = ?1 AND status = 'active' AND credential_epoch = ?2";

const TO_DELETE: &str = "SELECT 1 FROM accounts WHERE id = ?1 AND (?2 IS NULL OR credential_epoch = ?2)";

const END_PAGE: &str = "UPDATE sessions SET revoked_at = ?4, revoked_reason = ?5 WHERE id IN \
    (SELECT id FROM sessions WHERE account_id = ?1 AND id <> ?2 AND revoked_at IS NULL LIMIT ?3) \
    RETURNING id, expires_at, status_index, NULL AS ended_before";

const SET_PASSWORD: &str = "UPDATE accounts SET password_hash = ?2, credential_epoch = credential_epoch + 1, \
    updated_at = ?3 WHERE id = ?1";

const DELETE_PAGE: &str = "DELETE FROM sessions WHERE id IN \
    (SELECT id FROM sessions WHERE account_id = ?1 AND id <> ?2 LIMIT ?3) \
    RETURNING id, expires_at, status_index, revoked_at AS ended_before";

const DELETE_ACCOUNT: &str = "DELETE FROM accounts WHERE id = ?1";

pub(super) fn page(
    connection: &Connection,
    account: AccountId,
    before: Option<SessionId>,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Session>, Failure> {
    // The largest UUID sorts after every id there is, so one statement serves both cases.
    let before = before.map_or(Uuid::max(), |id| *id.as_uuid());
    let mut select = connection.prepare_cached(PAGE)?;
    let mut rows =
        select.query(params![account.as_uuid().as_bytes(), before.as_bytes(), now.unix_millis(), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(sessions::read(row)?);
    }
    Ok(found)
}

pub(super) fn end(
    connection: &mut Connection,
    account: AccountId,
    except: Option<SessionId>,
    reason: EndReason,
    now: Timestamp,
) -> Result<EndedSessions, Failure> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (found, more) = end_page(&tx, account, except, reason, now)?;
    let revocations = revocations::append(&tx, found, reason, now)?;
    tx.commit()?;
    Ok(EndedSessions { revocations, more })
}

pub(super) fn change_password(
    connection: &mut Connection,
    change: &PasswordChange,
    now: Timestamp,
) -> Result<Option<EndedSessions>, Failure> {
    let (account, reason) = (change.account, EndReason::PasswordChanged);
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !exists(&tx, AT_EPOCH, params![account.as_uuid().as_bytes(), change.epoch.0])? {
        return Ok(None);
    }
    let (mut found, more) = end_page(&tx, account, Some(change.last), reason, now)?;
    if !more {
        let (last, _) = end_page(&tx, account, None, reason, now)?;
        found.extend(last);
        tx.prepare_cached(SET_PASSWORD)?.execute(params![
            account.as_uuid().as_bytes(),
            change.new.expose(),
            now.unix_millis()
        ])?;
    }
    let revocations = revocations::append(&tx, found, reason, now)?;
    tx.commit()?;
    Ok(Some(EndedSessions { revocations, more }))
}

pub(super) fn delete(
    connection: &mut Connection,
    account: AccountId,
    epoch: Option<CredentialEpoch>,
    last: Option<SessionId>,
    now: Timestamp,
) -> Result<Option<EndedSessions>, Failure> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !exists(&tx, TO_DELETE, params![account.as_uuid().as_bytes(), epoch.map(|epoch| epoch.0)])? {
        return Ok(None);
    }
    let (mut found, more) = delete_page(&tx, account, last)?;
    if !more {
        let (rest, _) = delete_page(&tx, account, None)?;
        found.extend(rest);
        tx.prepare_cached(DELETE_ACCOUNT)?.execute([account.as_uuid().as_bytes()])?;
    }
    let revocations = revocations::append(&tx, found, EndReason::AccountDeleted, now)?;
    tx.commit()?;
    Ok(Some(EndedSessions { revocations, more }))
}

fn exists(connection: &Connection, select: &str, parameters: impl Params) -> Result<bool, Failure> {
    Ok(connection.prepare_cached(select)?.query_row(parameters, |_| Ok(())).optional()?.is_some())
}

/// Ends a page of sessions that were not ended before; whether there may be more.
pub(super) fn end_page(
    tx: &Connection,
    account: AccountId,
    except: Option<SessionId>,
    reason: EndReason,
    now: Timestamp,
) -> Result<(Vec<Ended>, bool), Failure> {
    let update = tx.prepare_cached(END_PAGE)?;
    let (found, rows) = mark_ended(
        update,
        params![
            account.as_uuid().as_bytes(),
            or_nil(except),
            ENDED_AT_ONCE,
            now.unix_millis(),
            reason.as_str()
        ],
    )?;
    Ok((found, rows >= ENDED_AT_ONCE))
}

/// Removes a page of sessions, ended or not. What had not ended has now.
fn delete_page(
    tx: &Connection,
    account: AccountId,
    except: Option<SessionId>,
) -> Result<(Vec<Ended>, bool), Failure> {
    let delete = tx.prepare_cached(DELETE_PAGE)?;
    let (found, rows) =
        mark_ended(delete, params![account.as_uuid().as_bytes(), or_nil(except), ENDED_AT_ONCE])?;
    Ok((found, rows >= ENDED_AT_ONCE))
}

/// No session has the nil UUID, so one statement serves both cases.
fn or_nil(session: Option<SessionId>) -> [u8; 16] {
    session.map_or([0; 16], |id| *id.as_uuid().as_bytes())
}

/// Runs a statement that ends sessions; those that it ended, and how many rows it touched.
pub(super) fn mark_ended(
    mut statement: CachedStatement<'_>,
    parameters: impl Params,
) -> Result<(Vec<Ended>, u32), Failure> {
    let mut rows = statement.query(parameters)?;
    let (mut ended, mut count) = (Vec::new(), 0_u32);
    while let Some(row) = rows.next()? {
        count = count.saturating_add(1);
        if row.get::<_, Option<i64>>("ended_before")?.is_some() {
            continue;
        }
        let status_index: Option<i64> = row.get("status_index")?;
        ended.push(Ended {
            revoked: Revoked::Session {
                id: SessionId::from_uuid(Uuid::from_bytes(row.get("id")?)),
                status_index: status_index.map(StatusIndex),
            },
            forget_at: Timestamp::from_unix_millis(row.get("expires_at")?),
        });
    }
    Ok((ended, count))
}
