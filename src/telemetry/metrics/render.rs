//! The Prometheus text form.

use prometheus::TextEncoder;

use super::recorder::{Metrics, MetricsError, raise};

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Metrics {
    /// All families with their present values, in the Prometheus text format ([`CONTENT_TYPE`]).
    ///
    /// # Errors
    /// A family has no name or no values, see [`MetricsError`].
    pub fn render(&self) -> Result<String, MetricsError> {
        let _one_at_a_time = self.rendering.lock();
        if let Some(lines) = self.dropped_lines.get() {
            raise(&self.log_lines_dropped, lines.count());
        }
        if let Some(process) = &self.process {
            process.update();
        }
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::families::{self, Family, Kind};
    use super::*;
    use crate::telemetry::{LoginResult, Outcome, RevocationSource};

    const DOCUMENTATION: &str = include_str!("../../../docs/metrics.md");

    /// Something in every family.
    fn busy() -> Metrics {
        let metrics = Metrics::new(1_700_000_000).unwrap();
        let route = metrics.for_route("/api");
        route.finished(Outcome::Forwarded, Some(200), Duration::from_millis(3));
        route.finished(Outcome::Forwarded, Some(201), Duration::from_millis(4));
        route.finished(Outcome::Refused, Some(401), Duration::from_micros(80));
        metrics.auth_passed();
        metrics.auth_refused("token_expired");
        metrics.auth_failed("revocations_stale");
        let store = metrics.for_store("postgres").unwrap();
        store.waited(Duration::from_micros(10));
        store.failed();
        metrics.watch_actor("sessions");
        metrics.hash_took(Duration::from_millis(250));
        metrics.revocation_lag(Duration::from_millis(1500));
        metrics.revocation_source(RevocationSource::Stream, true);
        metrics.login(LoginResult::Ok);
        metrics.session_ended("logout");
        metrics.attempt_refused("account");
        metrics.certificates([("a.example".to_owned(), 9), ("a.example".to_owned(), 7)].into_iter());
        metrics
    }

    fn kind(family: &Family) -> &'static str {
        match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }

    #[test]
    fn every_family_is_rendered_as_described() {
        let text = busy().render().unwrap();
        let rendered: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let described: Vec<_> = families::ALL
            .iter()
            .filter(|family| cfg!(target_os = "linux") || !family.help.ends_with("Linux only."))
            .map(|family| format!("{} {}", family.name, kind(family)))
            .collect();
        assert_eq!(rendered, described.iter().map(String::as_str).collect());
    }

    #[test]
    fn every_family_is_documented_with_kind_and_labels() {
        for family in families::ALL {
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let row = format!("| `{}` | {} | {} |", family.name, kind(family), labels.join(", "));
            assert!(DOCUMENTATION.contains(&row), "docs/metrics.md lacks a row that starts with: {row}");
        }
        let documented = DOCUMENTATION.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(documented, families::ALL.len(), "docs/metrics.md names a metric that does not exist");
    }

    #[test]
    fn counts_appear_with_their_labels() {
        let text = busy().render().unwrap();
        for line in [
            "gateward_requests_total{outcome=\"forwarded\",route=\"/api\",status=\"2xx\"} 2",
            "gateward_requests_total{outcome=\"refused\",route=\"/api\",status=\"4xx\"} 1",
            "gateward_request_duration_seconds_count{outcome=\"forwarded\"} 2",
            "gateward_request_duration_seconds_bucket{outcome=\"forwarded\",le=\"0.005\"} 2",
            "gateward_auth_checks_total{reason=\"\",result=\"ok\"} 1",
            "gateward_auth_checks_total{reason=\"token_expired\",result=\"refused\"} 1",
            "gateward_logins_total{result=\"ok\"} 1",
            "gateward_logins_total{result=\"invalid_credentials\"} 0",
            "gateward_actor_restarts_total{actor=\"sessions\"} 0",
            "gateward_store_errors_total{store=\"postgres\"} 1",
            "gateward_revocation_lag_seconds 1.5",
            "gateward_certificate_expires_timestamp_seconds{name=\"a.example\"} 7",
            "gateward_tls_handshake_failures_total{reason=\"not_tls\"} 0",
            "process_start_time_seconds 1700000000",
        ] {
            assert!(text.lines().any(|rendered| rendered == line), "missing {line} in\n{text}");
        }
    }

    #[test]
    fn every_line_is_a_comment_or_a_sample() {
        for line in busy().render().unwrap().lines() {
            let sample = line.rsplit_once(' ').is_some_and(|(name, value)| {
                !name.is_empty() && (value.parse::<f64>().is_ok() || value == "+Inf")
            });
            assert!(line.starts_with("# HELP ") || line.starts_with("# TYPE ") || sample, "{line}");
        }
    }

    #[test]
    fn two_gateways_in_one_process_count_apart() {
        let (one, other) = (busy(), Metrics::new(0).unwrap());
        one.connections.inc();
        assert!(other.render().unwrap().contains("\ngateward_connections 0\n"));
    }
}
