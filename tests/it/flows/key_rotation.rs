//! Signing keys take turns, on every replica, and nobody notices.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::app::{PASSWORD, StoreKind, TestApp, both_kinds};
use crate::support::app_config::AppBuilder;
use crate::support::app_refresh::Pair;
use crate::support::forge::{Parts, encoded, header_of};
use crate::support::problems::problem;
use crate::support::services::{PrivatePostgres, services};
use crate::support::wait::eventually;

const FAST: &str = "token.rotate_every = '5s'\ntoken.publish_ahead = '2s'";
const AHEAD: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(10);
/// Longer than any load here.
const LOAD_ENDS: Duration = Duration::from_secs(120);
/// From the end of `gateward key retire` to the refusal on every replica.
const BOUND: Duration = Duration::from_secs(2);

fn kid_of(token: &str) -> String {
    header_of(token)["kid"].as_str().unwrap().to_owned()
}

async fn published(app: &TestApp) -> HashSet<String> {
    let answer = app.get_anonymously("/.well-known/jwks.json").await;
    assert_eq!(answer.status(), 200);
    let jwks: Value = answer.json().await.unwrap();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn listed(app: &TestApp) -> Vec<Value> {
    let lines = app.cli_ok(&["key", "list", "--json"], "").await;
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn state_of(app: &TestApp, kid: &str) -> String {
    let keys = listed(app).await;
    let key = keys.iter().find(|key| key["kid"] == kid).unwrap_or_else(|| panic!("{kid} is not listed"));
    key["state"].as_str().unwrap().to_owned()
}

async fn replicas(count: usize, config: &str) -> Vec<Arc<TestApp>> {
    let (database, prefix) = (services().new_database(), services().new_key_prefix());
    let key = STANDARD.encode(std::array::from_fn::<u8, 32, _>(|at| u8::try_from(at * 7 % 251).unwrap()));
    let start = || {
        AppBuilder::new(StoreKind::Embedded)
            .postgres_at(&database, &services().redis_url())
            .config(&format!("redis.key_prefix = '{prefix}'\ntoken.key_encryption_key = '{key}'"))
            // Other tests keep the machine busy: a login that waits for Postgres is no matter of keys.
            .config("postgres.timeout = '5s'")
            .config(config)
            .start()
    };
    let mut starting = Vec::new();
    for _ in 0..count {
        starting.push(start());
    }
    // At once: all of them find that there is no key yet.
    futures_util::future::join_all(starting).await.into_iter().map(Arc::new).collect()
}

/// Looks at the published keys of one replica all the time; when each was first there.
async fn watch_published(app: Arc<TestApp>, stop: Arc<AtomicBool>) -> HashMap<String, Instant> {
    let first = parking_lot::Mutex::new(HashMap::new());
    let is_over = || async {
        for kid in published(&app).await {
            first.lock().entry(kid).or_insert_with(Instant::now);
        }
        stop.load(Ordering::Relaxed)
    };
    assert!(eventually(LOAD_ENDS, is_over).await, "the load goes on for ever");
    first.into_inner()
}

/// Calls with fresh and older tokens on all replicas; those that were refused.
async fn call_all_the_time(
    apps: Vec<Arc<TestApp>>,
    tokens: Arc<parking_lot::Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
) -> (usize, Vec<String>) {
    let (mut calls, mut refused) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        for app in &apps {
            let token = {
                let tokens = tokens.lock();
                // The newest, and every other in turn.
                let at = if calls % 2 == 0 { tokens.len() - 1 } else { calls / 2 % tokens.len() };
                tokens[at].clone()
            };
            let path = if calls % 5 == 0 { "/auth/me" } else { "/private" };
            let answer = app.get(path, &token).await;
            if answer.status() != 200 {
                refused.push(format!("{path} {} for {}", answer.status(), kid_of(&token)));
            }
            calls += 1;
        }
    }
    (calls, refused)
}

/// Logins and calls until the key has changed three times.
async fn rotate_under_load(apps: Vec<Arc<TestApp>>) {
    let (email, first) = apps[0].new_person().await;
    let first_kid = kid_of(&first);
    let tokens = Arc::new(parking_lot::Mutex::new(vec![first]));
    let stop = Arc::new(AtomicBool::new(false));
    let mut watchers = tokio::task::JoinSet::new();
    for app in &apps {
        watchers.spawn(watch_published(Arc::clone(app), Arc::clone(&stop)));
    }
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        callers.spawn(call_all_the_time(apps.clone(), Arc::clone(&tokens), Arc::clone(&stop)));
    }

    let mut signed: HashMap<String, Instant> = HashMap::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    for app in apps.iter().cycle() {
        assert!(Instant::now() < deadline, "only {} keys signed in a minute", signed.len());
        let asked = Instant::now();
        let answer = app.try_login(&email, PASSWORD).await;
        assert_eq!(answer.status(), 200, "{}", app.log_lines().join("\n"));
        let pair: Value = answer.json().await.unwrap();
        let token = pair["access_token"].as_str().unwrap().to_owned();
        signed.entry(kid_of(&token)).or_insert(asked);
        tokens.lock().push(token);
        if signed.len() == 4 {
            break;
        }
    }
    // All of them once more, on all replicas: none has got lost.
    let all = tokens.lock().clone();
    for token in &all {
        for app in &apps {
            assert_eq!(app.get("/private", token).await.status(), 200, "{}", kid_of(token));
        }
    }
    stop.store(true, Ordering::Relaxed);
    let outcomes = callers.join_all().await;
    let calls: usize = outcomes.iter().map(|outcome| outcome.0).sum();
    let refused: Vec<_> = outcomes.into_iter().flat_map(|outcome| outcome.1).collect();
    assert!(refused.is_empty(), "{} of {calls} calls were refused: {refused:?}", refused.len());
    assert!(calls > 200, "only {calls} calls");
    for published in watchers.join_all().await {
        for (kid, signed) in signed.iter().filter(|(kid, _)| **kid != first_kid) {
            let ahead = signed.duration_since(published[kid]);
            assert!(ahead >= AHEAD, "{kid} was published {ahead:?} before its first token");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_rotate_every_five_seconds_and_refuse_nobody() {
    rotate_under_load(replicas(3, FAST).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_gateway_rotates_every_five_seconds_and_refuses_nobody() {
    rotate_under_load(vec![Arc::new(TestApp::embedded().config(FAST).start().await)]).await;
}

#[tokio::test]
async fn replicas_that_find_a_rotation_due_at_once_make_one_key() {
    // The next one is due after seven and a half seconds.
    let apps = replicas(3, "token.rotate_every = '12s'\ntoken.publish_ahead = '2s'").await;
    let first = listed(&apps[0]).await;
    assert_eq!(first.len(), 1, "{first:?}");
    let two = || async { listed(&apps[0]).await.len() == 2 };
    assert!(eventually(2 * SOON, two).await);
    let states: Vec<_> = listed(&apps[1]).await.iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states[..2], ["signing", "upcoming"], "{states:?}");
    assert_eq!(states.len(), 2, "{states:?}");
}

#[tokio::test]
async fn a_retired_key_ends_its_tokens_on_every_replica_and_no_others() {
    let mut apps: Vec<TestApp> =
        replicas(3, "").await.into_iter().map(|app| Arc::into_inner(app).unwrap()).collect();
    let (email, old) = apps[0].new_person().await;
    let old_kid = kid_of(&old);
    let said = String::from_utf8(apps[0].cli(&["key", "retire", &old_kid], "").await.stderr).unwrap();
    assert!(said.contains("--rotate"), "the only signing key is not retired: {said}");

    apps[0].cli_ok(&["key", "rotate", "--now"], "").await;
    let mut new = String::new();
    for app in &apps {
        let rotated =
            eventually(SOON, || async { kid_of(&app.login(&email, PASSWORD).await) != old_kid }).await;
        assert!(rotated);
        new = app.login(&email, PASSWORD).await;
    }
    for app in &apps {
        assert_eq!(app.get("/private", &old).await.status(), 200, "accepted until it expires");
        assert_eq!(app.get("/private", &new).await.status(), 200);
    }
    assert_eq!(state_of(&apps[0], &old_kid).await, "accepted");
    assert_eq!(state_of(&apps[0], &kid_of(&new)).await, "signing");

    apps[1].cli_ok(&["key", "retire", &old_kid], "").await;
    let retired = Instant::now();
    for app in &apps {
        assert!(eventually(BOUND, || async { app.get("/private", &old).await.status() == 401 }).await);
        problem(app.get("/auth/me", &old).await, 401, "invalid_token").await;
        assert_eq!(app.get("/private", &new).await.status(), 200, "the others go on");
    }
    assert!(retired.elapsed() < BOUND, "{:?}", retired.elapsed());
    for app in &apps {
        let gone = eventually(SOON, || async { !published(app).await.contains(&old_kid) }).await;
        assert!(gone, "it is not published any more");
    }
    assert_eq!(state_of(&apps[2], &old_kid).await, "retired");
    let said = String::from_utf8(apps[0].cli(&["key", "retire", &old_kid], "").await.stderr).unwrap();
    assert!(said.contains("retired already"), "{said}");

    for app in &mut apps {
        app.kill9();
    }
    for app in &mut apps {
        app.restart().await;
        problem(app.get("/private", &old).await, 401, "invalid_token").await;
        assert_eq!(app.get("/private", &new).await.status(), 200);
    }
    // Its claims under the key id of another key.
    let (dead, alive) = (Parts::of(&old), Parts::of(&new));
    for forged in [
        format!("{}.{}.{}", alive.header, dead.payload, dead.signature),
        format!("{}.{}.{}", dead.header, alive.payload, alive.signature),
    ] {
        problem(apps[0].get("/private", &forged).await, 401, "invalid_token").await;
    }
}

both_kinds!(retiring_the_signing_key_brings_another, |app| async move {
    let (email, old) = app.new_person().await;
    let old_kid = kid_of(&old);
    app.cli_ok(&["key", "retire", &old_kid, "--rotate"], "").await;
    assert!(eventually(BOUND, || async { app.get("/private", &old).await.status() == 401 }).await);
    let works = || async {
        // A 503 until the next key is here: a token of the retired one would be dead.
        let login = app.try_login(&email, PASSWORD).await;
        if login.status() == 503 {
            return false;
        }
        let token = Pair::of(login).await.access;
        kid_of(&token) != old_kid && app.get("/private", &token).await.status() == 200
    };
    assert!(eventually(BOUND, works).await);
    assert_eq!(app.get("/auth/me", &old).await.status(), 401);
});

both_kinds!(a_key_made_just_before_a_crash_signs_after_it, |mut app| async move {
    let (email, old) = app.new_person().await;
    app.cli_ok(&["key", "rotate", "--now"], "").await;
    // Committed; the running program may or may not have published it.
    app.kill9();
    app.restart().await;
    let token = app.login(&email, PASSWORD).await;
    assert_ne!(kid_of(&token), kid_of(&old));
    for token in [&token, &old] {
        assert_eq!(app.get("/private", token).await.status(), 200);
        assert_eq!(app.get("/auth/me", token).await.status(), 200);
    }
});

/// A token as ours, of a key that nobody has.
fn of_unknown_key(good: &str, number: u32) -> String {
    let parts = Parts::of(good);
    let mut id = [7; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let header = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{}"}}"#, encoded(id));
    format!("{}.{}.{}", encoded(header), parts.payload, parts.signature)
}

both_kinds!(a_flood_of_unknown_keys_asks_no_store, |app| async move {
    const FLOOD: u32 = 1_000;
    let (_, good) = app.new_person().await;
    let calls = || async {
        let text = app.get_admin("/metrics").await.text().await.unwrap();
        let lines = text.lines().filter(|line| line.starts_with("gateward_pool_wait_seconds_count"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>()
    };
    let (before, begun) = (calls().await, Instant::now());
    for number in 0..FLOOD {
        let status = app.get("/private", &of_unknown_key(&good, number)).await.status();
        // Under so much load the keys may be a second old for a moment.
        assert!([401, 503].contains(&status.as_u16()), "{status}");
    }
    let more = calls().await - before;
    // Followers look a few times a second, flood or not.
    let allowed = 50.0 + 40.0 * begun.elapsed().as_secs_f64();
    assert!(more < allowed.min(f64::from(FLOOD) / 2.0), "{more} calls in {:?}", begun.elapsed());
});

#[tokio::test]
async fn an_unknown_key_is_a_401_while_the_keys_are_fresh_and_a_503_while_they_are_not() {
    let mut postgres = PrivatePostgres::start();
    let database = postgres.new_database();
    let app =
        AppBuilder::new(StoreKind::Embedded).postgres_at(&database, &services().redis_url()).start().await;
    let (_, good) = app.new_person().await;
    let unknown = of_unknown_key(&good, 1);
    let status = |token: &str| {
        let (app, token) = (&app, token.to_owned());
        async move { app.get("/private", &token).await.status().as_u16() }
    };
    assert!(eventually(SOON, || async { status(&unknown).await == 401 }).await);
    postgres.pause();
    assert!(eventually(SOON, || async { status(&unknown).await == 503 }).await);
    let answer = app.get("/private", &unknown).await;
    assert!(answer.headers().contains_key("retry-after"));
    problem(answer, 503, "unavailable").await;
    postgres.resume();
    assert!(eventually(SOON, || async { status(&unknown).await == 401 }).await);
    assert!(eventually(SOON, || async { status(&good).await == 200 }).await);
}

#[tokio::test]
async fn no_private_key_is_in_the_database_in_the_clear() {
    // What stands in front of the 32 bytes of an Ed25519 key in PKCS#8.
    const PRIVATE: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let mut app = TestApp::embedded().start().await;
    for _ in 0..3 {
        app.cli_ok(&["key", "rotate", "--now"], "").await;
    }
    assert_eq!(listed(&app).await.len(), 4);
    app.kill9();
    let mut seen = 0;
    for entry in std::fs::read_dir(app.working_dir().join(".gateward")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(PRIVATE.len()).any(|window| window == PRIVATE));
        seen += bytes.len();
    }
    assert!(seen > 4096, "the database was looked at");
}
