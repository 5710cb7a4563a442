//! How a call gets a connection, a deadline, and a second chance.
//!
//! - One deadline covers a call: waiting for a connection, making one, its statements, its retry.
//! - A connection goes back to the pool only when it is known to be in order. A call that fails with
//!   it, runs out of time or is dropped half way takes its connection along, so that nobody else gets
//!   stuck on it.
//! - A call that finds its connection gone (the server restarted) is tried once more on a fresh one.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts, Transaction,
};
use tokio_postgres::{Config, IsolationLevel};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{Failure, ends_connection, lost_connection, unavailable};
use crate::store::StoreError;
use crate::store::observer::{StoreObserver, Waiting, ended};

/// The pool with the deadline of its calls.
pub(super) struct CallPool {
    pool: Pool,
    deadline: Duration,
    observer: Arc<dyn StoreObserver>,
}

impl CallPool {
    /// Connects to nothing yet.
    pub(super) fn new(
        config: Config,
        tls: MakeRustlsConnect,
        max_connections: usize,
        deadline: Duration,
        observer: Arc<dyn StoreObserver>,
    ) -> Result<Self, StoreError> {
        let manager =
            Manager::from_config(config, tls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(max_connections)
            .timeouts(Timeouts { wait: Some(deadline), create: Some(deadline), recycle: Some(deadline) })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| unavailable(error.to_string()))?;
        Ok(Self { pool, deadline, observer })
    }

    /// Puts the deadline round `work`, which is dropped when it passes, and tells the observer of a failure.
    pub(super) async fn within_deadline<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        let result = match tokio::time::timeout(self.deadline, work).await {
            Ok(result) => result.map_err(StoreError::from),
            Err(_) => Err(unavailable(format!("no answer within {} ms", self.deadline.as_millis()))),
        };
        ended(&*self.observer, result)
    }

    /// The tries of one call.
    pub(super) fn tries(&self) -> Tries<'_> {
        Tries { pool: &self.pool, observer: &self.observer, retried: false }
    }
}

/// Runs an operation on a pooled connection: `call!(pool, |client| operation(client, ..))`.
///
/// The operation may run twice, so until its commit it must not change anything, or be the same when
/// repeated. A macro and not a method: the bound "an async closure whose future is `Send`" cannot be
/// written for one that borrows its arguments.
macro_rules! call {
    ($pool:expr, |$client:ident| $operation:expr) => {
        $pool
            .within_deadline(async {
                let mut tries = $pool.tries();
                loop {
                    let mut lease = tries.lease().await?;
                    let $client = lease.client()?;
                    let result = $operation.await;
                    if let Some(result) = tries.judge(lease, result) {
                        return result;
                    }
                }
            })
            .await
    };
}
pub(super) use call;

/// How often a call was tried: at most twice.
pub(super) struct Tries<'p> {
    pool: &'p Pool,
    observer: &'p Arc<dyn StoreObserver>,
    retried: bool,
}

impl Tries<'_> {
    /// A connection, new or used.
    pub(super) async fn lease(&self) -> Result<Lease, Failure> {
        let _waiting = Waiting::begin(self.observer);
        Ok(Lease(Some(self.pool.get().await.map_err(Failure::Connection)?)))
    }

    /// Decides over the connection, and over the result: `None` means try again.
    pub(super) fn judge<T>(
        &mut self,
        lease: Lease,
        result: Result<T, Failure>,
    ) -> Option<Result<T, Failure>> {
        match &result {
            Ok(_) | Err(Failure::Answer(_)) => lease.give_back(),
            Err(Failure::Statement(error) | Failure::Commit(error)) if !ends_connection(error) => {
                lease.give_back();
            }
            Err(Failure::Statement(error)) if lost_connection(error) && !self.retried => {
                // Whatever ended this connection ended the idle ones with it.
                self.pool.retain(|_, _| false);
                self.retried = true;
                return None;
            }
            Err(Failure::Statement(_) | Failure::Commit(_) | Failure::Connection(_)) => {}
        }
        Some(result)
    }
}

/// A connection that is closed when dropped, unless it was given back.
pub(super) struct Lease(Option<Client>);

impl Lease {
    pub(super) fn client(&mut self) -> Result<&mut Client, Failure> {
        self.0
            .as_mut()
            .ok_or_else(|| Failure::Answer(unavailable("the connection was given back".to_owned())))
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Client::take(client));
        }
    }
}

/// Starts a transaction whose statements each see what was committed before them: the locks that the
/// operations take rely on it, whatever the server's default is.
pub(super) async fn begin(client: &mut Client) -> Result<Transaction<'_>, Failure> {
    Ok(client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?)
}

/// Commits. After a failure here a call is not tried again.
pub(super) async fn commit(transaction: Transaction<'_>) -> Result<(), Failure> {
    transaction.commit().await.map_err(Failure::Commit)
}
