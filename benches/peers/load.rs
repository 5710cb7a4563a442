//! The load: the one place that knows which program makes it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::place::Place;

/// What a load saw.
pub struct Load {
    /// Answers.
    pub answers: u64,
    pub span: Duration,
}

/// Drives one path over 64 connections for some seconds. `tokens`: a file with one token a line, used in turn; an empty
/// line is a request without one.
///
/// # Panics
/// When an answer was not 2xx, or did not come.
pub fn drive(place: &Place, address: SocketAddr, path: &str, tokens: &Path, seconds: u64) -> Load {
    let script = place.fill("wrk.lua", "wrk.lua", &[]);
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "taskset", "--cpu-list", &place.load_cores])
        .args(["wrk", "--threads", "1", "--connections", "64"])
        .args(["--duration", &format!("{seconds}s"), "--script"])
        .arg(script)
        .arg(format!("http://{address}{path}"))
        .arg("--")
        .arg(tokens)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with('{'));
    let said: Value = serde_json::from_str(line.unwrap_or_else(|| panic!("wrk: {text}{output:?}"))).unwrap();
    let count = |name: &str| said[name].as_u64().unwrap();
    for kind in ["not_2xx", "failed_connects", "failed_reads", "failed_writes", "timeouts"] {
        assert_eq!(count(kind), 0, "{path}: {said}");
    }
    Load { answers: count("answers"), span: Duration::from_micros(count("microseconds")) }
}
