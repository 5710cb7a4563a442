//! The table `accounts`.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::{Failure, corrupt};
use crate::domain::account::{Account, CredentialEpoch, Credentials, NewAccount};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::AccountId;
use crate::domain::password_hash::{PasswordHash, StoredHash};
use crate::store::columns;

const INSERT: &str = "INSERT INTO accounts \
    (id, email_shown, email_normal, email_verified, name, roles, status, password_hash, created_at, updated_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)";

const BY_EMAIL: &str = "SELECT id, email_shown, email_normal, email_verified, name, roles, status, \
    password_hash, credential_epoch, created_at FROM accounts WHERE email_normal = ?1";

const BY_ID: &str = "SELECT id, email_shown, email_normal, email_verified, name, roles, status, created_at \
    FROM accounts WHERE id = ?1";

const PAGE: &str = "SELECT id, email_shown, email_normal, email_verified, name, roles, status, created_at \
    FROM accounts WHERE id > ?1 ORDER BY id LIMIT ?2";

const REPLACE_HASH: &str = "UPDATE accounts SET password_hash = ?3, \
    updated_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE id = ?1 AND password_hash = ?2";

const RENAME: &str = "UPDATE accounts SET name = ?2, \
    updated_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE id = ?1 \
    RETURNING id, email_shown, email_normal, email_verified, name, roles, status, created_at";

const ENABLE: &str = "UPDATE accounts SET status = 'active', \
    updated_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE id = ?1";

pub(super) fn create(connection: &Connection, new: &NewAccount) -> Result<(), Failure> {
    let NewAccount { account, password_hash } = new;
    let roles = serde_json::to_string(&account.roles).map_err(|error| corrupt(format!("roles: {error}")))?;
    connection.prepare_cached(INSERT)?.execute(params![
        account.id.as_uuid().as_bytes(),
        account.email.as_shown(),
        account.email.normal(),
        account.email_verified,
        account.name,
        roles,
        account.status.as_str(),
        password_hash.expose(),
        account.created_at.unix_millis(),
    ])?;
    Ok(())
}

pub(super) fn credentials(
    connection: &Connection,
    email_normal: &str,
) -> Result<Option<Credentials>, Failure> {
    let mut select = connection.prepare_cached(BY_EMAIL)?;
    let mut rows = select.query([email_normal])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let stored_hash = StoredHash::from_stored(row.get("password_hash")?);
    let epoch = CredentialEpoch(row.get("credential_epoch")?);
    Ok(Some(Credentials { account: read(row)?, stored_hash, epoch }))
}

pub(super) fn by_id(connection: &Connection, id: AccountId) -> Result<Option<Account>, Failure> {
    let mut select = connection.prepare_cached(BY_ID)?;
    let found = select.query_row([id.as_uuid().as_bytes()], |row| Ok(read(row))).optional()?;
    found.transpose()
}

pub(super) fn page(
    connection: &Connection,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Account>, Failure> {
    // Zeros sort before every id there is, so one statement serves both cases.
    let after = after.map_or([0; 16], |id| *id.as_uuid().as_bytes());
    let mut select = connection.prepare_cached(PAGE)?;
    let mut rows = select.query(params![after, limit])?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        accounts.push(read(row)?);
    }
    Ok(accounts)
}

pub(super) fn replace_password_hash(
    connection: &Connection,
    id: AccountId,
    old: &StoredHash,
    new: &PasswordHash,
) -> Result<bool, Failure> {
    let mut update = connection.prepare_cached(REPLACE_HASH)?;
    Ok(update.execute(params![id.as_uuid().as_bytes(), old.expose(), new.expose()])? > 0)
}

pub(super) fn rename(
    connection: &Connection,
    id: AccountId,
    name: Option<&str>,
) -> Result<Option<Account>, Failure> {
    let mut update = connection.prepare_cached(RENAME)?;
    let found = update.query_row(params![id.as_uuid().as_bytes(), name], |row| Ok(read(row))).optional()?;
    found.transpose()
}

pub(super) fn enable(connection: &Connection, id: AccountId) -> Result<bool, Failure> {
    Ok(connection.prepare_cached(ENABLE)?.execute([id.as_uuid().as_bytes()])? > 0)
}

fn read(row: &Row<'_>) -> Result<Account, Failure> {
    read_as(row, "id", "created_at")
}

/// Reads a row in which two columns have other names, for a join.
pub(super) fn read_as(row: &Row<'_>, id: &str, created_at: &str) -> Result<Account, Failure> {
    let word: String = row.get("status")?;
    let roles: String = row.get("roles")?;
    Ok(Account {
        id: AccountId::from_uuid(uuid::Uuid::from_bytes(row.get(id)?)),
        email: EmailAddress::from_stored(row.get("email_shown")?, row.get("email_normal")?),
        email_verified: row.get("email_verified")?,
        name: row.get("name")?,
        roles: serde_json::from_str(&roles)
            .map_err(|_| corrupt("roles of an account are no JSON list of strings".to_owned()))?,
        status: columns::parse_status(&word)
            .ok_or_else(|| corrupt(format!("account status {word:?} means nothing")))?,
        created_at: Timestamp::from_unix_millis(row.get(created_at)?),
    })
}
