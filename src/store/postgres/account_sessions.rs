//! All sessions of an account at once: listing them, ending them page by page, and what happens in the same
//! transaction as the end of the last one.
//!
//! Each call holds the account's row, so that two of them, and a login, take turns. A page is chosen under the
//! locks of its rows: a session that somebody else ends meanwhile neither ends twice nor makes a page look like
//! the last one.

use deadpool_postgres::{Client, Transaction};
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::{Failure, column};
use super::pool::{begin, commit};
use super::revocations::{self, Ended};
use super::sessions;
use crate::domain::account::CredentialEpoch;
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, SessionId};
use crate::domain::revocation::Revoked;
use crate::domain::session::{EndReason, Session, StatusIndex};
use crate::store::{ENDED_AT_ONCE, EndedSessions, PasswordChange, StoreError};

const PAGE: &str = "SELECT id, account_id, created_at, expires_at, address, user_agent, revoked_at, \
    revoked_reason, status_index, COALESCE(last_used_at, created_at) AS last_used_at FROM sessions \
    WHERE account_id = $1 AND id < $2 AND revoked_at IS NULL AND expires_at > $3 ORDER BY id DESC LIMIT $4";

const LOCK: &str = "SELECT 1 FROM accounts WHERE id = $1 FOR NO KEY UPDATE";

const LOCK_AT_EPOCH: &str = "SELECT 1 FROM accounts WHERE id = $1 AND status = 'active' \
    AND credential_epoch = $2 FOR NO KEY UPDATE";

const LOCK_TO_DELETE: &str = "SELECT 1 FROM accounts WHERE id = $1 \
    AND ($2::bigint IS NULL OR credential_epoch = $2) FOR UPDATE";

const END_PAGE: &str = "WITH page AS MATERIALIZED (SELECT id FROM sessions \
    WHERE account_id = $1 AND id <> $2 AND revoked_at IS NULL LIMIT $3 FOR UPDATE) \
    UPDATE sessions SET revoked_at = $4, revoked_reason = $5 FROM page WHERE sessions.id = page.id \
    RETURNING sessions.id, expires_at, status_index";

const SET_PASSWORD: &str = "UPDATE accounts SET password_hash = $2, credential_epoch = credential_epoch + 1, \
    updated_at = $3 WHERE id = $1";

const DELETE_PAGE: &str = "WITH page AS MATERIALIZED (SELECT id FROM sessions \
    WHERE account_id = $1 AND id <> $2 LIMIT $3 FOR UPDATE) \
    DELETE FROM sessions USING page WHERE sessions.id = page.id \
    RETURNING sessions.id, expires_at, status_index, revoked_at";

const DELETE_ACCOUNT: &str = "DELETE FROM accounts WHERE id = $1";

pub(super) async fn page(
    client: &Client,
    account: AccountId,
    before: Option<SessionId>,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Session>, Failure> {
    // The largest UUID sorts after every id there is, so one statement serves both cases by index.
    let before = before.map_or(Uuid::max(), |id| *id.as_uuid());
    let select = client.prepare_cached(PAGE).await?;
    let rows =
        client.query(&select, &[account.as_uuid(), &before, &now.unix_millis(), &i64::from(limit)]).await?;
    Ok(rows.iter().map(sessions::read).collect::<Result<_, _>>()?)
}

pub(super) async fn end(
    client: &mut Client,
    account: AccountId,
    except: Option<SessionId>,
    reason: EndReason,
    now: Timestamp,
) -> Result<EndedSessions, Failure> {
    let tx = begin(client).await?;
    let lock = tx.prepare_cached(LOCK).await?;
    tx.query_opt(&lock, &[account.as_uuid()]).await?;
    let (found, more) = end_page(&tx, account, except, reason, now).await?;
    let revocations = revocations::append(&tx, found, reason, now).await?;
    commit(tx).await?;
    Ok(EndedSessions { revocations, more })
}

pub(super) async fn change_password(
    client: &mut Client,
    change: &PasswordChange,
    now: Timestamp,
) -> Result<Option<EndedSessions>, Failure> {
    let (account, reason) = (change.account, EndReason::PasswordChanged);
    let tx = begin(client).await?;
    let lock = tx.prepare_cached(LOCK_AT_EPOCH).await?;
    if tx.query_opt(&lock, &[account.as_uuid(), &change.epoch.0]).await?.is_none() {
        return Ok(None);
    }
    let (mut found, more) = end_page(&tx, account, Some(change.last), reason, now).await?;
    if !more {
        let (last, _) = end_page(&tx, account, None, reason, now).await?;
        found.extend(last);
        let set = tx.prepare_cached(SET_PASSWORD).await?;
        tx.execute(&set, &[account.as_uuid(), &change.new.expose(), &now.unix_millis()]).await?;
    }
    let revocations = revocations::append(&tx, found, reason, now).await?;
    commit(tx).await?;
    Ok(Some(EndedSessions { revocations, more }))
}

pub(super) async fn delete(
    client: &mut Client,
    account: AccountId,
    epoch: Option<CredentialEpoch>,
    last: Option<SessionId>,
    now: Timestamp,
) -> Result<Option<EndedSessions>, Failure> {
    let tx = begin(client).await?;
    let lock = tx.prepare_cached(LOCK_TO_DELETE).await?;
    if tx.query_opt(&lock, &[account.as_uuid(), &epoch.map(|epoch| epoch.0)]).await?.is_none() {
        return Ok(None);
    }
    let (mut found, more) = delete_page(&tx, account, last).await?;
    if !more {
        let (rest, _) = delete_page(&tx, account, None).await?;
        found.extend(rest);
        let delete = tx.prepare_cached(DELETE_ACCOUNT).await?;
        tx.execute(&delete, &[account.as_uuid()]).await?;
    }
    let revocations = revocations::append(&tx, found, EndReason::AccountDeleted, now).await?;
    commit(tx).await?;
    Ok(Some(EndedSessions { revocations, more }))
}

/// Ends a page of sessions that were not ended before; whether there may be more. The caller holds the account.
pub(super) async fn end_page(
    tx: &Transaction<'_>,
    account: AccountId,
    except: Option<SessionId>,
    reason: EndReason,
    now: Timestamp,
) -> Result<(Vec<Ended>, bool), Failure> {
    let limit = i64::from(ENDED_AT_ONCE);
    let update = tx.prepare_cached(END_PAGE).await?;
    let rows = tx
        .query(&update, &[account.as_uuid(), &or_nil(except), &limit, &now.unix_millis(), &reason.as_str()])
        .await?;
    Ok((ended(&rows)?, is_full(rows.len())))
}

/// Removes a page of sessions, ended or not. What had not ended has now.
async fn delete_page(
    tx: &Transaction<'_>,
    account: AccountId,
    except: Option<SessionId>,
) -> Result<(Vec<Ended>, bool), Failure> {
    let limit = i64::from(ENDED_AT_ONCE);
    let delete = tx.prepare_cached(DELETE_PAGE).await?;
    let mut rows = tx.query(&delete, &[account.as_uuid(), &or_nil(except), &limit]).await?;
    let more = is_full(rows.len());
    let mut were_live = Vec::with_capacity(rows.len());
    for row in rows.drain(..) {
        let revoked_at: Option<i64> = column(&row, "revoked_at")?;
        if revoked_at.is_none() {
            were_live.push(row);
        }
    }
    Ok((ended(&were_live)?, more))
}

/// No session has the nil UUID, so one statement serves both cases.
fn or_nil(session: Option<SessionId>) -> Uuid {
    session.map_or(Uuid::nil(), |id| *id.as_uuid())
}

fn is_full(rows: usize) -> bool {
    u32::try_from(rows).is_ok_and(|count| count >= ENDED_AT_ONCE)
}

/// What the rows of a statement that ends sessions say.
pub(super) fn ended(rows: &[Row]) -> Result<Vec<Ended>, StoreError> {
    rows.iter()
        .map(|row| {
            let status_index: Option<i64> = column(row, "status_index")?;
            Ok(Ended {
                revoked: Revoked::Session {
                    id: SessionId::from_uuid(column(row, "id")?),
                    status_index: status_index.map(StatusIndex),
                },
                forget_at: Timestamp::from_unix_millis(column(row, "expires_at")?),
            })
        })
        .collect()
}
