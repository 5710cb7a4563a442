//! The table `signing_keys`.

use deadpool_postgres::{Client, Transaction};
use tokio_postgres::Row;

use super::error::{Failure, column};
use super::pool::{begin, commit};
use super::revocations::{self, Ended};
use crate::domain::clock::Timestamp;
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::session::EndReason;
use crate::store::{KeyRetirement, SealedKey, StoreError};

const ALL: &str = "SELECT kid, algorithm, sealed, created_at, COALESCE(active_from, created_at) AS active_from, \
    retired_at FROM signing_keys ORDER BY created_at, kid";

/// Whoever changes the set of keys waits here for whoever is changing it. Readers do not.
const TAKE_TURNS: &str = "LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE";

const IN_USE: &str = "SELECT kid FROM signing_keys WHERE retired_at IS NULL";

const INSERT: &str = "INSERT INTO signing_keys (kid, algorithm, sealed, created_at, active_from, retired_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";

const RETIRE: &str = "UPDATE signing_keys SET retired_at = $2 WHERE kid = $1 AND retired_at IS NULL";

const FORGET: &str = "DELETE FROM signing_keys WHERE kid = ANY($1)";

pub(super) async fn all(client: &Client) -> Result<Vec<SealedKey>, Failure> {
    let select = client.prepare_cached(ALL).await?;
    let rows = client.query(&select, &[]).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

pub(super) async fn add(client: &mut Client, key: &SealedKey, expected: &[String]) -> Result<bool, Failure> {
    let tx = begin(client).await?;
    if !are_in_use(&tx, expected).await? {
        return Ok(false);
    }
    insert(&tx, key).await?;
    commit(tx).await?;
    Ok(true)
}

/// Locks in the order keys, counter of revocations.
pub(super) async fn retire(
    client: &mut Client,
    retirement: &KeyRetirement,
    expected: &[String],
) -> Result<Option<Vec<Revocation>>, Failure> {
    let KeyRetirement { kid, successor, forget_at, now } = retirement;
    let tx = begin(client).await?;
    if !are_in_use(&tx, expected).await? {
        return Ok(None);
    }
    let update = tx.prepare_cached(RETIRE).await?;
    if tx.execute(&update, &[kid, &now.unix_millis()]).await? == 0 {
        return Ok(None);
    }
    if let Some(successor) = successor {
        insert(&tx, successor).await?;
    }
    let ended = Ended { revoked: Revoked::Key { kid: kid.clone() }, forget_at: *forget_at };
    let written = revocations::append(&tx, vec![ended], EndReason::KeyRetired, *now).await?;
    commit(tx).await?;
    Ok(Some(written))
}

pub(super) async fn forget(client: &Client, kids: &[String]) -> Result<(), Failure> {
    let delete = client.prepare_cached(FORGET).await?;
    client.execute(&delete, &[&kids]).await?;
    Ok(())
}

/// Keeps other writers out until the commit, and says whether the keys that are not retired are these.
async fn are_in_use(tx: &Transaction<'_>, expected: &[String]) -> Result<bool, Failure> {
    tx.batch_execute(TAKE_TURNS).await?;
    let select = tx.prepare_cached(IN_USE).await?;
    let mut there: Vec<String> =
        tx.query(&select, &[]).await?.iter().map(|row| column(row, "kid")).collect::<Result<_, _>>()?;
    let mut expected = expected.to_vec();
    there.sort();
    expected.sort();
    Ok(there == expected)
}

async fn insert(tx: &Transaction<'_>, key: &SealedKey) -> Result<(), Failure> {
    let insert = tx.prepare_cached(INSERT).await?;
    let (created_at, active_from) = (key.created_at.unix_millis(), key.active_from.unix_millis());
    let retired_at = key.retired_at.map(Timestamp::unix_millis);
    tx.execute(&insert, &[&key.kid, &key.algorithm, &key.sealed, &created_at, &active_from, &retired_at])
        .await?;
    Ok(())
}

fn read(row: &Row) -> Result<SealedKey, StoreError> {
    let retired_at: Option<i64> = column(row, "retired_at")?;
    Ok(SealedKey {
        kid: column(row, "kid")?,
        algorithm: column(row, "algorithm")?,
        sealed: column(row, "sealed")?,
        created_at: Timestamp::from_unix_millis(column(row, "created_at")?),
        active_from: Timestamp::from_unix_millis(column(row, "active_from")?),
        retired_at: retired_at.map(Timestamp::from_unix_millis),
    })
}
