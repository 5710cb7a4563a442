//! The table `refresh_tokens`: one live token a session, and those of its past.
//!
//! Most calls of a crowd with one token find it rotated: they read and are answered, without a lock. A call that
//! is to change something locks the session first, so that all calls of a family take turns, with those that end
//! the session too; then it reads and judges anew. Locks are taken in the order of `sessions`: session, refresh
//! token, counter. The account needs none: whoever disables it ends its sessions after that, this one among them.

use deadpool_postgres::{Client, GenericClient, Transaction};
use tokio_postgres::Row;

use super::error::{Failure, column, corrupt};
use super::pool::{begin, commit};
use super::{accounts, audit, sessions};
use crate::domain::account::CredentialEpoch;
use crate::domain::audit::AuditKind;
use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::refresh::{Judgement, RefreshRecord, RefreshToken, RefreshTokenHash, judge};
use crate::domain::session::{EndReason, Session};
use crate::store::{Presentation, Refreshed, StoreError, Turn, columns};

const INSERT: &str = "INSERT INTO refresh_tokens (hash, session_id, issued_at, expires_at, forget_at) \
    VALUES ($1, $2, $3, $4, $5)";

/// One statement sees one moment: token, session and account fit together.
const BY_HASH: &str = "SELECT t.hash AS token_hash, t.issued_at AS token_issued_at, \
    t.expires_at AS token_expires_at, t.rotated_at, t.rotated_by, t.successor_nonce, \
    s.id, s.account_id, s.created_at, s.expires_at, s.address, s.user_agent, s.revoked_at, s.revoked_reason, \
    s.status_index, COALESCE(s.last_used_at, s.created_at) AS last_used_at, \
    a.email_shown, a.email_normal, a.email_verified, a.name, a.roles, a.status, a.created_at AS account_created_at \
    FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN accounts a ON a.id = s.account_id \
    WHERE t.hash = $1";

const LOCK: &str = "SELECT id FROM sessions WHERE id = $1 FOR NO KEY UPDATE";

/// The successor exists only if the token was live; what older rotations left behind goes.
const ROTATE: &str = "WITH \
    rotated AS (UPDATE refresh_tokens SET rotated_at = $3::bigint, rotated_by = $4::bytea, \
    successor_nonce = $5::bytea WHERE hash = $1::bytea AND rotated_at IS NULL RETURNING session_id, forget_at), \
    successor AS (INSERT INTO refresh_tokens (hash, session_id, issued_at, expires_at, forget_at) \
    SELECT $2::bytea, session_id, $3::bigint, $6::bigint, forget_at FROM rotated), \
    used AS (UPDATE sessions SET last_used_at = GREATEST(COALESCE(last_used_at, created_at), $3::bigint) \
    WHERE id IN (SELECT session_id FROM rotated)), \
    erased AS (UPDATE refresh_tokens SET successor_nonce = NULL \
    WHERE session_id = $7::uuid AND successor_nonce IS NOT NULL AND rotated_at < $8::bigint) \
    SELECT session_id FROM rotated";

/// Rows that another call holds are left for the next time, rather than waited for.
const PRUNE: &str = "DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens \
    WHERE forget_at < $1 ORDER BY forget_at LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// Stores a session and its first token, unless the account is disabled or gone, or has another epoch than was checked.
pub(super) async fn create_session(
    client: &mut Client,
    session: &Session,
    first: &RefreshToken,
    checked: Option<CredentialEpoch>,
) -> Result<bool, Failure> {
    let tx = begin(client).await?;
    if !sessions::insert(&tx, session, checked).await? {
        return Ok(false);
    }
    let insert = tx.prepare_cached(INSERT).await?;
    tx.execute(
        &insert,
        &[
            &first.hash.as_bytes().as_slice(),
            session.id.as_uuid(),
            &first.issued_at.unix_millis(),
            &first.expires_at.unix_millis(),
            &session.expires_at.unix_millis(),
        ],
    )
    .await?;
    commit(tx).await?;
    Ok(true)
}

pub(super) async fn by_hash(
    client: &impl GenericClient,
    hash: RefreshTokenHash,
) -> Result<Option<RefreshRecord>, Failure> {
    let select = client.prepare_cached(BY_HASH).await?;
    let row = client.query_opt(&select, &[&hash.as_bytes().as_slice()]).await?;
    Ok(row.as_ref().map(read).transpose()?)
}

pub(super) async fn refresh(client: &mut Client, presented: &Presentation) -> Result<Refreshed, Failure> {
    let Some(record) = by_hash(client, presented.hash).await? else { return Ok(Refreshed::unknown()) };
    match judge(&record, presented.client, presented.now, &presented.rules) {
        Judgement::Repeat { nonce } => {
            return Ok(Refreshed::Granted { record: Box::new(record), nonce, turn: Turn::Again });
        }
        Judgement::Refuse(refusal) => return Ok(Refreshed::refused(&record, refusal)),
        Judgement::Rotate { .. } | Judgement::Reuse => {}
    }
    let tx = begin(client).await?;
    let lock = tx.prepare_cached(LOCK).await?;
    tx.query_opt(&lock, &[record.session.id.as_uuid()]).await?;
    let Some(record) = by_hash(&tx, presented.hash).await? else { return Ok(Refreshed::unknown()) };
    let refreshed = decide(&tx, record, presented).await?;
    commit(tx).await?;
    Ok(refreshed)
}

/// Judges and acts with the session locked.
async fn decide(
    tx: &Transaction<'_>,
    record: RefreshRecord,
    presented: &Presentation,
) -> Result<Refreshed, Failure> {
    let now = presented.now;
    match judge(&record, presented.client, now, &presented.rules) {
        Judgement::Rotate { expires_at } => {
            rotate(tx, &record, presented, expires_at).await?;
            Ok(Refreshed::Granted { record: Box::new(record), nonce: presented.nonce, turn: Turn::First })
        }
        Judgement::Repeat { nonce } => {
            Ok(Refreshed::Granted { record: Box::new(record), nonce, turn: Turn::Again })
        }
        Judgement::Reuse => {
            let (account_id, session_id) = (record.account.id, record.session.id);
            let kind = AuditKind::RefreshTokenReused;
            audit::insert(tx, &presented.note.event(kind, now, account_id, Some(session_id))).await?;
            let ended = sessions::end_within(tx, session_id, EndReason::RefreshTokenReused, now).await?;
            Ok(Refreshed::Reused { account_id, session_id, ended })
        }
        Judgement::Refuse(refusal) => Ok(Refreshed::refused(&record, refusal)),
    }
}

async fn rotate(
    tx: &Transaction<'_>,
    record: &RefreshRecord,
    presented: &Presentation,
    expires_at: Timestamp,
) -> Result<(), Failure> {
    let rotate = tx.prepare_cached(ROTATE).await?;
    let rows = tx
        .query(
            &rotate,
            &[
                &presented.hash.as_bytes().as_slice(),
                &presented.successor.as_bytes().as_slice(),
                &presented.now.unix_millis(),
                &presented.client.as_bytes().as_slice(),
                &presented.nonce.as_bytes().as_slice(),
                &expires_at.unix_millis(),
                record.session.id.as_uuid(),
                &presented.rules.grace_begins(presented.now).unix_millis(),
            ],
        )
        .await?;
    if rows.len() == 1 {
        Ok(())
    } else {
        Err(corrupt("a locked refresh token was rotated".to_owned()).into())
    }
}

pub(super) async fn prune(client: &Client, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let delete = client.prepare_cached(PRUNE).await?;
    Ok(client.execute(&delete, &[&before.unix_millis(), &i64::from(limit)]).await?)
}

fn read(row: &Row) -> Result<RefreshRecord, StoreError> {
    let session = sessions::read(row)?;
    let account = accounts::read_as(row, "account_id", "account_created_at")?;
    Ok(RefreshRecord { token: read_token(row, session.id)?, session, account })
}

fn read_token(row: &Row, session_id: SessionId) -> Result<RefreshToken, StoreError> {
    let hash: &[u8] = column(row, "token_hash")?;
    let (by, nonce): (Option<&[u8]>, Option<&[u8]>) =
        (column(row, "rotated_by")?, column(row, "successor_nonce")?);
    let damaged = || corrupt("a refresh token is damaged".to_owned());
    Ok(RefreshToken {
        hash: RefreshTokenHash::from_bytes(hash.try_into().map_err(|_| damaged())?),
        session_id,
        issued_at: Timestamp::from_unix_millis(column(row, "token_issued_at")?),
        expires_at: Timestamp::from_unix_millis(column(row, "token_expires_at")?),
        state: columns::parse_refresh_state(column(row, "rotated_at")?, by, nonce).ok_or_else(damaged)?,
    })
}
