//! The table `replicas`.

use std::time::Duration;

use deadpool_postgres::Client;
use tokio_postgres::Row;

use super::error::{Failure, column};
use crate::domain::feed::{Position, Registration, Renewal};
use crate::domain::id::ReplicaId;
use crate::store::{StoreError, columns};

/// Waits for the disk: a renewal that a crash takes back would let writers give the replica up too soon. A position that is none of this store's counts as none: the replica has not read what came in its place.
const RENEW: &str = "UPDATE replicas SET lease_ms = $4, seen_at = clock_timestamp(), followed = \
    CASE WHEN $2 <= (SELECT last FROM revocation_counter) AND NOT EXISTS \
    (SELECT 1 FROM revocations WHERE number = $2 AND session_id IS DISTINCT FROM $3) THEN $2 ELSE 0 END \
    WHERE id = $1";

/// Waits for the disk. It has followed nothing yet, or will say so with its next renewal.
const REGISTER: &str = "INSERT INTO replicas (id, followed, lease_ms, seen_at) \
    VALUES ($1, 0, $2, clock_timestamp()) \
    ON CONFLICT (id) DO UPDATE SET lease_ms = EXCLUDED.lease_ms, seen_at = EXCLUDED.seen_at";

const ALL: &str = "SELECT id, followed, lease_ms, \
    (extract(epoch FROM clock_timestamp() - seen_at) * 1000)::bigint AS age_ms FROM replicas";

const REMOVE: &str = "DELETE FROM replicas WHERE id = $1";

/// Long void: nobody waits for them.
const PRUNE: &str = "DELETE FROM replicas \
    WHERE seen_at < clock_timestamp() - lease_ms * interval '1 millisecond' - interval '1 hour'";

pub(super) async fn register(
    client: &Client,
    replica: ReplicaId,
    followed: Position,
    lease: Duration,
) -> Result<Renewal, Failure> {
    let lease = columns::millis(lease);
    let session = followed.session.map(|session| *session.as_uuid());
    let renew = client.prepare_cached(RENEW).await?;
    if client.execute(&renew, &[replica.as_uuid(), &followed.number, &session, &lease]).await? > 0 {
        return Ok(Renewal::Renewed);
    }
    let register = client.prepare_cached(REGISTER).await?;
    client.execute(&register, &[replica.as_uuid(), &lease]).await?;
    Ok(Renewal::New)
}

pub(super) async fn all(client: &Client) -> Result<Vec<Registration>, Failure> {
    let select = client.prepare_cached(ALL).await?;
    let rows = client.query(&select, &[]).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

pub(super) async fn remove(client: &Client, replica: ReplicaId) -> Result<(), Failure> {
    let remove = client.prepare_cached(REMOVE).await?;
    client.execute(&remove, &[replica.as_uuid()]).await?;
    Ok(())
}

pub(super) async fn prune(client: &Client) -> Result<(), Failure> {
    let prune = client.prepare_cached(PRUNE).await?;
    client.execute(&prune, &[]).await?;
    Ok(())
}

fn read(row: &Row) -> Result<Registration, StoreError> {
    Ok(Registration {
        replica: ReplicaId::from_uuid(column(row, "id")?),
        followed: column(row, "followed")?,
        age: columns::span(column(row, "age_ms")?),
        lease: columns::span(column(row, "lease_ms")?),
    })
}
