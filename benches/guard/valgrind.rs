//! Runs programs under callgrind.
//!
//! Two ways. A micro case is a process of its own that counts only inside one function (`--toggle-collect`), so that what it
//! prepares costs nothing. A gateway is asked from outside, while it runs, for what it did since the last time (`vgdb`).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::profile::Profile;

/// Valgrind's version, as it writes it.
///
/// Exits with a word about how to get it when it does not run.
pub fn version() -> String {
    let output = Command::new("valgrind").arg("--version").output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(output) => {
            give_up(&format!("valgrind does not run: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Err(error) => {
            give_up(&format!("valgrind does not run: {error}; `scripts/setup.sh guard` installs it"))
        }
    }
}

/// Ends this process as failed.
pub fn give_up(why: &str) -> ! {
    eprintln!("bench-guard: {why}");
    std::process::exit(1)
}

fn callgrind(directory: &Path, out: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command
        // `rep movsb`, with which the C library copies more than 2 KiB, counts as an instruction a byte, which is far from what it
        // costs: these copy by vectors.
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824",
        )
        .arg("--tool=callgrind")
        .arg("--quiet")
        .arg(format!("--vgdb-prefix={}", directory.join("vgdb").display()))
        .arg(format!("--callgrind-out-file={}", out.display()));
    command
}

/// What `program` costs inside the function of this name.
pub fn count(program: &Path, arguments: &[&str], inside: &str) -> Profile {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let mut command = callgrind(directory.path(), &out);
    command.arg("--vgdb=no").arg(format!("--toggle-collect={inside}")).arg(program).args(arguments);
    let output = command.stdin(Stdio::null()).output().unwrap();
    if !output.status.success() {
        give_up(&format!(
            "{} {arguments:?} failed under valgrind ({}): {}",
            program.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Profile::read(&out, |_| true)
}

/// A program that runs and is asked now and then. Ended on drop.
pub struct Counted {
    process: Child,
    directory: PathBuf,
    dumps: u32,
}

impl Counted {
    /// Starts it; what valgrind leaves goes into the directory. Its standard error is a pipe.
    pub fn start(program: &Path, arguments: &[&str], directory: &Path) -> Self {
        let process = callgrind(directory, &directory.join("out"))
            .arg("--separate-threads=yes")
            .arg(program)
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { process, directory: directory.to_owned(), dumps: 0 }
    }

    /// The process.
    pub fn process(&mut self) -> &mut Child {
        &mut self.process
    }

    fn ask(&self, what: &str) {
        let output = Command::new("vgdb")
            .arg(format!("--pid={}", self.process.id()))
            .arg(format!("--vgdb-prefix={}", self.directory.join("vgdb").display()))
            .arg("--cmd-time-out=60")
            .arg(what)
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) if output.status.success() => {}
            Ok(output) => give_up(&format!(
                "valgrind does not obey `vgdb {what}`: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
            Err(error) => give_up(&format!("vgdb, a part of valgrind, does not run: {error}")),
        }
    }

    /// Forgets what was counted so far.
    pub fn forget(&self) {
        self.ask("zero");
    }

    /// What was counted since it started or was last asked, but for threads of these names.
    pub fn take(&mut self, but: &[&str]) -> Profile {
        self.ask("dump");
        self.dumps += 1;
        let threads = self.threads();
        let name = |number: u32| usize::try_from(number).ok().and_then(|number| threads.get(number - 1));
        let counts = |number| !name(number).is_some_and(|name| but.contains(&name.as_str()));
        Profile::read(&self.directory.join(format!("out.{}", self.dumps)), counts)
    }

    /// Names of its threads, in the order of callgrind's numbers.
    pub fn threads(&self) -> Vec<String> {
        let tasks = format!("/proc/{}/task", self.process.id());
        let mut ids: Vec<u32> = std::fs::read_dir(&tasks)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        ids.sort_unstable();
        let name = |id| std::fs::read_to_string(format!("{tasks}/{id}/comm")).unwrap().trim().to_owned();
        ids.into_iter().map(name).collect()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let _ended = (self.process.kill(), self.process.wait());
    }
}
