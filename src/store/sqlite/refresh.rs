//! The table `refresh_tokens`: one live token a session, and those of its past.

use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::error::{Failure, corrupt};
use super::{accounts, audit, sessions};
use crate::domain::account::CredentialEpoch;
use crate::domain::audit::AuditKind;
use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::refresh::{Judgement, RefreshRecord, RefreshToken, RefreshTokenHash, judge};
use crate::domain::session::{EndReason, Session};
use crate::store::{Presentation, Refreshed, Turn, columns};

const INSERT: &str = "INSERT INTO refresh_tokens (hash, session_id, issued_at, expires_at, forget_at) \
    VALUES (?1, ?2, ?3, ?4, ?5)";

const BY_HASH: &str = "SELECT t.hash AS token_hash, t.issued_at AS token_issued_at, \
    t.expires_at AS token_expires_at, t.rotated_at, t.rotated_by, t.successor_nonce, \
    s.id, s.account_id, s.created_at, s.expires_at, s.address, s.user_agent, s.revoked_at, s.revoked_reason, \
    s.status_index, COALESCE(s.last_used_at, s.created_at) AS last_used_at, \
    a.email_shown, a.email_normal, a.email_verified, a.name, a.roles, a.status, a.created_at AS account_created_at \
    FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN accounts a ON a.id = s.account_id \
    WHERE t.hash = ?1";

const ROTATE: &str = "UPDATE refresh_tokens SET rotated_at = ?2, rotated_by = ?3, successor_nonce = ?4 \
    WHERE hash = ?1 AND rotated_at IS NULL";

const USED: &str =
    "UPDATE sessions SET last_used_at = max(COALESCE(last_used_at, created_at), ?2) WHERE id = ?1";

/// What older rotations left behind, and nobody may be told any more.
const ERASE: &str = "UPDATE refresh_tokens SET successor_nonce = NULL \
    WHERE session_id = ?1 AND successor_nonce IS NOT NULL AND rotated_at < ?2";

const PRUNE: &str = "DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens \
    WHERE forget_at < ?1 ORDER BY forget_at LIMIT ?2)";

/// Stores a session and its first token, unless the account is disabled or gone, or has another epoch than was checked.
pub(super) fn create_session(
    connection: &mut Connection,
    session: &Session,
    first: &RefreshToken,
    checked: Option<CredentialEpoch>,
) -> Result<bool, Failure> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !sessions::create(&tx, session, checked)? {
        return Ok(false);
    }
    insert(&tx, session, first.hash, first.issued_at, first.expires_at)?;
    tx.commit()?;
    Ok(true)
}

fn insert(
    tx: &Connection,
    session: &Session,
    hash: RefreshTokenHash,
    issued_at: Timestamp,
    expires_at: Timestamp,
) -> Result<(), Failure> {
    tx.prepare_cached(INSERT)?.execute(params![
        hash.as_bytes(),
        session.id.as_uuid().as_bytes(),
        issued_at.unix_millis(),
        expires_at.unix_millis(),
        session.expires_at.unix_millis(),
    ])?;
    Ok(())
}

pub(super) fn by_hash(
    connection: &Connection,
    hash: RefreshTokenHash,
) -> Result<Option<RefreshRecord>, Failure> {
    let mut select = connection.prepare_cached(BY_HASH)?;
    let mut rows = select.query([hash.as_bytes()])?;
    rows.next()?.map(read).transpose()
}

/// Calls of this process wait for the thread anyway; other processes may write too, so a call that is to change
/// something judges anew inside its transaction.
pub(super) fn refresh(connection: &mut Connection, presented: &Presentation) -> Result<Refreshed, Failure> {
    let Some(record) = by_hash(connection, presented.hash)? else { return Ok(Refreshed::unknown()) };
    match judge(&record, presented.client, presented.now, &presented.rules) {
        Judgement::Repeat { nonce } => {
            return Ok(Refreshed::Granted { record: Box::new(record), nonce, turn: Turn::Again });
        }
        Judgement::Refuse(refusal) => return Ok(Refreshed::refused(&record, refusal)),
        Judgement::Rotate { .. } | Judgement::Reuse => {}
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(record) = by_hash(&tx, presented.hash)? else { return Ok(Refreshed::unknown()) };
    let refreshed = decide(&tx, record, presented)?;
    tx.commit()?;
    Ok(refreshed)
}

fn decide(tx: &Connection, record: RefreshRecord, presented: &Presentation) -> Result<Refreshed, Failure> {
    let now = presented.now;
    match judge(&record, presented.client, now, &presented.rules) {
        Judgement::Rotate { expires_at } => {
            rotate(tx, &record, presented, expires_at)?;
            Ok(Refreshed::Granted { record: Box::new(record), nonce: presented.nonce, turn: Turn::First })
        }
        Judgement::Repeat { nonce } => {
            Ok(Refreshed::Granted { record: Box::new(record), nonce, turn: Turn::Again })
        }
        Judgement::Reuse => {
            let (account_id, session_id) = (record.account.id, record.session.id);
            let kind = AuditKind::RefreshTokenReused;
            audit::insert(tx, &presented.note.event(kind, now, account_id, Some(session_id)))?;
            let ended = sessions::end_within(tx, session_id, EndReason::RefreshTokenReused, now)?;
            Ok(Refreshed::Reused { account_id, session_id, ended })
        }
        Judgement::Refuse(refusal) => Ok(Refreshed::refused(&record, refusal)),
    }
}

fn rotate(
    tx: &Connection,
    record: &RefreshRecord,
    presented: &Presentation,
    expires_at: Timestamp,
) -> Result<(), Failure> {
    let (now, session) = (presented.now, &record.session);
    let rotated = tx.prepare_cached(ROTATE)?.execute(params![
        presented.hash.as_bytes(),
        now.unix_millis(),
        presented.client.as_bytes(),
        presented.nonce.as_bytes(),
    ])?;
    if rotated != 1 {
        return Err(corrupt("a refresh token was rotated inside another's transaction".to_owned()).into());
    }
    insert(tx, session, presented.successor, now, expires_at)?;
    tx.prepare_cached(USED)?.execute(params![session.id.as_uuid().as_bytes(), now.unix_millis()])?;
    let grace_begins = presented.rules.grace_begins(now).unix_millis();
    tx.prepare_cached(ERASE)?.execute(params![session.id.as_uuid().as_bytes(), grace_begins])?;
    Ok(())
}

pub(super) fn prune(connection: &Connection, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let rows = connection.prepare_cached(PRUNE)?.execute(params![before.unix_millis(), limit])?;
    Ok(u64::try_from(rows).unwrap_or(u64::MAX))
}

fn read(row: &Row<'_>) -> Result<RefreshRecord, Failure> {
    let session = sessions::read(row)?;
    let account = accounts::read_as(row, "account_id", "account_created_at")?;
    Ok(RefreshRecord { token: read_token(row, session.id)?, session, account })
}

fn read_token(row: &Row<'_>, session_id: SessionId) -> Result<RefreshToken, Failure> {
    let (by, nonce): (Option<Vec<u8>>, Option<Vec<u8>>) =
        (row.get("rotated_by")?, row.get("successor_nonce")?);
    Ok(RefreshToken {
        hash: RefreshTokenHash::from_bytes(row.get("token_hash")?),
        session_id,
        issued_at: Timestamp::from_unix_millis(row.get("token_issued_at")?),
        expires_at: Timestamp::from_unix_millis(row.get("token_expires_at")?),
        state: columns::parse_refresh_state(row.get("rotated_at")?, by.as_deref(), nonce.as_deref())
            .ok_or_else(|| corrupt("a refresh token is damaged".to_owned()))?,
    })
}
