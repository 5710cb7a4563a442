//! What a run is told, and why there may be none.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{SecretSlice, SecretString};

use super::case::Protocol;
use super::target::Target;

/// What a run is told.
#[derive(Debug)]
pub struct Options {
    /// The gateway.
    pub target: Target,
    /// The prefix of a route that anybody may use.
    pub public: String,
    /// The prefix of a route that needs a token.
    pub protected: String,
    /// A token that is valid for the whole run. Without it, cases with tokens are skipped.
    pub token: Option<SecretString>,
    /// The gateway's HS256 secret. Without it, cases that sign wrong claims properly are skipped.
    pub secret: Option<SecretSlice<u8>>,
    /// The control listener of the recorder behind the gateway.
    pub recorder: SocketAddr,
    /// The classes to run; empty: all.
    pub classes: Vec<String>,
    /// The protocols.
    pub over: Vec<Protocol>,
    /// Whether any certificate is taken.
    pub insecure: bool,
    /// Whether the gateway may be on another machine.
    pub allow_remote: bool,
    /// Seconds since 1970.
    pub now: i64,
    /// Makes the run's canaries differ from those of other runs.
    pub seed: u64,
    /// How many requests at a time, 1 to 64.
    pub concurrency: usize,
    /// When the rest is skipped.
    pub total: Duration,
}

/// Why nothing was judged.
#[derive(Debug, thiserror::Error)]
pub enum TortureError {
    /// Attacking other machines needs leave.
    #[error("{0} is not this machine; --allow-remote attacks it all the same")]
    Remote(SocketAddr),
    /// There is no such host, or no TLS for it.
    #[error("{0} is not reached: {1}")]
    Unreachable(String, String),
    /// The recorder's control listener does not answer as it should.
    #[error("{0}")]
    Recorder(String),
    /// A good request does not arrive at the recorder.
    #[error(
        "GET {path} is answered with {answered}, and the recorder saw {seen}: is it the gateway's upstream?"
    )]
    NotBehind {
        /// What was asked for.
        path: String,
        /// The answer.
        answered: String,
        /// How many requests the recorder saw.
        seen: usize,
    },
    /// The token is not valid.
    #[error("GET {path} with the token is answered with {answered}: it must be valid for the whole run")]
    TokenRefused {
        /// What was asked for.
        path: String,
        /// The answer.
        answered: String,
    },
    /// The protected prefix is not protected.
    #[error("GET {path} without a token reaches the upstream: name a protected route with --protected")]
    Open {
        /// What was asked for.
        path: String,
    },
    /// There is no such class.
    #[error("there is no class {0:?}; there are: {1}")]
    Class(String, String),
    /// The corpus makes no sense.
    #[error(transparent)]
    Corpus(#[from] super::corpus::CorpusError),
}
