//! The kept counts, and what is said of new ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

/// More of it is a failure, less of it is worth a new baseline.
const TOLERATED: f64 = 0.05;

/// Counts by name, and where they were taken.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Baseline {
    /// What has to be the same for counts to be comparable.
    pub made_with: Tools,
    /// Instructions by name.
    pub instructions: BTreeMap<String, u64>,
}

/// Compiler, counter and processor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Tools {
    /// The compiler's version.
    pub rustc: String,
    /// For which processors it compiled.
    pub target_cpu: String,
    /// Valgrind's version.
    pub valgrind: String,
    /// The machine's processor: libraries choose their code by it.
    pub processor: String,
}

/// What a count is, beside the kept one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    /// As it was, or nearly: by how much more, as a part of 1.
    Held(f64),
    /// Too much more.
    Grew(f64),
    /// So much less that the kept one would let it grow back unseen.
    Fell(f64),
    /// There is no kept one.
    Unknown,
}

impl Tools {
    /// Those of this run.
    pub fn here(valgrind: String) -> Self {
        let version = Command::new("rustc").arg("--version").output();
        let rustc = version.map_or_else(
            |_| "unknown".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        );
        let target_cpu = match () {
            () if cfg!(target_feature = "avx512f") => "x86-64-v4",
            () if cfg!(target_feature = "avx2") => "x86-64-v3",
            () if cfg!(target_feature = "sse4.2") => "x86-64-v2",
            () => std::env::consts::ARCH,
        };
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let processor = model.map_or("unknown", |(_, name)| name).to_owned();
        Self { rustc, target_cpu: target_cpu.to_owned(), valgrind, processor }
    }

    /// What differs, in words.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        [
            ("compiler", &self.rustc, &other.rustc),
            ("target CPU", &self.target_cpu, &other.target_cpu),
            ("valgrind", &self.valgrind, &other.valgrind),
            ("processor", &self.processor, &other.processor),
        ]
        .into_iter()
        .filter(|(_, this, other)| this != other)
        .map(|(what, this, other)| format!("{what}: kept {this:?}, here {other:?}"))
        .collect()
    }
}

impl Baseline {
    fn file() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/guard/baseline.toml"))
    }

    /// The kept one, if there is one.
    pub fn read() -> Option<Self> {
        Some(toml::from_str(&std::fs::read_to_string(Self::file()).ok()?).expect("a baseline"))
    }

    /// What is to be said of a count.
    pub fn judge(&self, name: &str, count: f64) -> Finding {
        let Some(kept) = self.instructions.get(name) else { return Finding::Unknown };
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let more = count / *kept as f64 - 1.0;
        if more > TOLERATED {
            Finding::Grew(more)
        } else if more < -TOLERATED {
            Finding::Fell(more)
        } else {
            Finding::Held(more)
        }
    }

    /// Keeps this one.
    pub fn write(&self) {
        let Tools { rustc, target_cpu, valgrind, processor } = &self.made_with;
        let mut text = format!(
            "# Instructions of each thing that `make bench-guard` counts; written by `make bench-guard UPDATE=1`.\n\
             # A count that is more than 5 % higher fails it. Kept with the change that raises or lowers a count, and why.\n\n\
             [made_with]\nrustc = {rustc:?}\ntarget_cpu = {target_cpu:?}\nvalgrind = {valgrind:?}\n\
             processor = {processor:?}\n\n[instructions]\n"
        );
        for (name, count) in &self.instructions {
            writeln!(text, "{name:?} = {count}").unwrap();
        }
        std::fs::write(Self::file(), text).unwrap();
    }
}
