//! Bringing the schema up to date, on a connection of its own.

use std::time::Duration;

use deadpool_postgres::Client as PooledClient;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{Failure, column, describe, judge, unavailable};
use crate::store::{MigrationStatus, StoreError, migrations};

/// Deadline of a whole run, waiting for other replicas included.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// The advisory lock (`pg_advisory_lock`) that lets one replica migrate at a time: "gateward" as the
/// bytes of a 64-bit number. Per database; part of the contract between versions, never to be changed.
const LOCK: i64 = i64::from_be_bytes(*b"gateward");

/// Applies what is pending. The lock goes with the connection, whatever happens.
pub(super) async fn run(config: &Config, tls: MakeRustlsConnect) -> Result<MigrationStatus, StoreError> {
    let work = async {
        let (client, connection) =
            config.connect(tls).await.map_err(|error| unavailable(describe(&error)))?;
        tokio::select! {
            result = apply(client) => result,
            ended = connection => Err(unavailable(match ended {
                Ok(()) => "the connection was closed during a migration".to_owned(),
                Err(error) => describe(&error),
            })),
        }
    };
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(result) => result,
        Err(_) => Err(unavailable(format!("migrations took longer than {} s", DEADLINE.as_secs()))),
    }
}

async fn apply(mut client: Client) -> Result<MigrationStatus, StoreError> {
    let runner = migrations::runner("postgres", migrations::POSTGRES)?;
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.map_err(|error| judge(&error))?;
    runner
        .run_async(&mut client)
        .await
        .map_err(|error| migrations::failed("postgres", &error, |cause| cause.downcast_ref().map(judge)))?;
    status_of(&client).await.map_err(StoreError::from)
}

/// What is applied and what is pending; a database without a history has nothing applied.
pub(super) async fn status(client: &PooledClient) -> Result<MigrationStatus, Failure> {
    status_of(client).await
}

async fn status_of(client: &Client) -> Result<MigrationStatus, Failure> {
    let exists =
        client.query_one("SELECT to_regclass($1) IS NOT NULL AS found", &[&migrations::HISTORY]).await?;
    if !column::<bool>(&exists, "found")? {
        return Ok(migrations::status(migrations::POSTGRES, &[]));
    }
    let select = format!("SELECT version, name FROM {} ORDER BY version", migrations::HISTORY);
    let rows = client.query(&select, &[]).await?;
    let history = rows
        .iter()
        .map(|row| Ok((column(row, "version")?, column(row, "name")?)))
        .collect::<Result<Vec<(i32, String)>, StoreError>>()?;
    Ok(migrations::status(migrations::POSTGRES, &history))
}
