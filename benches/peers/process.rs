//! Programs that run beside each other on chosen cores, and what they use.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a program may take to listen. A million revocations are loaded meanwhile.
const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(5);

/// A program that runs until this is dropped, and its children.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `program` on `cores`; what it prints goes to `log`.
    pub fn start(cores: &str, program: &Path, arguments: &[&str], log: &Path) -> Self {
        let out = File::create(log).unwrap();
        // `setpriv` execs `taskset`, which execs the program: it is our child, and ends when we are killed.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "taskset", "--cpu-list", cores])
            .arg(program)
            .args(arguments)
            // Not what configures the gateway in the caller's shell, nor a `.env` where the caller stands.
            .env_clear()
            .envs(std::env::var("PATH").map(|path| ("PATH", path)))
            .current_dir(log.parent().unwrap())
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .expect("setpriv and taskset, of util-linux");
        Self { child }
    }

    /// Waits until something listens there.
    pub fn wait_for(&mut self, address: SocketAddr, log: &Path) {
        let until = Instant::now() + READY_WITHIN;
        while TcpStream::connect(address).is_err() {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > until {
                panic!("does not listen: {}", std::fs::read_to_string(log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// This process and all below it.
    fn family(&self) -> Vec<u32> {
        let mut parents = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            // The second field is the name in parentheses; the parent is the second one behind it.
            let parent = stat.rsplit(')').next().unwrap_or_default().split(' ').nth(2).unwrap_or_default();
            parents.push((process, parent.parse().unwrap_or(0)));
        }
        let mut family = vec![self.child.id()];
        let mut at = 0;
        while at < family.len() {
            let above = family[at];
            family.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(process, _)| *process));
            at += 1;
        }
        family
    }

    /// Processor time of all threads so far, as the scheduler counts it (nanoseconds, not ticks).
    pub fn processor_time(&self) -> Duration {
        let mut nanoseconds = 0;
        for process in self.family() {
            let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { continue };
            for thread in threads.flatten() {
                let counted = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
                nanoseconds += counted.split(' ').next().and_then(|run| run.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Duration::from_nanos(nanoseconds)
    }

    /// Memory in bytes. Pages that processes of the family share count once.
    pub fn memory(&self) -> u64 {
        let proportional = |process: u32| {
            let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:").map(str::to_owned));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        self.family().into_iter().map(proportional).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _gone = kill(id, Signal::SIGTERM);
        let until = Instant::now() + STOPPED_WITHIN;
        while Instant::now() < until {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ended = (self.child.kill(), self.child.wait());
    }
}

/// An address where nobody listens.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
