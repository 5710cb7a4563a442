//! The stream of revocations: `{prefix}revocations`, whose entries' ids are the revocations' numbers.
//!
//! A stream is told from another one under the same key by a consumer group with a random name, which lives
//! and dies with it: emptied, evicted, restored or replaced, the group is gone. No group is ever read from.
//! `XGROUP SETID` on it, behind each read, is the whole check: it fails without the stream, without the group,
//! and, because it writes, on a server that is not (or no longer) the primary.
//!
//! Each reader has a connection of its own, for a read that waits holds up whatever else is on a connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError, RedisResult, Value};

use super::entry;
use super::error::{corrupt, judge, unavailable};
use crate::store::observer::{StoreObserver, ended};
use crate::store::{FeedConnection, FeedError, FeedPage, StoreError};

/// How long a read waits for an entry.
const BLOCK: Duration = Duration::from_millis(200);
/// How much longer its answer may take. Generous: a late answer proves nothing new, but a connection that is given
/// up costs the trust in the stream until the durable store answers.
const PATIENCE: Duration = Duration::from_secs(5);
/// Entries read at once.
const PAGE: usize = 1_000;
/// How the names of our groups begin.
const GROUP: &str = "identity-";

/// A connection to the stream.
pub(super) struct Follower {
    connection: MultiplexedConnection,
    key: String,
    group: String,
    head: i64,
    deadline: Duration,
    observer: Arc<dyn StoreObserver>,
}

impl Follower {
    /// Connects and identifies.
    pub(super) async fn open(
        client: &Client,
        key: String,
        deadline: Duration,
        observer: Arc<dyn StoreObserver>,
    ) -> Result<Self, StoreError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(deadline))
            // Ours is around each question, and longer for one that waits.
            .set_response_timeout(None);
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let connection = within(deadline, connecting).await?;
        let (group, head) = (String::new(), 0);
        let mut follower = Self { connection, key, group, head, deadline, observer };
        follower.identify().await?;
        Ok(follower)
    }

    /// Several replicas may make a group each in the same moment; each of them tells this stream from another.
    async fn identify(&mut self) -> Result<(), StoreError> {
        let (head, group) = match self.look().await? {
            (head, Some(group)) => (head, group),
            (_, None) => {
                let group = format!("{GROUP}{}", random_name()?);
                let mut make = redis::pipe();
                make.cmd("XGROUP").arg("CREATE").arg(&self.key).arg(&group).arg("0").arg("MKSTREAM");
                let () = self.ask(self.deadline, &make).await?;
                (self.look().await?.0, group)
            }
        };
        (self.head, self.group) = (head, group);
        Ok(())
    }

    /// The highest number that the stream ever held, and the name of a group of ours. A stream that is not there
    /// held nothing and has none.
    async fn look(&mut self) -> Result<(i64, Option<String>), StoreError> {
        let mut look = redis::pipe();
        look.cmd("XINFO").arg("STREAM").arg(&self.key).cmd("XINFO").arg("GROUPS").arg(&self.key);
        let answers: Vec<RedisResult<Value>> = self.ask(self.deadline, look.ignore_errors()).await?;
        let mut answers = answers.into_iter();
        let (Some(stream), Some(groups)) = (answers.next(), answers.next()) else {
            return Err(corrupt("fewer answers than questions".to_owned()));
        };
        let (stream, groups) = match (stream, groups) {
            (Ok(stream), Ok(groups)) => (stream, groups),
            (Err(error), _) | (_, Err(error)) if is_gone(&error) => return Ok((0, None)),
            (Err(error), _) | (_, Err(error)) => return Err(judge(&error)),
        };
        let last = field(&stream, "last-generated-id").and_then(|id| id.split('-').next()?.parse().ok());
        let last = last.ok_or_else(|| corrupt("a stream without its last id".to_owned()))?;
        let groups = groups.into_sequence().unwrap_or_default();
        let names = groups.iter().filter_map(|group| field(group, "name"));
        Ok((last, names.filter(|name| name.starts_with(GROUP)).min()))
    }

    async fn ask<T: FromRedisValue>(
        &mut self,
        deadline: Duration,
        pipeline: &Pipeline,
    ) -> Result<T, StoreError> {
        within(deadline, pipeline.query_async(&mut self.connection)).await
    }

    async fn read_checked(&mut self, after: i64) -> Result<FeedPage, FeedError> {
        let mut read = redis::pipe();
        read.cmd("XREAD").arg("COUNT").arg(PAGE).arg("BLOCK").arg(BLOCK.as_millis().to_string());
        read.arg("STREAMS").arg(&self.key).arg(format!("{after}-0"));
        read.cmd("XGROUP").arg("SETID").arg(&self.key).arg(&self.group).arg("0");
        let deadline = BLOCK.saturating_add(PATIENCE.max(self.deadline));
        let answers: Vec<RedisResult<Value>> = self.ask(deadline, read.ignore_errors()).await?;
        let mut answers = answers.into_iter();
        let (Some(entries), Some(identity)) = (answers.next(), answers.next()) else {
            return Err(corrupt("fewer answers than questions".to_owned()).into());
        };
        match identity {
            Ok(_) => {}
            Err(error) if is_gone(&error) => return Err(FeedError::Replaced),
            Err(error) => return Err(judge(&error).into()),
        }
        let revocations = entry::read_stream(entries.map_err(|error| judge(&error))?)?;
        let more = revocations.len() >= PAGE;
        Ok(FeedPage { revocations, more })
    }
}

#[async_trait]
impl FeedConnection for Follower {
    fn head(&self) -> i64 {
        self.head
    }

    async fn read(&mut self, after: i64) -> Result<FeedPage, FeedError> {
        match self.read_checked(after).await {
            Ok(page) => Ok(ended(&*self.observer, Ok(page))?),
            Err(FeedError::Store(error)) => Ok(ended(&*self.observer, Err(error))?),
            Err(FeedError::Replaced) => Err(FeedError::Replaced),
        }
    }

    async fn reset(&mut self) -> Result<(), StoreError> {
        let mut delete = redis::pipe();
        delete.cmd("DEL").arg(&self.key);
        self.ask(self.deadline, &delete).await
    }
}

/// Neither the stream nor the group is there.
fn is_gone(error: &RedisError) -> bool {
    let words = error.to_string().to_lowercase();
    error.code() == Some("NOGROUP") || words.contains("no such key") || words.contains("key to exist")
}

/// The value of a field in an answer of `XINFO`: a list of names and values.
fn field(answer: &Value, name: &str) -> Option<String> {
    let items = match answer {
        Value::Array(items) => items,
        _ => return None,
    };
    let is_it =
        |item: &Value| matches!(item, Value::BulkString(bytes) if bytes.as_slice() == name.as_bytes());
    let value = items.iter().skip_while(|item| !is_it(item)).nth(1)?;
    redis::from_redis_value_ref(value).ok()
}

fn random_name() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| unavailable(format!("no randomness: {error}")))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().simple().to_string())
}

async fn within<T>(deadline: Duration, work: impl Future<Output = RedisResult<T>>) -> Result<T, StoreError> {
    match tokio::time::timeout(deadline, work).await {
        Ok(result) => result.map_err(|error| judge(&error)),
        Err(_) => Err(unavailable(format!("no answer within {} ms", deadline.as_millis()))),
    }
}
