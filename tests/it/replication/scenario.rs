//! One logout at one of three replicas while something goes wrong, and the promise that must hold.

use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::sync::Semaphore;

use super::callers::{Call, Callers};
use super::faults::{ANSWERING, Fault, REPLICAS, excuse_a_refused_logout, keeps_serving};
use crate::support::app::PASSWORD;
use crate::support::cluster::Cluster;
use crate::support::wait::eventually;

/// `revocation.max_staleness`, its default.
const MAX_STALENESS: Duration = Duration::from_secs(1);
/// For clocks that tick coarsely. A busy machine needs none: the start of a call is noted before it is
/// judged, and the acknowledgement after it was given, so delays of the test only make it milder.
const MEASURING_ALLOWANCE: Duration = Duration::from_millis(150);
const BOUND: Duration = MAX_STALENESS.saturating_add(MEASURING_ALLOWANCE);
/// How long calls are watched after the bound while the faults last.
const WATCHED_AFTER: Duration = Duration::from_millis(1000);
const PAUSE: Duration = Duration::from_secs(3);
/// Until everything is well again.
const RECOVERY: Duration = Duration::from_secs(10);

/// Scenarios at once, however many threads the tests have: twelve of them, 36 gateways, were seen to keep two
/// cores so busy that a login during the preparations was answered with 503.
static PLACES: Semaphore = Semaphore::const_new(4);

/// The session that ends and another one of the same person that does not.
struct Sessions {
    ended: String,
    other: String,
}

/// Runs one scenario.
pub async fn scenario(faults: &[Fault]) {
    let _place = PLACES.acquire().await.expect("nobody closes it");
    let own_redis = faults.iter().any(|fault| fault.needs_own_redis());
    let mut cluster =
        if own_redis { Cluster::with_own_redis(REPLICAS).await } else { Cluster::start(REPLICAS).await };
    let sessions = two_sessions(&cluster).await;
    let callers = Callers::start(&cluster, &sessions.ended);
    let admits = |calls: &[Call], replica| calls.iter().any(|c| c.replica == replica && c.was_admitted());
    callers.until("all admit", |calls| (0..REPLICAS).all(|replica| admits(calls, replica))).await;

    let broken = Instant::now();
    for fault in faults {
        fault.begin(&mut cluster).await;
    }
    if faults.contains(&Fault::LongBefore) {
        callers.pass(broken + 2 * MAX_STALENESS).await;
    }
    let refused_early: Vec<Call> =
        callers.calls().into_iter().filter(|call| call.status == Some(401)).collect();
    assert!(refused_early.is_empty(), "refused before the logout: {refused_early:?}");
    let status = logout(&cluster, &sessions.ended).await;
    let answered = Instant::now();
    let excused = status == 503 && excuse_a_refused_logout(faults);
    assert!(status == 204 || excused, "logout: {status}");
    if status == 204 && !faults.contains(&Fault::Kill9After(ANSWERING)) {
        // Sooner than the next call at a steady pace. Not before a kill, which is to meet what is still under way.
        let at_once = cluster.replicas[ANSWERING].app.get("/private", &sessions.ended).await.status();
        assert!(at_once != 200, "admitted by the replica that had just ended the session");
    }
    for fault in faults {
        fault.go_on(&mut cluster).await;
    }

    callers.pass(answered + BOUND + WATCHED_AFTER).await;
    if faults.iter().any(|fault| matches!(fault, Fault::Pause(_))) {
        callers.pass(broken + PAUSE).await;
    }
    for replica in (0..REPLICAS).filter(|replica| keeps_serving(faults, *replica)) {
        assert_serves(&cluster, replica, &sessions.other).await;
    }
    for fault in faults {
        fault.heal(&mut cluster).await;
    }
    let acknowledged = if status == 204 { answered } else { insist(&cluster, &sessions.ended).await };
    for replica in 0..REPLICAS {
        assert_refuses(&cluster, replica, &sessions.ended).await;
        assert_serves(&cluster, replica, &sessions.other).await;
    }
    callers.pass(Instant::now().max(acknowledged + BOUND)).await;
    println!("{faults:?}: logout {status}");
    judge(&callers.finish().await, acknowledged, faults);
}

/// Begins both, and waits until every replica knows them.
async fn two_sessions(cluster: &Cluster) -> Sessions {
    let app = &cluster.replicas[ANSWERING].app;
    let (email, ended) = app.new_person().await;
    let other = app.login(&email, PASSWORD).await;
    for replica in 0..REPLICAS {
        assert_serves(cluster, replica, &ended).await;
        assert_serves(cluster, replica, &other).await;
    }
    Sessions { ended, other }
}

async fn logout(cluster: &Cluster, token: &str) -> u16 {
    let app = &cluster.replicas[ANSWERING].app;
    let answer = app.request(Method::POST, "/auth/logout").bearer_auth(token).send().await;
    answer.expect("the replica answers").status().as_u16()
}

/// A client that was refused asks again, until it learns that the session is over.
async fn insist(cluster: &Cluster, token: &str) -> Instant {
    let over = || async { logout(cluster, token).await == 204 };
    assert!(eventually(RECOVERY, over).await, "the logout is refused for good");
    Instant::now()
}

async fn assert_serves(cluster: &Cluster, replica: usize, token: &str) {
    let app = &cluster.replicas[replica].app;
    let serves = || async { app.get("/private", token).await.status() == 200 };
    assert!(eventually(RECOVERY, serves).await, "replica {replica} does not serve other sessions");
}

async fn assert_refuses(cluster: &Cluster, replica: usize, token: &str) {
    let app = &cluster.replicas[replica].app;
    let refuses = || async { app.get("/private", token).await.status() == 401 };
    assert!(eventually(RECOVERY, refuses).await, "replica {replica} does not refuse the ended session");
}

/// The promise.
fn judge(calls: &[Call], acknowledged: Instant, faults: &[Fault]) {
    let after = |call: &Call| call.started.saturating_duration_since(acknowledged);
    for call in calls {
        let expected = match call.status {
            Some(status) => [200, 401, 503].contains(&status),
            None => faults.iter().any(|fault| fault.silences(call.replica)),
        };
        assert!(expected, "{call:?}");
    }
    let promised = |call: &Call| if call.replica == ANSWERING { Duration::ZERO } else { BOUND };
    let broken: Vec<String> = calls
        .iter()
        .filter(|call| call.was_admitted() && after(call) > promised(call))
        .map(|call| format!("replica {} at {:?}", call.replica, after(call)))
        .collect();
    // For --nocapture, and for a failure: the last admitted call of each replica, after the acknowledgement.
    let last = |replica| calls.iter().filter(|c| c.replica == replica && c.was_admitted()).map(after).max();
    let count = |status| calls.iter().filter(|call| call.status == status).count();
    let lasts: Vec<_> = (0..REPLICAS).map(last).collect();
    let counts = [Some(200), Some(401), Some(503), None].map(count);
    println!("{faults:?}: last admitted {lasts:?} after it; 200, 401, 503, no answer: {counts:?}");
    assert!(broken.is_empty(), "admitted after the acknowledged logout: {broken:#?}");
}
