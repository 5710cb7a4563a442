//! The tests' own tools do what they say.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{StoreKind, TestApp, both_kinds, client};
use crate::support::guard::{Guard, guard, scratch_dir};
use crate::support::ports::free_address;
use crate::support::postgres::run_sql;
use crate::support::process::exists;
use crate::support::programs::major_version;
use crate::support::raw::{NoResponse, RawClient, exchange, exchange_each};
use crate::support::recorder::{Recorder, Reply};
use crate::support::services::{PrivatePostgres, PrivateRedis, services};
use crate::support::wait::eventually;

const SOON: Duration = Duration::from_secs(10);

/// Whether a process is there and no zombie.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    exists(pid) && !stat.contains(") Z ")
}

#[test]
fn guard_ends_processes_and_removes_directories_when_its_pipe_closes() {
    let tested = Guard::start();
    // A second sleeper ignores TERM, a third is stopped, a fourth was forgotten.
    let children: Vec<_> =
        ["exec sleep 300", "trap '' TERM; exec sleep 300", "exec sleep 300", "exec sleep 300"]
            .iter()
            .map(|script| Command::new("sh").args(["-c", script]).stdin(Stdio::null()).spawn().unwrap())
            .collect();
    for child in &children {
        tested.end_process(child.id());
        guard().end_process(child.id()); // should this test be interrupted
    }
    Command::new("kill").args(["-STOP", &children[2].id().to_string()]).status().unwrap();
    tested.forget(children[3].id());
    let directory = scratch_dir("with space");
    std::fs::write(directory.join("file"), "x").unwrap();
    tested.remove(&directory);
    let foreign = tempfile::tempdir().unwrap();
    tested.remove(foreign.path());

    tested.finish();

    for child in &children[..3] {
        assert!(!runs(child.id()));
    }
    assert!(runs(children[3].id()), "a forgotten process is none of the guard's business");
    assert!(!directory.exists());
    assert!(foreign.path().exists(), "only directories of the tests are removed");
    for mut child in children {
        child.kill().ok();
        child.wait().unwrap();
        guard().forget(child.id());
    }
}

#[test]
fn guard_ends_a_database_server_with_its_backends() {
    let tested = Guard::start();
    let mut postgres = PrivatePostgres::start();
    let processes = postgres.processes();
    assert!(processes.len() > 1, "a server has background processes");
    postgres.pause();
    tested.end_cluster(&postgres.data());

    tested.finish();

    assert!(processes.iter().all(|pid| !runs(*pid)), "{processes:?}");
}

#[tokio::test]
async fn each_test_has_a_database_and_a_key_prefix_of_its_own() {
    let services = services();
    let (one, other) = (services.new_database(), services.new_database());
    run_sql(&one, "CREATE TABLE t (x int)").await.unwrap();
    run_sql(&one, "SELECT * FROM t").await.unwrap();
    run_sql(&other, "SELECT * FROM t").await.unwrap_err();

    let redis = redis::Client::open(services.redis_url()).unwrap();
    let mut connection = redis.get_multiplexed_async_connection().await.unwrap();
    let (one, other) = (services.new_key_prefix(), services.new_key_prefix());
    redis::cmd("SET").arg(format!("{one}k")).arg(1).exec_async(&mut connection).await.unwrap();
    let found: Option<i32> =
        redis::cmd("GET").arg(format!("{other}k")).query_async(&mut connection).await.unwrap();
    assert_eq!(found, None);
}

#[test]
fn a_database_can_be_made_outside_of_a_runtime() {
    assert!(services().new_database().starts_with("postgres://"));
}

#[tokio::test]
async fn a_private_postgres_stops_pauses_and_comes_back_with_its_data() {
    let mut postgres = PrivatePostgres::start();
    let url = postgres.new_database();
    run_sql(&url, "CREATE TABLE t (x int)").await.unwrap();

    postgres.pause();
    let slow = tokio::time::timeout(Duration::from_millis(300), run_sql(&url, "SELECT 1")).await;
    assert!(slow.is_err(), "a paused server answers nothing");
    postgres.resume();
    run_sql(&url, "SELECT 1").await.unwrap();

    let processes = postgres.processes();
    postgres.stop();
    run_sql(&url, "SELECT 1").await.unwrap_err();
    assert!(processes.iter().all(|pid| !runs(*pid)));
    postgres.start_again();
    run_sql(&url, "SELECT * FROM t").await.unwrap();

    let (processes, address) = (postgres.processes(), postgres.address());
    drop(postgres);
    assert!(eventually(SOON, || async { processes.iter().all(|pid| !runs(*pid)) }).await);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_private_redis_stops_pauses_and_comes_back_empty() {
    async fn size(url: &str) -> redis::RedisResult<i64> {
        let client = redis::Client::open(url)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("DBSIZE").query_async(&mut connection).await
    }
    let mut server = PrivateRedis::start();
    let url = server.url();
    let mut connection =
        redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    redis::cmd("SET").arg("k").arg(1).exec_async(&mut connection).await.unwrap();
    assert_eq!(size(&url).await.unwrap(), 1);

    server.pause();
    assert!(
        tokio::time::timeout(Duration::from_millis(300), size(&url)).await.is_ok_and(|r| r.is_err())
            || tokio::time::timeout(Duration::from_millis(300), size(&url)).await.is_err()
    );
    server.resume();
    assert_eq!(size(&url).await.unwrap(), 1);

    server.stop();
    size(&url).await.unwrap_err();
    server.start_again();
    assert_eq!(size(&url).await.unwrap(), 0);
    let process = server.process();
    drop(server);
    assert!(!runs(process));
}

#[test]
fn free_addresses_differ() {
    let mut found: Vec<_> = (0..50).map(|_| free_address()).collect();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 50);
}

#[test]
fn versions_of_postgres_are_read() {
    assert_eq!(major_version("postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)\n"), Some(15));
    assert_eq!(major_version("postgres (PostgreSQL) 18beta1"), Some(18));
    assert_eq!(major_version("something else 15"), None);
}

#[tokio::test]
async fn recorder_keeps_raw_bytes_of_every_request() {
    let recorder = Recorder::start();
    let mut client = RawClient::connect(recorder.address()).await;
    let first =
        "POST /a?b=%2F HTTP/1.1\r\nHost: x\r\nX-Odd:  two  \r\nx-odd: three\r\nContent-Length: 5\r\n\r\n";
    assert!(client.send(format!("{first}helloGET /next HTTP/1.1\r\nHost: x\r\n\r\n")).await);
    let answer = client.read_response().await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["target"], "/a?b=%2F");
    assert_eq!(answer.json()["body_length"], 5);
    assert_eq!(client.read_response().await.unwrap().json()["target"], "/next");

    assert!(client.send("PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await);
    let arriving = || async { recorder.count() == 3 && recorder.last().body == b"abc" };
    assert!(eventually(SOON, arriving).await, "a body is seen while it arrives");
    assert!(!recorder.last().complete);
    assert!(client.send("2;ext=1\r\nde\r\n0\r\nTrailer: t\r\n\r\n").await);
    client.read_response().await.unwrap();

    let requests = recorder.requests();
    assert_eq!(recorder.count(), 3);
    assert_eq!(recorder.connection_count(), 1);
    assert_eq!(requests[0].raw_head, first.as_bytes());
    assert_eq!(requests[0].body, b"hello");
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].header("X-ODD"), ["two", "three"]);
    assert_eq!(requests[2].body, b"abcde");
    assert_eq!(requests[2].raw_body, b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: t\r\n\r\n");
    assert!(requests[2].complete);
    recorder.forget();
    assert_eq!(recorder.count(), 0);
}

#[tokio::test]
async fn recorder_answers_as_told() {
    let recorder = Recorder::start();
    let address = recorder.address();
    recorder.reply_at("/close", Reply::Close);
    recorder.reply_at("/big", Reply::Big(300_000));
    recorder.reply_at("/none", Reply::Status(204));
    recorder.reply_at("/delay", Reply::Delay(Duration::from_millis(200)));
    recorder.reply_at("/events", Reply::Events { count: 3, pause: Duration::from_millis(20) });
    let parts = vec![b"ab".to_vec(), b"cd".to_vec()];
    recorder.reply_at("/slow", Reply::Slow { parts, pause: Duration::from_millis(50) });
    recorder.reply_at("/raw", Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort".to_vec()));
    let get = |path: &str| exchange(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));

    assert!(matches!(get("/close").await, Err(NoResponse::Closed)));
    assert_eq!(get("/big").await.unwrap().body.len(), 300_000);
    assert_eq!(get("/none").await.unwrap().status, 204);
    let begun = Instant::now();
    assert_eq!(get("/delay").await.unwrap().status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(get("/events").await.unwrap().text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    assert_eq!(get("/slow").await.unwrap().text(), "abcd");
    assert!(matches!(get("/raw").await, Err(NoResponse::CutOff(_))));
    let mut raw = RawClient::connect(address).await;
    raw.send("HEAD /big HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(raw.read_response_to_head().await.unwrap().header("content-length"), ["300000"]);
    // The library's client agrees.
    let answer = client().get(format!("http://{address}/events")).send().await.unwrap();
    assert!(answer.text().await.unwrap().ends_with("data: 2\n\n"));
    recorder.reply(Reply::Status(503));
    assert_eq!(client().get(format!("http://{address}/other")).send().await.unwrap().status(), 503);
}

#[tokio::test]
async fn recorder_echoes_websocket_messages() {
    let recorder = Recorder::start();
    recorder.reply(Reply::WebSocket);
    let url = format!("ws://{}/socket", recorder.address());
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    assert_eq!(recorder.last().header("upgrade"), ["websocket"]);
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn raw_client_sees_silence_and_closing() {
    let recorder = Recorder::start();
    let address = recorder.address();
    let mut client = RawClient::connect(address).await;
    client.send_slowly("GET / HTT", Duration::from_millis(1)).await;
    assert!(!client.closes_within(Duration::from_millis(50)).await);
    client.finish_sending().await;
    assert!(client.closes_within(SOON).await);
    assert_eq!(recorder.count(), 0);
    assert_eq!(recorder.raw_bytes(), [b"GET / HTT"]);

    let cases = [("good", b"GET / HTTP/1.1\r\n\r\n".to_vec()), ("nul", b"G\0T / HTTP/1.1\r\n\r\n".to_vec())];
    let outcomes = exchange_each(address, cases).await;
    assert!(outcomes.iter().all(|(_, outcome)| outcome.as_ref().is_ok_and(|answer| answer.status == 200)));

    recorder.reply(Reply::Close);
    let mut client = RawClient::connect(address).await;
    client.send("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n").await;
    assert!(client.flood(b"x", 99_999_999).await < 99_999_999, "a closed connection takes no flood");
    assert!(client.read_rest(SOON).await.is_empty());
}

#[tokio::test]
async fn eventually_gives_up_at_its_deadline() {
    let mut asked = 0;
    let happened = eventually(SOON, || {
        asked += 1;
        std::future::ready(asked == 3)
    });
    assert!(happened.await);
    assert!(!eventually(Duration::from_millis(30), || async { false }).await);
}

both_kinds!(program_starts_stops_and_comes_back, |mut app| async move {
    assert_eq!(app.get_admin("/livez").await.status(), 200);
    assert_eq!(app.get_anonymously("/public/x").await.status(), 200);
    assert_eq!(app.recorder.last().target, "/public/x");
    let (email, token) = app.new_person().await;
    assert_eq!(app.get("/private", &token).await.status(), 200);
    assert!(app.stop().await.success());
    assert!(!app.log_lines().is_empty());

    app.restart().await;
    app.login(&email, crate::support::app::PASSWORD).await;
    app.kill9();
    app.restart().await;
    app.login(&email, crate::support::app::PASSWORD).await;
});

both_kinds!(
    settings_of_a_test_reach_the_program,
    |app| app.config("accounts.registration = 'closed'").route("/more", "public"),
    |app| async move {
        assert_eq!(app.register(&app.new_email(), crate::support::app::PASSWORD).await.status(), 403);
        assert_eq!(app.get_anonymously("/more").await.status(), 200);
    }
);

#[tokio::test]
#[should_panic(expected = "no_such_key")]
async fn a_program_that_does_not_start_shows_its_output() {
    TestApp::of(StoreKind::Embedded).config("server.no_such_key = 1").start().await;
}
