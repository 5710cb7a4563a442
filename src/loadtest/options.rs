//! What a run is told, and why it may not begin.

use std::time::Duration;

use super::address::Address;
use super::client::TlsError;
use super::judge::Access;
use super::mix::Mix;

/// Over what the requests go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, connections kept alive.
    Http1,
    /// HTTP/2, on http:// with prior knowledge.
    Http2,
}

impl Protocol {
    /// Its name in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// Whose certificates are good.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Those that the system trusts.
    System,
    /// These authorities, in PEM.
    Authorities(Vec<u8>),
    /// Any.
    Anybody,
}

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// On each connection, the next one when the answer is there: as fast as the gateway is.
    Closed,
    /// So many a second, whether answers come or not.
    Open(f64),
}

/// A run. All bounds are the caller's to check.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to.
    pub address: Address,
    /// May go to another machine.
    pub allow_remote: bool,
    /// Over what.
    pub protocol: Protocol,
    /// Whose certificates are good, for https://.
    pub trust: Trust,
    /// `GET` or another method; requests have no body.
    pub method: http::Method,
    /// What is expected of the gateway.
    pub access: Access,
    /// How much of each kind.
    pub mix: Mix,
    /// When.
    pub pace: Pace,
    /// Connections, of all threads together.
    pub connections: usize,
    /// Requests at a time on a connection, over HTTP/2.
    pub streams: usize,
    /// Threads that send.
    pub threads: usize,
    /// How long the measurement lasts.
    pub duration: Duration,
    /// How long is sent before it begins.
    pub warm_up: Duration,
    /// For one answer, and for connecting.
    pub timeout: Duration,
    /// The process to be measured, with its children.
    pub target_pid: Option<u32>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The name resolves to no address.
    #[error("{0}: {1}")]
    Unreachable(String, std::io::Error),
    /// The gateway did not answer a single request.
    #[error("{0} answered nothing: {1}")]
    Silent(String, String),
    /// Another machine, without leave.
    #[error("{0} is not this machine: --allow-remote sends there all the same")]
    Remote(std::net::SocketAddr),
    /// TLS.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// No such process, or not ours to look at.
    #[error("--target-pid {0}: {1}")]
    Process(u32, std::io::Error),
    /// The machine.
    #[error("{0}")]
    Machine(#[from] std::io::Error),
}
