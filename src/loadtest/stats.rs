//! What was counted and timed. Each thread has its own; at the end they are added up.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::judge::{Failure, Outcome, Verdict, Wrong};
use super::kind::{Kind, PerKind};

/// The longest time that can be told apart from longer ones, in nanoseconds.
const LONGEST: u64 = 600_000_000_000;
/// The shortest.
const SHORTEST: u64 = 64;

/// The times of one kind of request.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u64>);

impl Times {
    fn new() -> Self {
        #[expect(clippy::expect_used, reason = "constants that the library takes; a test makes one")]
        Self(Histogram::new_with_bounds(SHORTEST, LONGEST, 3).expect("these bounds are right"))
    }

    fn add(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(LONGEST));
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that `quantile` (0 to 1) of all did not exceed, in microseconds.
    pub fn at_quantile(&self, quantile: f64) -> f64 {
        micros(self.0.value_at_quantile(quantile))
    }

    /// The curve of all of them: pairs of a share of answers (0 to 1) and the time it did not exceed, at most some
    /// hundred.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let points = self.0.iter_quantiles(8);
        points.map(|point| (point.quantile_iterated_to(), micros(point.value_iterated_to()))).collect()
    }

    /// The mean in microseconds.
    pub fn mean(&self) -> f64 {
        self.0.mean() / 1000.0
    }

    /// The shortest and the longest in microseconds.
    pub fn extremes(&self) -> (f64, f64) {
        (micros(self.0.min()), micros(self.0.max()))
    }
}

/// Microseconds with one decimal: the histogram keeps three digits.
fn micros(nanos: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ten minutes in nanoseconds have 40 bits")]
    let nanos = nanos as f64;
    (nanos / 100.0).round() / 10.0
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

/// A wrong answer, for which there is a row in the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrongAnswer {
    /// To what.
    pub kind: Kind,
    /// What is wrong.
    pub wrong: Wrong,
    /// Its status; none for one that is no HTTP.
    pub status: Option<u16>,
}

/// What became of the requests of one kind.
#[derive(Debug, Clone, Default)]
pub struct KindStats {
    /// Of answers, right and wrong.
    pub times: Times,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests, also those without answer.
    pub requests: u64,
    /// Wrong answers.
    pub wrong: u64,
    /// Answers that are no decision, and requests without answer.
    pub errors: u64,
}

/// Of a run, or of one thread.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// By kind, in the measured time.
    pub kinds: PerKind<KindStats>,
    /// Of all answers together.
    pub all: Times,
    /// Answers that came within the measured time: what the rate is made of.
    pub within: u64,
    /// Wrong answers of the whole run, warm-up too.
    pub wrong: BTreeMap<WrongAnswer, u64>,
    /// Failures of the measured time.
    pub failures: BTreeMap<Failure, u64>,
    /// Answers of the warm-up.
    pub warmed: u64,
    /// Open loop: how late requests were sent although a connection was free.
    pub late: Times,
    /// Open loop: requests that waited for a free connection.
    pub waited: u64,
    /// Open loop: requests that were due and never sent.
    pub unsent: u64,
    /// Turns that were another kind's because no cold token was left.
    pub out_of_cold: u64,
}

/// When a request was to be sent, and when its answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// It was to be sent in the measured time: it counts, however late its answer is.
    pub counts: bool,
    /// Its answer came in the measured time: it makes up the rate.
    pub within: bool,
    /// From when it was to be sent.
    pub time: Duration,
}

impl Stats {
    /// Adds a request.
    pub fn add(&mut self, span: Span, kind: Kind, outcome: Outcome, verdict: Verdict) {
        if let Verdict::Wrong(wrong) = verdict {
            let status = match outcome {
                Outcome::Answered(status) => Some(status),
                Outcome::Misframed | Outcome::Failed(_) => None,
            };
            let count = self.wrong.entry(WrongAnswer { kind, wrong, status }).or_default();
            *count = count.saturating_add(1);
        }
        let answered = matches!(outcome, Outcome::Answered(_));
        self.within += u64::from(answered && span.within);
        if !span.counts {
            self.warmed += u64::from(answered);
            return;
        }
        let stats = self.kinds.of_mut(kind);
        stats.requests += 1;
        match verdict {
            Verdict::Right => {}
            Verdict::Wrong(_) => stats.wrong += 1,
            Verdict::Error => stats.errors += 1,
        }
        match outcome {
            Outcome::Answered(status) => {
                *stats.statuses.entry(status).or_default() += 1;
                stats.times.add(span.time);
                self.all.add(span.time);
            }
            Outcome::Misframed => {}
            Outcome::Failed(failure) => *self.failures.entry(failure).or_default() += 1,
        }
    }

    /// Open loop: a request was sent so late although a connection was free.
    pub fn add_late(&mut self, by: Duration) {
        self.late.add(by);
    }

    /// Adds what another thread counted.
    pub fn merge(&mut self, other: &Self) {
        for (kind, stats) in other.kinds.iter() {
            let mine = self.kinds.of_mut(kind);
            add(&mut mine.times, &stats.times);
            stats
                .statuses
                .iter()
                .for_each(|(status, count)| *mine.statuses.entry(*status).or_default() += count);
            mine.requests += stats.requests;
            mine.wrong += stats.wrong;
            mine.errors += stats.errors;
        }
        add(&mut self.all, &other.all);
        add(&mut self.late, &other.late);
        other.wrong.iter().for_each(|(wrong, count)| *self.wrong.entry(*wrong).or_default() += count);
        other
            .failures
            .iter()
            .for_each(|(failure, count)| *self.failures.entry(*failure).or_default() += count);
        self.within += other.within;
        self.warmed += other.warmed;
        self.waited += other.waited;
        self.unsent += other.unsent;
        self.out_of_cold += other.out_of_cold;
    }

    /// Wrong answers of the whole run.
    pub fn wrong_count(&self) -> u64 {
        self.wrong.values().sum()
    }

    /// Errors of the measured time.
    pub fn error_count(&self) -> u64 {
        self.kinds.iter().map(|(_, stats)| stats.errors).sum()
    }
}

fn add(to: &mut Times, from: &Times) {
    // Of the same bounds, so nothing is left out.
    let _same = to.0.add(&from.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(counts: bool, within: bool, millis: u64) -> Span {
        Span { counts, within, time: Duration::from_millis(millis) }
    }

    fn right(stats: &mut Stats, span: Span) {
        stats.add(span, Kind::Valid, Outcome::Answered(200), Verdict::Right);
    }

    #[test]
    fn times_are_kept_to_three_digits_from_a_microsecond_to_minutes() {
        let mut times = Times::new();
        for micros in [1, 20, 333, 5_000, 99_000_000] {
            times.add(Duration::from_micros(micros));
        }
        for (quantile, expected) in
            [(0.2, 1.0), (0.4, 20.0), (0.6, 333.0), (0.8, 5_000.0), (1.0, 99_000_000.0)]
        {
            let time = times.at_quantile(quantile);
            assert!((time / expected - 1.0_f64).abs() < 0.002, "{quantile}: {time}");
        }
        times.add(Duration::from_secs(100_000));
        assert!(times.extremes().1 >= 599_000_000.0);
        assert_eq!(times.count(), 6);
    }

    #[test]
    fn the_warm_up_is_not_measured_but_its_wrong_answers_count() {
        let mut stats = Stats::default();
        right(&mut stats, span(false, false, 900));
        right(&mut stats, span(true, true, 1));
        right(&mut stats, span(true, false, 2));
        let (wrong, admitted) = (Verdict::Wrong(Wrong::Admitted), Outcome::Answered(200));
        stats.add(span(false, false, 0), Kind::Forged, admitted, wrong);
        assert_eq!((stats.kinds.valid.requests, stats.within, stats.warmed), (2, 1, 2));
        assert!(stats.all.extremes().1 < 3_000.0);
        assert_eq!((stats.wrong_count(), stats.kinds.forged.wrong), (1, 0));
    }

    #[test]
    fn threads_add_up() {
        let (mut one, mut other) = (Stats::default(), Stats::default());
        right(&mut one, span(true, true, 1));
        right(&mut other, span(true, true, 3));
        let failed = Outcome::Failed(Failure::Late);
        other.add(span(true, false, 1_000), Kind::Cold, failed, Verdict::Error);
        one.merge(&other);
        assert_eq!((one.all.count(), one.kinds.valid.requests, one.within), (2, 2, 2));
        assert_eq!((one.error_count(), one.failures.get(&Failure::Late)), (1, Some(&1)));
        assert_eq!(one.kinds.valid.statuses.get(&200), Some(&2));
    }
}
