//! Open files: what the operating system allows, and how many connections that is.

/// Listeners, databases, logs and whatever else is open besides connections.
const RESERVED: u64 = 256;

/// Raises the soft limit of open files to the hard one and says how many client connections may be open at once:
/// `wanted`, or fewer. A connection needs two files, its own and one to a service; without this bound a crowd of
/// idle clients would leave none for the database.
pub fn connections_within_limit(wanted: usize) -> usize {
    let limit = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => limit,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be read");
            return wanted;
        }
    };
    let possible = possible(limit, wanted);
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

fn possible(limit: u64, wanted: usize) -> usize {
    let connections = limit.saturating_sub(RESERVED) / 2;
    usize::try_from(connections).unwrap_or(usize::MAX).clamp(1, wanted.max(1))
}

#[cfg(test)]
mod tests {
    use super::possible;

    #[test]
    fn connections_leave_files_for_the_rest() {
        for (limit, wanted, connections) in
            [(1024, 10_000, 384), (1_048_576, 10_000, 10_000), (100, 10_000, 1), (u64::MAX, 7, 7)]
        {
            assert_eq!(possible(limit, wanted), connections, "{limit} {wanted}");
        }
    }
}
