//! Open files: what the operating system allows, and how many connections that is.

use crate::config::{Settings, StoreKind};
use crate::gateway::KEPT_UPSTREAM_CONNECTIONS;

/// Standard streams, listeners, runtimes, the embedded database, key files, a start of the resolver: about 60 were
/// counted in a running gateway. The rest is for what nobody has thought of.
const BASE: usize = 128;
/// A replica's own connections besides the pools: the feed of revocations, and one for each try that replaces it.
const FEEDS: usize = 8;

/// Files that are not for client connections and theirs to services: they are kept free whatever the clients do.
pub fn reserved(settings: &Settings) -> usize {
    let stores = match &settings.store.kind {
        StoreKind::Embedded => 0,
        StoreKind::Postgres { postgres, redis } => postgres.max_connections + redis.max_connections + FEEDS,
    };
    BASE + stores + settings.server.threads + crate::api::ADMIN_CONNECTIONS
}

/// Raises the soft limit of open files to the hard one and says how many client connections may be open at once:
/// `server.max_connections`, or fewer. Without this bound a crowd of idle clients would leave none for the database.
pub fn connections_within_limit(settings: &Settings) -> usize {
    let wanted = settings.server.max_connections;
    let limit = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => limit,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be read");
            return wanted;
        }
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let possible = possible(limit, reserved(settings), wanted);
    if possible < wanted {
        tracing::warn!(
            open_files = limit,
            connections = possible,
            wanted,
            "fewer connections than server.max_connections: raise the hard limit of open files (ulimit -Hn)"
        );
    }
    possible
}

/// A connection needs two files, its own and one to a service. Connections to services that are kept for later need
/// one as well; where that is more than they may have, it comes out of the clients' share.
fn possible(limit: usize, reserved: usize, wanted: usize) -> usize {
    let left = limit.saturating_sub(reserved);
    // Kept ones beyond those that the clients' share covers: at most as many as there are clients.
    let kept = KEPT_UPSTREAM_CONNECTIONS.min(left / 8);
    (left.saturating_sub(kept) / 2).clamp(1, wanted.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn connections_leave_files_for_the_rest() {
        for (limit, reserved, wanted, connections) in [
            (1024, 224, 10_000, 350),
            (20_000, 224, 10_000, 9_376),
            (1_048_576, 224, 10_000, 10_000),
            (100, 224, 10_000, 1),
            (usize::MAX, 224, 7, 7),
        ] {
            assert_eq!(possible(limit, reserved, wanted), connections, "{limit} {wanted}");
        }
    }

    #[test]
    fn reserve_follows_the_pools() {
        let with = |postgres: &str, redis: &str| {
            let environment = [
                ("GATEWARD__STORE__KIND", "postgres"),
                ("GATEWARD__POSTGRES__URL", "postgres://a"),
                ("GATEWARD__REDIS__URL", "redis://a"),
                ("GATEWARD__POSTGRES__MAX_CONNECTIONS", postgres),
                ("GATEWARD__REDIS__MAX_CONNECTIONS", redis),
            ];
            let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
            reserved(&load(&Sources { environment, ..Sources::default() }).unwrap().settings)
        };
        let embedded = reserved(&load(&Sources::default()).unwrap().settings);
        assert_eq!(with("16", "8"), embedded + 24 + FEEDS);
        assert_eq!(with("500", "300"), embedded + 800 + FEEDS);
    }
}
