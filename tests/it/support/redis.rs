//! A Redis server of the tests' own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::guard::scratch_dir;
use super::ports::free_address;
use super::process::Process;
use super::programs::redis_program;

const START_DEADLINE: Duration = Duration::from_secs(20);
const START_ATTEMPTS: u32 = 5;

/// A server for one test that stops or pauses it. It keeps nothing: after a stop it is empty, which is
/// what the program must survive. Ended on drop.
pub struct PrivateRedis {
    program: PathBuf,
    directory: PathBuf,
    address: SocketAddr,
    server: Option<Process>,
}

impl PrivateRedis {
    /// Starts a server.
    ///
    /// # Panics
    /// When the program is missing or does not come up.
    pub fn start() -> Self {
        let directory = scratch_dir("redis");
        let mut redis = Self { program: redis_program(), directory, address: free_address(), server: None };
        for _ in 0..START_ATTEMPTS {
            if redis.try_start() {
                return redis;
            }
            redis.address = free_address();
        }
        panic!("redis-server does not start:\n{}", redis.log());
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Stops the server. Its contents are lost.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        server.resume();
        server.signal(Signal::SIGTERM);
        assert!(server.wait(Duration::from_secs(10)).is_some(), "redis-server does not stop");
    }

    /// Starts it again, empty, on the same port.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "stop it first");
        let until = Instant::now() + START_DEADLINE;
        while !self.try_start() {
            assert!(Instant::now() < until, "redis-server does not come back:\n{}", self.log());
        }
    }

    /// Stops its process in place: connections stay open and nothing answers.
    pub fn pause(&mut self) {
        self.running().pause();
    }

    /// The end of [`PrivateRedis::pause`].
    pub fn resume(&mut self) {
        self.running().resume();
    }

    /// Its process id.
    pub fn process(&mut self) -> u32 {
        self.running().id()
    }

    fn running(&mut self) -> &mut Process {
        self.server.as_mut().expect("the server runs")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("redis.log")).unwrap_or_default()
    }

    /// Whether the server came up. `false`: it ended, most likely because the port was taken.
    fn try_start(&mut self) -> bool {
        let mut server = Command::new(&self.program);
        server
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(["--protected-mode", "yes", "--maxclients", "1000", "--databases", "16"])
            .args(["--port", &self.address.port().to_string(), "--logfile", "redis.log"])
            .arg("--dir")
            .arg(&self.directory)
            .env_clear()
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut server = Process::start(&mut server);
        let until = Instant::now() + START_DEADLINE;
        while Instant::now() < until {
            if server.ended().is_some() {
                return false;
            }
            if self.answers() {
                self.server = Some(server);
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server does not answer:\n{}", self.log());
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut connection = TcpStream::connect(self.address)?;
            connection.set_read_timeout(Some(Duration::from_secs(1)))?;
            connection.write_all(b"PING\r\n")?;
            let mut answer = [0; 7];
            connection.read_exact(&mut answer)?;
            Ok(&answer == b"+PONG\r\n")
        };
        ask().unwrap_or(false)
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        self.server = None;
        // What is left goes with the guard.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
