//! A deadline for each request that costs next to nothing when it is not needed.
//!
//! A timer for each request would have to be entered and taken out again some hundred thousand times a second. This one
//! is left running, and asked only when it goes off whether the request of that moment is as old as that.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

pub(super) struct Deadline {
    limit: Duration,
    begun: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Deadline {
    /// For requests that may take so long.
    pub(super) fn new(limit: Duration, now: Instant) -> Self {
        Self { limit, begun: now, sleep: Box::pin(sleep_until(now + limit)) }
    }

    /// A request begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun = now;
    }

    /// Ready when the request has taken too long.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let due = self.begun + self.limit;
        while self.sleep.as_mut().poll(context).is_ready() {
            if self.sleep.deadline() >= due {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_request_that_is_too_old_is_late() {
        let limit = Duration::from_secs(10);
        let start = Instant::now();
        let mut deadline = Deadline::new(limit, start);
        tokio::time::advance(Duration::from_secs(7)).await;
        deadline.begin(Instant::now());
        poll_fn(|context| deadline.poll(context)).await;
        // The timer of the first request has gone off at 10 s, for nothing.
        assert_eq!(start.elapsed().as_secs(), 17);
        // A new one can begin after a late one.
        deadline.begin(Instant::now());
        poll_fn(|context| deadline.poll(context)).await;
        assert_eq!(start.elapsed().as_secs(), 27);
    }
}
