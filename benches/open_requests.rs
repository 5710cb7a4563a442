//! How soon open sockets close when their session ends, and what keeping account of them costs.
//!
//! Three processes on loopback: the gateway, a service that holds the far ends of the sockets (this program once
//! more), and this one with the near ends. 10 000 WebSockets are open, 100 of them of the session that is ended,
//! ten times over with another session. Printed: from the 204 of the logout, and from sending it, to each close;
//! and whether any other socket closed. Then the cost for each request, in nanoseconds.
//!
//! Run with `make bench-open`; figures that were seen are in docs/benchmarks.md.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench that cannot be set up has nothing to measure, and measures by the system's clock"
)]

use std::hint::black_box;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateward::domain::clock::Timestamp;
use gateward::domain::id::{AccountId, SessionId, TokenId};
use gateward::domain::keyring::{Keyring, SigningKey};
use gateward::domain::route::{Access, OnRevoke, OnStale, Route, RouteTable};
use gateward::domain::token::{Grant, Parties, mint};
use gateward::gateway::Admission;
use gateward::gateway::request::{CanonicalRequest, HeadLimits};
use gateward::live::{Clock, Moment, TokenCheck, keys_channel, revocations_channel};
use gateward::telemetry::metrics::Metrics;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// An address whose forgeries are not counted, unless that is wanted.
const CLIENT: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const SOCKETS: usize = 10_000;
const ROUNDS: usize = 10;
const EACH: usize = 100;
const SECRET: &str = "f3Kq9vXw7LpZr2Tn8YbHc5Md1Gs6JuEa4QoRiWx0";
const PASSWORD: &str = "velvet-Harbour-39-tundra";
/// Open files of each process, where the system lets us say so.
const FILES: u64 = 40_000;

fn main() {
    if rlimit::Resource::NOFILE.set(FILES, FILES).is_err() {
        rlimit::increase_nofile_limit(FILES).unwrap();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if std::env::args().any(|argument| argument == "--service") {
        return runtime.block_on(service());
    }
    costs();
    runtime.block_on(closes());
}

/// Opens every socket and sends back what it gets. Says its port first.
async fn service() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let answer =
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
            if read_head(&mut stream).await && stream.write_all(answer).await.is_ok() {
                let mut part = [0; 64];
                while let Ok(size @ 1..) = stream.read(&mut part).await {
                    if stream.write_all(&part[..size]).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

async fn read_head(stream: &mut TcpStream) -> bool {
    let (mut head, mut part) = (Vec::new(), [0; 2048]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part).await {
            Ok(size @ 1..) => head.extend_from_slice(&part[..size]),
            Ok(0) | Err(_) => return false,
        }
    }
    true
}

/// Ends with the bench.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = (self.0.kill(), self.0.wait());
    }
}

async fn start_service() -> (Running, String) {
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new(program).arg("--service").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
        .unwrap();
    (Running(child), line.trim().to_owned())
}

struct Gateway {
    _process: Running,
    _directory: tempfile::TempDir,
    address: SocketAddr,
    admin: SocketAddr,
    client: reqwest::Client,
}

impl Gateway {
    async fn start(service: &str) -> Self {
        let free = || StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (address, admin) = (free(), free());
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        let config = format!(
            "server.listen = '{address}'\nserver.admin_listen = '{admin}'\nserver.max_connections = 20000\n\
             token.algorithm = 'HS256'\ntoken.secret = '{SECRET}'\npassword.bcrypt_cost = 10\n\
             [[upstream]]\nname = 'service'\nservers = ['{service}']\n[[route]]\npath = '/'\nupstream = 'service'\n"
        );
        std::fs::write(&file, config).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_gateward"))
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let gateway = Self { _process: Running(child), _directory: directory, address, admin, client };
        let until = Instant::now() + Duration::from_secs(20);
        while !gateway.ready().await {
            assert!(Instant::now() < until, "the gateway does not get ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        gateway
    }

    async fn ready(&self) -> bool {
        let answer = self.client.get(format!("http://{}/readyz", self.admin)).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://{}{path}", self.address);
        self.client.post(url).json(body).send().await.unwrap().json().await.unwrap()
    }

    /// A token of a session that can be ended.
    async fn login(&self) -> String {
        let credentials = json!({"email": "bench@example.org", "password": PASSWORD});
        let _exists_from_the_second_on = self.post("/auth/register", &credentials).await;
        let pair = self.post("/auth/login", &credentials).await;
        pair["access_token"].as_str().unwrap().to_owned()
    }

    /// An open socket. Again when the proxy library missed the opening (pingora issue 946).
    async fn socket(&self, token: &str) -> TcpStream {
        let head = format!(
            "GET /socket HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        loop {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut byte = *b"x";
            if read_head(&mut stream).await
                && stream.write_all(&byte).await.is_ok()
                && stream.read_exact(&mut byte).await.is_ok()
            {
                return stream;
            }
        }
    }
}

async fn closes() {
    let (_service, service) = start_service().await;
    let gateway = Gateway::start(&service).await;
    let files = rlimit::getrlimit(rlimit::Resource::NOFILE).unwrap().0;
    let possible = usize::try_from(files).unwrap().saturating_sub(400) / 2;
    let sockets = SOCKETS.min(possible);
    let ring = Keyring::new(1, SigningKey::from_secret(SECRET.as_bytes()), Vec::new());
    let mut ending = Vec::new();
    for _ in 0..ROUNDS {
        ending.push(gateway.login().await);
    }
    let (closed, mut closing) = mpsc::unbounded_channel::<(Option<usize>, Instant)>();
    for number in 0..sockets {
        let round = (number < ROUNDS * EACH).then_some(number % ROUNDS);
        let token = match round {
            Some(round) => ending[round].clone(),
            None => token(&ring, now(), u64::try_from(number).unwrap()),
        };
        let (mut stream, closed) = (gateway.socket(&token).await, closed.clone());
        tokio::spawn(async move {
            let _end = stream.read(&mut [0]).await;
            let _done = closed.send((round, Instant::now()));
        });
    }
    println!("{sockets} sockets are open (limit of open files: {files}), {EACH} of each session that ends");
    let (mut from_204, mut from_sending) = (Vec::new(), Vec::new());
    for (round, token) in ending.iter().enumerate() {
        let url = format!("http://{}/auth/logout", gateway.address);
        let sent = Instant::now();
        let answer = gateway.client.post(url).bearer_auth(token).send().await.unwrap();
        let answered = Instant::now();
        assert_eq!(answer.status(), 204);
        for _ in 0..EACH {
            let (of, at) =
                tokio::time::timeout(Duration::from_secs(10), closing.recv()).await.unwrap().unwrap();
            assert_eq!(of, Some(round), "somebody else's socket closed");
            from_204.push(at.saturating_duration_since(answered));
            from_sending.push(at.saturating_duration_since(sent));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    print_times("from the 204 to a close", &mut from_204);
    print_times("from sending the logout to a close", &mut from_sending);
    println!("sockets of other sessions that closed: {}", closing.len());
    assert!(closing.is_empty());
}

fn print_times(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    println!(
        "{what}: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms ({} closes)",
        at(50),
        at(99),
        at(100),
        times.len()
    );
}

fn now() -> Timestamp {
    Clock::System.now()
}

fn parties() -> Parties {
    Parties { issuer: "gateward".into(), audience: "gateward".into() }
}

/// A token of a session that nobody will end.
fn token(ring: &Keyring, now: Timestamp, number: u64) -> String {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let grant = Grant {
        account_id: AccountId::new(now, random),
        session_id: SessionId::new(now, random),
        token_id: TokenId::new(now, random),
        scope: String::new(),
        roles: Vec::new(),
        email: "bench@example.org".into(),
        issued_at: now,
        expires_at: now.plus(Duration::from_secs(3600)),
        status: None,
    };
    mint(&grant, &parties(), ring).unwrap()
}

/// What a request pays, one thread.
fn costs() {
    let (_publisher, keys) =
        keys_channel(Keyring::new(1, SigningKey::from_secret(SECRET.as_bytes()), Vec::new()));
    let ring = Keyring::new(1, SigningKey::from_secret(SECRET.as_bytes()), Vec::new());
    let (revocations, live) = revocations_channel(Duration::from_secs(24 * 3600));
    revocations.prove(Moment::now());
    let check = Arc::new(TokenCheck::new(parties(), keys, live, Clock::System));
    let tokens = [token(&ring, now(), 1), token(&ring, now(), 2)];
    let verified: Vec<_> = tokens.iter().map(|token| check.check(token).unwrap()).collect();
    let opening = |at: usize| Ok::<_, ()>(Arc::clone(&verified[at]));
    // As many others as there would be.
    let others: Vec<_> = (0..10_000)
        .map(|number| {
            let connection = check.open_requests().connection();
            let other = check.check(&token(&ring, now(), 1_000 + number)).unwrap();
            (connection.open(|| Ok::<_, ()>(Arc::clone(&other))).unwrap(), connection)
        })
        .collect();
    let connection = check.open_requests().connection();
    nanoseconds("open and close, same session as before", |_| drop(connection.open(|| opening(0))));
    nanoseconds("open and close, another session than before", |n| drop(connection.open(|| opening(n % 2))));
    nanoseconds("new connection, open, close, end of the connection", |_| {
        let connection = check.open_requests().connection();
        drop(connection.open(|| opening(0)));
    });
    nanoseconds("end of a session with nothing open", |_| {
        black_box(check.open_requests().end(SESSION));
    });
    let started = Instant::now();
    check.open_requests().end_expired(now());
    println!("one look for expired tokens over {} entries: {:?}", others.len() + 1, started.elapsed());

    let limits = HeadLimits { max_header_bytes: 32 * 1024, max_headers: 100, max_target_bytes: 8 * 1024 };
    let head = format!("GET /api HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n\r\n", tokens[0]);
    let request = CanonicalRequest::parse(head.as_bytes(), &limits).unwrap();
    for (name, on_revoke) in [("finish", OnRevoke::Finish), ("close", OnRevoke::Close)] {
        let route = Route {
            path: "/".into(),
            upstream: 0,
            access: Access::Authenticated,
            forward_authorization: false,
            on_revoke,
            max_body_bytes: None,
            on_stale: OnStale::Refuse,
            allow_encoded_slash: false,
            merge_slashes: false,
        };
        let table = Arc::new(RouteTable::new(vec![route]).unwrap());
        let admission = Admission::new(table, Arc::clone(&check), Arc::new(Metrics::new(0).unwrap()));
        nanoseconds(&format!("whole admission, warm, on_revoke = {name}"), |_| {
            drop(black_box(admission.admit(&request, CLIENT, &connection)));
        });
    }
}

const SESSION: SessionId = SessionId::from_uuid(uuid::Uuid::nil());

/// The median of several runs.
fn nanoseconds(what: &str, mut act: impl FnMut(usize)) {
    const TIMES: u32 = 200_000;
    let mut runs: Vec<f64> = (0..15)
        .map(|_| {
            let started = Instant::now();
            (0..usize::try_from(TIMES).unwrap()).for_each(&mut act);
            started.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
        })
        .collect();
    runs.sort_unstable_by(f64::total_cmp);
    println!("{what}: {:.0} ns (fastest run {:.0})", runs[runs.len() / 2], runs[0]);
}
