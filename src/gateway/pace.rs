//! The least speed at which a client must send a body or take an answer.
//!
//! A deadline for each silence alone lets one byte per deadline hold a connection, and one to a service, for
//! ever. Only time in which the client was waited for counts: what the service or the gateway takes is not its
//! fault, and where nothing is to be written nobody is waited for.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes a second, on the average of each stretch of waiting as long as the grace.
const FLOOR: u32 = 256;

/// One direction of one exchange.
#[derive(Debug)]
pub struct Pace {
    grace: Duration,
    since: Option<Instant>,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Judged whenever `grace` of waiting has come together, each time afresh: what went fast before is no
    /// credit for going slow.
    pub fn new(grace: Duration) -> Self {
        Self { grace, since: None, waited: Duration::ZERO, bytes: 0 }
    }

    /// The client is waited for.
    pub fn wait(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// It sent or took so many bytes. Whether that is fast enough.
    pub fn moved(&mut self, bytes: usize) -> bool {
        // Without waiting the clock is not read.
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.waited <= self.grace {
            return true;
        }
        // Seconds times bytes a second.
        let due = self.waited.saturating_mul(FLOOR).as_secs();
        let enough = self.bytes >= due;
        *self = Self::new(self.grace);
        enough
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    /// Moves `bytes` after each `wait`, `times` times. How often it was fast enough before it was not.
    async fn enough(pace: &mut Pace, bytes: usize, wait: Duration, times: usize) -> usize {
        for done in 0..times {
            pace.wait();
            advance(wait).await;
            if !pace.moved(bytes) {
                return done;
            }
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn slowness_is_found_after_the_grace() {
        for (bytes, wait, expected) in [
            (1, 1, 30),
            (1, 29, 1),
            (0, 10, 3),
            (255, 1, 30),
            (256, 1, 1000),
            (256 * 29, 29, 1000),
            (1_000_000, 31, 1000),
            (7000, 31, 0),
        ] {
            let times = enough(&mut Pace::new(GRACE), bytes, Duration::from_secs(wait), 1000).await;
            assert_eq!(times, expected, "{bytes} bytes every {wait} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn speed_is_not_saved_up() {
        let mut pace = Pace::new(GRACE);
        assert!(pace.moved(1_000_000_000));
        assert_eq!(enough(&mut pace, 1, Duration::from_secs(1), 1000).await, 61);
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_waiting_does_not_count() {
        let mut pace = Pace::new(GRACE);
        for _ in 0..1000 {
            advance(Duration::from_secs(29)).await;
            assert!(pace.moved(1));
        }
        // One wait, however often it is asked about.
        pace.wait();
        advance(Duration::from_secs(31)).await;
        pace.wait();
        assert!(!pace.moved(1));
    }
}
