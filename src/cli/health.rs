//! `gateward health`

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

use super::config::load;
use super::probe::{Target, get};
use super::table::printable;
use super::{CliError, GlobalArgs};

const EXAMPLES: &str = "\
Examples:
  gateward health
  gateward health --config /etc/gateward/config.toml
  gateward health --url http://10.0.0.7:9090/readyz

Exits with 0 when the gateway is ready, with 69 when it is not or does not answer within 5 seconds. Fits a \
container's health check.";

/// From the first byte out to the last in, name look-up included.
const DEADLINE: Duration = Duration::from_secs(5);

/// Whom to ask.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct HealthArgs {
    /// What to ask [default: /readyz on server.admin_listen of the configuration]
    #[arg(long, value_name = "http://HOST:PORT/PATH", value_parser = Target::parse)]
    pub url: Option<Target>,
}

/// Asks, and says what is missing.
///
/// # Errors
/// [`super::Exit::Unavailable`] when it is not ready or silent, [`super::Exit::Config`] when the address is
/// to come from a configuration that is wrong.
pub fn run(args: &HealthArgs, global: &GlobalArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let target = match &args.url {
        Some(target) => target.clone(),
        None => Target::at(reachable(load(global, Vec::new())?.settings.server.admin_listen), "/readyz"),
    };
    let answer =
        get(&target, DEADLINE).map_err(|error| CliError::unavailable(format_args!("{target}: {error}")))?;
    if answer.status == 200 {
        writeln!(out, "ready")?;
        return Ok(());
    }
    let missing = missing(&answer.body);
    Err(CliError::unavailable(format_args!("{target}: not ready (status {}): {missing}", answer.status)))
}

/// The address to connect to for a listener: a wildcard listens on loopback too.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let address = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    SocketAddr::new(address, listener.port())
}

/// What `/readyz` names: the entries of `missing` in its JSON, else the body as it is.
fn missing(body: &str) -> String {
    let json = serde_json::from_str::<serde_json::Value>(body).ok();
    let names: Option<Vec<_>> =
        json.as_ref().and_then(|value| value.get("missing")?.as_array()).map(|names| {
            names.iter().map(|name| name.as_str().map_or_else(|| name.to_string(), str::to_owned)).collect()
        });
    match names {
        Some(names) => format!("missing: {}", printable(&names.join(", "))),
        None => printable(body.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_listener_is_asked_on_loopback() {
        for (listener, asked) in
            [("0.0.0.0:9090", "127.0.0.1:9090"), ("[::]:9090", "[::1]:9090"), ("10.0.0.7:1", "10.0.0.7:1")]
        {
            let listener = listener.parse().map(reachable).map(|address| address.to_string());
            assert_eq!(listener, Ok(asked.to_owned()));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(missing(r#"{"ready":false,"missing":["store","keys"]}"#), "missing: store, keys");
        assert_eq!(missing("starting\u{1b}[2J\n"), "starting\\u{1b}[2J");
    }
}
