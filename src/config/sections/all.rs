//! All sections in order, and what several of them share.

use std::num::NonZero;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{accounts, clients, limits, revocation, routing, server, store, tls, token};
use crate::config::reader::Reader;
use crate::config::settings::Settings;

/// Deadlines towards clients and services.
pub(super) const NETWORK_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_hours(1);

/// Reads everything. The result counts only if the reader found no problem.
pub(in crate::config) fn read(reader: &mut Reader) -> Settings {
    let mut server = server::server(reader);
    let tls = tls::read(reader, &mut server);
    let log = server::log(reader);
    let store = store::read(reader);
    let token = token::read(reader);
    let revocation = revocation::read(reader);
    let password = accounts::password(reader);
    let limits = limits::read(reader);
    let accounts = accounts::accounts(reader);
    let audit = accounts::audit(reader);
    let clients = clients::read(reader);
    let (upstreams, routes) = routing::read(reader);
    Settings {
        server,
        tls,
        log,
        store,
        token,
        revocation,
        password,
        limits,
        accounts,
        audit,
        clients,
        upstreams,
        routes,
    }
}

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
