//! How many connections there may be, in all and of one address, and how many requests on one of them.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::time::timeout;

use super::front::{Front, PROMPT, head};
use crate::support::raw::{NoResponse, RawClient};
use crate::support::recorder::Reply;
use crate::support::wait::eventually;

const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const THIRD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Longer than any test here.
const LONG: Duration = Duration::from_secs(60);

/// A gateway whose service keeps requests to `/public/held` waiting.
async fn front(config: &str) -> Front {
    let front = Front::with(config).await;
    front.app.recorder.reply_at("/public/held", Reply::Delay(LONG));
    front
}

/// Whether the gateway serves a new connection from this address.
async fn served(front: &Front, source: Ipv4Addr) -> bool {
    let mut client = RawClient::connect_from(source, front.app.address).await;
    client.send(head("GET /public/new", &["Connection: close"])).await;
    match client.read_response().await {
        Ok(answer) => {
            assert_eq!(answer.status, 200);
            true
        }
        Err(NoResponse::Closed | NoResponse::CutOff(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// So many connections from this address whose requests are at the service.
async fn hold(front: &Front, source: Ipv4Addr, count: usize) -> Vec<RawClient> {
    let before = front.app.recorder.count();
    let mut held = Vec::new();
    // One after the other: none of them waits so long that it would give way to the next.
    for number in 1..=count {
        let held_one = timeout(PROMPT, hold_one(front, source, before + number)).await;
        held.push(held_one.unwrap_or_else(|_| panic!("{} of {count} requests arrived", number - 1)));
    }
    held
}

/// A connection whose request is the service's `expected`th. While others wait too shortly to give way it is refused, and
/// tries again.
async fn hold_one(front: &Front, source: Ipv4Addr, expected: usize) -> RawClient {
    loop {
        let mut client = RawClient::connect_from(source, front.app.address).await;
        client.send(head("GET /public/held", &[])).await;
        while !client.closes_within(Duration::from_millis(5)).await {
            if front.app.recorder.count() == expected {
                return client;
            }
        }
    }
}

async fn metric(front: &Front, line: &str) -> u64 {
    let metrics = front.app.get_admin("/metrics").await.text().await.unwrap();
    let found = metrics.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no {line} in {metrics}"))
}

#[tokio::test]
async fn connections_are_bounded_and_come_back() {
    let front = front("server.max_connections = 8").await;
    // Those of the client that set up the person wait, and give way.
    let held = hold(&front, OTHER, 8).await;
    for _ in 0..5 {
        assert!(!served(&front, THIRD).await, "a ninth connection");
    }
    assert!(metric(&front, "gateward_connections_refused_total{reason=\"too_many\"}").await >= 5);
    drop(held);
    assert!(eventually(PROMPT, || served(&front, THIRD)).await, "a place comes back");
    assert!(eventually(PROMPT, || async { metric(&front, "gateward_connections ").await <= 1 }).await);
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let front = front("server.max_connections_per_address = 4").await;
    let held = hold(&front, OTHER, 4).await;
    for _ in 0..5 {
        assert!(!served(&front, OTHER).await, "a fifth connection");
    }
    assert!(served(&front, THIRD).await, "others are not concerned");
    front.assert_serves("meanwhile").await;
    assert!(metric(&front, "gateward_connections_refused_total{reason=\"too_many_of_address\"}").await >= 5);
    assert_eq!(metric(&front, "gateward_connections_refused_total{reason=\"too_many\"}").await, 0);
    drop(held);
    assert!(eventually(PROMPT, || served(&front, OTHER)).await, "a place comes back");
}

/// What holds a place is a request that is served, not a connection on which nothing, or hardly anything, is said.
#[tokio::test]
async fn connections_that_wait_give_way_to_new_ones() {
    for config in ["server.max_connections_per_address = 6", "server.max_connections = 6"] {
        let front = front(config).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut held = hold(&front, OTHER, 2).await;
        let mut waiting = Vec::new();
        for number in 0..4 {
            let mut client = RawClient::connect_from(OTHER, front.app.address).await;
            match number {
                0 => {}
                1 => assert!(client.send("GET /public/trickle HTT").await),
                _ => {
                    client.send(head("GET /public/kept", &[])).await;
                    assert_eq!(client.read_response().await.unwrap().status, 200, "{config}");
                }
            }
            waiting.push(client);
        }
        for number in 0..10 {
            let new = eventually(PROMPT, || served(&front, OTHER)).await;
            assert!(new, "{config}: newcomer {number}");
        }
        // The held ones are as they were.
        for client in &mut held {
            assert!(!client.closes_within(Duration::from_millis(50)).await, "{config}");
        }
        let displaced = if config.contains("address") { "too_many_of_address" } else { "too_many" };
        let metric =
            metric(&front, &format!("gateward_connections_displaced_total{{reason=\"{displaced}\"}}")).await;
        assert!(metric >= 1, "{config}");
        let mut closed = 0;
        for client in &mut waiting {
            closed += usize::from(client.closes_within(Duration::from_millis(50)).await);
        }
        assert!(closed >= 1, "{config}");
    }
}

#[tokio::test]
async fn trusted_proxy_is_not_one_client() {
    let config = "server.max_connections_per_address = 2\nserver.trusted_proxies = ['127.0.0.2']";
    let front = front(config).await;
    let _held = hold(&front, OTHER, 6).await;
    assert!(served(&front, OTHER).await);
    let _others = hold(&front, THIRD, 2).await;
    assert!(!served(&front, THIRD).await, "its neighbour is");
}

#[tokio::test]
async fn last_request_of_a_connection_is_told_so() {
    let front = Front::with("server.max_requests_per_connection = 3").await;
    for (line, status) in [
        ("GET /public", 200),
        ("GET /private", 401),
        ("GET /auth/me", 401),
        ("GET /.well-known/jwks.json", 200),
    ] {
        let mut client = front.connect().await;
        for number in 1..=3 {
            client.send(head(line, &[])).await;
            let answer = client.read_response().await.unwrap_or_else(|none| panic!("{line}: {none:?}"));
            assert_eq!(answer.status, status, "{line}");
            let closes = answer.header("connection") == ["close"];
            assert_eq!(closes, number == 3, "{line}, request {number}: {}", answer.head);
        }
        assert!(client.closes_within(PROMPT).await, "{line}");
    }
}

#[tokio::test]
async fn requests_behind_the_last_one_are_not_served() {
    let front = Front::with("server.max_requests_per_connection = 2").await;
    front.app.recorder.forget();
    let mut client = front.connect().await;
    client.send(head("GET /public/1", &[])).await;
    assert_eq!(client.read_response().await.unwrap().json()["target"], "/public/1");
    client.send(head("GET /public/2", &[]) + &head("GET /public/3", &[])).await;
    assert_eq!(client.read_response().await.unwrap().json()["target"], "/public/2");
    assert!(client.read_response().await.is_err());
    front.assert_never_forwarded("/public/3", "behind the last");
}

#[tokio::test]
async fn no_bound_of_requests_is_written_zero() {
    let front = Front::with("server.max_requests_per_connection = 0").await;
    let mut client = front.connect().await;
    for _ in 0..50 {
        client.send(head("GET /public", &[])).await;
        let answer = client.read_response().await.unwrap();
        assert_ne!(answer.header("connection"), ["close"]);
    }
}

/// The limit of open files is reached though the caps should not let that happen: here it is lowered behind the
/// program's back.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_are_closed_at_once_where_no_file_is_left() {
    let front = Front::start().await;
    let files = std::fs::read_dir(format!("/proc/{}/fd", front.app.pid())).unwrap().count();
    limit_files(front.app.pid(), files + 6);
    let mut held = Vec::new();
    let mut closed = 0;
    for _ in 0..60 {
        let mut client = RawClient::connect_from(OTHER, front.app.address).await;
        if client.closes_within(Duration::from_millis(400)).await {
            closed += 1;
        }
        held.push(client);
    }
    assert!(closed >= 30, "{closed} of {} were closed, the others wait in a queue", held.len());
    // It waits between its tries.
    let lines =
        || front.app.log_lines().iter().filter(|line| line.contains("connection not accepted")).count();
    let (before, time) = (lines(), Duration::from_secs(1));
    tokio::time::sleep(time).await;
    assert!(lines() - before < 15, "{} tries in {time:?}", lines() - before);
    drop(held);
    assert!(eventually(PROMPT, || served(&front, OTHER)).await, "as soon as there are files again");
    limit_files(front.app.pid(), 20_000);
    front.assert_serves("afterwards").await;
}

#[cfg(target_os = "linux")]
fn limit_files(pid: u32, files: usize) {
    let limit = format!("--nofile={files}:20000");
    let done = std::process::Command::new("prlimit").args(["--pid", &pid.to_string(), &limit]).status();
    assert!(done.expect("prlimit (util-linux) runs").success());
}

#[tokio::test]
async fn connections_are_fewer_where_few_files_may_be_open() {
    let front = Front::of(crate::support::app::TestApp::embedded().open_files(400)).await;
    front.app.recorder.reply_at("/public/held", Reply::Delay(LONG));
    let said =
        front.app.wait_for_log(|line| line.contains("fewer connections than server.max_connections")).await;
    let possible: usize =
        said.split("connections=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((20..200).contains(&possible), "{said}");
    let held = hold(&front, OTHER, possible).await;
    assert!(!served(&front, THIRD).await, "one more");
    // The database, the hash threads and the operators have their files.
    assert_eq!(front.app.get_admin("/readyz").await.status(), 200);
    drop(held);
    assert!(eventually(PROMPT, || served(&front, THIRD)).await);
    front.app.new_person().await;
    let trouble = front.app.log_lines().into_iter().find(|line| line.contains("not accepted"));
    assert!(trouble.is_none(), "{trouble:?}");
}
