//! The program under test, started as its users start it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reqwest::Client;

pub use super::app_config::{AppBuilder, StoreKind};
pub use super::app_http::PASSWORD;
pub(crate) use super::both_kinds::both_kinds;
use super::guard::scratch_dir;
use super::output::Output;
use super::ports::free_address;
use super::process::Process;
use super::recorder::Recorder;
use super::wait::eventually;

const READY_DEADLINE: Duration = Duration::from_secs(20);
const STOP_DEADLINE: Duration = Duration::from_secs(20);
const START_ATTEMPTS: u32 = 5;

/// A running program with its own ports, data directory and recording upstream. Killed on drop.
pub struct TestApp {
    /// Where clients connect.
    pub address: SocketAddr,
    /// Where operators connect.
    pub admin_address: SocketAddr,
    /// The default upstream.
    pub recorder: Recorder,
    /// A client without proxy that follows no redirects.
    pub client: Client,
    directory: PathBuf,
    has_config: bool,
    environment: Vec<(String, String)>,
    open_files: Option<u32>,
    process: Option<Process>,
    output: Output,
}

impl TestApp {
    /// Settings for a program on the embedded store.
    pub fn embedded() -> AppBuilder {
        AppBuilder::new(StoreKind::Embedded)
    }

    /// Settings for a program on the shared PostgreSQL and Redis.
    pub fn postgres() -> AppBuilder {
        AppBuilder::new(StoreKind::Postgres)
    }

    /// Settings for a program on its defaults, but for the cost of a hash.
    pub fn unconfigured_with_cheap_hashes() -> AppBuilder {
        AppBuilder::unconfigured().env("GATEWARD__PASSWORD__BCRYPT_COST", "10")
    }

    /// Settings for a program on this kind of store.
    pub fn of(kind: StoreKind) -> AppBuilder {
        AppBuilder::new(kind)
    }

    pub(super) async fn start(mut builder: AppBuilder) -> Self {
        let directory = scratch_dir("app");
        for attempt in 1.. {
            let (address, admin_address) = (free_address(), free_address());
            builder.listen(address, admin_address);
            if let Some(config) = &builder.config {
                let path = directory.join("config.toml");
                std::fs::write(path, config.to_string()).expect("the configuration file is written");
            }
            let mut app = Self {
                address,
                admin_address,
                recorder: builder.recorder,
                client: client(),
                directory: directory.clone(),
                has_config: builder.config.is_some(),
                environment: builder.environment.clone(),
                open_files: builder.open_files,
                process: None,
                output: Output::default(),
            };
            match app.launch().await {
                Ok(()) => return app,
                Err(problem) => {
                    let log = app.log_lines().join("\n");
                    let clash = log.to_lowercase().contains("in use");
                    assert!(clash && attempt < START_ATTEMPTS, "the program {problem}:\n{log}");
                    // Take apart what the next attempt needs; the directory stays.
                    app.process = None;
                    builder.recorder = std::mem::replace(&mut app.recorder, Recorder::start());
                    app.directory = PathBuf::new();
                }
            }
        }
        unreachable!("the last attempt returns or panics");
    }

    /// Runs the program and waits until it says that it is ready.
    async fn launch(&mut self) -> Result<(), String> {
        let mut command = self.command(&["serve"]);
        if self.has_config {
            command.arg("--config").arg(self.config_file());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        self.output.follow(process.child());
        self.process = Some(process);

        let until = Instant::now() + READY_DEADLINE;
        loop {
            if let Some(status) = self.process.as_mut().and_then(Process::ended) {
                self.output.finish();
                return Err(format!("ended at once with {status}"));
            }
            let answer = self.client.get(self.admin_url("/readyz")).send().await;
            let last = match answer {
                Ok(answer) if answer.status() == 200 => return Ok(()),
                Ok(answer) => format!("/readyz: {}", answer.status()),
                Err(error) => format!("/readyz: {error}"),
            };
            if Instant::now() > until {
                return Err(format!("was not ready after {READY_DEADLINE:?} ({last})"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The program with these arguments, this app's environment and directory: for other subcommands.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_gateward");
        let mut command = match self.open_files {
            None => Command::new(program),
            Some(limit) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\""), program]);
                shell
            }
        };
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.environment.clone())
            // Its own, so that no `.env` or `.gateward` of the checkout is found.
            .current_dir(self.working_dir());
        command
    }

    /// Asks the program to stop (SIGTERM) and waits. How it ended.
    ///
    /// # Panics
    /// When it does not stop within 20 s.
    pub async fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the program runs");
        process.signal(Signal::SIGTERM);
        let until = Instant::now() + STOP_DEADLINE;
        loop {
            if let Some(status) = process.ended() {
                self.output.finish();
                return status;
            }
            assert!(Instant::now() < until, "the program does not stop:\n{}", self.log_lines().join("\n"));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends the program at once, as `kill -9` or a power cut would.
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
            self.output.finish();
        }
    }

    /// Starts it again after [`TestApp::stop`] or [`TestApp::kill9`] (killing it first if it runs),
    /// with the same configuration, ports and data.
    ///
    /// # Panics
    /// With the program's output, when it does not get ready.
    pub async fn restart(&mut self) {
        self.kill9();
        if let Err(problem) = self.launch().await {
            panic!("after the restart the program {problem}:\n{}", self.log_lines().join("\n"));
        }
    }

    /// Sends the program a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process.as_mut().expect("the program runs").signal(signal);
    }

    /// How the program ended, if it did by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(Process::ended)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the program runs").id()
    }

    /// Where it runs; relative paths of its configuration start here.
    pub fn working_dir(&self) -> &Path {
        &self.directory
    }

    /// Where its configuration lies, if it has one.
    pub fn config_file(&self) -> PathBuf {
        self.directory.join("config.toml")
    }

    /// Everything it wrote so far to standard output and standard error, over all restarts.
    pub fn log_lines(&self) -> Vec<String> {
        self.output.lines()
    }

    /// Waits for a line of output.
    ///
    /// # Panics
    /// When none fits within 10 s.
    pub async fn wait_for_log(&self, mut fits: impl FnMut(&str) -> bool) -> String {
        let mut found = None;
        let happened = eventually(Duration::from_secs(10), || {
            found = self.log_lines().into_iter().find(|line| fits(line));
            std::future::ready(found.is_some())
        })
        .await;
        assert!(happened, "no such line in the log:\n{}", self.log_lines().join("\n"));
        found.unwrap_or_default()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.kill9();
        // What is left goes with the guard.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A client that ignores proxies of the environment and shows redirects instead of following them.
pub fn client() -> Client {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client can be built")
}
