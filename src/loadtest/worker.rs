//! A thread that sends: its share of the connections, each a task on a runtime of the thread's own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep};

use super::client::{Connector, Http1Lane, RequestText};
use super::judge::{Failure, Outcome, Verdict, judge};
use super::options::Options;
use super::stats::{Span, Stats};
use super::tokens::Tokens;
use super::turns::{Turn, Turns};

/// After a connection could not be made: a gateway that is away is not asked in a circle.
const PAUSE: Duration = Duration::from_millis(20);

/// What all threads share.
pub(super) struct Plan {
    pub(super) options: Options,
    pub(super) tokens: Tokens,
    pub(super) connector: Connector,
    pub(super) text: Arc<RequestText>,
    /// The measured time.
    pub(super) from: Instant,
    pub(super) until: Instant,
    /// Nothing new is sent once it is set.
    pub(super) stop: AtomicBool,
}

/// How far a thread is, for the progress line. Written by one thread only.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Gauge {
    pub(super) answers: AtomicU64,
    pub(super) wrong: AtomicU64,
    pub(super) errors: AtomicU64,
}

/// Runs the thread `thread`. When `abort` is told something, it does not wait for answers any longer.
pub(super) fn work(
    plan: &Arc<Plan>,
    thread: usize,
    gauge: &Arc<Gauge>,
    abort: watch::Receiver<bool>,
) -> std::io::Result<Stats> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worker = Rc::new(Worker {
        plan: Arc::clone(plan),
        gauge: Arc::clone(gauge),
        turns: RefCell::new(Turns::new(&plan.options.mix, &plan.tokens, thread, plan.options.threads)),
        stats: RefCell::default(),
    });
    runtime.block_on(LocalSet::new().run_until(drive(Rc::clone(&worker), thread, abort)));
    let mut stats = worker.stats.take();
    stats.out_of_cold = worker.turns.borrow().out_of_cold;
    Ok(stats)
}

struct Worker {
    plan: Arc<Plan>,
    gauge: Arc<Gauge>,
    turns: RefCell<Turns>,
    stats: RefCell<Stats>,
}

async fn drive(worker: Rc<Worker>, thread: usize, mut abort: watch::Receiver<bool>) {
    let Options { connections, threads, timeout, .. } = worker.plan.options;
    let mut tasks = JoinSet::new();
    for _ in (thread..connections).step_by(threads.max(1)) {
        let (connector, text) = (worker.plan.connector.clone(), Arc::clone(&worker.plan.text));
        let lane = Http1Lane::new(connector, text, timeout, Instant::now());
        tasks.spawn_local(closed_loop(Rc::clone(&worker), lane));
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    tokio::select! {
        () = all => {}
        // Its sender going away means the same.
        _ = abort.changed() => {}
    }
}

/// The next request when the answer to the last one is there.
async fn closed_loop(worker: Rc<Worker>, mut lane: Http1Lane) {
    let mut now = Instant::now();
    while worker.goes_on(now) {
        let Some(turn) = worker.turn() else { break };
        let outcome = lane.exchange(worker.credentials(turn), now).await;
        let done = Instant::now();
        worker.record(turn, outcome, now, done);
        now = done;
        if outcome == Outcome::Failed(Failure::Connect) {
            sleep(PAUSE).await;
            now = Instant::now();
        }
    }
}

impl Worker {
    fn goes_on(&self, now: Instant) -> bool {
        now < self.plan.until && !self.plan.stop.load(Ordering::Relaxed)
    }

    fn turn(&self) -> Option<Turn> {
        self.turns.borrow_mut().next()
    }

    fn credentials(&self, turn: Turn) -> Option<&[u8]> {
        self.plan.tokens.of(turn.kind).header(turn.token)
    }

    /// `intended`: when the request was to be sent.
    fn record(&self, turn: Turn, outcome: Outcome, intended: Instant, done: Instant) {
        let Plan { options, from, until, .. } = &*self.plan;
        let verdict = judge(turn.kind, options.access, outcome);
        let span = Span {
            counts: intended >= *from,
            within: (*from..=*until).contains(&done),
            time: done.saturating_duration_since(intended),
        };
        self.stats.borrow_mut().add(span, turn.kind, outcome, verdict);
        let counter = match verdict {
            Verdict::Right => return increment(&self.gauge.answers),
            Verdict::Wrong(_) => &self.gauge.wrong,
            Verdict::Error => &self.gauge.errors,
        };
        increment(counter);
    }
}

/// Cheaper than `fetch_add`; there is one writer.
fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}
