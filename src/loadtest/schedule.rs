//! The schedule of an open loop: pure arithmetic.

use std::time::Duration;

/// Request number `i` is due `i / rate` seconds after the beginning. Of `n` threads, the `t`th sends those whose
/// number is `t` plus a multiple of `n`; numbers below are the thread's own, from 0 on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Schedule {
    rate: f64,
    thread: u64,
    threads: u64,
}

impl Schedule {
    /// Of the thread `thread` of `threads`.
    pub(super) fn new(rate: f64, thread: usize, threads: usize) -> Self {
        let wide = |number| u64::try_from(number).unwrap_or(u64::MAX);
        Self { rate, thread: wide(thread), threads: wide(threads.max(1)) }
    }

    /// When, after the beginning, this thread's request `own` is due.
    pub(super) fn due(&self, own: u64) -> Duration {
        let number = own.saturating_mul(self.threads).saturating_add(self.thread);
        #[expect(clippy::cast_precision_loss, reason = "a day at the highest rate has fewer than 53 bits")]
        let seconds = number as f64 / self.rate;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// How many of this thread's requests are due before `elapsed`, of which `known` are known to be.
    pub(super) fn due_before(&self, elapsed: Duration, known: u64) -> u64 {
        let all = elapsed.as_secs_f64() * self.rate;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "saturates; checked against `due` below"
        )]
        let mut count = ((all - self.thread as f64) / self.threads as f64).max(0.0) as u64;
        // The last digit of the division may be wrong either way.
        while count > known && self.due(count.saturating_sub(1)) >= elapsed {
            count = count.saturating_sub(1);
        }
        while self.due(count) < elapsed {
            count = count.saturating_add(1);
        }
        count.max(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_even_distances_and_threads_take_turns() {
        let schedule = Schedule::new(1000.0, 1, 2);
        assert_eq!(schedule.due(0), Duration::from_millis(1));
        assert_eq!(schedule.due(1), Duration::from_millis(3));
        assert_eq!(Schedule::new(1000.0, 0, 2).due(1), Duration::from_millis(2));
        assert_eq!(Schedule::new(0.5, 0, 1).due(3), Duration::from_secs(6));
    }

    #[test]
    fn counting_agrees_with_the_times() {
        for (rate, threads) in [(1000.0, 1), (333.3, 3), (77_777.7, 2), (0.3, 1)] {
            let all: Vec<_> = (0..threads).map(|thread| Schedule::new(rate, thread, threads)).collect();
            let second = Duration::from_secs(1);
            let sum: u64 = all.iter().map(|schedule| schedule.due_before(second, 0)).sum();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
            let expected = f64::ceil(rate) as u64;
            assert_eq!(sum, expected, "{rate}");
            for schedule in all {
                for own in [0, 1, 2, 10, 12_345] {
                    let due = schedule.due(own);
                    assert_eq!(schedule.due_before(due, 0), own, "{rate} {own}");
                    assert_eq!(schedule.due_before(due + Duration::from_nanos(1), 0), own + 1);
                }
            }
        }
    }

    #[test]
    fn what_is_known_to_be_due_stays_due() {
        let schedule = Schedule::new(10.0, 0, 1);
        assert_eq!(schedule.due_before(Duration::ZERO, 7), 7);
    }
}
