//! Putting revocations into the stream.

use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};

use super::entry;
use super::error::{corrupt, judge};
use super::manager::Connection;
use crate::domain::revocation::Revocation;
use crate::store::StoreError;

/// Adds revocations. Whoever reads on finds them, or a gap where they should be.
///
/// Redis refuses a number that is not above all others. Then somebody with a higher one was faster, and that is
/// as good: whoever is below both finds a gap. Unless the stream holds another end under this number. Then it is
/// what is left of commits that the durable store has lost, and its readers would take ours for theirs: it goes. So does
/// one that holds nothing from there on.
pub(super) async fn publish(
    connection: &mut Connection,
    key: &str,
    revocations: &[Revocation],
) -> Result<(), StoreError> {
    if holds(connection, key, revocations).await? {
        return Ok(());
    }
    let mut delete = redis::cmd("DEL");
    delete.arg(key);
    let () = connection.run(&delete).await.map_err(|error| judge(&error))?;
    if holds(connection, key, revocations).await? {
        return Ok(());
    }
    Err(corrupt("the stream of revocations holds another store's".to_owned()))
}

/// Adds them; whether the stream is ours afterwards.
async fn holds(
    connection: &mut Connection,
    key: &str,
    revocations: &[Revocation],
) -> Result<bool, StoreError> {
    let answers =
        run_all(connection, revocations.iter().map(|revocation| entry::add(key, revocation))).await?;
    let mut overtaken = Vec::new();
    for (revocation, answer) in revocations.iter().zip(answers) {
        match answer {
            Ok(_) => {}
            Err(error) if is_too_late(&error) => overtaken.push(revocation),
            Err(error) => return Err(judge(&error)),
        }
    }
    let range = |revocation: &&Revocation| {
        let mut range = redis::cmd("XRANGE");
        let id = format!("{}-0", revocation.number);
        range.arg(key).arg(&id).arg("+").arg("COUNT").arg(1);
        range
    };
    let found = run_all(connection, overtaken.iter().map(range)).await?;
    for (revocation, found) in overtaken.into_iter().zip(found) {
        // The entry itself, or the next one above it. None: the stream counts higher than it holds, and says nothing
        // to those who lack this one.
        match entry::read_all(found.map_err(|error| judge(&error))?)?.first() {
            Some(found) if found.number > revocation.number => {}
            Some(found) if found.revoked == revocation.revoked => {}
            Some(_) | None => return Ok(false),
        }
    }
    Ok(true)
}

async fn run_all(
    connection: &mut Connection,
    commands: impl Iterator<Item = Cmd>,
) -> Result<Vec<RedisResult<Value>>, StoreError> {
    let mut pipeline = Pipeline::new();
    commands.for_each(|command| {
        pipeline.add_command(command);
    });
    if pipeline.is_empty() {
        return Ok(Vec::new());
    }
    connection.run_all(pipeline.ignore_errors()).await.map_err(|error| judge(&error))
}

fn is_too_late(error: &RedisError) -> bool {
    error.to_string().contains("equal or smaller")
}
