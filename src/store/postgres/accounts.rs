//! The table `accounts`.

use deadpool_postgres::Client;
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::{Failure, column, corrupt};
use super::pool::{begin, commit};
use crate::domain::account::{Account, CredentialEpoch, Credentials, NewAccount};
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::AccountId;
use crate::domain::password_hash::{PasswordHash, StoredHash};
use crate::store::{StoreError, columns};

const INSERT: &str = "INSERT INTO accounts \
    (id, email_shown, email_normal, email_verified, name, roles, status, password_hash, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";

const BY_EMAIL: &str = "SELECT id, email_shown, email_normal, email_verified, name, roles, status, \
    password_hash, credential_epoch, created_at FROM accounts WHERE email_normal = $1";

const BY_ID: &str = "SELECT id, email_shown, email_normal, email_verified, name, roles, status, created_at \
    FROM accounts WHERE id = $1";

const PAGE: &str = "SELECT id, email_shown, email_normal, email_verified, name, roles, status, created_at \
    FROM accounts WHERE id > $1 ORDER BY id LIMIT $2";

const REPLACE_HASH: &str = "UPDATE accounts SET password_hash = $3, \
    updated_at = (extract(epoch FROM now()) * 1000)::bigint WHERE id = $1 AND password_hash = $2";

const RENAME: &str = "UPDATE accounts SET name = $2, \
    updated_at = (extract(epoch FROM now()) * 1000)::bigint WHERE id = $1 \
    RETURNING id, email_shown, email_normal, email_verified, name, roles, status, created_at";

const ENABLE: &str = "UPDATE accounts SET status = 'active', \
    updated_at = (extract(epoch FROM now()) * 1000)::bigint WHERE id = $1";

pub(super) async fn create(client: &mut Client, new: &NewAccount) -> Result<(), Failure> {
    let NewAccount { account, password_hash } = new;
    // In a transaction, though it is one statement: if the connection is lost before the commit the
    // call may be repeated, and never meets its own first try as `EmailTaken`.
    let tx = begin(client).await?;
    let insert = tx.prepare_cached(INSERT).await?;
    tx.execute(
        &insert,
        &[
            account.id.as_uuid(),
            &account.email.as_shown(),
            &account.email.normal(),
            &account.email_verified,
            &account.name,
            &account.roles,
            &account.status.as_str(),
            &password_hash.expose(),
            &account.created_at.unix_millis(),
        ],
    )
    .await?;
    commit(tx).await
}

pub(super) async fn credentials(client: &Client, email_normal: &str) -> Result<Option<Credentials>, Failure> {
    let select = client.prepare_cached(BY_EMAIL).await?;
    let Some(row) = client.query_opt(&select, &[&email_normal]).await? else { return Ok(None) };
    let stored_hash = StoredHash::from_stored(column(&row, "password_hash")?);
    let epoch = CredentialEpoch(column(&row, "credential_epoch")?);
    Ok(Some(Credentials { account: read(&row)?, stored_hash, epoch }))
}

pub(super) async fn by_id(client: &Client, id: AccountId) -> Result<Option<Account>, Failure> {
    let select = client.prepare_cached(BY_ID).await?;
    let row = client.query_opt(&select, &[id.as_uuid()]).await?;
    Ok(row.as_ref().map(read).transpose()?)
}

pub(super) async fn page(
    client: &Client,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Account>, Failure> {
    // The nil UUID sorts before every id there is, so one statement serves both cases by index.
    let after = after.map_or(Uuid::nil(), |id| *id.as_uuid());
    let select = client.prepare_cached(PAGE).await?;
    let rows = client.query(&select, &[&after, &i64::from(limit)]).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

pub(super) async fn replace_password_hash(
    client: &mut Client,
    id: AccountId,
    old: &StoredHash,
    new: &PasswordHash,
) -> Result<bool, Failure> {
    let tx = begin(client).await?;
    let update = tx.prepare_cached(REPLACE_HASH).await?;
    let changed = tx.execute(&update, &[id.as_uuid(), &old.expose(), &new.expose()]).await?;
    commit(tx).await?;
    Ok(changed > 0)
}

pub(super) async fn rename(
    client: &Client,
    id: AccountId,
    name: Option<&str>,
) -> Result<Option<Account>, Failure> {
    let update = client.prepare_cached(RENAME).await?;
    let row = client.query_opt(&update, &[id.as_uuid(), &name]).await?;
    Ok(row.as_ref().map(read).transpose()?)
}

pub(super) async fn enable(client: &Client, id: AccountId) -> Result<bool, Failure> {
    let update = client.prepare_cached(ENABLE).await?;
    Ok(client.execute(&update, &[id.as_uuid()]).await? > 0)
}

fn read(row: &Row) -> Result<Account, StoreError> {
    read_as(row, "id", "created_at")
}

/// Reads a row in which two columns have other names, for a join.
pub(super) fn read_as(row: &Row, id: &str, created_at: &str) -> Result<Account, StoreError> {
    let word: &str = column(row, "status")?;
    Ok(Account {
        id: AccountId::from_uuid(column(row, id)?),
        email: EmailAddress::from_stored(column(row, "email_shown")?, column(row, "email_normal")?),
        email_verified: column(row, "email_verified")?,
        name: column(row, "name")?,
        roles: column(row, "roles")?,
        status: columns::parse_status(word)
            .ok_or_else(|| corrupt(format!("account status {word:?} means nothing")))?,
        created_at: Timestamp::from_unix_millis(column(row, created_at)?),
    })
}
