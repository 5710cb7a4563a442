//! The metric families: names, kinds, labels, units (in the name, base units) and help texts.

/// What a family counts like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows; starts at zero with the process.
    Counter,
    /// A present value.
    Gauge,
    /// Counts of observations up to each upper bound.
    Histogram(&'static [f64]),
}

/// One metric family.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Its name, with the unit.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// One line for the `# HELP` of the text form.
    pub help: &'static str,
}

/// Seconds, from half a millisecond: whole requests.
const REQUEST_BOUNDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Seconds: one hash at cost 10 takes about 60 ms, at cost 16 several seconds.
const HASH_BOUNDS: &[f64] = &[0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 4.0, 8.0];
/// Seconds: waits for a pooled connection, most of them near zero, ended by the deadline.
const WAIT_BOUNDS: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

macro_rules! families {
    ($($constant:ident = $kind:expr, $name:literal, [$($label:literal),*], $help:literal;)+) => {
        $(#[doc = $help] pub const $constant: Family =
            Family { name: $name, kind: $kind, labels: &[$($label),*], help: $help };)+

        /// Every family.
        pub const ALL: &[Family] = &[$($constant,)+];
    };
}

families! {
    REQUESTS = Kind::Counter, "gateward_requests_total", ["route", "outcome", "status"],
        "Requests finished, by configured route, outcome and status class.";
    REQUEST_DURATION = Kind::Histogram(REQUEST_BOUNDS), "gateward_request_duration_seconds", ["outcome"],
        "Time from the first byte of a request to the last of its answer.";
    AUTH_CHECKS = Kind::Counter, "gateward_auth_checks_total", ["result", "reason"],
        "Token checks of protected requests, by result and reason.";
    TOKEN_CACHE_HITS = Kind::Counter, "gateward_token_cache_hits_total", [],
        "Token checks answered from the cache of verified tokens.";
    TOKEN_CACHE_MISSES = Kind::Counter, "gateward_token_cache_misses_total", [],
        "Token checks that had to verify a signature.";
    TOKEN_CACHE_ENTRIES = Kind::Gauge, "gateward_token_cache_entries", [],
        "Verified tokens in the cache.";
    HASH_QUEUE_LENGTH = Kind::Gauge, "gateward_hash_queue_length", [],
        "Password hashes that wait or run.";
    HASH_JOBS = Kind::Counter, "gateward_hash_jobs_total", ["result"],
        "Password hash jobs, by what became of them.";
    HASH_DURATION = Kind::Histogram(HASH_BOUNDS), "gateward_hash_duration_seconds", [],
        "Time a password hash took on its thread, without waiting.";
    POOL_WAIT = Kind::Histogram(WAIT_BOUNDS), "gateward_pool_wait_seconds", ["store"],
        "Time a call waited for a connection to a store.";
    STORE_ERRORS = Kind::Counter, "gateward_store_errors_total", ["store"],
        "Calls to a store that failed or passed their deadline.";
    ACTOR_RESTARTS = Kind::Counter, "gateward_actor_restarts_total", ["actor"],
        "Restarts of actors after a failure or panic.";
    CONNECTIONS = Kind::Gauge, "gateward_connections", [],
        "Open client connections.";
    CONNECTIONS_REFUSED = Kind::Counter, "gateward_connections_refused_total", ["reason"],
        "Client connections closed at once, by reason.";
    CONNECTIONS_DISPLACED = Kind::Counter, "gateward_connections_displaced_total", ["reason"],
        "Client connections that waited for a request and gave way to new ones, by the bound that was reached.";
    HANDSHAKE_FAILURES = Kind::Counter, "gateward_tls_handshake_failures_total", ["reason"],
        "TLS handshakes with clients that failed, by reason.";
    CERTIFICATE_EXPIRES = Kind::Gauge, "gateward_certificate_expires_timestamp_seconds", ["name"],
        "When a certificate in force expires, in seconds since the Unix epoch.";
    CERTIFICATE_RELOADS = Kind::Counter, "gateward_certificate_reloads_total", ["result"],
        "Changed certificate files that were taken or refused.";
    HTTP2_CLOSED = Kind::Counter, "gateward_http2_connections_closed_total", ["reason"],
        "HTTP/2 connections closed because of what the client sent, by reason.";
    OPEN_REQUESTS = Kind::Gauge, "gateward_open_requests", [],
        "Requests at services that end with their session or token.";
    OPEN_REQUESTS_CLOSED = Kind::Counter, "gateward_open_requests_closed_total", ["reason"],
        "Open requests closed because what admitted them had ended, by reason.";
    REVOCATIONS = Kind::Gauge, "gateward_revocations", [],
        "Revocations held in memory.";
    REVOCATION_LAG = Kind::Gauge, "gateward_revocation_lag_seconds", [],
        "Age of the last proof that the revocations in memory are complete.";
    REVOCATION_RESYNCS = Kind::Counter, "gateward_revocation_feed_resyncs_total", ["cause"],
        "Times the stream of revocations did not count until the durable store was read.";
    REVOCATION_SOURCE_UP = Kind::Gauge, "gateward_revocation_source_up", ["source"],
        "Whether a source of revocations proves at present that all are known.";
    LOGINS = Kind::Counter, "gateward_logins_total", ["result"],
        "Login attempts, by result.";
    ATTEMPTS_CHARGED = Kind::Counter, "gateward_attempts_charged_total", ["store"],
        "Attempts charged to buckets, by where these are.";
    ATTEMPTS_REFUSED = Kind::Counter, "gateward_attempts_refused_total", ["bucket"],
        "Attempts refused before any work, by the bucket that was empty.";
    REFRESHES = Kind::Counter, "gateward_refreshes_total", ["result"],
        "Refreshes of tokens, by result.";
    REGISTRATIONS = Kind::Counter, "gateward_registrations_total", ["result"],
        "Registration attempts, by result.";
    SESSIONS_ENDED = Kind::Counter, "gateward_sessions_ended_total", ["reason"],
        "Sessions that this process ended before their time, by reason.";
    LOG_LINES_DROPPED = Kind::Counter, "gateward_log_lines_dropped_total", [],
        "Log lines dropped because standard error was read too slowly.";
    BUILD_INFO = Kind::Gauge, "gateward_build_info", ["version"],
        "Always 1; the label says which version runs.";
    PROCESS_START_TIME = Kind::Gauge, "process_start_time_seconds", [],
        "Start of the process in seconds since the Unix epoch.";
    PROCESS_CPU = Kind::Counter, "process_cpu_seconds_total", [],
        "Processor time spent, user and system. Linux only.";
    PROCESS_MEMORY = Kind::Gauge, "process_resident_memory_bytes", [],
        "Resident memory. Linux only.";
    PROCESS_OPEN_FDS = Kind::Gauge, "process_open_fds", [],
        "Open file descriptors. Linux only.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_end_in_their_unit() {
        let names: HashSet<_> = ALL.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), ALL.len());
        for family in ALL {
            assert!(
                family.name.starts_with("gateward_") || family.name.starts_with("process_"),
                "{}",
                family.name
            );
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
            assert!(!family.name.contains("milli") && !family.name.ends_with("_ms"), "{}", family.name);
        }
    }

    #[test]
    fn bounds_of_histograms_rise() {
        for family in ALL {
            if let Kind::Histogram(bounds) = family.kind {
                assert!(bounds.is_sorted_by(|a, b| a < b), "{}", family.name);
            }
        }
    }
}
