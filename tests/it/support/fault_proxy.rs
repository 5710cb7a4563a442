//! A TCP proxy that breaks one edge of one program on command: "this gateway has lost its Redis".
//!
//! It stands between a program and a server that others use too, so a fault hits nobody else. It runs on
//! a thread of its own and goes on while a test blocks. When a call of [`FaultProxy::set`] returns, the
//! new mode holds: no byte passes by the old one, and connections that it cuts are gone.

use std::net::SocketAddr;
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::fault_link::serve;

/// How long a change of mode may take.
const SET_DEADLINE: Duration = Duration::from_secs(5);

/// What the proxy does to bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on.
    Pass,
    /// Resets every connection, those that exist and those to come.
    Refuse,
    /// Passes everything on, in each direction so much later.
    Delay(Duration),
    /// Swallows every byte, and the ends of connections too. Connections stay open, new ones are accepted
    /// and hear nothing. Its end resets them all: TCP never goes on behind a hole in its stream.
    Blackhole,
    /// Resets the connections that exist, once; then as [`Mode::Pass`].
    Cut,
}

/// What the connections of a proxy share with the test.
pub(super) struct Link {
    pub(super) server: SocketAddr,
    mode: Mutex<Mode>,
    /// A request whose reply is to be lost.
    fatal_request: Mutex<Option<Vec<u8>>>,
    /// Grows when all connections are to be reset.
    pub(super) cuts: watch::Sender<u64>,
}

impl Link {
    pub(super) fn mode(&self) -> Mode {
        *self.mode.lock().expect("no holder panicked")
    }

    /// Whether connections that exist do not survive the change to this mode.
    pub(super) fn change_to(&self, mode: Mode) -> bool {
        let mut current = self.mode.lock().expect("no holder panicked");
        let left_a_hole = *current == Mode::Blackhole && mode != Mode::Blackhole;
        *current = if mode == Mode::Cut { Mode::Pass } else { mode };
        left_a_hole || matches!(mode, Mode::Cut | Mode::Refuse)
    }

    /// Whether these bytes hold the request whose reply is to be lost. `true` only once.
    pub(super) fn is_fatal(&self, bytes: &[u8]) -> bool {
        let mut request = self.fatal_request.lock().expect("no holder panicked");
        let found =
            request.as_ref().is_some_and(|request| bytes.windows(request.len()).any(|part| part == request));
        if found {
            *request = None;
        }
        found
    }
}

/// A command to the proxy's thread, and where it says that it was carried out.
pub(super) type Command = (Mode, blocking::Sender<()>);

/// The proxy, in [`Mode::Pass`] at first. Closes its port and all connections on drop.
pub struct FaultProxy {
    address: SocketAddr,
    link: Arc<Link>,
    commands: Option<mpsc::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Listens on a free loopback port and passes connections on to this server.
    pub fn start(server: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let link = Arc::new(Link {
            server,
            mode: Mutex::new(Mode::Pass),
            fatal_request: Mutex::new(None),
            cuts: watch::Sender::new(0),
        });
        let (commands, receiver) = mpsc::unbounded_channel();
        let for_thread = Arc::clone(&link);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(serve(listener, for_thread, receiver));
        });
        Self { address, link, commands: Some(commands), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a server, with this proxy's address in the place of the server's.
    pub fn in_url(&self, url: &str) -> String {
        let server = self.link.server.to_string();
        assert!(url.contains(&server), "{url} does not lead to {server}");
        url.replace(&server, &self.address.to_string())
    }

    /// Changes the mode. When it returns, the new one holds.
    pub fn set(&self, mode: Mode) {
        let (done, waiting) = blocking::channel();
        let commands = self.commands.as_ref().expect("there until the drop");
        commands.send((mode, done)).expect("the proxy runs");
        waiting.recv_timeout(SET_DEADLINE).expect("the proxy takes the command");
    }

    /// Loses the reply to the next request that holds these bytes: the server receives the request and
    /// carries it out, and instead of the reply the client sees a reset. For connections that wait for a
    /// reply before they send the next request, and bytes that arrive in one piece, as short ones do.
    pub fn lose_reply_to(&self, request: &[u8]) {
        *self.link.fatal_request.lock().expect("no holder panicked") = Some(request.to_vec());
    }

    /// Whether [`FaultProxy::lose_reply_to`] still waits for its request.
    pub fn is_armed(&self) -> bool {
        self.link.fatal_request.lock().expect("no holder panicked").is_some()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
