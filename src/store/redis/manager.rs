//! How the pool makes, checks and throws away connections.
//!
//! bb8-redis's own manager never calls a connection broken and leaves timeouts to defaults. This one
//! sets them, and throws away a connection whose last command did not come to its end: after a
//! deadline or a dropped call nobody knows what that connection is still waiting for.

use std::time::Duration;

use bb8_redis::bb8;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Value,
};

/// Makes connections, each step at most `timeout` long.
pub(super) struct Manager {
    client: Client,
    timeout: Duration,
}

impl Manager {
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout }
    }
}

/// A connection that knows whether its last command came to an end.
pub(super) struct Connection {
    inner: MultiplexedConnection,
    in_doubt: bool,
}

impl Connection {
    /// Sends several commands at once and waits for all replies.
    pub(super) async fn run_all(&mut self, commands: &Pipeline) -> RedisResult<Vec<RedisResult<Value>>> {
        self.in_doubt = true;
        let result: RedisResult<Vec<RedisResult<Value>>> = commands.query_async(&mut self.inner).await;
        self.in_doubt = match &result {
            Ok(replies) => replies.iter().any(|reply| reply.as_ref().is_err_and(must_end_connection)),
            Err(error) => must_end_connection(error),
        };
        result
    }

    /// Sends one command and waits for its reply.
    pub(super) async fn run<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        self.in_doubt = true;
        let result = command.query_async(&mut self.inner).await;
        self.in_doubt = result.as_ref().is_err_and(must_end_connection);
        result
    }
}

/// A server error is a reply like any other, except that a read-only replica stays one: a new
/// connection may reach the new primary.
fn must_end_connection(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => kind == redis::ServerErrorKind::ReadOnly,
        ErrorKind::Extension | ErrorKind::UnexpectedReturnType => false,
        _ => true,
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Connection;
    type Error = RedisError;

    async fn connect(&self) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        // Around every step of the library's handshake: bb8 makes no other connection while it waits for one.
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let inner = match tokio::time::timeout(self.timeout, connecting).await {
            Ok(connected) => connected?,
            Err(_) => return Err((ErrorKind::Io, "no connection in time").into()),
        };
        Ok(Connection { inner, in_doubt: false })
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), RedisError> {
        connection.run(&redis::cmd("PING")).await
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.in_doubt
    }
}
