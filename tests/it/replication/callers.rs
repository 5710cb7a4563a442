//! Somebody who calls a protected route of every replica all the time, and notes what happens.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::task::JoinSet;

use crate::support::cluster::Cluster;
use crate::support::wait::eventually;

/// Between two calls of a replica: 20 a second.
const PACE: Duration = Duration::from_millis(50);
/// Longer than a replica is paused.
const PATIENCE: Duration = Duration::from_secs(6);
const SOON: Duration = Duration::from_secs(10);

/// One call.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Which replica was asked.
    pub replica: usize,
    /// The moment before the request was sent.
    pub started: Instant,
    /// The status; `None` without an answer (the replica is down, or silent for too long).
    pub status: Option<u16>,
}

impl Call {
    /// Whether the request was let through to the service.
    pub fn was_admitted(&self) -> bool {
        self.status == Some(200)
    }
}

/// The calls with one token, at a steady pace, whether the calls before were answered or not.
pub struct Callers {
    calls: Arc<Mutex<Vec<Call>>>,
    loops: JoinSet<()>,
}

impl Callers {
    /// Begins to call.
    pub fn start(cluster: &Cluster, token: &str) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let mut loops = JoinSet::new();
        for (replica, it) in cluster.replicas.iter().enumerate() {
            let ask = Ask { replica, url: it.app.url("/private"), token: token.to_owned(), client: client() };
            loops.spawn(call_on_and_on(ask, Arc::clone(&calls)));
        }
        Self { calls, loops }
    }

    /// The answered (or given up) calls so far, in the order of their ends.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no caller panicked").clone()
    }

    /// Waits until something holds of the calls so far.
    pub async fn until(&self, what: &str, holds: impl Fn(&[Call]) -> bool) {
        let happened = eventually(SOON, || std::future::ready(holds(&self.calls()))).await;
        assert!(happened, "{what}: {:?}", self.calls().iter().rev().take(20).collect::<Vec<_>>());
    }

    /// Waits until calls that began after this moment were answered by somebody.
    pub async fn pass(&self, moment: Instant) {
        let passed = |call: &Call| call.started > moment && call.status.is_some();
        self.until("calls go on", |calls| calls.iter().any(passed)).await;
    }

    /// Ends the calling, waits for the answers that are still to come, and returns all calls.
    pub async fn finish(mut self) -> Vec<Call> {
        self.loops.abort_all();
        while self.loops.join_next().await.is_some() {}
        // Only calls under way hold the list now.
        let calls = Arc::clone(&self.calls);
        drop(self);
        assert!(eventually(PATIENCE * 2, || std::future::ready(Arc::strong_count(&calls) == 1)).await);
        calls.lock().expect("no caller panicked").clone()
    }
}

#[derive(Clone)]
struct Ask {
    replica: usize,
    url: String,
    token: String,
    client: Client,
}

async fn call_on_and_on(ask: Ask, calls: Arc<Mutex<Vec<Call>>>) {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        pace.tick().await;
        let (ask, calls) = (ask.clone(), Arc::clone(&calls));
        // Ends by itself, within the client's patience.
        tokio::spawn(async move {
            let started = Instant::now();
            let answer = ask.client.get(&ask.url).bearer_auth(&ask.token).send().await;
            let status = answer.ok().map(|answer| answer.status().as_u16());
            let call = Call { replica: ask.replica, started, status };
            calls.lock().expect("no caller panicked").push(call);
        });
    }
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client can be built")
}
