//! What the process uses, as Linux tells it. Elsewhere these families are absent.

use std::fs;

use prometheus::{Counter, IntGauge};

use super::families;
use super::register::Registrar;

/// Units of `utime` and `stime` in `/proc/self/stat`: `USER_HZ`, part of the kernel's interface and 100
/// on every architecture that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The handles, brought up to date when rendered.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    cpu: Counter,
    memory: IntGauge,
    open_fds: IntGauge,
}

impl ProcessMetrics {
    /// `None`, and nothing registered, where the operating system does not tell.
    pub(super) fn register(make: &Registrar<'_>) -> prometheus::Result<Option<Self>> {
        if usage().is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            cpu: make.counter(families::PROCESS_CPU)?,
            memory: make.int_gauge(families::PROCESS_MEMORY)?,
            open_fds: make.int_gauge(families::PROCESS_OPEN_FDS)?,
        }))
    }

    /// Reads the present usage. One caller at a time, or processor time is counted twice.
    pub(super) fn update(&self) {
        if let Some(usage) = usage() {
            self.cpu.inc_by((usage.cpu_seconds - self.cpu.get()).max(0.0));
            self.memory.set(usage.resident_bytes);
            self.open_fds.set(usage.open_fds);
        }
    }
}

/// One reading.
struct Usage {
    cpu_seconds: f64,
    resident_bytes: i64,
    open_fds: i64,
}

/// Reads `/proc/self`; `None` where there is none.
fn usage() -> Option<Usage> {
    let open_fds = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(Usage {
        cpu_seconds: cpu_seconds(&fs::read_to_string("/proc/self/stat").ok()?)?,
        resident_bytes: resident_bytes(&fs::read_to_string("/proc/self/status").ok()?)?,
        // The directory we read was open itself.
        open_fds: i64::try_from(open_fds.saturating_sub(1)).ok()?,
    })
}

/// Fields 14 and 15 of proc_pid_stat(5). The second field is the program's name in parentheses and may
/// hold anything, so counting starts behind its last parenthesis, at field 3.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

/// `VmRSS` of proc_pid_status(5), given in KiB.
fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_program_name() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(resident_bytes("Name:\ta\nVmRSS:\t    2048 kB\n"), Some(2 * 1024 * 1024));
        assert_eq!(resident_bytes("Name:\ta\n"), None);
    }
}
