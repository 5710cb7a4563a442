//! What a run ran on: words for the report.

use std::path::Path;
use std::process::Command;

use super::load::Tool;
use super::place::{Place, uvicorn};

/// The machine, its state, and the versions of everything that took part; as sentences.
pub struct Machine {
    pub date: String,
    pub hardware: String,
    pub load_before: String,
    pub versions: String,
}

impl Machine {
    /// Asks the system and the programs.
    pub fn ask(place: &Place) -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split(':').nth(1).unwrap_or("unknown").trim().to_owned()
        };
        let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let kib: u64 = field(&memory, "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
        let kernel = read("/proc/sys/kernel/osrelease");
        let virtual_machine =
            if field(&processors, "flags").contains("hypervisor") { ", virtual machine" } else { "" };
        Self {
            date: time::OffsetDateTime::now_utc().date().to_string(),
            hardware: format!(
                "{}, {cores} cores{virtual_machine}, {} GiB; Linux {}",
                field(&processors, "model name"),
                (kib + (1 << 19)) >> 20,
                kernel.split('-').next().unwrap_or_default().trim(),
            ),
            load_before: read("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned(),
            versions: versions(place),
        }
    }
}

fn versions(place: &Place) -> String {
    let revision = match place.own_build {
        true => output("git".as_ref(), &["rev-parse", "--short", "HEAD"]),
        false => "another build".to_owned(),
    };
    let lock = include_str!("../../Cargo.lock");
    let pingora =
        lock.split("name = \"pingora\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
    let mut all = vec![
        format!("Gateward {} ({})", word(&output(&place.gateward, &["--version"]), 1), revision.trim()),
        format!("pingora {}", pingora.unwrap_or("unknown")),
    ];
    if let Some(program) = Place::program("nginx") {
        all.push(format!("nginx {}", word(&output(&program, &["-v"]), 2).trim_start_matches("nginx/")));
    }
    if let Some(program) = Place::program("haproxy") {
        all.push(format!("HAProxy {}", word(&output(&program, &["-v"]), 2)));
    }
    if let Some(program) = Place::program("redis-server") {
        all.push(format!("Redis {}", word(&output(&program, &["--version"]), 2).trim_start_matches("v=")));
    }
    if let Some(python) = uvicorn().map(|file| file.with_file_name("python")) {
        let ask = "import sys; from importlib.metadata import version as v; print('Python', sys.version.split()[0] + ',', \
                   ', '.join(n + ' ' + v(n) for n in ('fastapi', 'uvicorn', 'uvloop', 'PyJWT', 'redis', 'hiredis')))";
        all.push(output(&python, &["-c", ask]).trim().to_owned());
    }
    if let (Tool::Wrk, Some(program)) = (place.tool, Place::program("wrk")) {
        all.push(format!("wrk {}", word(&output(&program, &["-v"]), 1)));
    }
    all.join(", ")
}

/// What a program prints when it is run to its end; its errors too.
fn output(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn word(text: &str, number: usize) -> &str {
    text.split_whitespace().nth(number).unwrap_or("unknown")
}
