//! A run from beginning to end: probe, warm-up, measurement, sum.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::LocalSet;
use tokio::time::{Instant, interval_at, sleep, sleep_until, timeout};

use super::client::{Connector, Lanes};
use super::judge::{Verdict, judge};
use super::kind::Kind;
use super::options::{LoadError, Options};
use super::process::Usage;
use super::report::Report;
use super::stats::Stats;
use super::tokens::Tokens;
use super::worker::{Gauge, Order, Plan, work};

/// From the decision to begin until the first request: threads and memory are made.
const HEAD_START: Duration = Duration::from_millis(50);
/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_secs(1);
/// How long a gateway may take to learn of ended sessions, and how often it is asked.
const SETTLED: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How much longer than the deadline of a request the last ones may take, and all that an interrupted run waits for twice.
const GRACE: Duration = Duration::from_secs(1);

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Since the first request.
    pub elapsed: Duration,
    /// Warm-up and measurement.
    pub total: Duration,
    /// Still warming up.
    pub warming_up: bool,
    /// Answers as they should be, so far.
    pub right: u64,
    /// The same in the last second.
    pub right_lately: u64,
    /// Wrong answers so far.
    pub wrong: u64,
    /// Errors so far.
    pub errors: u64,
}

/// CPU and memory at one moment.
struct Sample {
    at: Instant,
    target: Option<Usage>,
    own: Option<Usage>,
}

impl Sample {
    fn take(options: &Options) -> Self {
        Self {
            at: Instant::now(),
            target: options.target_pid.and_then(|pid| Usage::of(pid).ok()),
            own: Usage::of(std::process::id()).ok(),
        }
    }
}

/// Sends until the time is over, the cold tokens are used up, or `stop` is ready; then adds up.
///
/// # Errors
/// [`LoadError`]: nothing could be measured. Wrong answers are no error here: see [`Report::passed`].
pub async fn run(
    options: Options,
    tokens: Tokens,
    stop: impl Future<Output = ()>,
    mut progress: impl FnMut(&Progress),
) -> Result<Report, LoadError> {
    let connector = connector(&options).await?;
    if let Some(pid) = options.target_pid {
        Usage::of(pid).map_err(|error| LoadError::Process(pid, error))?;
    }
    let lanes = Lanes::new(&options, connector);
    LocalSet::new().run_until(settle(&options, &lanes, &tokens)).await;
    let begin = Instant::now() + HEAD_START;
    let from = begin + options.warm_up;
    let plan = Arc::new(Plan {
        lanes,
        tokens,
        begin,
        from,
        until: from + options.duration,
        stop: AtomicBool::new(false),
        options,
    });
    let (orders, ordered) = watch::channel(Order::GoOn);
    let mut threads = Threads::start(&plan, &ordered)?;

    let mut watch = Watch { plan: &plan, gauges: &threads.gauges, begin, right: 0 };
    let mut ticks = interval_at(begin + LOOK, LOOK);
    let (mut first, mut last) = (None, None);
    tokio::pin!(stop);
    let mut done = std::pin::pin!(collect(&mut threads.results));
    let mut stats = None;
    while last.is_none() {
        tokio::select! {
            () = sleep_until(plan.from), if first.is_none() => first = Some(Sample::take(&plan.options)),
            () = sleep_until(plan.until), if first.is_some() => last = Some(Sample::take(&plan.options)),
            () = &mut stop => {
                plan.stop.store(true, Ordering::Relaxed);
                orders.send_replace(Order::Stop);
                last = Some(Sample::take(&plan.options));
            }
            collected = &mut done => {
                stats = Some(collected?);
                last = Some(Sample::take(&plan.options));
            }
            _ = ticks.tick() => progress(&watch.look()),
        }
    }
    let stats = match stats {
        Some(stats) => stats,
        None => finish(done, &orders, &plan).await?,
    };
    let measured = Measured::between(first, last, plan.options.target_pid.is_some());
    if stats.within + stats.warmed + stats.all.count() == 0 {
        let url = plan.options.address.to_string();
        let why: Vec<_> = stats
            .failures
            .iter()
            .map(|(failure, count)| format!("{} {count} times", failure.as_str()))
            .collect();
        return Err(LoadError::Silent(url, why.join(", ")));
    }
    Ok(Report::new(&plan.options, &plan.tokens, &stats, &measured))
}

/// The time is over: what is due is still sent, and answered, for a while; an interrupted run ends soon.
async fn finish(
    mut done: Pin<&mut impl Future<Output = Result<Stats, LoadError>>>,
    orders: &watch::Sender<Order>,
    plan: &Plan,
) -> Result<Stats, LoadError> {
    let patience = if plan.stop.load(Ordering::Relaxed) { Duration::ZERO } else { plan.options.timeout };
    for order in [Order::Stop, Order::Abort] {
        if let Ok(stats) = timeout(patience + GRACE, &mut done).await {
            return stats;
        }
        orders.send_replace(order);
    }
    done.await
}

/// What the machine was used for, in the measured time.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    pub(super) duration: Duration,
    /// CPU time of the generator.
    pub(super) own_cpu: Option<Duration>,
    /// Of the target.
    pub(super) target: Option<TargetUse>,
}

/// Of the target.
#[derive(Debug, Clone)]
pub(super) struct TargetUse {
    pub(super) cpu: Duration,
    pub(super) processes: usize,
    pub(super) resident: u64,
    pub(super) largest: u64,
}

impl Measured {
    fn between(first: Option<Sample>, last: Option<Sample>, has_target: bool) -> Self {
        let (Some(first), Some(last)) = (first, last) else { return Self::default() };
        let used = |from: &Option<Usage>, to: &Option<Usage>| Some(to.as_ref()?.cpu_since(from.as_ref()?));
        let target = last.target.as_ref().filter(|_| has_target).and_then(|now| {
            Some(TargetUse {
                cpu: used(&first.target, &last.target)?,
                processes: now.processes(),
                resident: now.resident,
                largest: now.largest,
            })
        });
        let duration = last.at.saturating_duration_since(first.at);
        Self { duration, own_cpu: used(&first.own, &last.own), target }
    }
}

async fn connector(options: &Options) -> Result<Connector, LoadError> {
    let address = &options.address;
    let unreachable = |error| LoadError::Unreachable(address.to_string(), error);
    let resolved =
        address.resolve(options.allow_remote).await.map_err(unreachable)?.map_err(LoadError::Remote)?;
    let connector = if address.is_https() {
        Connector::tls(resolved, options.protocol, address.host(), &options.trust)?
    } else {
        Connector::plain(resolved, options.protocol)
    };
    // One connection to see whether anybody is there.
    let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    timeout(options.timeout, connector.dial())
        .await
        .map_err(|_| unreachable(late()))?
        .map_err(unreachable)?;
    Ok(connector)
}

/// Waits until the session that was ended last is refused: a gateway learns of it a moment after it was ended. One that
/// does not within the time is measured as it is.
async fn settle(options: &Options, lanes: &Lanes, tokens: &Tokens) {
    let revoked = tokens.of(Kind::Revoked);
    let (Some(last), true) = (revoked.len().checked_sub(1), options.mix.share(Kind::Revoked) > 0) else {
        return;
    };
    let asked = async {
        for mut lane in lanes.connection(Instant::now()).into_iter().take(1) {
            loop {
                let outcome = lane.exchange(revoked, last, Instant::now()).await;
                if judge(Kind::Revoked, options.access, outcome) == Verdict::Right {
                    return;
                }
                sleep(ASK_AGAIN).await;
            }
        }
    };
    let _late = timeout(SETTLED, asked).await;
}

struct Threads {
    gauges: Vec<Arc<Gauge>>,
    results: Vec<oneshot::Receiver<std::io::Result<Stats>>>,
}

impl Threads {
    fn start(plan: &Arc<Plan>, orders: &watch::Receiver<Order>) -> std::io::Result<Self> {
        let mut threads = Self { gauges: Vec::new(), results: Vec::new() };
        for number in 0..plan.options.threads {
            let gauge = Arc::new(Gauge::default());
            let (result, receiver) = oneshot::channel();
            let (plan, orders, its_gauge) = (Arc::clone(plan), orders.clone(), Arc::clone(&gauge));
            std::thread::Builder::new().name(format!("load-{number}")).spawn(move || {
                // Nobody waits for it when the run was given up.
                let _gone = result.send(work(&plan, number, &its_gauge, orders));
            })?;
            threads.gauges.push(gauge);
            threads.results.push(receiver);
        }
        Ok(threads)
    }
}

/// Waits for all threads and adds up.
async fn collect(results: &mut Vec<oneshot::Receiver<std::io::Result<Stats>>>) -> Result<Stats, LoadError> {
    let mut sum = Stats::default();
    for result in results.drain(..) {
        let stats =
            result.await.map_err(|_| std::io::Error::other("a thread of the load test ended badly"))?;
        sum.merge(&stats?);
    }
    Ok(sum)
}

struct Watch<'a> {
    plan: &'a Plan,
    gauges: &'a [Arc<Gauge>],
    begin: Instant,
    right: u64,
}

impl Watch<'_> {
    fn look(&mut self) -> Progress {
        let sum = |counter: fn(&Gauge) -> &std::sync::atomic::AtomicU64| -> u64 {
            self.gauges.iter().map(|gauge| counter(gauge).load(Ordering::Relaxed)).sum()
        };
        let right = sum(|gauge| &gauge.answers);
        let now = Instant::now();
        let progress = Progress {
            elapsed: now.saturating_duration_since(self.begin),
            total: self.plan.until.saturating_duration_since(self.begin),
            warming_up: now < self.plan.from,
            right,
            right_lately: right.saturating_sub(self.right),
            wrong: sum(|gauge| &gauge.wrong),
            errors: sum(|gauge| &gauge.errors),
        };
        self.right = right;
        progress
    }
}
