//! What a crowd of trickling connections costs: the others' time, and memory.
//!
//! Two processes on loopback: the gateway, and this one with a service, a few good clients, and a crowd whose every
//! connection sends one byte of a request head each few seconds, well within the deadline. Printed: the good clients'
//! times before, during and after; the gateway's resident memory; how many of the crowd were there. Then the same with
//! the bound of connections by address in its default: who comes new is served, and the crowd gives way.
//!
//! Run with `make bench-trickle`; figures that were seen are in docs/benchmarks.md.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench that cannot be set up has nothing to measure, and measures by the system's clock"
)]

use std::net::{SocketAddr, TcpListener as StdListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const CROWD: usize = 10_000;
/// Between two bytes of one of them.
const BYTE_EVERY: Duration = Duration::from_secs(4);
const GOOD: usize = 4;
/// Of each good client, between two requests.
const PAUSE: Duration = Duration::from_millis(2);
const MEASURED: Duration = Duration::from_secs(10);
/// Open files of each process, where the system lets us say so.
const FILES: u64 = 40_000;
const MIB: f64 = 1024.0 * 1024.0;

fn main() {
    if rlimit::Resource::NOFILE.set(FILES, FILES).is_err() {
        rlimit::increase_nofile_limit(FILES).unwrap();
    }
    let files = rlimit::getrlimit(rlimit::Resource::NOFILE).unwrap().0;
    let crowd = CROWD.min(usize::try_from(files).unwrap().saturating_sub(2_400) / 2);
    println!("limit of open files: {files}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let service = start_service().await;
        println!("any number of connections of one address:");
        run(service, crowd, "max_connections_per_address = 0").await;
        println!("1000 connections of one address, the default:");
        run(service, crowd, "max_connections_per_address = 1000").await;
    });
}

async fn run(service: SocketAddr, crowd: usize, config: &str) {
    let gateway = Gateway::start(service, config).await;
    measure(&gateway, "warm-up").await;
    let quiet = measure(&gateway, "before").await;
    let before = gateway.memory();
    // On a thread of its own: what the good clients wait for is the gateway, not the crowd's side of its connections.
    let (stop, stopped) = oneshot::channel::<()>();
    let address = gateway.address;
    let tricklers = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut tricklers = JoinSet::new();
            for number in 0..crowd {
                tricklers.spawn(trickle(address));
                if number % 100 == 0 {
                    sleep(Duration::from_millis(10)).await;
                }
            }
            stopped.await.unwrap();
            tricklers.shutdown().await;
        });
    });
    sleep(Duration::from_millis(10) * u32::try_from(crowd / 100).unwrap() + Duration::from_secs(2)).await;
    let (open, there) = (gateway.metric("gateward_connections").await, gateway.memory());
    let busy = measure(&gateway, "during").await;
    println!(
        "  {open} connections open; p99 {:.2} times that of before; {:.1} MiB more, {:.1} KiB a connection",
        busy.as_secs_f64() / quiet.as_secs_f64(),
        (there - before) / MIB,
        (there - before) / 1024.0 / open,
    );
    let most = gateway.memory();
    stop.send(()).unwrap();
    tricklers.join().unwrap();
    sleep(Duration::from_secs(3)).await;
    measure(&gateway, "after").await;
    println!(
        "  resident: {:.1} MiB before, {:.1} MiB with the crowd, {:.1} MiB after; {} connections open",
        before / MIB,
        most / MIB,
        gateway.memory() / MIB,
        gateway.metric("gateward_connections").await,
    );
}

/// One byte of a head each few seconds; again when the connection is closed.
async fn trickle(address: SocketAddr) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let (mut reading, mut writing) = stream.split();
            let closed = async { while matches!(reading.read(&mut [0; 64]).await, Ok(1..)) {} };
            let send = async {
                let mut bytes = &b"GET /slow HTTP/1.1\r\nHost: bench\r\nX: "[..];
                while writing.write_all(bytes).await.is_ok() {
                    sleep(BYTE_EVERY).await;
                    bytes = b"x";
                }
            };
            tokio::select! {
                () = closed => {}
                () = send => {}
            }
        }
        sleep(BYTE_EVERY).await;
    }
}

/// Good clients for a while, each on a new connection now and then; the 99th percentile.
async fn measure(gateway: &Gateway, name: &str) -> Duration {
    let mut clients = JoinSet::new();
    for _ in 0..GOOD {
        clients.spawn(good_client(gateway.address));
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    while let Some(result) = clients.join_next().await {
        let (one, failures) = result.unwrap();
        times.extend(one);
        failed += failures;
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 1000];
    println!(
        "  {name:>7}: {} requests, {failed} failed; p50 {:.2?}, p99 {:.2?}, p99.9 {:.2?}",
        times.len(),
        at(500),
        at(990),
        at(999)
    );
    at(990)
}

async fn good_client(address: SocketAddr) -> (Vec<Duration>, usize) {
    let (mut times, mut failed) = (Vec::new(), 0);
    let until = Instant::now() + MEASURED;
    while Instant::now() < until {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            failed += 1;
            continue;
        };
        stream.set_nodelay(true).unwrap();
        for _ in 0..50 {
            let started = Instant::now();
            if !matches!(timeout(Duration::from_secs(10), call(&mut stream)).await, Ok(true)) {
                failed += 1;
                break;
            }
            times.push(started.elapsed());
            sleep(PAUSE).await;
        }
    }
    (times, failed)
}

async fn call(stream: &mut TcpStream) -> bool {
    let request = b"GET /good HTTP/1.1\r\nHost: bench\r\n\r\n";
    stream.write_all(request).await.is_ok() && read_until(stream, b"\r\n\r\nok").await
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> bool {
    let (mut head, mut part) = (Vec::new(), [0; 2048]);
    while !head.ends_with(end) {
        match stream.read(&mut part).await {
            Ok(size @ 1..) => head.extend_from_slice(&part[..size]),
            Ok(0) | Err(_) => return false,
        }
    }
    true
}

async fn start_service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                while read_until(&mut stream, b"\r\n\r\n").await {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    if stream.write_all(answer).await.is_err() {
                        return;
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
    async fn start(service: SocketAddr, config: &str) -> Self {
        let free = || StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (address, admin) = (free(), free());
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        let config = format!(
            "log.level = 'warn'\n[server]\nlisten = '{address}'\nadmin_listen = '{admin}'\nmax_connections = 12000\n\
             head_timeout = '10m'\n{config}\n[[upstream]]\nname = 'service'\nservers = ['{service}']\n\
             [[route]]\npath = '/'\nupstream = 'service'\naccess = 'public'\n"
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

    async fn metric(&self, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.admin);
        let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap()
    }

    /// Resident, in bytes, as the kernel counts it.
    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    }
}
