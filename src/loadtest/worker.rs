//! A thread that sends: its share of the connections, each a task on a runtime of the thread's own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::client::{Lane, Lanes};
use super::judge::{Failure, Outcome, Verdict, judge};
use super::options::{Options, Pace};
use super::pacer::Pacer;
use super::schedule::Schedule;
use super::stats::{Span, Stats};
use super::tokens::Tokens;
use super::turns::{Turn, Turns};

/// After a connection could not be made: a gateway that is away is not asked in a circle.
const PAUSE: Duration = Duration::from_millis(20);

/// What all threads share.
pub(super) struct Plan {
    pub(super) options: Options,
    pub(super) tokens: Tokens,
    pub(super) lanes: Lanes,
    /// When the first request is sent.
    pub(super) begin: Instant,
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

/// What the threads are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on until the time is over.
    GoOn,
    /// Send nothing new.
    Stop,
    /// Do not wait for answers any longer.
    Abort,
}

/// Runs the thread `thread`.
///
/// # Errors
/// The machine has no memory, files or timers for it.
pub(super) fn work(
    plan: &Arc<Plan>,
    thread: usize,
    gauge: &Arc<Gauge>,
    orders: watch::Receiver<Order>,
) -> std::io::Result<Stats> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Options { mix, pace, threads, .. } = &plan.options;
    let pacer = match pace {
        Pace::Closed => None,
        Pace::Open(rate) => Some(Pacer::new(Schedule::new(*rate, thread, *threads), plan.begin, plan.until)),
    };
    let worker = Rc::new(Worker {
        plan: Arc::clone(plan),
        gauge: Arc::clone(gauge),
        turns: RefCell::new(Turns::new(mix, &plan.tokens, thread, *threads)),
        stats: RefCell::default(),
        pacer,
    });
    runtime.block_on(LocalSet::new().run_until(drive(Rc::clone(&worker), thread, orders)))?;
    let mut stats = worker.stats.take();
    stats.out_of_cold = worker.turns.borrow().out_of_cold;
    stats.unsent = worker.pacer.as_ref().map_or(0, Pacer::left);
    Ok(stats)
}

struct Worker {
    plan: Arc<Plan>,
    gauge: Arc<Gauge>,
    turns: RefCell<Turns>,
    stats: RefCell<Stats>,
    /// In an open loop.
    pacer: Option<Pacer>,
}

/// Has the thread's lanes send until all is sent or an order says otherwise.
async fn drive(worker: Rc<Worker>, thread: usize, mut orders: watch::Receiver<Order>) -> std::io::Result<()> {
    let Options { connections, threads, .. } = worker.plan.options;
    let mut tasks = JoinSet::new();
    sleep_until(worker.plan.begin).await;
    for _ in (thread..connections).step_by(threads.max(1)) {
        for lane in worker.plan.lanes.connection(Instant::now()) {
            if worker.pacer.is_some() {
                tasks.spawn_local(open_loop(Rc::clone(&worker), lane));
            } else {
                tasks.spawn_local(closed_loop(Rc::clone(&worker), lane));
            }
        }
    }
    if worker.pacer.is_some() {
        let worker = Rc::clone(&worker);
        tasks.spawn_local(async move {
            match &worker.pacer {
                Some(pacer) => pacer.drive().await,
                None => Ok(()),
            }
        });
    }
    loop {
        let order = tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(Ok(result)) => {
                    result?;
                    continue;
                }
                Some(Err(error)) => return Err(std::io::Error::other(error)),
                None => return Ok(()),
            },
            // Its sender going away means that nobody wants the result.
            changed = orders.changed() => changed.map_or(Order::Abort, |()| *orders.borrow()),
        };
        match (order, &worker.pacer) {
            (Order::Abort, _) => return Ok(()),
            (Order::Stop, Some(pacer)) => pacer.stop(),
            (Order::Stop, None) | (Order::GoOn, _) => {}
        }
    }
}

/// The next request when the answer to the last one is there.
async fn closed_loop(worker: Rc<Worker>, mut lane: Lane) -> std::io::Result<()> {
    let mut now = Instant::now();
    while now < worker.plan.until && !worker.plan.stop.load(Ordering::Relaxed) {
        let Some(turn) = worker.turn(now) else { break };
        let outcome = lane.exchange(worker.plan.tokens.of(turn.kind), turn.token, now).await;
        let done = Instant::now();
        worker.record(turn, outcome, now, done);
        now = done;
        if outcome == Outcome::Failed(Failure::Connect) {
            sleep(PAUSE).await;
            now = Instant::now();
        }
    }
    Ok(())
}

/// The next request when it is due, or as soon after as this lane is free.
async fn open_loop(worker: Rc<Worker>, mut lane: Lane) -> std::io::Result<()> {
    let Some(pacer) = &worker.pacer else { return Ok(()) };
    let mut free = Instant::now();
    while let Some(due) = pacer.next().await {
        let Some(turn) = worker.turn(due.at) else { break };
        let now = Instant::now();
        worker.sent(due.at, free, now);
        let outcome = lane.exchange(worker.plan.tokens.of(turn.kind), turn.token, now).await;
        free = Instant::now();
        worker.record(turn, outcome, due.at, free);
    }
    Ok(())
}

impl Worker {
    /// The next turn, of a request that is to be sent at `at`.
    fn turn(&self, at: Instant) -> Option<Turn> {
        let mut turns = self.turns.borrow_mut();
        if at < self.plan.from { turns.next_of_warm_up() } else { turns.next() }
    }

    /// A request that was due is sent now, by a lane that was free since `free`.
    fn sent(&self, due: Instant, free: Instant, now: Instant) {
        if due < self.plan.from {
            return;
        }
        let mut stats = self.stats.borrow_mut();
        if free > due {
            stats.waited += 1;
        } else {
            stats.add_late(now.saturating_duration_since(due));
        }
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
