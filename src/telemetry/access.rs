//! The one line per request.
//!
//! Carries what an operator needs to follow a request and nothing a client considers secret: no query,
//! no header, no token, no address of e-mail.

use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use super::access_format;
use super::labels::Outcome;

/// The `target` of these lines, for filters: `info,gateward::access=off` silences them.
pub const ACCESS_TARGET: &str = "gateward::access";

/// Bytes of a path that reach the log.
const MAX_PATH: usize = 512;

/// What is said about one finished request. Fields are borrowed: nothing is formatted when the filter
/// has the line off.
///
/// The fields of the log line have the names given here; absent ones are left out.
#[derive(Clone, Copy)]
pub struct AccessLine<'a> {
    /// `request_id`: the same as in the answer's `X-Request-Id`.
    pub request_id: &'a dyn Display,
    /// `http`: the version of HTTP that the client spoke; of a head that could not be read, that of the connection.
    pub http: &'a str,
    /// `method`.
    pub method: &'a str,
    /// `path`: of the request target. A query is cut off here once more should the caller forget.
    pub path: &'a str,
    /// `route`: the configured route that took it.
    pub route: Option<&'a str>,
    /// `upstream`: the configured upstream that it was sent to.
    pub upstream: Option<&'a str>,
    /// `status` of the answer; absent when the client left before one.
    pub status: Option<u16>,
    /// `outcome`.
    pub outcome: Outcome,
    /// `reason`: the stable code of a refusal or failure.
    pub reason: Option<&'static str>,
    /// `duration_ms`: milliseconds from the first byte of the request to the last of the answer.
    pub duration: Duration,
    /// `client`: the address the gateway decided on.
    pub client: IpAddr,
    /// `bytes_in`: of the request's body.
    pub bytes_in: u64,
    /// `bytes_out`: of the answer's body.
    pub bytes_out: u64,
    /// `account`: the subject of a valid token.
    pub account: Option<&'a dyn Display>,
    /// `path_exception`: what of the path only its route allows: `encoded_slash`, `merged_slashes`, or both.
    pub path_exception: Option<&'static str>,
}

impl AccessLine<'_> {
    /// Writes the line, at level info.
    pub fn emit(&self) {
        if !tracing::enabled!(target: ACCESS_TARGET, tracing::Level::INFO) {
            return;
        }
        if access_format::write(self) {
            return;
        }
        tracing::info!(
            target: ACCESS_TARGET,
            request_id = %self.request_id,
            http = self.http,
            method = self.method,
            path = loggable_path(self.path),
            route = self.route,
            upstream = self.upstream,
            status = self.status,
            outcome = self.outcome.as_str(),
            reason = self.reason,
            duration_ms = millis(self.duration),
            client = %self.client,
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            account = self.account.map(tracing::field::display),
            path_exception = self.path_exception,
        );
    }
}

/// The part of a request target that may be logged: a path without query and fragment, cut to
/// [`MAX_PATH`] bytes. An absolute-form target (`http://user:password@host/`) may hold credentials: it
/// is named, not shown.
pub(super) fn loggable_path(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if path.starts_with('/') || path == "*" {
        path.get(..path.floor_char_boundary(MAX_PATH)).unwrap_or_default()
    } else {
        "(no path)"
    }
}

/// Milliseconds with microseconds as the fraction.
pub(super) fn millis(span: Duration) -> f64 {
    f64::from(u32::try_from(span.as_micros()).unwrap_or(u32::MAX)) / 1000.0
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::Value;

    use super::*;
    use crate::telemetry::logs::LogFormatChoice;
    use crate::telemetry::logs::capture::logged;

    fn line() -> AccessLine<'static> {
        AccessLine {
            request_id: &"01234567-89ab-7fff-bfff-ffffffffffff",
            http: "1.1",
            method: "GET",
            path: "/api/x?token=query-secret",
            route: Some("/api"),
            upstream: Some("app"),
            status: Some(200),
            outcome: Outcome::Forwarded,
            reason: None,
            duration: Duration::from_micros(1500),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            bytes_in: 0,
            bytes_out: 42,
            account: Some(&"a-subject"),
            path_exception: None,
        }
    }

    #[test]
    fn a_json_access_line_has_the_documented_fields_and_no_query() {
        let text = logged(LogFormatChoice::Json, "info", || line().emit());
        assert!(!text.contains("query-secret"), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        let mut fields: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "account",
                "bytes_in",
                "bytes_out",
                "client",
                "duration_ms",
                "http",
                "level",
                "method",
                "outcome",
                "path",
                "request_id",
                "route",
                "status",
                "target",
                "timestamp",
                "upstream",
            ]
        );
        for (field, expected) in [
            ("target", Value::from("gateward::access")),
            ("level", "INFO".into()),
            ("path", "/api/x".into()),
            ("status", 200.into()),
            ("outcome", "forwarded".into()),
            ("duration_ms", 1.5.into()),
            ("bytes_out", 42.into()),
            ("account", "a-subject".into()),
        ] {
            assert_eq!(value.get(field), Some(&expected), "{field}");
        }
        let timestamp = value.get("timestamp").and_then(Value::as_str).unwrap();
        assert!(timestamp.ends_with('Z') && timestamp.contains('T'), "{timestamp}");
    }

    #[test]
    fn a_refusal_carries_its_reason() {
        let text = logged(LogFormatChoice::Json, "info", || {
            AccessLine { outcome: Outcome::Refused, reason: Some("token_expired"), account: None, ..line() }
                .emit();
        });
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.get("reason"), Some(&Value::from("token_expired")));
        assert_eq!(value.get("account"), None);
    }

    #[test]
    fn a_text_access_line_stays_one_line_whatever_the_path_holds() {
        let text = logged(LogFormatChoice::Text, "info", || {
            AccessLine { path: "/a\n2030-01-01T00:00:00Z  INFO forged\u{1b}[31m", ..line() }.emit();
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("outcome=\"forwarded\""), "{text}");
    }

    #[test]
    fn access_lines_can_be_switched_off_alone() {
        let text = logged(LogFormatChoice::Text, "info,gateward::access=off", || {
            line().emit();
            tracing::info!(target: "gateward", "still here");
        });
        assert!(text.contains("still here") && !text.contains("forwarded"), "{text}");
    }

    #[test]
    fn a_logged_path_has_no_query_no_user_info_and_a_bound() {
        for (target, logged) in [
            ("/a/b", "/a/b"),
            ("/a?token=secret", "/a"),
            ("/a#token=secret", "/a"),
            ("*", "*"),
            ("http://me:secret@host/a", "(no path)"),
            ("?token=secret", "(no path)"),
            ("", "(no path)"),
        ] {
            assert_eq!(loggable_path(target), logged, "{target}");
        }
        let long = format!("/{}", "\u{fc}".repeat(MAX_PATH));
        assert_eq!(loggable_path(&long).len(), MAX_PATH - 1, "cut between characters");
    }

    #[test]
    fn milliseconds_keep_the_microseconds() {
        assert_eq!(millis(Duration::from_micros(1_234)).to_string(), "1.234");
        assert_eq!(millis(Duration::from_nanos(999)).to_string(), "0");
    }
}
