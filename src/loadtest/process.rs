//! What a process and its children used of the machine, as Linux tells in `/proc`.
//!
//! CPU time is the sum over threads of `schedstat`, in nanoseconds; the ticks of `stat` (10 ms each) also know threads
//! that have ended, and are taken instead when they tell of more.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Ticks a second of `/proc/PID/stat`: `USER_HZ`, which is 100 wherever Linux runs.
const TICK: Duration = Duration::from_millis(10);
/// Processes and threads that are looked at.
const MOST: usize = 4096;

/// A process with its children, at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    threads: BTreeMap<u32, Duration>,
    ticks: BTreeMap<u32, Duration>,
    /// Resident memory now, of all.
    pub(super) resident: u64,
    /// The largest that each was so far, added up.
    pub(super) largest: u64,
}

impl Usage {
    /// Of `pid` and the processes below it.
    ///
    /// # Errors
    /// There is no such process, or no `/proc`.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        Self::read(Path::new("/proc"), pid)
    }

    fn read(proc: &Path, pid: u32) -> io::Result<Self> {
        let mut usage = Self::default();
        let status = fs::read_to_string(proc.join(format!("{pid}/status")))?;
        usage.add(proc, pid, &status);
        for child in descendants(proc, pid) {
            // One that ends meanwhile is not counted.
            if let Ok(status) = fs::read_to_string(proc.join(format!("{child}/status"))) {
                usage.add(proc, child, &status);
            }
        }
        Ok(usage)
    }

    fn add(&mut self, proc: &Path, pid: u32, status: &str) {
        self.resident = self.resident.saturating_add(kilobytes(status, "VmRSS:"));
        self.largest = self.largest.saturating_add(kilobytes(status, "VmHWM:"));
        if let Some(stat) = stat(proc, pid) {
            self.ticks.insert(pid, stat.cpu);
        }
        for thread in numbers(&proc.join(format!("{pid}/task"))) {
            let text = fs::read_to_string(proc.join(format!("{pid}/task/{thread}/schedstat")));
            let nanos = text.ok().and_then(|text| text.split(' ').next()?.parse().ok());
            if let Some(nanos) = nanos {
                self.threads.insert(thread, Duration::from_nanos(nanos));
            }
        }
    }

    /// How many processes.
    pub(super) fn processes(&self) -> usize {
        self.ticks.len()
    }

    /// CPU time used from `earlier` to this.
    pub(super) fn cpu_since(&self, earlier: &Self) -> Duration {
        let used = |now: &BTreeMap<u32, Duration>, then: &BTreeMap<u32, Duration>| -> Duration {
            now.iter().map(|(id, cpu)| cpu.saturating_sub(then.get(id).copied().unwrap_or_default())).sum()
        };
        let fine = used(&self.threads, &earlier.threads);
        let coarse = used(&self.ticks, &earlier.ticks);
        // Both counters of both moments are rounded down to a tick.
        let doubt =
            TICK.saturating_mul(u32::try_from(2 * self.ticks.len()).unwrap_or(u32::MAX)) + coarse / 50;
        if coarse > fine + doubt { coarse } else { fine }
    }
}

/// Children, their children and so on.
fn descendants(proc: &Path, pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> =
        numbers(proc).into_iter().filter_map(|id| Some((id, stat(proc, id)?.parent))).collect();
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        let children =
            parents.iter().filter(|(id, of)| *of == parent && !found.contains(id)).map(|(id, _)| *id);
        let children: Vec<_> = children.take(MOST.saturating_sub(found.len())).collect();
        found.extend(children);
        at += 1;
    }
    found.split_off(1)
}

struct Stat {
    parent: u32,
    cpu: Duration,
}

/// proc_pid_stat(5): field 2 is the name in brackets, which may hold anything; 4 the parent, 14 and 15 the ticks.
fn stat(proc: &Path, pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(proc.join(format!("{pid}/stat"))).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, cpu: TICK * ticks(11)?.saturating_add(ticks(12)?) })
}

/// The names in a folder that are numbers.
fn numbers(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn kilobytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process under `/proc`: pid, parent, ticks, and its threads with their nanoseconds.
    fn process(proc: &Path, pid: u32, parent: u32, ticks: u32, threads: &[(u32, u64)]) {
        let folder = proc.join(pid.to_string());
        let _again = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let stat = format!("{pid} (a ) b) S {parent} 1 1 0 -1 0 0 0 0 0 {ticks} 1 0 0 20 0 1 0 1 1 1\n");
        fs::write(folder.join("stat"), stat).unwrap();
        fs::write(folder.join("status"), "Name:\tx\nVmHWM:\t  2000 kB\nVmRSS:\t  1000 kB\n").unwrap();
        for (thread, nanos) in threads {
            let task = folder.join(format!("task/{thread}"));
            fs::create_dir_all(&task).unwrap();
            fs::write(task.join("schedstat"), format!("{nanos} 5 7\n")).unwrap();
        }
    }

    #[test]
    fn children_count_and_others_do_not() {
        let proc = tempfile::tempdir().unwrap();
        let write = |ticks, nanos| {
            process(proc.path(), 10, 1, ticks, &[(10, nanos)]);
            process(proc.path(), 11, 10, ticks, &[(11, nanos), (12, nanos)]);
            process(proc.path(), 13, 11, ticks, &[(13, nanos)]);
            process(proc.path(), 20, 1, ticks, &[(20, nanos)]);
        };
        write(100, 1_000_000);
        let before = Usage::read(proc.path(), 10).unwrap();
        assert_eq!((before.processes(), before.resident, before.largest), (3, 3_072_000, 6_144_000));
        write(100, 1_500_000);
        let after = Usage::read(proc.path(), 10).unwrap();
        assert_eq!(after.cpu_since(&before), Duration::from_nanos(2_000_000));
        assert!(Usage::read(proc.path(), 99).is_err());
    }

    #[test]
    fn the_time_of_threads_that_ended_is_not_lost() {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 10, 1, 100, &[(10, 0), (11, 900_000_000)]);
        let before = Usage::read(proc.path(), 10).unwrap();
        process(proc.path(), 10, 1, 200, &[(10, 1_000)]);
        let after = Usage::read(proc.path(), 10).unwrap();
        assert_eq!(after.cpu_since(&before), Duration::from_secs(1));
    }

    #[test]
    fn this_process_is_found() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident > 0 && usage.processes() > 0);
    }
}
