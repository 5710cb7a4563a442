//! The table `signing_keys`.

use deadpool_postgres::Client;
use tokio_postgres::Row;

use super::error::{Failure, column};
use crate::domain::clock::Timestamp;
use crate::store::{SealedKey, StoreError};

const ALL: &str = "SELECT kid, algorithm, sealed, created_at FROM signing_keys ORDER BY created_at, kid";

/// The unique index decides; a second caller waits for the first one's commit and does nothing.
const ENSURE: &str = "INSERT INTO signing_keys (kid, algorithm, sealed, created_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

pub(super) async fn all(client: &Client) -> Result<Vec<SealedKey>, Failure> {
    let select = client.prepare_cached(ALL).await?;
    let rows = client.query(&select, &[]).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Two statements, each committed by itself: the second must see what others committed meanwhile.
pub(super) async fn ensure(client: &Client, key: &SealedKey) -> Result<Vec<SealedKey>, Failure> {
    let insert = client.prepare_cached(ENSURE).await?;
    client.execute(&insert, &[&key.kid, &key.algorithm, &key.sealed, &key.created_at.unix_millis()]).await?;
    all(client).await
}

fn read(row: &Row) -> Result<SealedKey, StoreError> {
    Ok(SealedKey {
        kid: column(row, "kid")?,
        algorithm: column(row, "algorithm")?,
        sealed: column(row, "sealed")?,
        created_at: Timestamp::from_unix_millis(column(row, "created_at")?),
    })
}
