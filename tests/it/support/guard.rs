//! Nothing stays behind: the guard that outlives the test process and cleans up after it.
//!
//! `Drop` alone cannot promise that: statics are never dropped, and nothing runs after a Ctrl-C or a
//! `kill -9`. So a small shell script (`guard.sh`) waits on a pipe that only this process holds. What
//! this process starts is written to the pipe; when the pipe closes, for whatever reason, the script
//! stops the processes and removes the directories.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

const SCRIPT: &str = include_str!("guard.sh");

/// The running script and our end of its pipe.
pub struct Guard {
    pipe: Mutex<ChildStdin>,
    script: Child,
}

impl Guard {
    /// Starts a guard. Tests use [`guard`]; the guard's own test starts another.
    pub fn start() -> Self {
        let mut script = Command::new("sh")
            .args(["-c", SCRIPT, "gateward-test-guard"])
            .current_dir("/") // so that it never keeps a directory busy
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Standard error stays ours: who collects the test's output through a pipe sees its end
            // only when the clean-up is done.
            .spawn()
            .expect("sh starts the guard script");
        let pipe = script.stdin.take().expect("the guard's standard input is a pipe");
        Self { pipe: Mutex::new(pipe), script }
    }

    /// A process to end. Tell [`Guard::forget`] when it was waited for.
    pub fn end_process(&self, pid: u32) {
        self.tell(&format!("kill {pid}"));
    }

    /// A process that is gone.
    pub fn forget(&self, pid: u32) {
        self.tell(&format!("forget {pid}"));
    }

    /// The data directory of a PostgreSQL server to end. Told before the server starts; nothing
    /// happens for a directory without a running server.
    pub fn end_cluster(&self, data: &Path) {
        self.tell(&format!("pg {}", data.display()));
    }

    /// A directory to remove. Its path holds `gateward-it-`.
    pub fn remove(&self, directory: &Path) {
        self.tell(&format!("rm {}", directory.display()));
    }

    /// Closes the pipe, as the end of this process would, and waits for the clean-up.
    pub fn finish(self) {
        let Self { pipe, mut script } = self;
        drop(pipe);
        let status = script.wait().expect("the guard can be waited for");
        assert!(status.success(), "the guard ended with {status}");
    }

    fn tell(&self, line: &str) {
        let mut pipe = self.pipe.lock().expect("no writer panicked");
        writeln!(pipe, "{line}").expect("the guard reads its pipe");
    }
}

/// The guard of this test process.
pub fn guard() -> &'static Guard {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    GUARD.get_or_init(Guard::start)
}

/// A new directory below the one temporary directory of this test process, which the guard removes.
///
/// Others may pass through it (0755): the PostgreSQL server may run as another user.
pub fn scratch_dir(name: &str) -> PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let root = tempfile::Builder::new()
            .prefix("gateward-it-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(temporary_root())
            .expect("a temporary directory can be made")
            .keep();
        guard().remove(&root);
        root
    });
    tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(root)
        .expect("a directory can be made in the temporary directory")
        .keep()
}

/// The system's temporary directory; `/tmp` if other users could not reach into that one.
fn temporary_root() -> PathBuf {
    let chosen = std::env::temp_dir();
    let open = chosen
        .ancestors()
        .all(|part| part.metadata().is_ok_and(|found| found.permissions().mode() & 0o001 != 0));
    if open || !nix::unistd::geteuid().is_root() { chosen } else { PathBuf::from("/tmp") }
}
