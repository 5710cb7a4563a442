//! Running a command of the program and looking at how it ended.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::app::{StoreKind, TestApp};
use crate::support::process::Process;
use crate::support::services::services;

/// Longer than the program waits for a store that does not answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Standard output of a command that must have worked.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// Standard error of a command that must have ended with this code.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        assert_eq!(self.out, "", "a command that fails prints no result");
        self.err
    }
}

/// Runs a command to its end with this on standard input.
pub fn run(mut command: Command, input: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start(&mut command);
    let child = process.child();
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else { panic!("there are pipes") };
    // A command that reads nothing closes the pipe, which is fine.
    let _unread = stdin.write_all(input.as_bytes());
    drop(stdin);
    std::thread::scope(|scope| {
        let (out, err) = (scope.spawn(move || read(stdout)), scope.spawn(move || read(stderr)));
        let Some(status) = process.wait(DEADLINE) else {
            process.kill();
            panic!("it still runs: {}", err.join().unwrap());
        };
        let code = status.code().expect("it ended by itself");
        Ran { code, out: out.join().unwrap(), err: err.join().unwrap() }
    })
}

fn read(mut pipe: impl Read) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

/// A folder to run commands in, with nothing in the environment but what the test sets.
pub struct Workplace {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Workplace {
    /// An empty folder.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    /// One whose environment names an empty store of this kind, and the cheapest hash.
    pub fn on(kind: StoreKind) -> Self {
        let place = Self::new().env("GATEWARD__PASSWORD__BCRYPT_COST", "10");
        match kind {
            StoreKind::Embedded => place,
            StoreKind::Postgres => place
                .env("GATEWARD__STORE__KIND", "postgres")
                .env("DATABASE_URL", &services().new_database())
                .env("REDIS_URL", &services().redis_url())
                .env("GATEWARD__REDIS__KEY_PREFIX", &services().new_key_prefix()),
        }
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file.
    pub fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    /// Where a file of this name is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `gateward` with these arguments, separated by spaces.
    pub fn gateward(&self, arguments: &str) -> Ran {
        self.gateward_reading(arguments, "")
    }

    /// The same with something on standard input.
    pub fn gateward_reading(&self, arguments: &str, input: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateward"));
        command.args(arguments.split_whitespace()).env_clear().envs(self.environment.clone());
        command.current_dir(self.folder.path());
        run(command, input)
    }
}

/// Runs `gateward` as the operator of a running program, with its configuration.
pub fn operate(app: &TestApp, arguments: &str) -> Ran {
    operate_reading(app, arguments, "")
}

/// The same with something on standard input.
pub fn operate_reading(app: &TestApp, arguments: &str, input: &str) -> Ran {
    let arguments: Vec<&str> = arguments.split_whitespace().chain(["--config", "config.toml"]).collect();
    run(app.command(&arguments), input)
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
