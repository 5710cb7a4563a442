//! Child processes that the guard knows of.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::guard::guard;

/// A child process, killed and waited for on drop.
pub struct Process {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts the command in a process group of its own: signals of the terminal go to the tests only.
    pub fn start(command: &mut Command) -> Self {
        let child = command
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", command.get_program().display()));
        guard().end_process(child.id());
        Self { child, ended: None }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The pipes of the child, to be taken once.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none()
            && let Some(status) = self.child.try_wait().expect("a child can be asked for its state")
        {
            guard().forget(self.child.id());
            self.ended = Some(status);
        }
        self.ended
    }

    /// Sends a signal, unless the process has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            send(self.child.id(), signal);
        }
    }

    /// Waits for the end. `None`: it still runs after `deadline`. Blocks the thread.
    pub fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + deadline;
        while self.ended().is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.ended
    }

    /// Ends it at once, as `kill -9`.
    pub fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::SIGKILL);
        self.wait(Duration::from_secs(10)).unwrap_or_else(|| ExitStatus::from_raw(9))
    }

    /// Stops the process and its children in place: they keep their sockets and answer nothing.
    pub fn pause(&mut self) {
        // The parent first, so that no child is born meanwhile.
        self.signal(Signal::SIGSTOP);
        self.signal_children(Signal::SIGSTOP);
    }

    /// The end of [`Process::pause`].
    pub fn resume(&mut self) {
        self.signal_children(Signal::SIGCONT);
        self.signal(Signal::SIGCONT);
    }

    fn signal_children(&mut self, signal: Signal) {
        if self.ended().is_none() {
            children_of(self.child.id()).into_iter().for_each(|child| send(child, signal));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a process with this id exists (a zombie does).
pub fn exists(pid: u32) -> bool {
    kill(system_pid(pid), None).is_ok()
}

fn send(pid: u32, signal: Signal) {
    // It may have ended a moment ago; who needs to know asks `ended`.
    let _ = kill(system_pid(pid), signal);
}

fn system_pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("a process id fits"))
}

/// The direct children of a process. PostgreSQL's backends leave its process group, so a signal to
/// the group would miss them.
pub fn children_of(parent: u32) -> Vec<u32> {
    let pairs = if std::path::Path::new("/proc/self/stat").exists() { from_proc() } else { from_ps() };
    pairs.into_iter().filter(|(_, its_parent)| *its_parent == parent).map(|(pid, _)| pid).collect()
}

fn from_proc() -> Vec<(u32, u32)> {
    let entries = std::fs::read_dir("/proc").expect("/proc is readable");
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // After the name in brackets, which may hold anything: state, parent, ...
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect()
}

fn from_ps() -> Vec<(u32, u32)> {
    let output = Command::new("ps").args(["-A", "-o", "pid=", "-o", "ppid="]).output().expect("ps runs");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect()
}
