//! The load: the one place that knows which program makes it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::place::Place;
use super::setups::Drive;

/// Always of this build, whatever gateway is measured.
const LOADTEST: &str = env!("CARGO_BIN_EXE_gateward");

/// The program that makes the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `gateward loadtest`: judges every answer, for about 10 us of its core.
    Loadtest,
    /// Looks at the status alone, for about 8 us; somebody else's program, to compare.
    Wrk,
}

impl Tool {
    /// As one types it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::Loadtest => "gateward loadtest",
        }
    }
}

/// What a load saw.
pub struct Load {
    /// Answers.
    pub answers: u64,
    pub span: Duration,
}

/// Drives one path over 64 connections for some seconds. `tokens`: a file with one token a line behind its kind, used in
/// turn; nothing in the line is a request without one.
///
/// # Panics
/// When an answer was not the right one, or did not come.
pub fn drive(place: &Place, address: SocketAddr, drive: Drive, tokens: &Path, seconds: u64) -> Load {
    let url = format!("http://{address}{}", if drive == Drive::Public { "/public" } else { "/private" });
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "taskset", "--cpu-list", &place.load_cores]).env_clear();
    if let Ok(path) = std::env::var("PATH") {
        command.env("PATH", path);
    }
    match place.tool {
        Tool::Wrk => wrk(place, command, &url, tokens, seconds),
        Tool::Loadtest => loadtest(command, &url, drive, tokens, seconds),
    }
}

fn wrk(place: &Place, mut command: Command, url: &str, tokens: &Path, seconds: u64) -> Load {
    let script = place.fill("wrk.lua", "wrk.lua", &[]);
    let output = command
        .args(["wrk", "--threads", "1", "--connections", "64", "--timeout", "10s"])
        .args(["--duration", &format!("{seconds}s"), "--script"])
        .arg(script)
        .args([url, "--"])
        .arg(tokens)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with('{'));
    let said: Value = serde_json::from_str(line.unwrap_or_else(|| panic!("wrk: {text}{output:?}"))).unwrap();
    let count = |name: &str| said[name].as_u64().unwrap();
    for kind in ["not_2xx", "failed_connects", "failed_reads", "failed_writes", "timeouts"] {
        assert_eq!(count(kind), 0, "{url}: {said}");
    }
    Load { answers: count("answers"), span: Duration::from_micros(count("microseconds")) }
}

fn loadtest(mut command: Command, url: &str, drive: Drive, tokens: &Path, seconds: u64) -> Load {
    command.arg(LOADTEST).args(["loadtest", "--url", url, "--json", "--connections", "64", "--threads", "1"]);
    command.args(["--warm-up", "0s", "--duration", &format!("{seconds}s")]);
    match drive {
        Drive::Public => command.args(["--mix", "absent=1", "--expect-public"]),
        Drive::Warm => command.args(["--mix", "valid=1", "--tokens"]).arg(tokens),
        Drive::Cold => command.args(["--mix", "cold=1", "--tokens"]).arg(tokens),
    };
    let output = command.output().unwrap();
    assert!(output.status.success(), "{url}: {output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["wrong"] == 0 && said["errors"] == 0, "{url}: {said}");
    let seconds = said["duration_seconds"].as_f64().unwrap();
    Load { answers: said["answers"].as_u64().unwrap(), span: Duration::from_secs_f64(seconds) }
}
