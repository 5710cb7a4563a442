//! A job: one call on its way through an actor.
//!
//! It carries a permit (given back when the job is gone, however it ends), a deadline, and the way back
//! to the caller. A caller that went away cancels the job at its next await.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::AuthError;

/// One call: what is asked, and where the answer goes.
#[derive(Debug)]
pub struct Job<Ask, Answer> {
    ask: Ask,
    deadline: Instant,
    permit: OwnedSemaphorePermit,
    reply: oneshot::Sender<Result<Answer, AuthError>>,
}

/// The caller's end of a [`Job`].
#[derive(Debug)]
pub struct Pending<Answer> {
    reply: oneshot::Receiver<Result<Answer, AuthError>>,
    deadline: Instant,
}

impl<Ask: Send + 'static, Answer: Send + 'static> Job<Ask, Answer> {
    /// A job that must be done within `limit`.
    pub fn new(ask: Ask, permit: OwnedSemaphorePermit, limit: Duration) -> (Self, Pending<Answer>) {
        let (reply, receiver) = oneshot::channel();
        let deadline = Instant::now() + limit;
        (Self { ask, deadline, permit, reply }, Pending { reply: receiver, deadline })
    }

    /// Runs `work` on the actors' runtime until it answers, its deadline passes, or the caller is gone.
    pub fn start<Work, Doing>(self, work: Work)
    where
        Work: FnOnce(Ask) -> Doing + Send + 'static,
        Doing: Future<Output = Result<Answer, AuthError>> + Send,
    {
        let Self { ask, deadline, permit, mut reply } = self;
        spawn(async move {
            let _permit = permit;
            let answer = tokio::select! {
                biased;
                () = reply.closed() => return,
                answer = tokio::time::timeout_at(deadline, work(ask)) => answer,
            };
            let answer = answer.unwrap_or_else(|_| Err(AuthError::Unavailable("deadline passed".to_owned())));
            // The caller may have gone in this very moment; there is nobody to tell then.
            let _gone = reply.send(answer);
        });
    }
}

impl<Answer> Pending<Answer> {
    /// Waits for the answer, until shortly after the job's deadline.
    ///
    /// # Errors
    /// What the job answered; [`AuthError::Unavailable`] when it was lost with its actor.
    pub async fn answer(self) -> Result<Answer, AuthError> {
        let last = self.deadline + Duration::from_millis(50);
        match tokio::time::timeout_at(last, self.reply).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(AuthError::Unavailable("the call was lost".to_owned())),
            Err(_) => Err(AuthError::Unavailable("deadline passed".to_owned())),
        }
    }
}

/// Starts a task on the actors' runtime, which owns it and drops it when it stops.
#[expect(clippy::disallowed_methods, reason = "the one place where the actors' runtime is given a task")]
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
