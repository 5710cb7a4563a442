//! How soon an ended session is refused elsewhere, and what a million revocations cost.
//!
//! - Three gateways on one PostgreSQL and one Redis. Sessions are logged out at one of them, while each of the
//!   other two is asked back to back, on a connection of its own, until it refuses: counted from the moment the
//!   logout was sent and from the moment it was answered. All of it on one machine, which it keeps busy.
//! - A start with a million live revocations, on both kinds of store: time to ready, resident memory.
//!
//! Run with `make bench-revocation`; figures that were seen are in docs/benchmarks.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    dead_code,
    unused_imports,
    unused_macros,
    missing_docs,
    reason = "a bench that cannot be set up has nothing to measure; it borrows the tools of the tests"
)]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;

use support::app::{PASSWORD, StoreKind, TestApp};
use support::app_config::AppBuilder;
use support::postgres::run_sql;
use support::services::services;

/// Sessions that are ended.
const LOGOUTS: usize = 300;
/// Revocations of the second part.
const MANY: u32 = 1_000_000;
/// Longer than any refusal takes.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        propagation().await;
        million("postgres", AppBuilder::new(StoreKind::Postgres)).await;
        million("embedded", AppBuilder::new(StoreKind::Embedded)).await;
    });
}

async fn propagation() {
    let (database, prefix) = (services().new_database(), services().new_key_prefix());
    let key = STANDARD.encode(std::array::from_fn::<u8, 32, _>(|at| u8::try_from(at * 7).unwrap()));
    let config = format!("redis.key_prefix = '{prefix}'\ntoken.key_encryption_key = '{key}'");
    let replica = || {
        AppBuilder::new(StoreKind::Embedded)
            .postgres_at(&database, &services().redis_url())
            .config(&config)
            .start()
    };
    let (one, two, three) = tokio::join!(replica(), replica(), replica());
    let (email, _) = one.new_person().await;
    let (mut after_answer, mut after_sending) = (Vec::new(), Vec::new());
    for _ in 0..LOGOUTS {
        let token = one.login(&email, PASSWORD).await;
        let others = [refusal_at(two.address, &token), refusal_at(three.address, &token)];
        for (admitted, _) in &others {
            admitted.recv_timeout(PATIENCE).expect("admitted before the logout");
        }
        let sent = Instant::now();
        let logout = one.request(Method::POST, "/auth/logout").bearer_auth(&token).send().await.unwrap();
        let answered = Instant::now();
        assert_eq!(logout.status(), 204);
        for (_, refused) in others {
            let refused = refused.recv_timeout(PATIENCE).expect("refused after the logout");
            after_sending.push(refused.saturating_duration_since(sent));
            after_answer.push(refused.saturating_duration_since(answered));
        }
    }
    println!("\n{LOGOUTS} logouts, first refusal on each of two other replicas (milliseconds)");
    println!("{:<24}{:>8}{:>8}{:>8}{:>8}", "counted from", "p50", "p90", "p99", "max");
    for (name, mut spans) in [("the logout sent", after_sending), ("the 204 received", after_answer)] {
        spans.sort_unstable();
        let at = |percent: usize| spans[(spans.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
        println!("{name:<24}{:>8.2}{:>8.2}{:>8.2}{:>8.2}", at(50), at(90), at(99), at(100));
        for bound in [0, 1, 2, 5, 10, 20, 50, 250] {
            let within = spans.partition_point(|span| *span <= Duration::from_millis(bound));
            println!("  within {bound:>3} ms {within:>5} of {}", spans.len());
        }
    }
}

/// Asks back to back until the answer is 401. Says when the first was admitted, and when the first refusal came.
fn refusal_at(address: SocketAddr, token: &str) -> (Receiver<()>, Receiver<Instant>) {
    let (admitted, was_admitted) = channel();
    let (refused, was_refused) = channel();
    let request = format!("GET /private HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n");
    std::thread::spawn(move || {
        let mut connection = connect(address);
        loop {
            let sent = connection.write_all(request.as_bytes()).is_ok();
            match sent.then(|| status(&mut connection)).flatten() {
                // A request that is on its way when its session ends is cut. That is not counted as a refusal.
                None => connection = connect(address),
                Some(200) => {
                    let _not_awaited = admitted.send(());
                }
                Some(401) => {
                    let _not_awaited = refused.send(Instant::now());
                    return;
                }
                Some(other) => panic!("{other}"),
            }
        }
    });
    (was_admitted, was_refused)
}

fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_nodelay(true).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// Reads one answer with a `Content-Length`; its status. None: the connection ended.
fn status(connection: &mut TcpStream) -> Option<u16> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let count = connection.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        if bytes.len() >= end + 4 + length.parse::<usize>().unwrap() {
            return head.split(' ').nth(1).unwrap().parse().ok();
        }
    }
}

async fn million(kind: &str, builder: AppBuilder) {
    let mut app = builder.start().await;
    app.stop().await;
    let begun = Instant::now();
    app.restart().await;
    let (empty_start, empty_memory) = (begun.elapsed(), resident_mib(&app));
    app.stop().await;
    fill(&app).await;
    let begun = Instant::now();
    app.restart().await;
    let full_start = begun.elapsed();
    let full_memory = resident_mib(&app);
    let metrics = app.get_admin("/metrics").await.text().await.unwrap();
    assert!(metrics.contains(&format!("\ngateward_revocations {MANY}\n")), "all are loaded");
    println!("\n{kind}: a start with {MANY} live revocations");
    println!(
        "  to ready:        {:>7} ms (with none {} ms)",
        full_start.as_millis(),
        empty_start.as_millis()
    );
    println!("  resident memory: {full_memory:>7} MiB (with none {empty_memory} MiB)");
    tokio::time::sleep(Duration::from_secs(20)).await;
    println!("  20 s later:      {:>7} MiB", resident_mib(&app));
}

async fn fill(app: &TestApp) {
    let columns = "(number, session_id, session_expires_at, revoked_at, reason)";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let rest = format!("{}, {now}, 'logout'", now + 24 * 3600 * 1000);
    if let Some(url) = app.configuration().get("postgres").and_then(|table| table.get("url")) {
        let fill = format!(
            "INSERT INTO revocations {columns} \
             SELECT number, gen_random_uuid(), {rest} FROM generate_series(1, {MANY}) AS number; \
             UPDATE revocation_counter SET last = {MANY}; ANALYZE revocations"
        );
        return run_sql(url.as_str().unwrap(), &fill).await.unwrap();
    }
    let file = app.working_dir().join(".gateward").join("gateward.db");
    let mut connection = rusqlite::Connection::open(file).unwrap();
    let transaction = connection.transaction().unwrap();
    let fill = format!(
        "WITH RECURSIVE n (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n WHERE number < {MANY}) \
         INSERT INTO revocations {columns} SELECT number, randomblob(16), {rest} FROM n; \
         UPDATE revocation_counter SET last = {MANY}"
    );
    transaction.execute_batch(&fill).unwrap();
    transaction.commit().unwrap();
}

fn resident_mib(app: &TestApp) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().split(' ').next().unwrap().parse::<u64>().unwrap() / 1024
}
