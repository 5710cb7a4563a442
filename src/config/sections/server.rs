//! `[server]` and `[log]`.

use std::time::Duration;

use crate::config::problem::Fault;
use crate::config::reader::Reader;
use crate::config::settings::{LogFormat, LogSettings, ServerSettings};
use crate::config::{address, parse};
use crate::domain::forwarding::TrustedProxies;

use super::all::{NETWORK_TIMEOUT, cores};

/// Enough for the people of an office behind one address, and not all that there are.
const CONNECTIONS_PER_ADDRESS: usize = 1000;

pub(super) fn server(r: &mut Reader) -> ServerSettings {
    let listen = r.value("server.listen", "127.0.0.1:8080", address::socket);
    let admin_listen = r.value("server.admin_listen", "127.0.0.1:9090", address::socket);
    if r.sound(&["server.listen", "server.admin_listen"]) && address::collide(listen, admin_listen) {
        let fault =
            Fault::new("takes the same port as server.listen", "give each listener a port of its own");
        r.problem("server.admin_listen", fault);
    }
    let public_url = r.optional("server.public_url", address::public_url);
    let threads = match r.value("server.threads", "0", parse::number(0..=1024)) {
        0 => cores().min(1024),
        threads => threads,
    };
    let per_address = r.optional("server.max_connections_per_address", parse::number(0..=1_000_000));
    ServerSettings {
        listen,
        public_url,
        over_tls: false,
        admin_listen,
        threads,
        data_dir: r.value("server.data_dir", ".gateward", parse::path),
        max_connections: r.value("server.max_connections", "10000", parse::number(1..=1_000_000)),
        max_connections_per_address: or_any(per_address.unwrap_or(CONNECTIONS_PER_ADDRESS)),
        count_loopback: per_address.is_some(),
        max_requests_per_connection: or_any(r.value(
            "server.max_requests_per_connection",
            "10000",
            parse::number(0..=1_000_000_000),
        )),
        trusted_proxies: TrustedProxies::new(r.value("server.trusted_proxies", "[]", address::networks)),
        head_timeout: r.value("server.head_timeout", "10s", parse::duration(NETWORK_TIMEOUT)),
        // Whole seconds at least: the proxy counts keep-alive in them.
        keepalive_timeout: r.value(
            "server.keepalive_timeout",
            "60s",
            parse::duration(Duration::from_secs(1)..=Duration::from_hours(1)),
        ),
        body_timeout: r.value("server.body_timeout", "30s", parse::duration(NETWORK_TIMEOUT)),
        write_timeout: r.value("server.write_timeout", "30s", parse::duration(NETWORK_TIMEOUT)),
        max_header_bytes: r.value("server.max_header_bytes", "32768", parse::number(1024..=1 << 20)),
        max_headers: r.value("server.max_headers", "100", parse::number(8..=250)),
        max_target_bytes: r.value("server.max_target_bytes", "8192", parse::number(64..=64 << 10)),
        auth_body_limit: r.value("server.auth_body_limit", "16384", parse::number(1024..=1 << 20)),
        max_streams: r.value("server.max_streams", "100", parse::number(1..=1000)),
        h2c: r.value("server.h2c", "false", parse::boolean),
        shutdown_grace: r.value(
            "server.shutdown_grace",
            "10s",
            parse::duration(Duration::ZERO..=Duration::from_hours(1)),
        ),
    }
}

/// 0 stands for no bound.
pub(super) fn or_any<T: Default + PartialEq>(number: T) -> Option<T> {
    Some(number).filter(|number| *number != T::default())
}

pub(super) fn log(r: &mut Reader) -> LogSettings {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    LogSettings {
        format: r.value("log.format", "text", parse::one_of(formats)),
        level: r.value("log.level", "info", parse::log_filter),
    }
}
