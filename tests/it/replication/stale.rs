//! What a replica does that cannot know which sessions have ended lately: its proofs arrive too old to count.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;

use crate::support::app::TestApp;
use crate::support::cluster::Cluster;
use crate::support::fault_proxy::Mode;
use crate::support::forge::header_of;
use crate::support::wait::eventually;

const SOON: Duration = Duration::from_secs(10);
/// An answer of Postgres takes longer than a proof may be old, and arrives in time for a call.
const CONFIG: &str = "revocation.max_staleness = '250ms'\npostgres.timeout = '5s'\n\
     [[route]]\npath = '/checked'\nupstream = 'recorder'\non_stale = 'check'";
const EACH_WAY: Duration = Duration::from_millis(140);

/// Two replicas; the first hears nothing of Redis and late of Postgres.
async fn stale_cluster() -> Cluster {
    let cluster = Cluster::start_with(2, CONFIG).await;
    cluster.replicas[0].redis.set(Mode::Blackhole);
    cluster.replicas[0].postgres.set(Mode::Delay(EACH_WAY));
    cluster
}

#[tokio::test]
async fn a_stale_replica_refuses_or_asks_the_durable_store_as_the_route_says() {
    let cluster = stale_cluster().await;
    let (stale, other) = (&cluster.replicas[0].app, &cluster.replicas[1].app);
    let (email, token) = other.new_person().await;
    let refused = || async { stale.get("/private", &token).await.status() == 503 };
    assert!(eventually(SOON, refused).await, "nothing was proven for longer than the bound");

    let answer = stale.get("/private", &token).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "revocations_stale");
    assert_eq!(decided(stale, &token).await, 200);
    assert_eq!(stale.get_anonymously("/public").await.status(), 200);
    let ready: serde_json::Value = stale.get_admin("/readyz").await.json().await.unwrap();
    assert_eq!((&ready["ready"], &ready["revocations"]["fresh"]), (&false.into(), &false.into()));
    // A token that is bad is bad, whatever is not known.
    for path in ["/private", "/checked", "/auth/me"] {
        assert_eq!(stale.get(path, &format!("{token}x")).await.status(), 401, "{path}");
        assert_eq!(stale.get_anonymously(path).await.status(), 401, "{path}");
    }
    assert_eq!(stale.get("/auth/me", &token).await.status(), 503, "it would have to look it up");

    // What ended elsewhere a moment ago, the store knows.
    let logout = other.request(Method::POST, "/auth/logout").bearer_auth(&token).send().await.unwrap();
    assert_eq!(logout.status(), 204);
    assert_eq!(decided(stale, &token).await, 401);
    let disabled = other.login(&email, crate::support::app::PASSWORD).await;
    assert_eq!(decided(stale, &disabled).await, 200);
    other.cli_ok(&["user", "disable", &email], "").await;
    assert_eq!(decided(stale, &disabled).await, 401);
}

/// The store is asked about the key, too.
#[tokio::test]
async fn a_stale_replica_that_asks_admits_no_token_of_a_retired_key() {
    let cluster = stale_cluster().await;
    let (stale, other) = (&cluster.replicas[0].app, &cluster.replicas[1].app);
    let (_, token) = other.new_person().await;
    let refused = || async { stale.get("/private", &token).await.status() == 503 };
    assert!(eventually(SOON, refused).await);
    assert_eq!(decided(stale, &token).await, 200);
    let header = header_of(&token);
    other.cli_ok(&["key", "retire", header["kid"].as_str().unwrap(), "--rotate"], "").await;
    // At once: the replica has not read its keys again yet.
    assert_eq!(decided(stale, &token).await, 401);
}

/// The first answer of the checked route that is not "ask again": on a busy machine the store may be later still.
async fn decided(app: &TestApp, token: &str) -> u16 {
    let (said, answer) = (Cell::new(503), || async { app.get("/checked", token).await.status().as_u16() });
    let is_said = || async {
        said.set(answer().await);
        said.get() != 503
    };
    assert!(eventually(SOON, is_said).await, "the durable store is never asked in time");
    said.get()
}

/// It is the durable store that ends a session: what this replica knows does not matter.
#[tokio::test]
async fn a_stale_replica_can_end_a_session() {
    let cluster = stale_cluster().await;
    let (stale, other) = (&cluster.replicas[0].app, &cluster.replicas[1].app);
    let (_, token) = other.new_person().await;
    let refused = || async { stale.get("/private", &token).await.status() == 503 };
    assert!(eventually(SOON, refused).await);
    // With a store this slow the first tries may run out of time: asked again, it says that it is done.
    let ended = || async {
        let logout = stale.request(Method::POST, "/auth/logout").bearer_auth(&token).send().await.unwrap();
        logout.status() == 204
    };
    assert!(eventually(SOON, ended).await);
    assert_eq!(stale.get("/private", &token).await.status(), 401);
    assert!(
        eventually(Duration::from_millis(250), || async {
            other.get("/private", &token).await.status() == 401
        })
        .await
    );
}

#[tokio::test]
async fn a_crowd_at_a_stale_replica_asks_the_durable_store_a_few_at_a_time() {
    const CROWD: usize = 120;
    let cluster = stale_cluster().await;
    let stale = &cluster.replicas[0].app;
    let (_, token) = cluster.replicas[1].app.new_person().await;
    let refused = || async { stale.get("/private", &token).await.status() == 503 };
    assert!(eventually(SOON, refused).await);
    let answers = join_all((0..CROWD).map(|_| stale.get("/checked", &token))).await;
    let of = |status| answers.iter().filter(|answer| answer.status() == status).count();
    assert_eq!(of(200) + of(503), CROWD);
    assert!(of(200) >= 16, "as many as may ask are answered: {}", of(200));
    assert!(of(503) > 0, "the others are refused at once");
}

/// What could not be acknowledged is ended all the same: whoever reads of it and reaches the stream tells the others.
#[tokio::test]
async fn an_end_that_its_replica_could_not_announce_is_announced_by_another() {
    let cluster = Cluster::start(3).await;
    let [ending, detached, whole] = [0, 1, 2].map(|at| &cluster.replicas[at]);
    let (_, token) = whole.app.new_person().await;
    for replica in &cluster.replicas {
        let serves = || async { replica.app.get("/private", &token).await.status() == 200 };
        assert!(eventually(SOON, serves).await);
    }
    detached.postgres.set(Mode::Refuse);
    ending.redis.set(Mode::Refuse);
    let logout = || async {
        let request = ending.app.request(Method::POST, "/auth/logout").bearer_auth(&token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(logout().await, 503, "the detached replica may not have heard of it");
    let refused = || async { detached.app.get("/private", &token).await.status() == 401 };
    assert!(eventually(Duration::from_secs(2), refused).await, "it has heard of it by the stream");
    let other = whole.app.get("/private", &token).await;
    assert_eq!(other.status(), 401);
    ending.redis.set(Mode::Pass);
    assert!(eventually(SOON, || async { logout().await == 204 }).await);
}
