//! What a flood of logins costs the others, and itself: protected requests beside logins at 20 times capacity.
//!
//! Two processes on loopback: the gateway as it is released, with its default limits and hash cost, and this one with a
//! service, a person who sends protected requests at a fixed rate (open loop: a late answer does not delay the next
//! request, and is late by the schedule), and a crowd that logs in. Measured in turn:
//!
//! 1. capacity: how many logins a second are done when nobody waits for a place;
//! 2. idle: the protected requests alone;
//! 3. flood from many addresses: 20 times capacity with right passwords, each from another address, so that only the
//!    queue can refuse. How many are accepted, of capacity; how soon the others are refused;
//! 4. flood from one address: 20 times capacity with wrong passwords, and at half capacity people who log in from
//!    elsewhere. How many of these are accepted.
//!
//! Run with `make bench-flood`; figures that were seen are in docs/benchmarks.md. `GATEWARD_BENCH_SECONDS` is the length
//! of each measurement, `GATEWARD_BENCH_COST` the bcrypt cost.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench that cannot be set up has nothing to measure, and measures by the system's clock"
)]

use std::net::{SocketAddr, TcpListener as StdListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

const TIMES_CAPACITY: f64 = 20.0;
/// Protected requests a second.
const RATE: f64 = 200.0;
/// Connections of the flood at once, at most.
const CROWD: usize = 500;
const PEOPLE: usize = 20;
const PASSWORD: &str = "velvet-Harbour-39-tundra";
const WRONG: &str = "velvet-Harbour-40-tundra";
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

fn main() {
    let setting =
        |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let span = Duration::from_secs(setting("GATEWARD_BENCH_SECONDS", 20));
    let cost = setting("GATEWARD_BENCH_COST", 12);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let gateway = Arc::new(runtime.block_on(async { Gateway::start(start_service().await, cost).await }));
    let token = runtime.block_on(gateway.people());
    let load = |name: &'static str, seconds: Duration| {
        runtime.block_on(protected(gateway.address, &token, name, seconds))
    };

    println!("bcrypt cost {cost}, {} cores, {} s each", cores(), span.as_secs());
    let capacity = runtime.block_on(capacity(&gateway, span));
    println!("capacity: {capacity:.2} logins a second");
    load("warm-up", span / 4);
    let idle = load("idle", span);

    println!("flood from many addresses: {:.0} logins a second", capacity * TIMES_CAPACITY);
    let flood = Flood::start(&gateway, capacity * TIMES_CAPACITY, Kind::ManyAddresses, span);
    let during = load("flood", span);
    let (hashed, seen) = (runtime.block_on(gateway.hash_seconds()), flood.end());
    let seconds = seen.seconds;
    let accepted = seen.count(&[200]) as f64 / seconds;
    println!("  answers: {}", seen.by_status());
    println!(
        "  accepted {accepted:.2} a second: {:.1} % of capacity (target 95 %); protected p99 {:.2} times idle (target 2)",
        accepted * 100.0 / capacity,
        during.as_secs_f64() / idle.as_secs_f64()
    );
    println!("  a hash took {:.1} ms on average so far", hashed * 1000.0);
    seen.refusals();

    println!("flood from one address: {:.0} logins a second", capacity * TIMES_CAPACITY);
    let flood = Flood::start(&gateway, capacity * TIMES_CAPACITY, Kind::OneAddress, span);
    let people = Flood::start(&gateway, capacity / 2.0, Kind::ManyAddresses, span);
    let during = load("flood", span);
    let (seen, people) = (flood.end(), people.end());
    println!("  answers to the flood: {}", seen.by_status());
    println!(
        "  others at half capacity: {}; {:.1} % accepted; protected p99 {:.2} times idle",
        people.by_status(),
        people.count(&[200]) as f64 * 100.0 / people.answers.len() as f64,
        during.as_secs_f64() / idle.as_secs_f64()
    );
    seen.refusals();
}

fn cores() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

/// Logins a second when as many clients as there are hash threads, and a few, log in over and over.
async fn capacity(gateway: &Arc<Gateway>, span: Duration) -> f64 {
    let (begin, mut clients) = (Instant::now(), JoinSet::new());
    for number in 0..cores() + 2 {
        let address = gateway.address;
        clients.spawn(async move {
            let (mut done, mut stream) = (0, TcpStream::connect(address).await.unwrap());
            while begin.elapsed() < span {
                let login = login(&person(number), PASSWORD, &from(250, number));
                assert_eq!(call(&mut stream, &login).await, Some(200), "a login without a flood");
                done += 1;
            }
            done
        });
    }
    let done: u32 = clients.join_all().await.iter().sum();
    f64::from(done) / begin.elapsed().as_secs_f64()
}

/// Protected requests at [`RATE`] for a while; the 99th percentile.
async fn protected(address: SocketAddr, token: &str, name: &str, span: Duration) -> Duration {
    const CONNECTIONS: u32 = 8;
    let begin = tokio::time::Instant::now();
    let request = format!("GET /private HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut connections = JoinSet::new();
    for number in 0..CONNECTIONS {
        let request = request.clone();
        connections.spawn(async move {
            let every = Duration::from_secs_f64(f64::from(CONNECTIONS) / RATE);
            let mut due = begin + every * number / CONNECTIONS;
            let (mut times, mut failed) = (Vec::new(), 0);
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            while due < begin + span {
                sleep_until(due).await;
                match call(&mut stream, &request).await {
                    Some(200) => times.push(due.elapsed()),
                    _ => {
                        failed += 1;
                        stream = TcpStream::connect(address).await.unwrap();
                    }
                }
                due += every;
            }
            (times, failed)
        });
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    while let Some(result) = connections.join_next().await {
        let (one, failures) = result.unwrap();
        times.extend(one);
        failed += failures;
    }
    times.sort_unstable();
    println!(
        "  protected, {name}: {} requests, {failed} failed; p50 {:.2?}, p99 {:.2?}, p99.9 {:.2?}",
        times.len(),
        share(&times, 500),
        share(&times, 990),
        share(&times, 999)
    );
    share(&times, 990)
}

fn share(sorted: &[Duration], thousandths: usize) -> Duration {
    if sorted.is_empty() { Duration::ZERO } else { sorted[(sorted.len() - 1) * thousandths / 1000] }
}

#[derive(Clone, Copy)]
enum Kind {
    /// Right passwords, each from another address.
    ManyAddresses,
    /// Wrong ones, for people that there are not.
    OneAddress,
}

/// A crowd on a thread of its own: what the protected requests wait for is the gateway, not the crowd.
struct Flood(std::thread::JoinHandle<Seen>);

struct Seen {
    answers: Vec<(u16, Duration)>,
    unanswered: usize,
    not_sent: usize,
    seconds: f64,
}

impl Flood {
    /// Logins at `rate` a second, open loop.
    fn start(gateway: &Gateway, rate: f64, kind: Kind, span: Duration) -> Self {
        let address = gateway.address;
        Self(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run_flood(address, rate, kind, span))
        }))
    }

    fn end(self) -> Seen {
        self.0.join().unwrap()
    }
}

async fn run_flood(address: SocketAddr, rate: f64, kind: Kind, span: Duration) -> Seen {
    let begin = tokio::time::Instant::now();
    let idle: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let places = Arc::new(Semaphore::new(CROWD));
    let (mut calls, mut not_sent, mut number) = (JoinSet::new(), 0, 0_usize);
    loop {
        let due = begin + Duration::from_secs_f64(number as f64 / rate);
        if due >= begin + span {
            break;
        }
        sleep_until(due).await;
        number += 1;
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            not_sent += 1;
            continue;
        };
        let idle = Arc::clone(&idle);
        calls.spawn(async move {
            let _place = place;
            let request = match kind {
                Kind::ManyAddresses => {
                    login(&person(number), PASSWORD, &from(number / 60_000, number % 60_000))
                }
                Kind::OneAddress => login(&format!("nobody{number}@example.org"), WRONG, "203.0.113.9"),
            };
            let kept = idle.lock().unwrap().pop();
            let mut stream = match kept {
                Some(stream) => stream,
                None => TcpStream::connect(address).await.ok()?,
            };
            stream.set_nodelay(true).ok()?;
            let begun = Instant::now();
            let status = call(&mut stream, &request).await?;
            idle.lock().unwrap().push(stream);
            Some((status, begun.elapsed()))
        });
    }
    // Those in the queue when the flood ends count as well, and so does the time they take.
    let all = calls.join_all().await;
    let seconds = begin.elapsed().as_secs_f64();
    let unanswered = all.iter().filter(|answer| answer.is_none()).count();
    Seen { answers: all.into_iter().flatten().collect(), unanswered, not_sent, seconds }
}

impl Seen {
    fn count(&self, statuses: &[u16]) -> usize {
        self.answers.iter().filter(|(status, _)| statuses.contains(status)).count()
    }

    fn by_status(&self) -> String {
        let mut statuses: Vec<u16> = self.answers.iter().map(|(status, _)| *status).collect();
        statuses.sort_unstable();
        statuses.dedup();
        let counts: Vec<String> =
            statuses.iter().map(|status| format!("{} x {status}", self.count(&[*status]))).collect();
        format!("{}, {} without answer, {} not sent", counts.join(", "), self.unanswered, self.not_sent)
    }

    fn refusals(&self) {
        let mut times: Vec<Duration> =
            self.answers.iter().filter(|(status, _)| [429, 503].contains(status)).map(|(_, t)| *t).collect();
        times.sort_unstable();
        println!(
            "  refusals: {}; p50 {:.2?}, p99 {:.2?} (target 5 ms), max {:.2?}",
            times.len(),
            share(&times, 500),
            share(&times, 990),
            share(&times, 1000)
        );
    }
}

fn person(number: usize) -> String {
    format!("person{}@example.org", number % PEOPLE)
}

/// An address of a network of its own.
fn from(high: usize, low: usize) -> String {
    format!("{}.{}.{}.1", 20 + high % 200, low / 250, low % 250)
}

fn login(email: &str, password: &str, address: &str) -> String {
    post("/auth/login", email, password, address)
}

fn post(path: &str, email: &str, password: &str, address: &str) -> String {
    let body = serde_json::json!({"email": email, "password": password}).to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nX-Forwarded-For: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a request and reads the answer; its status.
async fn call(stream: &mut TcpStream, request: &str) -> Option<u16> {
    timeout(ANSWER_WITHIN, exchange(stream, request)).await.ok()?.map(|(status, _)| status)
}

async fn exchange(stream: &mut TcpStream, request: &str) -> Option<(u16, Vec<u8>)> {
    stream.write_all(request.as_bytes()).await.ok()?;
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let length: usize = length.unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some((head.get(9..12)?.parse().ok()?, bytes.split_off(end + 4)));
            }
        }
        match stream.read(&mut part).await.ok()? {
            0 => return None,
            size => bytes.extend_from_slice(&part[..size]),
        }
    }
}

async fn start_service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut head, mut part) = (Vec::new(), [0; 4096]);
                while let Ok(size @ 1..) = stream.read(&mut part).await {
                    head.extend_from_slice(&part[..size]);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

struct Gateway {
    process: Child,
    _directory: tempfile::TempDir,
    address: SocketAddr,
    admin: SocketAddr,
    client: reqwest::Client,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ended = (self.process.kill(), self.process.wait());
    }
}

impl Gateway {
    async fn start(service: SocketAddr, cost: u64) -> Self {
        let free = || StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (address, admin) = (free(), free());
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        let config = format!(
            "log.level = 'warn'\npassword.bcrypt_cost = {cost}\n[server]\nlisten = '{address}'\n\
             admin_listen = '{admin}'\ntrusted_proxies = ['127.0.0.1']\n\
             [[upstream]]\nname = 'service'\nservers = ['{service}']\n\
             [[route]]\npath = '/'\nupstream = 'service'\naccess = 'authenticated'\n"
        );
        std::fs::write(&file, config).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_gateward"))
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let gateway = Self { process, _directory: directory, address, admin, client };
        let until = Instant::now() + Duration::from_secs(20);
        while gateway.client.get(format!("http://{admin}/readyz")).send().await.is_err() {
            assert!(Instant::now() < until, "the gateway does not get ready");
            sleep(Duration::from_millis(20)).await;
        }
        gateway
    }

    /// Registers everybody; the token of the first.
    async fn people(&self) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        for number in 0..PEOPLE {
            let register = post("/auth/register", &person(number), PASSWORD, &from(251, number));
            assert_eq!(call(&mut stream, &register).await, Some(201));
        }
        let (status, body) =
            exchange(&mut stream, &login(&person(0), PASSWORD, &from(251, 0))).await.unwrap();
        assert_eq!(status, 200);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// Seconds that a hash took on average since the start.
    async fn hash_seconds(&self) -> f64 {
        let url = format!("http://{}/metrics", self.admin);
        let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
        let of = |name: &str| -> f64 {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap()
        };
        of("gateward_hash_duration_seconds_sum") / of("gateward_hash_duration_seconds_count")
    }
}
