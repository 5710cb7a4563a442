//! What a million live sessions and a million revocations cost a request, and memory; what an idle gateway takes.
//!
//! - Two gateways (release, one worker thread, embedded store) side by side, one of them with a million sessions and a
//!   million revocations in its store. The same requests in turns to the one and the other: processor time of the
//!   gateway for each, with tokens of 1 000 and of 20 000 sessions, which the cache has room for, and of 100 000, which it
//!   has not. Printed: the median of several rounds, and of the ratios within a round.
//! - Resident memory of both, at the start, at the end, and the highest.
//! - Ten starts of a gateway with an empty store: from `exec` to the first request that is let through to a service, by a
//!   token minted before; resident memory at that moment and a moment later.
//!
//! `million idle` does only the last; a path among the arguments is that of another build to measure. Run with `make bench-million`; figures that were seen are in docs/benchmarks.md.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench that cannot be set up has nothing to measure, and measures by the system's clock"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gateward::domain::clock::Timestamp;
use gateward::domain::id::{AccountId, SessionId, TokenId};
use gateward::domain::keyring::{Keyring, SigningKey};
use gateward::domain::token::{Grant, Parties, mint};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const MANY: u32 = 1_000_000;
const ROUNDS: usize = 21;
/// Requests of one measurement.
const REQUESTS: usize = 5_000;
const CONNECTIONS: usize = 32;
const STARTS: usize = 10;
const SECRET: &str = "a secret of more than thirty-two bytes, for a bench";
const BODY: usize = 100;

fn main() {
    let service = start_service();
    if !std::env::args().any(|argument| argument == "idle") {
        sessions(service);
    }
    idle(service);
}

fn sessions(service: SocketAddr) {
    let (empty_directory, full_directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Makes the tables.
    drop(Gateway::start(full_directory.path(), service, "server.threads = 1"));
    let begun = Instant::now();
    fill(full_directory.path());
    println!("{MANY} sessions and {MANY} revocations written in {:.0?}", begun.elapsed());
    let empty = Gateway::start(empty_directory.path(), service, "server.threads = 1");
    let full = Gateway::start(full_directory.path(), service, "server.threads = 1");
    assert!(full.metrics().contains(&format!("\ngateward_revocations {MANY}\n")), "all are loaded");
    println!("resident at the start: empty {}, full {}", empty.memory(), full.memory());
    println!(
        "\nprocessor time of the gateway per request, us, median of {ROUNDS} rounds of {REQUESTS} (lowest, highest)\n\
         {:<34}{:>24}{:>24}{:>24}",
        "tokens of", "empty", "full", "full / empty"
    );
    for sessions in [1_000, 20_000, 100_000] {
        let heads: Vec<Vec<u8>> = (0..sessions).map(|number| head(&token(number))).collect();
        let (mut times, mut next) = ([Vec::new(), Vec::new()], 0);
        let mut before = [0.0; 2];
        for round in 0..=ROUNDS {
            if round == 1 {
                before = full.cache_use();
            }
            // The first round warms: every token that the cache has room for is in it then.
            let requests = if round == 0 { sessions.min(30_000) } else { REQUESTS };
            for (gateway, times) in [&empty, &full].into_iter().zip(&mut times) {
                let before = gateway.cpu();
                drive(gateway.address, &heads, next, requests);
                let took = (gateway.cpu() - before).as_secs_f64() * 1e6
                    / f64::from(u32::try_from(requests).unwrap());
                if round > 0 {
                    times.push(took);
                }
            }
            next += requests;
        }
        let ratios: Vec<f64> = times[0].iter().zip(&times[1]).map(|(empty, full)| full / empty).collect();
        let [empty_times, full_times] = times;
        println!(
            "{:<34}{:>24}{:>24}{:>24}",
            format!("{sessions} sessions, {} of hits", share(before, full.cache_use())),
            spread(empty_times),
            spread(full_times),
            spread(ratios),
        );
    }
    println!("\nresident at the end: empty {}, full {}", empty.memory(), full.memory());
}

fn share(before: [f64; 2], after: [f64; 2]) -> String {
    let (hits, misses) = (after[0] - before[0], after[1] - before[1]);
    format!("{:.0} %", hits * 100.0 / (hits + misses))
}

/// Median, lowest, highest.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    format!("{:.2} ({:.2}, {:.2})", values[values.len() / 2], values[0], values[values.len() - 1])
}

fn idle(service: SocketAddr) {
    println!(
        "\n{STARTS} starts, embedded store, default threads: from exec to the first request let through"
    );
    for fresh in [true, false] {
        let kept = tempfile::tempdir().unwrap();
        if !fresh {
            drop(Gateway::start(kept.path(), service, ""));
        }
        let head = head(&token(0));
        let (mut times, mut then, mut later) = (Vec::new(), Vec::new(), Vec::new());
        let mut threads = 0;
        for _ in 0..STARTS {
            let directory = tempfile::tempdir().unwrap();
            let directory = if fresh { directory.path() } else { kept.path() };
            let (mut gateway, begun) = Gateway::spawn(directory, service, "");
            while !gateway.admits(&head) {
                assert!(begun.elapsed() < Duration::from_secs(20), "the gateway does not get ready");
                assert!(gateway.process.try_wait().unwrap().is_none(), "the gateway has ended");
                std::thread::sleep(Duration::from_micros(500));
            }
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            then.push(gateway.field("VmRSS:"));
            std::thread::sleep(Duration::from_secs(2));
            later.push(gateway.field("VmRSS:"));
            threads = gateway.threads();
        }
        println!(
            "  {} store: {} ms; resident {} MB, 2 s later {} MB; {threads} threads",
            if fresh { "new" } else { "used" },
            spread(times),
            spread(then),
            spread(later),
        );
    }
}

fn now() -> Timestamp {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    Timestamp::from_unix_millis(i64::try_from(millis).unwrap())
}

fn session(number: usize) -> SessionId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    SessionId::new(Timestamp::from_unix_millis(1_700_000_000_000), random)
}

fn account() -> AccountId {
    AccountId::new(Timestamp::from_unix_millis(1_700_000_000_000), [1; 10])
}

fn token(number: usize) -> String {
    let now = now();
    let grant = Grant {
        account_id: account(),
        session_id: session(number),
        token_id: TokenId::new(now, [3; 10]),
        scope: String::new(),
        roles: vec!["staff".into()],
        email: "ada@example.org".into(),
        issued_at: now,
        expires_at: now.plus(Duration::from_secs(24 * 3600)),
        status: None,
    };
    let parties = Parties { issuer: "gateward".into(), audience: "gateward".into() };
    let ring = Keyring::new(1, SigningKey::from_secret(SECRET.as_bytes()), Vec::new());
    mint(&grant, &parties, &ring).unwrap()
}

fn head(token: &str) -> Vec<u8> {
    format!("GET /orders/17 HTTP/1.1\r\nHost: bench.example\r\nAuthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

/// A million sessions that live, the first of them those of the tokens, and a million others that have ended.
fn fill(directory: &Path) {
    let mut connection = rusqlite::Connection::open(directory.join(".gateward").join("gateward.db")).unwrap();
    let transaction = connection.transaction().unwrap();
    let millis = now().unix_millis();
    let later = millis + 30 * 24 * 3600 * 1000;
    transaction
        .execute(
            "INSERT INTO accounts (id, email_shown, email_normal, email_verified, roles, status, password_hash, \
             created_at, updated_at) VALUES (?1, 'ada@example.org', 'ada@example.org', 1, '[]', 'active', 'x', ?2, ?2)",
            (account().as_uuid().as_bytes(), millis),
        )
        .unwrap();
    {
        let mut insert = transaction
            .prepare("INSERT INTO sessions (id, account_id, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)")
            .unwrap();
        for number in 0..usize::try_from(MANY).unwrap() {
            let (id, account) = (session(number), account());
            insert.execute((id.as_uuid().as_bytes(), account.as_uuid().as_bytes(), millis, later)).unwrap();
        }
    }
    let revocations = format!(
        "WITH RECURSIVE n (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n WHERE number < {MANY}) \
         INSERT INTO revocations (number, session_id, session_expires_at, revoked_at, reason) \
         SELECT number, randomblob(16), {later}, {millis}, 'logout' FROM n; \
         UPDATE revocation_counter SET last = {MANY}"
    );
    transaction.execute_batch(&revocations).unwrap();
    transaction.commit().unwrap();
}

/// So many requests with one head after the other, each answer checked, over connections that are kept.
fn drive(address: SocketAddr, heads: &[Vec<u8>], first: usize, requests: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let heads: std::rc::Rc<[Vec<u8>]> = heads.into();
    let next = std::rc::Rc::new(std::cell::Cell::new(0));
    local.block_on(&runtime, async {
        let mut clients = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (heads, next) = (std::rc::Rc::clone(&heads), std::rc::Rc::clone(&next));
            clients.spawn_local(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut buffer = vec![0; 4096];
                while next.get() < requests {
                    let number = next.replace(next.get() + 1);
                    stream.write_all(&heads[(first + number) % heads.len()]).await.unwrap();
                    let mut length = 0;
                    while !is_whole(&buffer[..length]) {
                        let read = stream.read(&mut buffer[length..]).await.unwrap();
                        assert!(read > 0, "the gateway has closed");
                        length += read;
                    }
                    assert!(
                        buffer.starts_with(b"HTTP/1.1 200 "),
                        "{}",
                        String::from_utf8_lossy(&buffer[..length])
                    );
                }
            });
        }
        while let Some(done) = clients.join_next().await {
            done.unwrap();
        }
    });
}

/// An answer of the service, or any other with a body of at least that length.
fn is_whole(bytes: &[u8]) -> bool {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    end.is_some_and(|end| bytes.len() >= end + 4 + BODY)
}

/// A service on a thread of its own: every request gets a hundred bytes.
fn start_service() -> SocketAddr {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY}\r\n\r\n{}", "x".repeat(BODY));
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let answer = answer.clone();
                tokio::spawn(async move {
                    let (mut buffer, mut length) = (vec![0; 16 * 1024], 0);
                    while let Ok(read @ 1..) = stream.read(&mut buffer[length..]).await {
                        length += read;
                        if buffer[..length].ends_with(b"\r\n\r\n") {
                            length = 0;
                            if stream.write_all(answer.as_bytes()).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
    });
    address
}

struct Gateway {
    process: Child,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ended = (self.process.kill(), self.process.wait());
    }
}

impl Gateway {
    /// Of the program, and when it was started.
    fn spawn(directory: &Path, service: SocketAddr, config: &str) -> (Self, Instant) {
        let free = || StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (address, admin) = (free(), free());
        let file = directory.join("config.toml");
        let config = format!(
            "log.level = 'warn'\n{config}\nserver.listen = '{address}'\nserver.admin_listen = '{admin}'\n\
             server.max_requests_per_connection = 0\n[token]\nalgorithm = 'HS256'\nsecret = '{SECRET}'\n\
             [[upstream]]\nname = 'service'\nservers = ['{service}']\n\
             [[route]]\npath = '/'\nupstream = 'service'\naccess = 'authenticated'\n"
        );
        std::fs::write(&file, config).unwrap();
        let begun = Instant::now();
        let other = std::env::args().skip(1).find(|argument| argument.starts_with('/'));
        let process = Command::new(other.as_deref().unwrap_or(env!("CARGO_BIN_EXE_gateward")))
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .current_dir(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        (Self { process, address, admin }, begun)
    }

    fn start(directory: &Path, service: SocketAddr, config: &str) -> Self {
        let (gateway, begun) = Self::spawn(directory, service, config);
        let head = head(&token(0));
        while !gateway.admits(&head) {
            assert!(begun.elapsed() < Duration::from_secs(60), "the gateway does not get ready");
            std::thread::sleep(Duration::from_millis(10));
        }
        gateway
    }

    /// Whether a request with this head is let through to the service.
    fn admits(&self, head: &[u8]) -> bool {
        let Ok(mut stream) = StdStream::connect(self.address) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut answer = [0; 12];
        stream.write_all(head).is_ok() && stream.read_exact(&mut answer).is_ok() && answer == *b"HTTP/1.1 200"
    }

    fn metrics(&self) -> String {
        let mut stream = StdStream::connect(self.admin).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// Hits and misses of the cache of verified tokens.
    fn cache_use(&self) -> [f64; 2] {
        let text = self.metrics();
        ["hits", "misses"].map(|word| {
            let name = format!("gateward_token_cache_{word}_total ");
            text.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse().ok()).unwrap()
        })
    }

    /// Processor time of all its threads so far, as the scheduler counts it.
    fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let nanos = tasks.map(|task| {
            let text = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
            text.split(' ').next().unwrap().parse::<u64>().unwrap()
        });
        Duration::from_nanos(nanos.sum())
    }

    fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap().count()
    }

    /// A field of its status, in megabytes.
    fn field(&self, name: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
    }

    fn memory(&self) -> String {
        let (now, most) = (self.field("VmRSS:"), self.field("VmHWM:"));
        format!("{now:.0} MB (highest {most:.0}; of files {:.0})", self.field("RssFile:"))
    }
}
