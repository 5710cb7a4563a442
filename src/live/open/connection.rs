//! A client connection's side of the registry.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::entry::{Cut, Entry, Terms};
use super::registry::OpenRequests;
use crate::domain::id::SessionId;
use crate::live::Verified;

/// The place of one client connection. Not `Clone`: one request at a time.
#[derive(Debug)]
pub struct OpenConnection {
    registry: OpenRequests,
    entry: Arc<Entry>,
    /// In whose list the entry is. Only the task of the connection asks; the lock is for the compiler.
    session: Mutex<Option<SessionId>>,
}

/// An open request. Dropping it says that the request is over.
#[derive(Debug)]
pub struct OpenRequest {
    entry: Arc<Entry>,
    word: u64,
}

impl OpenConnection {
    pub(super) fn new(registry: OpenRequests) -> Self {
        Self { registry, entry: Arc::default(), session: Mutex::new(None) }
    }

    /// Opens a request that `check` admits: whatever ends its session, its key or its token from now on cuts it.
    /// What ended between check and entry could not, so the check is made again then.
    ///
    /// # Errors
    /// The check's.
    pub fn open<E>(
        &self,
        check: impl Fn() -> Result<Arc<Verified>, E>,
    ) -> Result<(Arc<Verified>, OpenRequest), E> {
        let before = self.registry.changes();
        let token = check()?;
        let open = self.enter(&token);
        if self.registry.changes() != before {
            check()?;
        }
        Ok((token, open))
    }

    fn enter(&self, token: &Verified) -> OpenRequest {
        let session = token.claims().session_id();
        let mut entered = self.session.lock();
        if *entered != Some(session) {
            if let Some(other) = entered.replace(session) {
                self.registry.leave(other, &self.entry);
            }
            self.registry.enter(session, &self.entry);
        }
        let terms = Terms { deadline: token.claims().refused_from(), key: token.key() };
        OpenRequest { word: self.entry.open(terms), entry: Arc::clone(&self.entry) }
    }

    /// Drives the connection's next request, until it is done or cut.
    ///
    /// # Errors
    /// Why it was cut. The request's future is dropped then, with all that it holds.
    pub fn until_cut<F: Future + Unpin>(&self, request: F) -> UntilCut<'_, F> {
        self.entry.settle();
        UntilCut { entry: &self.entry, request, watched: None }
    }

    #[cfg(test)]
    pub(super) fn was_cut(&self) -> Option<Cut> {
        self.entry.was_cut()
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if let Some(session) = self.session.get_mut().take() {
            self.registry.leave(session, &self.entry);
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.entry.close(self.word);
    }
}

/// See [`OpenConnection::until_cut`].
#[derive(Debug)]
pub struct UntilCut<'a, F> {
    entry: &'a Entry,
    request: F,
    /// The waker that the entry has: comparing with a copy saves the lock at each poll.
    watched: Option<Waker>,
}

impl<F: Future + Unpin> Future for UntilCut<'_, F> {
    type Output = Result<F::Output, Cut>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.watched.as_ref().is_some_and(|watched| watched.will_wake(cx.waker())) {
            self.entry.watch(cx.waker());
            self.watched = Some(cx.waker().clone());
        }
        // Behind the waker: a cut from here on wakes.
        match self.entry.was_cut() {
            Some(why) => Poll::Ready(Err(why)),
            None => Pin::new(&mut self.request).poll(cx).map(Ok),
        }
    }
}
