//! The thread that owns the connection, and the queue in front of it.
//!
//! SQLite blocks, so it gets a thread of its own, fed by a bounded queue. The thread ends when the
//! store is dropped and the queue is empty. Jobs whose caller has given up while they waited are
//! skipped; one that has begun runs to its end, so a caller that got no answer in time does not know
//! whether it happened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::{Failure, corrupt, unavailable};
use crate::store::StoreError;
use crate::store::observer::{self, StoreObserver, Waiting};

/// Jobs that may wait. More are refused at once. Callers hold a permit long before they come here, so
/// this is a last bound and not a throttle.
const QUEUE: usize = 1024;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The way to the thread. Dropping it lets the thread end.
pub(super) struct DatabaseThread {
    jobs: SyncSender<Job>,
    observer: Arc<dyn StoreObserver>,
}

impl DatabaseThread {
    /// Starts the thread, which owns `connection` from now on.
    pub(super) fn start(
        connection: Connection,
        observer: Arc<dyn StoreObserver>,
    ) -> Result<Self, StoreError> {
        let (jobs, waiting) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("sqlite".to_owned())
            .spawn(move || work(connection, &waiting))
            .map_err(|error| unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self { jobs, observer })
    }

    /// Runs `operation` on the thread and waits for its result, at most `deadline`.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        deadline: Duration,
        operation: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        observer::ended(&*self.observer, self.run(deadline, operation).await)
    }

    async fn run<T: Send + 'static>(
        &self,
        deadline: Duration,
        operation: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting::begin(&self.observer);
        let job: Job = Box::new(move |connection| {
            drop(waiting);
            if reply.is_closed() {
                return;
            }
            // A transaction that a panic leaves behind is rolled back when it is dropped on the way, so
            // the connection is in order afterwards.
            let result = catch_unwind(AssertUnwindSafe(|| operation(connection)));
            // A caller that has gone does not need the answer.
            let _gone = reply.send(match result {
                Ok(result) => result.map_err(|Failure(error)| error),
                Err(_panic) => Err(corrupt("an operation panicked".to_owned())),
            });
        });
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(unavailable(format!("{QUEUE} calls are waiting"))),
            Err(TrySendError::Disconnected(_)) => return Err(ended()),
        }
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_dropped)) => Err(ended()),
            Err(_elapsed) => Err(unavailable(format!("no answer within {} ms", deadline.as_millis()))),
        }
    }
}

fn ended() -> StoreError {
    unavailable("the database thread has ended".to_owned())
}

fn work(mut connection: Connection, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        job(&mut connection);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::mpsc;

    use super::*;
    use crate::store::Unobserved;

    const DEADLINE: Duration = Duration::from_secs(5);

    thread_local! {
        static HELD: RefCell<Option<oneshot::Sender<()>>> = const { RefCell::new(None) };
    }

    fn thread() -> DatabaseThread {
        DatabaseThread::start(Connection::open_in_memory().unwrap(), Arc::new(Unobserved)).unwrap()
    }

    fn is_unavailable<T>(result: Result<T, StoreError>) -> bool {
        matches!(result, Err(StoreError::Unavailable { .. }))
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_call_works() {
        let thread = thread();
        let result: Result<(), _> = thread
            .call(DEADLINE, |connection| {
                let _open = connection.transaction()?;
                panic!("expected by this test");
            })
            .await;
        assert!(matches!(result, Err(StoreError::Corrupt { .. })));
        let begun = thread.call(DEADLINE, |connection| Ok(connection.transaction().map(drop)?)).await;
        assert!(begun.is_ok());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_a_call_that_waits_too_long_is_never_run() {
        let thread = thread();
        let (release, blocked) = mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let blocker = thread.call(DEADLINE, move |_| {
            let _ = begun.send(());
            let _ = blocked.recv();
            Ok(())
        });
        let (count, counted) = mpsc::channel();
        let others = async {
            has_begun.await.unwrap();
            let given_up = count.clone();
            assert!(is_unavailable(
                thread
                    .call(Duration::from_millis(1), move |_| {
                        let _ = given_up.send("ran after its deadline");
                        Ok(())
                    })
                    .await
            ));
            // One place is taken by the job that was given up.
            let mut waiting = Vec::new();
            for _ in 1..QUEUE {
                waiting.push(Box::pin(thread.call(DEADLINE, |_| Ok(()))));
                let call = waiting.last_mut().unwrap();
                assert!(futures_util::future::poll_immediate(call).await.is_none());
            }
            assert!(is_unavailable(thread.call(DEADLINE, |_| Ok(())).await));
            release.send(()).unwrap();
            for call in waiting {
                call.await.unwrap();
            }
        };
        let (first, ()) = tokio::join!(blocker, others);
        first.unwrap();
        drop(count);
        assert_eq!(counted.try_recv().ok(), None);
    }

    #[tokio::test]
    async fn the_thread_ends_when_the_store_is_dropped() {
        let thread = thread();
        let (alive, ended) = oneshot::channel::<()>();
        // What a thread keeps for itself goes when it ends.
        thread
            .call(DEADLINE, move |_| {
                HELD.with(|held| held.replace(Some(alive)));
                Ok(())
            })
            .await
            .unwrap();
        drop(thread);
        assert!(tokio::time::timeout(DEADLINE, ended).await.unwrap().is_err());
    }
}
