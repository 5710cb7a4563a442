//! Lets requests go when they are due.
//!
//! A connection that is free waits here for its turn; whoever is free takes the next request that is due. The runtime's
//! own timers tell milliseconds apart, which is longer than most answers take: a timer of the kernel's is used where
//! there is one.

use std::cell::Cell;
use std::io;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::schedule::Schedule;
use super::timer::Timer;

/// The open loop of one thread.
pub(super) struct Pacer {
    schedule: Schedule,
    begin: Instant,
    /// How many requests are to be sent at all.
    planned: Cell<u64>,
    due: Semaphore,
    taken: Cell<u64>,
}

/// A request that is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    /// When it was to be sent.
    pub(super) at: Instant,
}

impl Pacer {
    /// From `begin` until `until`.
    pub(super) fn new(schedule: Schedule, begin: Instant, until: Instant) -> Self {
        let planned = schedule.due_before(until.saturating_duration_since(begin), 0);
        Self { schedule, begin, planned: Cell::new(planned), due: Semaphore::new(0), taken: Cell::new(0) }
    }

    /// How many were not taken.
    pub(super) fn left(&self) -> u64 {
        self.planned.get().saturating_sub(self.taken.get())
    }

    /// Nothing that is not due by now is sent any more; who waits is told.
    pub(super) fn stop(&self) {
        let elapsed = Instant::now().saturating_duration_since(self.begin);
        self.planned.set(self.schedule.due_before(elapsed, self.taken.get()).min(self.planned.get()));
        self.due.close();
    }

    /// Lets go what is due, until all have gone.
    ///
    /// # Errors
    /// The machine has no timer.
    pub(super) async fn drive(&self) -> io::Result<()> {
        let timer = Timer::new()?;
        let mut gone: u64 = 0;
        loop {
            let elapsed = Instant::now().saturating_duration_since(self.begin);
            let due = self.schedule.due_before(elapsed, gone).min(self.planned.get());
            self.due.add_permits(usize::try_from(due.saturating_sub(gone)).unwrap_or(usize::MAX));
            gone = due;
            if gone >= self.planned.get() {
                // Whoever waits now waits in vain, once the last ones are taken.
                return Ok(());
            }
            timer.sleep_until(self.begin + self.schedule.due(gone)).await?;
        }
    }

    /// The next request, when it is due; `None` when all were taken.
    pub(super) async fn next(&self) -> Option<Due> {
        if self.left() == 0 {
            return None;
        }
        self.due.acquire().await.ok()?.forget();
        let own = self.taken.get();
        self.taken.set(own.saturating_add(1));
        if self.left() == 0 {
            // Nobody waits for more.
            self.due.close();
        }
        Some(Due { at: self.begin + self.schedule.due(own) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn requests_go_when_they_are_due_and_not_more_than_are_planned() {
        let begin = Instant::now();
        let schedule = Schedule::new(1_000.0, 0, 1);
        let pacer = Pacer::new(schedule, begin, begin + Duration::from_millis(50));
        assert_eq!(pacer.left(), 50);
        let connection = async || {
            let mut sent = Vec::new();
            while let Some(due) = pacer.next().await {
                assert!(due.at <= Instant::now());
                sent.push((due.at - begin).as_millis());
            }
            sent
        };
        let (one, other, driven) = tokio::join!(connection(), connection(), pacer.drive());
        driven.unwrap();
        let mut sent = [one, other].concat();
        sent.sort();
        assert_eq!(sent, (0..50).collect::<Vec<_>>());
        assert_eq!(pacer.left(), 0);
    }

    #[tokio::test]
    async fn a_stop_ends_the_waiting() {
        let begin = Instant::now();
        let pacer = Pacer::new(Schedule::new(0.1, 0, 1), begin, begin + Duration::from_secs(100));
        let wait = async { (pacer.next().await.is_some(), pacer.next().await.is_some()) };
        let stop = async {
            while pacer.taken.get() == 0 {
                tokio::task::yield_now().await;
            }
            pacer.stop();
        };
        let waited = tokio::select! {
            (waited, ()) = async { tokio::join!(wait, stop) } => Some(waited),
            _ = pacer.drive() => None,
        };
        assert_eq!((waited, pacer.left()), (Some((true, false)), 0));
    }

    #[tokio::test]
    async fn what_nobody_takes_is_left() {
        let begin = Instant::now();
        let pacer = Pacer::new(Schedule::new(1_000.0, 0, 1), begin, begin + Duration::from_millis(3));
        pacer.drive().await.unwrap();
        assert_eq!(pacer.left(), 3);
    }
}
