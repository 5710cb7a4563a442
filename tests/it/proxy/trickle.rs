//! A crowd of connections that trickle: one byte of a head now and then, on each of them.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use super::front::{Front, PROMPT};
use crate::support::wait::eventually;

const CROWD: usize = 2_000;
const HEAD: Duration = Duration::from_secs(10);
/// For the end of all of them, on a busy machine.
const LATE: Duration = Duration::from_secs(60);
/// Generous: what one costs is measured by a bench. 64 KiB each.
const GROWTH: u64 = 128 * 1024 * 1024;

/// Sends a byte of a head a second until the other side ends the connection; how long that took.
async fn trickle(front: std::net::SocketAddr) -> Duration {
    let mut stream = TcpStream::connect(front).await.unwrap();
    let started = Instant::now();
    let mut ticks = interval(Duration::from_secs(1));
    let (mut reading, mut writing) = stream.split();
    let end = async { while matches!(reading.read(&mut [0; 512]).await, Ok(1..)) {} };
    let send = async {
        let mut bytes = &b"GET /public/trickle HTTP/1.1\r\nHost: a\r\nX: "[..];
        while writing.write_all(bytes).await.is_ok() {
            ticks.tick().await;
            bytes = b"x";
        }
    };
    tokio::select! {
        () = end => {}
        () = send => {}
    }
    started.elapsed()
}

async fn metric(front: &Front, name: &str) -> u64 {
    let metrics = front.app.get_admin("/metrics").await.text().await.unwrap();
    let found = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    found.unwrap_or_else(|| panic!("no {name} in {metrics}"))
}

#[tokio::test]
async fn crowd_that_trickles_disturbs_nobody_and_is_gone_by_the_deadline() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let config =
        format!("server.head_timeout = '{}s'\nserver.max_connections_per_address = 0", HEAD.as_secs());
    let front = Front::with(&config).await;
    front.assert_serves("before").await;
    front.app.recorder.forget();
    let before = metric(&front, "process_resident_memory_bytes").await;

    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        crowd.spawn(trickle(front.app.address));
    }
    let many = u64::try_from(CROWD).unwrap() * 9 / 10;
    let there = eventually(LATE, || async { metric(&front, "gateward_connections").await >= many }).await;
    assert!(there, "the crowd is there at once: {}", metric(&front, "gateward_connections").await);
    for number in 0..20 {
        front.assert_serves(&format!("good request {number}")).await;
    }
    let during = metric(&front, "process_resident_memory_bytes").await;
    assert!(during.saturating_sub(before) < GROWTH, "from {before} to {during} bytes");

    let gone = timeout(LATE, async {
        while let Some(lasted) = crowd.join_next().await {
            let lasted = lasted.unwrap();
            assert!(lasted < HEAD + 3 * PROMPT, "{lasted:?}");
        }
    });
    gone.await.expect("all are closed");
    let closed = eventually(PROMPT, || async { metric(&front, "gateward_connections").await < 20 }).await;
    assert!(closed, "the places come back");
    let after = metric(&front, "process_resident_memory_bytes").await;
    assert!(after.saturating_sub(before) < GROWTH, "from {before} to {after} bytes");
    front.assert_never_forwarded("trickle", "a head without end");
    front.assert_serves("afterwards").await;
}
