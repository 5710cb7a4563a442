//! The handles that count, and their text form.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::{
    Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
};

use super::families;
use super::process::ProcessMetrics;
use super::register::Registrar;
use super::routes::RouteMetrics;
use super::stores::StoreMetrics;
use crate::telemetry::{
    AuthResult, ConnectionRefusal, DroppedLines, FeedResync, HandshakeFailure, HashResult, Http2Abuse,
    LoginResult, Outcome, RefreshResult, RegistrationResult, RequestClosed, RevocationSource,
};

/// A metric could not be made, registered or rendered. The families are constants, so this is a
/// mistake in them.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

/// Everything that is counted. One for each gateway, shared behind an `Arc`.
///
/// Families without labels are public handles. Those with labels have a method each, which takes the
/// label values as types; a value is never a string that a client sent.
#[derive(Debug)]
pub struct Metrics {
    pub(super) registry: Registry,
    requests: IntCounterVec,
    request_durations: HistogramVec,
    auth_checks: IntCounterVec,
    auth_ok: IntCounter,
    token_cache_hits: IntCounter,
    token_cache_misses: IntCounter,
    /// [`families::TOKEN_CACHE_ENTRIES`]
    pub token_cache_entries: IntGauge,
    /// [`families::HASH_QUEUE_LENGTH`]
    pub hash_queue_length: IntGauge,
    hash_jobs: IntCounterVec,
    hash_duration: Histogram,
    pool_wait: HistogramVec,
    store_errors: IntCounterVec,
    actor_restarts: IntCounterVec,
    /// [`families::CONNECTIONS`]
    pub connections: IntGauge,
    connections_refused: IntCounterVec,
    connections_displaced: IntCounterVec,
    handshake_failures: IntCounterVec,
    certificate_expires: IntGaugeVec,
    certificate_reloads: IntCounterVec,
    http2_closed: IntCounterVec,
    /// [`families::OPEN_REQUESTS`]
    pub open_requests: IntGauge,
    open_requests_closed: IntCounterVec,
    /// [`families::REVOCATIONS`]
    pub revocations: IntGauge,
    revocation_lag: Gauge,
    revocation_resyncs: IntCounterVec,
    revocation_source_up: IntGaugeVec,
    logins: IntCounterVec,
    attempts_charged: IntCounterVec,
    attempts_refused: IntCounterVec,
    refreshes: IntCounterVec,
    registrations: IntCounterVec,
    sessions_ended: IntCounterVec,
    pub(super) log_lines_dropped: IntCounter,
    pub(super) dropped_lines: OnceLock<DroppedLines>,
    pub(super) process: Option<ProcessMetrics>,
    /// Held while counters that are read elsewhere are brought up to date.
    pub(super) rendering: Mutex<()>,
}

impl Metrics {
    /// All families at zero. `started` is the start of the process in seconds since the Unix epoch.
    ///
    /// # Errors
    /// A family's description is wrong, see [`MetricsError`].
    pub fn new(started: i64) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let make = Registrar(&registry);
        let auth_checks = make.int_counters(families::AUTH_CHECKS)?;
        make.int_gauge(families::PROCESS_START_TIME)?.set(started);
        make.int_gauges(families::BUILD_INFO)?
            .get_metric_with_label_values(&[env!("CARGO_PKG_VERSION")])?
            .set(1);
        let metrics = Self {
            requests: make.int_counters(families::REQUESTS)?,
            request_durations: make.histograms(families::REQUEST_DURATION)?,
            auth_ok: auth_checks.get_metric_with_label_values(&[AuthResult::Ok.as_str(), ""])?,
            auth_checks,
            token_cache_hits: make.int_counter(families::TOKEN_CACHE_HITS)?,
            token_cache_misses: make.int_counter(families::TOKEN_CACHE_MISSES)?,
            token_cache_entries: make.int_gauge(families::TOKEN_CACHE_ENTRIES)?,
            hash_queue_length: make.int_gauge(families::HASH_QUEUE_LENGTH)?,
            hash_jobs: make.int_counters(families::HASH_JOBS)?,
            hash_duration: make.histogram(families::HASH_DURATION)?,
            pool_wait: make.histograms(families::POOL_WAIT)?,
            store_errors: make.int_counters(families::STORE_ERRORS)?,
            actor_restarts: make.int_counters(families::ACTOR_RESTARTS)?,
            connections: make.int_gauge(families::CONNECTIONS)?,
            connections_refused: make.int_counters(families::CONNECTIONS_REFUSED)?,
            connections_displaced: make.int_counters(families::CONNECTIONS_DISPLACED)?,
            handshake_failures: make.int_counters(families::HANDSHAKE_FAILURES)?,
            certificate_expires: make.int_gauges(families::CERTIFICATE_EXPIRES)?,
            certificate_reloads: make.int_counters(families::CERTIFICATE_RELOADS)?,
            http2_closed: make.int_counters(families::HTTP2_CLOSED)?,
            open_requests: make.int_gauge(families::OPEN_REQUESTS)?,
            open_requests_closed: make.int_counters(families::OPEN_REQUESTS_CLOSED)?,
            revocations: make.int_gauge(families::REVOCATIONS)?,
            revocation_lag: make.gauge(families::REVOCATION_LAG)?,
            revocation_resyncs: make.int_counters(families::REVOCATION_RESYNCS)?,
            revocation_source_up: make.int_gauges(families::REVOCATION_SOURCE_UP)?,
            logins: make.int_counters(families::LOGINS)?,
            attempts_charged: make.int_counters(families::ATTEMPTS_CHARGED)?,
            attempts_refused: make.int_counters(families::ATTEMPTS_REFUSED)?,
            refreshes: make.int_counters(families::REFRESHES)?,
            registrations: make.int_counters(families::REGISTRATIONS)?,
            sessions_ended: make.int_counters(families::SESSIONS_ENDED)?,
            log_lines_dropped: make.int_counter(families::LOG_LINES_DROPPED)?,
            dropped_lines: OnceLock::new(),
            process: ProcessMetrics::register(&make)?,
            rendering: Mutex::new(()),
            registry,
        };
        metrics.start_known_series();
        Ok(metrics)
    }

    /// Series whose labels are known start at zero, so that the first event is seen as a rise.
    fn start_known_series(&self) {
        ["shared", "local"].iter().for_each(|store| add(&self.attempts_charged, &[store], 0));
        LoginResult::ALL.iter().for_each(|result| add(&self.logins, &[result.as_str()], 0));
        RefreshResult::ALL.iter().for_each(|result| add(&self.refreshes, &[result.as_str()], 0));
        RegistrationResult::ALL.iter().for_each(|result| add(&self.registrations, &[result.as_str()], 0));
        HashResult::ALL.iter().for_each(|result| add(&self.hash_jobs, &[result.as_str()], 0));
        FeedResync::ALL.iter().for_each(|cause| add(&self.revocation_resyncs, &[cause.as_str()], 0));
        ConnectionRefusal::ALL.iter().for_each(|why| add(&self.connections_refused, &[why.as_str()], 0));
        ConnectionRefusal::ALL.iter().for_each(|why| add(&self.connections_displaced, &[why.as_str()], 0));
        HandshakeFailure::ALL.iter().for_each(|why| add(&self.handshake_failures, &[why.as_str()], 0));
        ["ok", "failed"].iter().for_each(|result| add(&self.certificate_reloads, &[result], 0));
        Http2Abuse::ALL.iter().for_each(|why| add(&self.http2_closed, &[why.as_str()], 0));
        RequestClosed::ALL.iter().for_each(|why| add(&self.open_requests_closed, &[why.as_str()], 0));
    }

    /// From now on, rendering says how many log lines were dropped. Only the first call counts.
    pub fn watch_dropped_lines(&self, lines: DroppedLines) {
        let _already_watched = self.dropped_lines.set(lines);
    }

    /// The handles for requests to one route. `route` is the name of a configured route, or a constant
    /// of the source for requests that no configured route takes.
    pub fn for_route(&self, route: &str) -> RouteMetrics {
        let durations = Outcome::ALL
            .iter()
            .filter_map(|outcome| {
                self.request_durations.get_metric_with_label_values(&[outcome.as_str()]).ok()
            })
            .collect();
        RouteMetrics::new(route, self.requests.clone(), durations)
    }

    /// The handles for one store.
    ///
    /// # Errors
    /// A family's description is wrong, see [`MetricsError`].
    pub fn for_store(&self, store: &'static str) -> Result<StoreMetrics, MetricsError> {
        Ok(StoreMetrics::new(
            self.pool_wait.get_metric_with_label_values(&[store])?,
            self.store_errors.get_metric_with_label_values(&[store])?,
        ))
    }

    /// A token check let the request pass.
    pub fn auth_passed(&self) {
        self.auth_ok.inc();
    }

    /// A token check refused the request, for this reason code.
    pub fn auth_refused(&self, reason: &'static str) {
        add(&self.auth_checks, &[AuthResult::Refused.as_str(), reason], 1);
    }

    /// A token check could not decide, for this reason code.
    pub fn auth_failed(&self, reason: &'static str) {
        add(&self.auth_checks, &[AuthResult::Error.as_str(), reason], 1);
    }

    /// The cache of verified tokens was used so often since the start. Never goes back.
    pub fn token_cache_used(&self, hits: u64, misses: u64) {
        let _one_at_a_time = self.rendering.lock();
        raise(&self.token_cache_hits, hits);
        raise(&self.token_cache_misses, misses);
    }

    /// A hash job ended.
    pub fn hash_job(&self, result: HashResult) {
        add(&self.hash_jobs, &[result.as_str()], 1);
    }

    /// A hash took this long on its thread.
    pub fn hash_took(&self, span: Duration) {
        self.hash_duration.observe(span.as_secs_f64());
    }

    /// An actor was restarted. Before the first, [`Metrics::watch_actor`] makes the series appear.
    pub fn actor_restarted(&self, actor: &'static str) {
        add(&self.actor_restarts, &[actor], 1);
    }

    /// Lets the restarts of an actor show as zero from the start.
    pub fn watch_actor(&self, actor: &'static str) {
        add(&self.actor_restarts, &[actor], 0);
    }

    /// A connection of HTTP/2 was closed for this.
    pub fn http2_closed(&self, reason: Http2Abuse) {
        add(&self.http2_closed, &[reason.as_str()], 1);
    }

    /// A client connection was closed at once.
    pub fn connection_refused(&self, reason: ConnectionRefusal) {
        add(&self.connections_refused, &[reason.as_str()], 1);
    }

    /// A client connection that waited gave way to a new one.
    pub fn connection_displaced(&self, reason: ConnectionRefusal) {
        add(&self.connections_displaced, &[reason.as_str()], 1);
    }

    /// A TLS handshake with a client failed.
    pub fn handshake_failed(&self, reason: HandshakeFailure) {
        add(&self.handshake_failures, &[reason.as_str()], 1);
    }

    /// These certificates are in force: the first name of each, and when it expires in seconds since the Unix epoch.
    pub fn certificates(&self, certificates: impl Iterator<Item = (String, i64)>) {
        let _not_between = self.rendering.lock();
        self.certificate_expires.reset();
        let mut first_to_expire = BTreeMap::new();
        for (name, at) in certificates {
            first_to_expire.entry(name).and_modify(|known: &mut i64| *known = at.min(*known)).or_insert(at);
        }
        for (name, at) in first_to_expire {
            if let Ok(gauge) = self.certificate_expires.get_metric_with_label_values(&[name.as_str()]) {
                gauge.set(at);
            }
        }
    }

    /// Changed certificate files were taken, or refused.
    pub fn certificates_reloaded(&self, taken: bool) {
        add(&self.certificate_reloads, &[if taken { "ok" } else { "failed" }], 1);
    }

    /// An open request was closed because what admitted it had ended.
    pub fn open_request_closed(&self, reason: RequestClosed) {
        add(&self.open_requests_closed, &[reason.as_str()], 1);
    }

    /// The last proof that the revocations in memory are complete is this old.
    pub fn revocation_lag(&self, lag: Duration) {
        self.revocation_lag.set(lag.as_secs_f64());
    }

    /// The stream of revocations does not count until the durable store was read.
    pub fn feed_resync(&self, cause: FeedResync) {
        add(&self.revocation_resyncs, &[cause.as_str()], 1);
    }

    /// Whether a source of revocations proves at present that all are known.
    pub fn revocation_source(&self, source: RevocationSource, is_up: bool) {
        if let Ok(gauge) = self.revocation_source_up.get_metric_with_label_values(&[source.as_str()]) {
            gauge.set(i64::from(is_up));
        }
    }

    /// A login was tried.
    pub fn login(&self, result: LoginResult) {
        add(&self.logins, &[result.as_str()], 1);
    }

    /// An attempt was charged: to the buckets of this process, or to those that replicas share.
    pub fn attempt_charged(&self, local: bool) {
        add(&self.attempts_charged, &[if local { "local" } else { "shared" }], 1);
    }

    /// An attempt was refused, for this bucket was empty.
    pub fn attempt_refused(&self, bucket: &'static str) {
        add(&self.attempts_refused, &[bucket], 1);
    }

    /// Lets the refusals for a bucket show as zero from the start.
    pub fn watch_attempts(&self, bucket: &'static str) {
        add(&self.attempts_refused, &[bucket], 0);
    }

    /// A refresh token was presented.
    pub fn refresh(&self, result: RefreshResult) {
        add(&self.refreshes, &[result.as_str()], 1);
    }

    /// A registration was tried.
    pub fn registration(&self, result: RegistrationResult) {
        add(&self.registrations, &[result.as_str()], 1);
    }

    /// This process ended a session before its time, for this reason.
    pub fn session_ended(&self, reason: &'static str) {
        add(&self.sessions_ended, &[reason], 1);
    }

    /// Lets the ends for a reason show as zero from the start.
    pub fn watch_session_ends(&self, reason: &'static str) {
        add(&self.sessions_ended, &[reason], 0);
    }
}

/// Adds to a labelled counter. It fails only for a wrong number of labels, a mistake that
/// `every_family_is_rendered_as_described` finds.
fn add(counters: &IntCounterVec, labels: &[&str], by: u64) {
    if let Ok(counter) = counters.get_metric_with_label_values(labels) {
        counter.inc_by(by);
    }
}

/// Brings a counter up to a count that is kept elsewhere. One caller at a time.
pub(super) fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}
