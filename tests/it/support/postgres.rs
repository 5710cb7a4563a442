//! A PostgreSQL server of the tests' own.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};

use super::guard::{guard, scratch_dir};
use super::ports::free_address;
use super::process::Process;
use super::programs::postgres_programs;

/// The superuser of every cluster; loopback is trusted, so there is no password.
const SUPERUSER: &str = "gateward";
const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// How often a start is tried when somebody else took the port.
const START_ATTEMPTS: u32 = 5;

/// A cluster with its server, for one test that stops or pauses it. Ended on drop.
pub struct PrivatePostgres {
    programs: PathBuf,
    directory: PathBuf,
    address: SocketAddr,
    server: Option<Process>,
}

impl PrivatePostgres {
    /// Makes a cluster and starts its server. Takes a second or two.
    ///
    /// # Panics
    /// When the programs are missing or the server does not come up.
    pub fn start() -> Self {
        let programs = postgres_programs();
        let directory = scratch_dir("postgres");
        if let Some(user) = server_user() {
            std::os::unix::fs::chown(&directory, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                .expect("root may give a directory away");
        }
        let mut cluster = Self { programs, directory, address: free_address(), server: None };
        guard().end_cluster(&cluster.data());
        cluster.create();
        for _ in 0..START_ATTEMPTS {
            if cluster.try_start() {
                return cluster;
            }
            cluster.address = free_address();
        }
        panic!("PostgreSQL does not start:\n{}", cluster.log());
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@{}/{database}", self.address)
    }

    /// A fresh empty database; its URL.
    pub fn new_database(&self) -> String {
        let name = format!("gateward_{}", uuid::Uuid::now_v7().simple());
        let url = self.url("postgres");
        let statement = format!("CREATE DATABASE {name}");
        blocking(async move { run_sql(&url, &statement).await })
            .unwrap_or_else(|error| panic!("no new database: {error}\n{}", self.log()));
        self.url(&name)
    }

    /// Stops the server as its operator would ("fast": open transactions are rolled back).
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        server.resume();
        server.signal(Signal::SIGINT);
        assert!(server.wait(STOP_DEADLINE).is_some(), "PostgreSQL does not stop:\n{}", self.log());
    }

    /// Starts it again, on the same port with the same data.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "stop it first");
        let until = Instant::now() + START_DEADLINE;
        while !self.try_start() {
            assert!(Instant::now() < until, "PostgreSQL does not come back:\n{}", self.log());
        }
    }

    /// Stops every process of the server in place: connections stay open and nothing answers.
    pub fn pause(&mut self) {
        self.running().pause();
    }

    /// The end of [`PrivatePostgres::pause`].
    pub fn resume(&mut self) {
        self.running().resume();
    }

    /// The process ids of the server and its backends.
    pub fn processes(&mut self) -> Vec<u32> {
        let server = self.running().id();
        std::iter::once(server).chain(super::process::children_of(server)).collect()
    }

    fn running(&mut self) -> &mut Process {
        self.server.as_mut().expect("the server runs")
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("postgres.log")).unwrap_or_default()
    }

    fn create(&self) {
        let mut initdb = self.program("initdb");
        initdb
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--username={SUPERUSER}"))
            .arg("--pgdata")
            .arg(self.data());
        let mut initdb = Process::start(&mut initdb);
        let status = initdb.wait(Duration::from_secs(120));
        assert!(status.is_some_and(|s| s.success()), "initdb ended with {status:?}:\n{}", self.log());
    }

    /// Whether the server came up. `false`: it ended, most likely because the port was taken.
    fn try_start(&mut self) -> bool {
        let mut server = self.program("postgres");
        server.arg("-D").arg(self.data());
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.address.port()),
            format!("unix_socket_directories={}", self.directory.display()),
            "fsync=on".to_owned(), // tests of durability are to mean something
            "max_connections=300".to_owned(),
            "shared_buffers=16MB".to_owned(),
            "dynamic_shared_memory_type=mmap".to_owned(), // in the data directory, so it goes with it
            "max_wal_size=64MB".to_owned(),
            "logging_collector=off".to_owned(),
        ] {
            server.arg("-c").arg(setting);
        }
        let mut server = Process::start(&mut server);
        let until = Instant::now() + START_DEADLINE;
        let url = self.url("postgres");
        while Instant::now() < until {
            if server.ended().is_some() {
                return false;
            }
            let asked = url.clone();
            if blocking(async move { run_sql(&asked, "SELECT 1").await }).is_ok() {
                self.server = Some(server);
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("PostgreSQL does not answer:\n{}", self.log());
    }

    /// A program of the server's, as a user that it accepts, writing to the log.
    fn program(&self, name: &str) -> Command {
        let log = self.directory.join("postgres.log");
        let log = std::fs::File::options().create(true).append(true).open(log).expect("the log opens");
        let mut command = Command::new(self.programs.join(name));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log);
        if let Some(user) = server_user() {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // "Immediate": the data goes anyhow, so no checkpoint.
        if let Some(mut server) = self.server.take() {
            server.resume();
            server.signal(Signal::SIGQUIT);
            server.wait(Duration::from_secs(5));
        }
        remove(&self.directory);
    }
}

fn remove(directory: &Path) {
    // What is left goes with the guard.
    let _ = std::fs::remove_dir_all(directory);
}

/// PostgreSQL refuses to run as root. Root lends it the user of the distribution's package.
fn server_user() -> Option<User> {
    if !geteuid().is_root() {
        return None;
    }
    let found = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
    Some(found.expect("root needs an unprivileged user for PostgreSQL: `postgres` or `nobody`"))
}

/// Runs one statement on a connection of its own.
pub async fn run_sql(url: &str, statement: &str) -> Result<(), tokio_postgres::Error> {
    let mut config: tokio_postgres::Config = url.parse()?;
    config.connect_timeout(Duration::from_secs(5));
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let result = client.batch_execute(statement).await;
    connection.abort();
    result
}

/// Waits for a future on a thread of its own, so that it works inside and outside of a runtime.
fn blocking<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(future)
        });
        worker.join().expect("the worker does not panic")
    })
}
