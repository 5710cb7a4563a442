//! The table `sessions`, and how a session ends.
//!
//! Locks are always taken in the order account, sessions, counter, so that no two calls wait for
//! each other.

use deadpool_postgres::{Client, Transaction};
use tokio_postgres::Row;

use super::account_sessions::{self, ended};
use super::error::{Failure, column, corrupt};
use super::pool::{begin, commit};
use super::revocations;
use crate::domain::account::CredentialEpoch;
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, SessionId};
use crate::domain::session::{EndReason, Session, StatusIndex};
use crate::store::{EndedSessions, StoreError, columns};

/// The lock on the account is what makes a login take turns with `disable`, a change of the password and the end
/// of the account: whoever comes second sees what the first one did.
const INSERT: &str = "INSERT INTO sessions \
    (id, account_id, created_at, expires_at, address, user_agent, revoked_at, revoked_reason, \
    status_index, last_used_at) \
    SELECT $1, id, $3::bigint, $4::bigint, $5::text, $6::text, $7::bigint, $8::text, $9::bigint, $10::bigint \
    FROM accounts WHERE id = $2 AND status = 'active' AND ($11::bigint IS NULL OR credential_epoch = $11) FOR SHARE";

const INSERT_MANY: &str = "INSERT INTO sessions \
    (id, account_id, created_at, expires_at, address, user_agent, revoked_at, revoked_reason, \
    status_index, last_used_at) \
    SELECT new.id, owner.id, new.created_at, new.expires_at, new.address, new.user_agent, new.revoked_at, \
    new.revoked_reason, new.status_index, new.last_used_at \
    FROM (SELECT id FROM accounts WHERE id = $1 AND status = 'active' FOR SHARE) AS owner, \
    unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[], \
    $9::bigint[], $10::bigint[]) AS new (id, created_at, expires_at, address, user_agent, revoked_at, \
    revoked_reason, status_index, last_used_at)";

const BY_ID: &str = "SELECT id, account_id, created_at, expires_at, address, user_agent, revoked_at, \
    revoked_reason, status_index, COALESCE(last_used_at, created_at) AS last_used_at FROM sessions WHERE id = $1";

/// Takes the account's row lock, which conflicts with the one of `INSERT`, until the commit.
const DISABLE: &str = "UPDATE accounts SET status = 'disabled', updated_at = $2 WHERE id = $1";

const END_ONE: &str = "UPDATE sessions SET revoked_at = $2, revoked_reason = $3 \
    WHERE id = $1 AND revoked_at IS NULL RETURNING id, expires_at, status_index";

pub(super) async fn create(
    client: &mut Client,
    session: &Session,
    checked: Option<CredentialEpoch>,
) -> Result<bool, Failure> {
    let tx = begin(client).await?;
    let inserted = insert(&tx, session, checked).await?;
    commit(tx).await?;
    Ok(inserted)
}

/// Stores the session unless its account is disabled or gone, or has another epoch than was checked.
pub(super) async fn insert(
    tx: &Transaction<'_>,
    session: &Session,
    checked: Option<CredentialEpoch>,
) -> Result<bool, Failure> {
    let (revoked_at, reason) = columns::state_columns(session.state);
    let insert = tx.prepare_cached(INSERT).await?;
    let inserted = tx
        .execute(
            &insert,
            &[
                session.id.as_uuid(),
                session.account_id.as_uuid(),
                &session.created_at.unix_millis(),
                &session.expires_at.unix_millis(),
                &session.address,
                &session.user_agent,
                &revoked_at,
                &reason,
                &session.status_index.map(|index| index.0),
                &session.last_used_at.unix_millis(),
                &checked.map(|epoch| epoch.0),
            ],
        )
        .await?;
    Ok(inserted > 0)
}

/// All or none, of one account.
pub(super) async fn create_many(
    client: &mut Client,
    account: AccountId,
    sessions: &[Session],
) -> Result<bool, Failure> {
    if sessions.iter().any(|session| session.account_id != account) {
        return Ok(false);
    }
    let column = |number: fn(&Session) -> Option<i64>| sessions.iter().map(number).collect::<Vec<_>>();
    let states: Vec<_> = sessions.iter().map(|session| columns::state_columns(session.state)).collect();
    let tx = begin(client).await?;
    let insert = tx.prepare_cached(INSERT_MANY).await?;
    let inserted = tx
        .execute(
            &insert,
            &[
                account.as_uuid(),
                &sessions.iter().map(|session| *session.id.as_uuid()).collect::<Vec<_>>(),
                &column(|session| Some(session.created_at.unix_millis())),
                &column(|session| Some(session.expires_at.unix_millis())),
                &sessions.iter().map(|session| session.address.as_deref()).collect::<Vec<_>>(),
                &sessions.iter().map(|session| session.user_agent.as_deref()).collect::<Vec<_>>(),
                &states.iter().map(|(revoked_at, _)| *revoked_at).collect::<Vec<_>>(),
                &states.iter().map(|(_, reason)| *reason).collect::<Vec<_>>(),
                &column(|session| session.status_index.map(|index| index.0)),
                &column(|session| Some(session.last_used_at.unix_millis())),
            ],
        )
        .await?;
    commit(tx).await?;
    // The condition is the account's: it holds for all of them or for none.
    Ok(inserted > 0 || sessions.is_empty())
}

pub(super) async fn by_id(client: &Client, id: SessionId) -> Result<Option<Session>, Failure> {
    let select = client.prepare_cached(BY_ID).await?;
    let row = client.query_opt(&select, &[id.as_uuid()]).await?;
    Ok(row.as_ref().map(read).transpose()?)
}

/// Ends the session unless it was ended before. One that has expired is ended too: a verifier's leeway
/// or a slow clock elsewhere may still take its token.
pub(super) async fn end(
    client: &mut Client,
    id: SessionId,
    reason: EndReason,
    now: Timestamp,
) -> Result<EndedSessions, Failure> {
    let tx = begin(client).await?;
    let ended = end_within(&tx, id, reason, now).await?;
    commit(tx).await?;
    Ok(ended)
}

/// The same as the last step of a transaction.
pub(super) async fn end_within(
    tx: &Transaction<'_>,
    id: SessionId,
    reason: EndReason,
    now: Timestamp,
) -> Result<EndedSessions, Failure> {
    let update = tx.prepare_cached(END_ONE).await?;
    let rows = tx.query(&update, &[id.as_uuid(), &now.unix_millis(), &reason.as_str()]).await?;
    let revocations = revocations::append(tx, ended(&rows)?, reason, now).await?;
    Ok(EndedSessions { revocations, more: false })
}

/// Disables the account and ends sessions that were not ended before, as [`end`] does, a page of them.
pub(super) async fn disable_account(
    client: &mut Client,
    id: AccountId,
    now: Timestamp,
) -> Result<Option<EndedSessions>, Failure> {
    let reason = EndReason::AccountDisabled;
    let tx = begin(client).await?;
    let disable = tx.prepare_cached(DISABLE).await?;
    if tx.execute(&disable, &[id.as_uuid(), &now.unix_millis()]).await? == 0 {
        return Ok(None);
    }
    let (found, more) = account_sessions::end_page(&tx, id, None, reason, now).await?;
    let revocations = revocations::append(&tx, found, reason, now).await?;
    commit(tx).await?;
    Ok(Some(EndedSessions { revocations, more }))
}

pub(super) fn read(row: &Row) -> Result<Session, StoreError> {
    let revoked_at: Option<i64> = column(row, "revoked_at")?;
    let reason: Option<&str> = column(row, "revoked_reason")?;
    let status_index: Option<i64> = column(row, "status_index")?;
    Ok(Session {
        id: SessionId::from_uuid(column(row, "id")?),
        account_id: AccountId::from_uuid(column(row, "account_id")?),
        created_at: Timestamp::from_unix_millis(column(row, "created_at")?),
        expires_at: Timestamp::from_unix_millis(column(row, "expires_at")?),
        address: column(row, "address")?,
        last_used_at: Timestamp::from_unix_millis(column(row, "last_used_at")?),
        user_agent: column(row, "user_agent")?,
        status_index: status_index.map(StatusIndex),
        state: columns::parse_state(revoked_at, reason)
            .ok_or_else(|| corrupt(format!("session ended for {reason:?}, which means nothing")))?,
    })
}
