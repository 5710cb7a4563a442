//! Gateways that are wrong, slow or away.

use std::net::SocketAddr;
use std::time::Duration;

use gateward::loadtest::{LoadError, Pace, Report, Tokens};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::{options, run};
use crate::support::ports::free_address;
use crate::support::recorder::Recorder;
use crate::support::recorder_reply::Reply;

const TOKENS: &str = "valid a.b.cccc\nexpired d.e.f\nrevoked g.h.i";
const MIX: &str = "valid=2,expired=1,revoked=1,forged=1,absent=1";

/// What was wrong: kind, what, status.
fn wrong(report: &Report) -> Vec<(&str, &str, Option<u16>)> {
    report.wrong_answers.iter().map(|row| (row.kind, row.what, row.status)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_admits_everything_fails() {
    let upstream = Recorder::start();
    let mut options = options(upstream.address(), MIX);
    // Sessions that were ended are never refused: it is measured as it is, after the wait for that.
    options.mix = "valid=2,expired=1,forged=1,absent=1".parse().unwrap();
    let report = run(options, TOKENS).await.unwrap();
    assert!(!report.passed());
    let admitted = |kind| (kind, "wrong admit", Some(200));
    assert_eq!(wrong(&report), [admitted("expired"), admitted("forged"), admitted("absent")]);
    let sum: u64 = report.wrong_answers.iter().map(|row| row.count).sum();
    assert_eq!((report.wrong, report.kinds["valid"].wrong, report.errors), (sum, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_refuses_everything_fails() {
    let upstream = Recorder::start();
    upstream.reply(Reply::Status(401));
    let report = run(options(upstream.address(), MIX), TOKENS).await.unwrap();
    assert!(!report.passed());
    assert_eq!(wrong(&report), [("valid", "wrong refusal", Some(401))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_longer_than_its_head_says_fails() {
    let upstream = Recorder::start();
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
        "no HTTP at all\r\n\r\n",
    ] {
        upstream.reply(Reply::Raw(answer.as_bytes().to_vec()));
        let report = run(options(upstream.address(), "valid=1"), TOKENS).await;
        let report = report.unwrap_or_else(|error| panic!("{answer:?}: {error}"));
        assert!(!report.passed(), "{answer:?}");
        assert_eq!(wrong(&report), [("valid", "broken framing", None)], "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_to_do_and_lost_connections_are_errors_and_not_wrong() {
    let upstream = Recorder::start();
    upstream.reply(Reply::Status(503));
    let report = run(options(upstream.address(), "valid=1"), TOKENS).await.unwrap();
    assert!(report.passed() && report.errors > 0);
    assert_eq!(report.error_causes.keys().collect::<Vec<_>>(), ["503"]);
    upstream.reply(Reply::Close);
    let lost = run(options(upstream.address(), "valid=1"), TOKENS).await;
    assert!(matches!(lost, Err(LoadError::Silent(..))), "nothing was answered: {lost:?}");
    let nobody = run(options(free_address(), "absent=1"), TOKENS).await;
    assert!(matches!(nobody, Err(LoadError::Unreachable(..))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_is_an_error_in_time() {
    let upstream = Recorder::start();
    upstream.reply(Reply::Delay(Duration::from_secs(60)));
    upstream.reply_at("/private?fast", Reply::Status(200));
    let mut slow = options(upstream.address(), "valid=1");
    slow.timeout = Duration::from_millis(100);
    let begun = Instant::now();
    assert!(matches!(run(slow, TOKENS).await, Err(LoadError::Silent(..))));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_can_be_ended_early() {
    let upstream = Recorder::start();
    let mut long = options(upstream.address(), "valid=1");
    long.duration = Duration::from_secs(600);
    for pace in [Pace::Closed, Pace::Open(0.5)] {
        long.pace = pace;
        let stop = async {
            // When the first request has come.
            while upstream.requests().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let tokens = Tokens::read(TOKENS.as_bytes()).unwrap();
        let report = gateward::loadtest::run(long.clone(), tokens, stop, |_| {}).await.unwrap();
        assert!(report.duration_seconds < 60.0 && report.wrong == 0, "{pace:?}");
    }
}

/// Answers at once, but nobody for half a second, from 300 ms after the first request on.
struct Stalling {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Stalling {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (mut connections, mut first) = (JoinSet::new(), None);
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, *first.get_or_insert_with(Instant::now)));
            }
        });
        Self { address, task }
    }
}

impl Drop for Stalling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, first: Instant) {
    let (stops, goes_on) = (first + Duration::from_millis(300), first + Duration::from_millis(800));
    let mut request = [0; 4096];
    while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
        if (stops..goes_on).contains(&Instant::now()) {
            sleep_until(goes_on).await;
        }
        let answered = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        if answered.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stands_still_shows_in_every_request_that_was_due_meanwhile() {
    let server = Stalling::start().await;
    let mut open = options(server.address, "valid=1");
    open.duration = Duration::from_secs(1);
    open.pace = Pace::Open(200.0);
    let report = run(open, TOKENS).await.unwrap();
    assert!(report.passed());
    // 100 of 200 were due while it stood still; four connections alone would have shown four slow answers.
    let times = report.latency_us.as_ref().unwrap();
    assert!(times.p90 > 200_000.0 && times.max < 2_000_000.0, "{times:?}");
    let schedule = report.schedule.as_ref().unwrap();
    assert!(schedule.waited >= 50 && schedule.unsent == 0, "{schedule:?}");
    assert!((199..=201).contains(&schedule.planned));
    assert!(report.notes.iter().any(|note| note.contains("waited for a free connection")));
}
