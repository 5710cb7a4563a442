//! `gateward loadtest`: it passes a right gateway, and finds out a wrong one.

mod gateway;
mod result;
mod servers;

use std::net::SocketAddr;
use std::time::Duration;

use gateward::loadtest::{Access, LoadError, Options, Pace, Protocol, Report, Tokens, Trust};

/// A short run against `address`, in a closed loop.
pub(crate) fn options(address: SocketAddr, mix: &str) -> Options {
    Options {
        address: format!("http://{address}/private").parse().unwrap(),
        allow_remote: false,
        protocol: Protocol::Http1,
        trust: Trust::System,
        method: http::Method::GET,
        access: Access::Protected,
        mix: mix.parse().unwrap(),
        pace: Pace::Closed,
        connections: 4,
        streams: 2,
        threads: 1,
        duration: Duration::from_millis(400),
        warm_up: Duration::ZERO,
        timeout: Duration::from_secs(5),
        target_pid: None,
    }
}

/// Runs to the end with these tokens.
pub(crate) async fn run(options: Options, tokens: &str) -> Result<Report, LoadError> {
    let mut tokens = Tokens::read(tokens.as_bytes()).unwrap();
    tokens.complete(&options.mix);
    gateward::loadtest::run(options, tokens, std::future::pending(), |_| {}).await
}
