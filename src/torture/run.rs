//! One run: checks that there is something to judge, sends, asks the recorder, judges.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::card::{Row, ScoreCard, Verdict};
use super::case::{Next, Protocol};
use super::client::{Connector, Control, Outcome};
use super::concrete::{Concrete, Sent};
use super::gateway::Gateway;
use super::judge::judge;
use super::options::{Options, TortureError};
use super::plan::{Job, jobs};
use super::recorder::Record;
use super::sightings::{Sightings, canary};

/// Time for what was let through to arrive at the upstream.
const SETTLE: Duration = Duration::from_millis(250);

/// Numbers of the canaries of the requests before the first case.
const BEFORE: usize = 0xff00_0000;

/// What came of a job.
struct Done {
    job: Job,
    sent: Sent,
    outcome: Outcome,
    next: Option<Outcome>,
    /// What the upstream saw while it ran alone.
    alone: Option<Vec<Record>>,
}

enum Finished {
    Done(Box<Done>),
    /// Without a canary: to be run alone, later.
    Later(Job),
    /// Not sent, and why.
    Skipped(Job, Verdict, String),
}

/// Attacks the gateway and fills the card.
///
/// # Errors
/// [`TortureError`]: nothing was judged.
pub async fn run(options: &Options) -> Result<ScoreCard, TortureError> {
    let until = Instant::now() + options.total;
    let jobs = jobs(options)?;
    if !options.allow_remote && !options.recorder.ip().is_loopback() {
        return Err(TortureError::Remote(options.recorder));
    }
    let control = Control { address: options.recorder };
    let mut gateway = Gateway::new(options, connector(options).await?);
    let recorder = |error: super::client::ControlError| TortureError::Recorder(error.to_string());
    control.reset().await.map_err(recorder)?;
    let start = control.position().await.map_err(recorder)?;
    for over in &options.over {
        check(&gateway, *over, control, start, options.seed).await?;
    }
    gateway.mint.public_key = gateway.published().await;

    let gateway = Arc::new(gateway);
    let mut finished = together(&gateway, jobs, options.concurrency, until).await;
    tokio::time::sleep(SETTLE).await;
    let records = control.since(start).await.map_err(recorder)?;
    let later =
        finished.extract_if(.., |finished| matches!(finished, Finished::Later(_))).collect::<Vec<_>>();
    for finished_later in later {
        let Finished::Later(job) = finished_later else { continue };
        finished.push(alone(&gateway, control, job, until).await.map_err(recorder)?);
    }
    let sightings = Sightings::of(&records);
    let secret = gateway.mint.valid.as_deref();
    let mut rows: Vec<_> = finished.iter().map(|finished| row(finished, &sightings, secret)).collect();
    rows.sort_by_key(|(number, _)| *number);
    Ok(ScoreCard { rows: rows.into_iter().map(|(_, row)| row).collect() })
}

async fn connector(options: &Options) -> Result<Connector, TortureError> {
    let target = &options.target;
    let unreachable = |why: String| TortureError::Unreachable(target.authority(), why);
    let resolved = target.resolve(options.allow_remote).await;
    let resolved = resolved.map_err(|error| unreachable(error.to_string()))?;
    let address = resolved.map_err(TortureError::Remote)?;
    if !target.is_https() {
        return Ok(Connector::plain(address));
    }
    let connector = Connector::tls(address, target.host(), options.insecure);
    connector.map_err(|error| unreachable(error.to_string()))
}

/// Whether verdicts would mean anything: the public route leads to the recorder, the protected one needs the
/// token, and the token is valid.
async fn check(
    gateway: &Gateway,
    over: Protocol,
    control: Control,
    start: usize,
    seed: u64,
) -> Result<(), TortureError> {
    let first = match over {
        Protocol::H1 => BEFORE,
        Protocol::H2 => BEFORE.saturating_add(16),
    };
    let [open, refused, admitted] = [0, 1, 2].map(|number| canary(seed, first.saturating_add(number)));
    let answer = gateway.good(over, &open).await;
    let without = gateway.protected(over, &refused, false).await;
    let with = match gateway.mint.valid {
        Some(_) => Some(gateway.protected(over, &admitted, true).await),
        None => None,
    };
    let records = control.since(start).await.map_err(|error| TortureError::Recorder(error.to_string()))?;
    let sightings = Sightings::of(&records);
    let good = |outcome: &Outcome| outcome.status().is_some_and(|status| (200..300).contains(&status));
    let seen = sightings.with(&open).len();
    if !good(&answer) || seen != 1 {
        let path = format!("{}/next", gateway.public);
        return Err(TortureError::NotBehind { path, answered: answer.to_string(), seen });
    }
    let path = format!("{}/next", gateway.protected);
    if good(&without) || !sightings.with(&refused).is_empty() {
        return Err(TortureError::Open { path });
    }
    match with {
        Some(with) if !good(&with) => Err(TortureError::TokenRefused { path, answered: with.to_string() }),
        Some(_) | None => Ok(()),
    }
}

/// Runs the jobs, several at a time.
async fn together(
    gateway: &Arc<Gateway>,
    jobs: Vec<Job>,
    concurrency: usize,
    until: Instant,
) -> Vec<Finished> {
    let waiting = Arc::new(Mutex::new(VecDeque::from(jobs)));
    let mut workers = JoinSet::new();
    for _ in 0..concurrency.clamp(1, 64) {
        let (gateway, waiting) = (Arc::clone(gateway), Arc::clone(&waiting));
        workers.spawn(async move {
            let mut finished = Vec::new();
            loop {
                let job = waiting.lock().pop_front();
                let Some(job) = job else { return finished };
                finished.push(one(&gateway, job, until, false).await);
            }
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

/// Runs a job that leaves no mark at the upstream: all that arrives meanwhile is its own.
async fn alone(
    gateway: &Gateway,
    control: Control,
    job: Job,
    until: Instant,
) -> Result<Finished, super::client::ControlError> {
    let start = control.position().await?;
    let next = job.next_canary.clone();
    let mut finished = one(gateway, job, until, true).await;
    if let Finished::Done(done) = &mut finished {
        tokio::time::sleep(SETTLE).await;
        let mut records = control.since(start).await?;
        // The good request itself, unless something stands in front of it.
        let good = format!("{}/next?canary={next}", gateway.public);
        records.retain(|record| record.method != "GET" || record.target != good);
        done.alone = Some(records);
    }
    Ok(finished)
}

async fn one(gateway: &Gateway, job: Job, until: Instant, alone: bool) -> Finished {
    if Instant::now() >= until {
        return Finished::Skipped(job, Verdict::Skipped, "the time was up".to_owned());
    }
    let words = gateway.words(&job.value, &job.canary);
    let concrete = match Concrete::of(&job.case, job.over, &words, &gateway.mint) {
        Ok(concrete) => concrete,
        Err(missing) => {
            let nothing = missing.is_inapplicable();
            let verdict = if nothing { Verdict::Inapplicable } else { Verdict::Skipped };
            return Finished::Skipped(job, verdict, missing.to_string());
        }
    };
    if !concrete.marked && !alone {
        return Finished::Later(job);
    }
    let outcome = gateway.send(&concrete.send).await;
    let next = match job.case.expect.next {
        Next::Ok => Some(gateway.good(job.over, &job.next_canary).await),
        Next::Skip => None,
    };
    Finished::Done(Box::new(Done { job, sent: concrete.sent, outcome, next, alone: None }))
}

/// The row of a job, with its number.
fn row(finished: &Finished, sightings: &Sightings, secret: Option<&str>) -> (usize, Row) {
    let (job, verdict, why) = match finished {
        Finished::Done(done) => (&done.job, Verdict::Skipped, None),
        Finished::Later(job) => (job, Verdict::Skipped, Some("not run")),
        Finished::Skipped(job, verdict, why) => (job, *verdict, Some(why.as_str())),
    };
    let mut row = Row {
        class: job.class.to_string(),
        case: job.name(),
        over: job.over.as_str(),
        sent: String::new(),
        answered: String::new(),
        status: None,
        millis: 0,
        upstream: String::new(),
        upstream_count: 0,
        verdict,
        reasons: why.map(str::to_owned).into_iter().collect(),
        why: job.case.why.clone(),
        source: job.case.source.clone(),
    };
    if let Finished::Done(done) = finished {
        let seen: Vec<&Record> = match &done.alone {
            Some(records) => records.iter().collect(),
            None => sightings.with(&job.canary),
        };
        let judgement =
            judge(&job.case.expect, job.over, &done.sent, &done.outcome, done.next.as_ref(), &seen);
        row.sent = shown(&done.sent.line, secret);
        row.answered = done.outcome.to_string();
        row.status = done.outcome.status();
        row.millis = u64::try_from(done.outcome.took.as_millis()).unwrap_or(u64::MAX);
        row.upstream_count = seen.len();
        row.upstream = match seen.first() {
            Some(first) => {
                let line = first.head().split(|byte| *byte == b'\n').next().unwrap_or_default();
                format!("{}: {}", seen.len(), shown(line.trim_ascii_end(), secret))
            }
            None => "nothing".to_owned(),
        };
        row.verdict = judgement.verdict;
        row.reasons = judgement.reasons.iter().map(|reason| shown(reason.as_bytes(), secret)).collect();
    }
    (job.number, row)
}

/// Printable, cut, and without the token.
fn shown(bytes: &[u8], secret: Option<&str>) -> String {
    const LONGEST: usize = 160;
    let mut text = bytes.escape_ascii().to_string();
    if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "{token}");
    }
    if text.len() > LONGEST {
        text = format!("{}.. ({} bytes)", text.chars().take(LONGEST).collect::<String>(), bytes.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_card_shows_no_token_and_no_control_characters() {
        assert_eq!(shown(b"GET /?t=a.b.c\r\x1b HTTP/1.1", Some("a.b.c")), "GET /?t={token}\\r\\x1b HTTP/1.1");
        assert!(shown(&[b'a'; 1000], None).ends_with(".. (1000 bytes)"));
    }
}
