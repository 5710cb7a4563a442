//! A whole request: the release build of the gateway, `serve`, between clients and a service.
//!
//! One worker thread, embedded store, HTTP/1.1 on kept connections, 100 bytes of answer. What is counted is every instruction
//! outside the kernel, of every thread but those that work by the clock (proofs of freshness, timers): valgrind slows the
//! program down some fifty times, so these would weigh fifty times more than they do outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::profile::Profile;
use crate::traffic::{Clients, start_service};
use crate::valgrind::{Counted, give_up};

/// How much is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Kept connections of clients.
    pub connections: usize,
    /// Requests in the first window; in the second there are three times as many.
    pub requests: usize,
}

impl Default for Load {
    /// One connection: with several the counts depend on how many are ready at once, and differ by up to 0.5 %.
    fn default() -> Self {
        Self { connections: 1, requests: 1_000 }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Path of the request.
    path: &'static str,
    /// Whether a token comes with it.
    token: bool,
    /// `log.level`.
    log: &'static str,
}

/// Names of whole requests, and what they are.
pub const REQUESTS: [(&str, Asked); 3] = [
    ("request/public", Asked { path: "/public/orders/17?expand=lines", token: false, log: QUIET }),
    ("request/protected", Asked { path: "/api/orders/17?expand=lines", token: true, log: QUIET }),
    ("request/protected_logged", Asked { path: "/api/orders/17?expand=lines", token: true, log: "info" }),
];

/// Tells when it is ready and nothing about requests.
const QUIET: &str = "warn,gateward::app=info";
/// Threads that do nothing for a request. Linux cuts names to 15 bytes.
const BY_THE_CLOCK: [&str; 3] = ["gateward-auth", "sqlite", "Timer thread"];
const PASSWORD: &str = "seven purple otters juggle";

/// Instructions for each request, and the names of the gateway's threads.
pub fn count(asked: Asked, load: Load) -> (Profile, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let config = write_config(directory.path(), start_service(), asked.log);
    let token = token(&config);
    let mut gateway =
        Counted::start(gateward(), &["serve", "--config", config.to_str().unwrap()], directory.path());
    let address = wait_until_ready(&mut gateway);
    let authorization =
        if asked.token { format!("Authorization: Bearer {token}\r\n") } else { String::new() };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: shop.example.org\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\n\
         Accept-Encoding: gzip\r\n{authorization}\r\n",
        asked.path
    );
    let mut clients = Clients::connect(address, load.connections, request.into_bytes());
    clients.send(load.requests / 2);
    gateway.forget();
    clients.send(load.requests);
    let fewer = gateway.take(&BY_THE_CLOCK);
    clients.send(3 * load.requests);
    let more = gateway.take(&BY_THE_CLOCK);
    let sent = |requests: usize| requests / load.connections * load.connections;
    let difference = u32::try_from(sent(3 * load.requests) - sent(load.requests)).unwrap();
    (fewer.each_of(&more, f64::from(difference)), gateway.threads())
}

fn gateward() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_gateward"))
}

fn write_config(directory: &Path, service: SocketAddr, log: &str) -> PathBuf {
    let file = directory.join("config.toml");
    let config = format!(
        r#"
        [server]
        listen = "127.0.0.1:0"
        admin_listen = "127.0.0.1:0"
        threads = 1
        data_dir = "{data}"
        max_requests_per_connection = 0
        [log]
        level = "{log}"
        format = "json"
        [token]
        access_lifetime = "24h"
        [password]
        bcrypt_cost = 10
        [revocation]
        max_staleness = "1m" # valgrind is slow, and so may the machine be
        [[upstream]]
        name = "service"
        servers = ["{service}"]
        [[route]]
        path = "/public"
        upstream = "service"
        access = "public"
        [[route]]
        path = "/api"
        upstream = "service"
        "#,
        data = directory.join("data").display(),
    );
    std::fs::write(&file, config).unwrap();
    file
}

/// An account and a token of it, made by the command line before the gateway starts.
fn token(config: &Path) -> String {
    command(config, &["user", "create", "ada@example.org", "--role", "staff"], PASSWORD);
    let listed = command(config, &["user", "list", "--json"], "");
    let account: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    let id = account["id"].as_str().unwrap();
    let minted =
        command(config, &["token", "mint", "--subject", id, "--scope", "read", "--lifetime", "24h"], "");
    minted.trim().to_owned()
}

fn command(config: &Path, arguments: &[&str], input: &str) -> String {
    let mut process = Command::new(gateward())
        .args(arguments)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(process.stdin.take().unwrap(), "{input}").unwrap();
    let output = process.wait_with_output().unwrap();
    if !output.status.success() {
        give_up(&format!("gateward {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).unwrap()
}

/// Where it listens, from its log; the rest of the log is read and thrown away.
fn wait_until_ready(gateway: &mut Counted) -> SocketAddr {
    let mut lines = BufReader::new(gateway.process().stderr.take().unwrap()).lines();
    let mut said = String::new();
    while let Some(Ok(line)) = lines.next() {
        let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if entry["message"] == "ready" {
            std::thread::spawn(move || lines.for_each(drop));
            return entry["listen"].as_str().unwrap().parse().unwrap();
        }
        said.push_str(&line);
        said.push('\n');
    }
    give_up(&format!("the gateway does not start under valgrind:\n{said}"))
}
