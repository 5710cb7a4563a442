//! The result of a run, as it is printed as JSON: the shape is stable, members may be added.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::kind::Kind;
use super::options::{Options, Pace};
use super::run::Measured;
use super::stats::{KindStats, Stats, Times};
use super::tokens::Tokens;

/// The number of the JSON's shape; a member that changes its meaning makes it higher.
const FORMAT: u32 = 1;

/// A generator that is later than this, in microseconds, with one request in a hundred, measures itself.
const LATE: f64 = 1_000.0;
/// A thread that is busy for more of its time than this is what limits the rate.
const BUSY: f64 = 0.95;

/// The result of a run. Times are microseconds, from when a request was to be sent until its answer was read whole.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of this shape.
    pub format: u32,
    /// Version of this program.
    pub gateward: &'static str,
    /// No answer was wrong, and something was answered.
    pub passed: bool,
    /// What was asked for.
    pub settings: SettingsRow,
    /// Tokens of each kind.
    pub tokens: BTreeMap<&'static str, usize>,
    /// How long was measured.
    pub duration_seconds: f64,
    /// Answers within that time.
    pub answers: u64,
    /// Answers a second.
    pub rate: f64,
    /// Wrong answers, those of the warm-up too.
    pub wrong: u64,
    /// Requests without answer, and answers 429 and 5xx.
    pub errors: u64,
    /// CPU time of the target by answers; with `--target-pid`.
    pub cpu_us_per_request: Option<f64>,
    /// Resident memory of the target at the end; with `--target-pid`.
    pub rss_bytes: Option<u64>,
    /// The target; with `--target-pid`.
    pub target: Option<TargetRow>,
    /// This program itself.
    pub generator: GeneratorRow,
    /// Whether the schedule was kept; in an open loop.
    pub schedule: Option<ScheduleRow>,
    /// Of all answers.
    pub latency_us: Option<LatencyRow>,
    /// By kind, those of the mix.
    pub kinds: BTreeMap<&'static str, KindRow>,
    /// What was wrong.
    pub wrong_answers: Vec<WrongRow>,
    /// Why there was no answer, and the statuses of those that are none: `connect`, `closed`, `timed_out`, `503`.
    pub error_causes: BTreeMap<String, u64>,
    /// What to know when reading this.
    pub notes: Vec<String>,
}

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "each is the flag of its name")]
pub struct SettingsRow {
    pub url: String,
    pub method: String,
    pub protocol: &'static str,
    /// `closed` or `open`.
    pub loop_kind: &'static str,
    /// Requests a second; in an open loop.
    pub rate: Option<f64>,
    pub connections: usize,
    pub streams: usize,
    pub threads: usize,
    pub duration_seconds: f64,
    pub warm_up_seconds: f64,
    pub timeout_seconds: f64,
    pub mix: String,
    pub expect_public: bool,
}

/// The measured process with its children.
#[derive(Debug, Clone, Serialize)]
pub struct TargetRow {
    /// As given.
    pub pid: u32,
    /// Processes that were counted.
    pub processes: usize,
    /// CPU seconds of the measured time.
    pub cpu_seconds: f64,
    /// The same by its length: 1 is one core.
    pub cores: f64,
    /// Resident memory at the end.
    pub rss_bytes: u64,
    /// The most that it ever was.
    pub peak_rss_bytes: u64,
}

/// This program.
#[derive(Debug, Clone, Serialize)]
pub struct GeneratorRow {
    /// CPU time by answers, in microseconds.
    pub cpu_us_per_request: Option<f64>,
    /// CPU time by the measured time: 1 is one core.
    pub cores: Option<f64>,
}

/// How well requests were sent when they were to be sent.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduleRow {
    /// Requests that were to be sent.
    pub planned: u64,
    /// Not sent before the end.
    pub unsent: u64,
    /// Waited for a free connection: more connections, or a faster gateway.
    pub waited: u64,
    /// How late this program was for 99 % of those with a free connection.
    pub late_p99_us: f64,
    /// For all.
    pub late_max_us: f64,
    /// The schedule was kept.
    pub kept: bool,
}

/// Times of answers.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "each is the percentile of its name, in microseconds")]
pub struct LatencyRow {
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// One kind.
#[derive(Debug, Clone, Serialize)]
pub struct KindRow {
    /// What a right gateway answers.
    pub expected: &'static str,
    /// Requests of the measured time.
    pub requests: u64,
    /// Answers among them, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Wrong ones among them.
    pub wrong: u64,
    /// Errors among them.
    pub errors: u64,
    /// None without answer.
    pub latency_us: Option<LatencyRow>,
    /// Points of the curve: share of answers (0 to 1), and the time that it did not exceed.
    #[serde(skip)]
    pub curve: Vec<(f64, f64)>,
}

/// Wrong answers of one sort.
#[derive(Debug, Clone, Serialize)]
pub struct WrongRow {
    /// To which kind.
    pub kind: &'static str,
    /// `wrong admit`, `wrong refusal`, `unexpected status` or `broken framing`.
    pub what: &'static str,
    /// None for broken framing.
    pub status: Option<u16>,
    /// How many.
    pub count: u64,
}

impl Report {
    pub(super) fn new(options: &Options, tokens: &Tokens, stats: &Stats, measured: &Measured) -> Self {
        let seconds = measured.duration.as_secs_f64();
        let per_answer = |cpu: Duration| divided(cpu.as_secs_f64() * 1e6, count(stats.within));
        let target = measured.target.as_ref().zip(options.target_pid).map(|(target, pid)| TargetRow {
            pid,
            processes: target.processes,
            cpu_seconds: target.cpu.as_secs_f64(),
            cores: divided(target.cpu.as_secs_f64(), seconds).unwrap_or(0.0),
            rss_bytes: target.resident,
            peak_rss_bytes: target.largest,
        });
        let wrong = stats.wrong_count();
        let mut report = Self {
            format: FORMAT,
            gateward: env!("CARGO_PKG_VERSION"),
            passed: wrong == 0 && stats.within > 0,
            settings: settings(options),
            tokens: options.mix.named().map(|(kind, _)| (kind.as_str(), tokens.of(kind).len())).collect(),
            duration_seconds: seconds,
            answers: stats.within,
            rate: divided(count(stats.within), seconds).unwrap_or(0.0),
            wrong,
            errors: stats.error_count(),
            cpu_us_per_request: measured.target.as_ref().and_then(|target| per_answer(target.cpu)),
            rss_bytes: target.as_ref().map(|target| target.rss_bytes),
            target,
            generator: GeneratorRow {
                cpu_us_per_request: measured.own_cpu.and_then(per_answer),
                cores: measured.own_cpu.and_then(|cpu| divided(cpu.as_secs_f64(), seconds)),
            },
            schedule: schedule(options, stats),
            latency_us: latency(&stats.all),
            kinds: options.mix.named().map(|(kind, _)| (kind.as_str(), row(options, stats, kind))).collect(),
            wrong_answers: wrong_rows(stats),
            error_causes: error_causes(stats),
            notes: Vec::new(),
        };
        report.notes = notes(&report, options, stats);
        report
    }

    /// No answer was wrong, and something was answered.
    pub fn passed(&self) -> bool {
        self.passed
    }

    /// As JSON with line ends.
    ///
    /// # Errors
    /// None that is known.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

fn schedule(options: &Options, stats: &Stats) -> Option<ScheduleRow> {
    let Pace::Open(_) = options.pace else { return None };
    let sent: u64 = stats.kinds.iter().map(|(_, kind)| kind.requests).sum();
    let late_p99_us = stats.late.at_quantile(0.99);
    Some(ScheduleRow {
        planned: sent.saturating_add(stats.unsent),
        unsent: stats.unsent,
        waited: stats.waited,
        late_p99_us,
        late_max_us: stats.late.extremes().1,
        kept: stats.unsent == 0 && late_p99_us <= LATE,
    })
}

fn settings(options: &Options) -> SettingsRow {
    let (loop_kind, rate) = match options.pace {
        Pace::Closed => ("closed", None),
        Pace::Open(rate) => ("open", Some(rate)),
    };
    SettingsRow {
        url: options.address.to_string(),
        method: options.method.to_string(),
        protocol: options.protocol.as_str(),
        loop_kind,
        rate,
        connections: options.connections,
        streams: options.streams,
        threads: options.threads,
        duration_seconds: options.duration.as_secs_f64(),
        warm_up_seconds: options.warm_up.as_secs_f64(),
        timeout_seconds: options.timeout.as_secs_f64(),
        mix: options.mix.to_string(),
        expect_public: options.access == super::judge::Access::Public,
    }
}

fn row(options: &Options, stats: &Stats, kind: Kind) -> KindRow {
    let good = kind.is_good() || options.access == super::judge::Access::Public;
    let KindStats { times, statuses, requests, wrong, errors } = stats.kinds.of(kind);
    KindRow {
        expected: if good { "2xx" } else { "401" },
        requests: *requests,
        statuses: statuses.clone(),
        wrong: *wrong,
        errors: *errors,
        latency_us: latency(times),
        curve: times.curve(),
    }
}

fn latency(times: &Times) -> Option<LatencyRow> {
    let (min, max) = (times.count() > 0).then(|| times.extremes())?;
    Some(LatencyRow {
        min,
        mean: (times.mean() * 10.0).round() / 10.0,
        p50: times.at_quantile(0.5),
        p90: times.at_quantile(0.9),
        p99: times.at_quantile(0.99),
        p999: times.at_quantile(0.999),
        max,
    })
}

fn wrong_rows(stats: &Stats) -> Vec<WrongRow> {
    let row = |(answer, count): (&super::stats::WrongAnswer, &u64)| WrongRow {
        kind: answer.kind.as_str(),
        what: answer.wrong.as_str(),
        status: answer.status,
        count: *count,
    };
    stats.wrong.iter().map(row).collect()
}

fn error_causes(stats: &Stats) -> BTreeMap<String, u64> {
    let mut causes: BTreeMap<String, u64> =
        stats.failures.iter().map(|(failure, count)| (failure.as_str().to_owned(), *count)).collect();
    for (_, kind) in stats.kinds.iter() {
        for (status, count) in kind.statuses.iter().filter(|(status, _)| matches!(**status, 429 | 500..=599))
        {
            let sum = causes.entry(status.to_string()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
    causes
}

fn notes(report: &Report, options: &Options, stats: &Stats) -> Vec<String> {
    let mut notes = Vec::new();
    if stats.out_of_cold > 0 {
        let cold = report.tokens.get(Kind::Cold.as_str()).copied().unwrap_or(0);
        notes.push(format!(
            "the cold tokens ran out: {cold} were there, {} more were wanted; none was sent twice",
            stats.out_of_cold
        ));
    }
    if let Some(schedule) = &report.schedule {
        if schedule.late_p99_us > LATE {
            notes.push(format!(
                "requests were sent late by this program (99 % within {:.0} us): the times hold its own delay; use more \
                 --threads, or a lower --rate",
                schedule.late_p99_us
            ));
        }
        if schedule.waited.saturating_mul(100) > schedule.planned {
            notes.push(format!(
                "{} of {} requests waited for a free connection; their times hold the waiting",
                schedule.waited, schedule.planned
            ));
        }
        if schedule.unsent > 0 {
            notes.push(format!("{} requests were due and never sent; no time holds them", schedule.unsent));
        }
    }
    let busy = report.generator.cores.is_some_and(|cores| cores > BUSY * count_of(options.threads));
    if busy {
        notes.push(
            "this program was busy all the time: what was measured is its own limit; use more --threads"
                .to_owned(),
        );
    }
    if options.target_pid.is_some() && report.target.is_none() {
        notes.push("the target could not be measured to the end: has its process ended?".to_owned());
    }
    notes
}

fn divided(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| a / b)
}

fn count_of(number: usize) -> f64 {
    count(u64::try_from(number).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run have far fewer than 53 bits")]
fn count(number: u64) -> f64 {
    number as f64
}
