//! The access line as bytes, without a detour through events and visitors.
//!
//! It is the one line that every request pays for: through `tracing` it took 29 700 instructions, a fifth of what the whole
//! request did; here it takes 12 700, the log's own thread included (`make bench-guard`). A test holds both ways to the same bytes. On a terminal, where lines have
//! colours, and in tests that capture the log, `tracing` writes it still.

use std::fmt::{Display, Formatter, Write as _};
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, UtcDateTime};
use tracing_appender::non_blocking::NonBlocking;

use super::access::{ACCESS_TARGET, AccessLine, loggable_path, millis};
use super::logs::LogFormatChoice;

/// Where lines go in this process, once its log is set up.
static LINES: OnceLock<(LogFormatChoice, NonBlocking)> = OnceLock::new();

/// From now on access lines are written here.
pub(super) fn write_to(format: LogFormatChoice, lines: NonBlocking) {
    // The log is set up once; so is this.
    let _set_before = LINES.set((format, lines));
}

/// Writes the line, if there is a place for it.
pub(super) fn write(line: &AccessLine<'_>) -> bool {
    let Some((format, lines)) = LINES.get() else { return false };
    #[expect(clippy::disallowed_methods, reason = "a line of the log says when it was written")]
    let now = SystemTime::now();
    // Lossy: it never waits, and counts what it drops.
    let _written = lines.clone().write_all(&bytes(*format, line, now));
    true
}

fn bytes(format: LogFormatChoice, line: &AccessLine<'_>, now: SystemTime) -> Vec<u8> {
    match format {
        LogFormatChoice::Json => json(line, Stamp(now)),
        LogFormatChoice::Text => text(line, Stamp(now)).into_bytes(),
    }
}

fn json(line: &AccessLine<'_>, timestamp: Stamp) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let line = Json {
        timestamp,
        level: "INFO",
        request_id: Shown(line.request_id),
        http: line.http,
        method: line.method,
        path: loggable_path(line.path),
        route: line.route,
        upstream: line.upstream,
        status: line.status,
        outcome: line.outcome.as_str(),
        reason: line.reason,
        duration_ms: millis(line.duration),
        client: Shown(&line.client),
        bytes_in: line.bytes_in,
        bytes_out: line.bytes_out,
        account: line.account.map(Shown),
        path_exception: line.path_exception,
        target: ACCESS_TARGET,
    };
    // Neither writing to memory nor these fields can fail.
    let _written = serde_json::to_writer(&mut bytes, &line);
    bytes.push(b'\n');
    bytes
}

#[derive(Serialize)]
struct Json<'a> {
    timestamp: Stamp,
    level: &'a str,
    request_id: Shown<'a>,
    http: &'a str,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    duration_ms: f64,
    client: Shown<'a>,
    bytes_in: u64,
    bytes_out: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_exception: Option<&'a str>,
    target: &'a str,
}

/// A value by how it is displayed.
struct Shown<'a>(&'a dyn Display);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

fn text(line: &AccessLine<'_>, timestamp: Stamp) -> String {
    let mut text = String::with_capacity(384);
    // Writing to memory cannot fail.
    let _written = write_text(&mut text, line, timestamp);
    text
}

fn write_text(text: &mut String, line: &AccessLine<'_>, timestamp: Stamp) -> std::fmt::Result {
    let (id, http, method, path) = (line.request_id, line.http, line.method, loggable_path(line.path));
    write!(text, "{timestamp}  INFO {ACCESS_TARGET}: request_id={id} http={http:?} method={method:?}")?;
    write!(text, " path={path:?}")?;
    let named = |text: &mut String, name: &str, value: Option<&str>| match value {
        Some(value) => write!(text, " {name}={value:?}"),
        None => Ok(()),
    };
    named(text, "route", line.route)?;
    named(text, "upstream", line.upstream)?;
    if let Some(status) = line.status {
        write!(text, " status={status}")?;
    }
    write!(text, " outcome={:?}", line.outcome.as_str())?;
    named(text, "reason", line.reason)?;
    let (duration, client) = (millis(line.duration), line.client);
    write!(text, " duration_ms={duration:?} client={client}")?;
    write!(text, " bytes_in={} bytes_out={}", line.bytes_in, line.bytes_out)?;
    if let Some(account) = line.account {
        write!(text, " account={account}")?;
    }
    named(text, "path_exception", line.path_exception)?;
    text.push('\n');
    Ok(())
}

/// RFC 3339 with microseconds, in UTC, as the other lines have it.
#[derive(Clone, Copy)]
struct Stamp(SystemTime);

impl Display for Stamp {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let at: UtcDateTime = OffsetDateTime::from(self.0).to_utc();
        let (year, month, day) = at.to_calendar_date();
        let (hour, minute, second, micros) = at.as_hms_micro();
        let month = u8::from(month);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};
    use std::time::Duration;

    use super::*;
    use crate::telemetry::Outcome;
    use crate::telemetry::logs::capture::logged;

    const FULL: AccessLine<'static> = AccessLine {
        request_id: &"01234567-89ab-7fff-bfff-ffffffffffff",
        http: "2",
        method: "GET",
        path: "/api/\u{fc}/a\n2030-01-01T00:00:00Z  INFO \"forged\"\\\u{1b}[31m?token=query-secret",
        route: Some("/api"),
        upstream: Some("app"),
        status: Some(200),
        outcome: Outcome::Forwarded,
        reason: Some("a_reason"),
        duration: Duration::from_micros(1_234_567),
        client: IpAddr::V6(Ipv6Addr::LOCALHOST),
        bytes_in: 7,
        bytes_out: u64::MAX,
        account: Some(&"a \"subject\""),
        path_exception: Some("encoded_slash"),
    };
    const BARE: AccessLine<'static> = AccessLine {
        path: "http://me:secret@host/",
        route: None,
        upstream: None,
        status: None,
        outcome: Outcome::Refused,
        reason: None,
        duration: Duration::ZERO,
        account: None,
        path_exception: None,
        ..FULL
    };

    /// Behind the time, which differs.
    fn untimed(line: &str) -> &str {
        line.split_once("Z").unwrap().1
    }

    #[test]
    fn bytes_are_those_that_tracing_writes() {
        for format in [LogFormatChoice::Json, LogFormatChoice::Text] {
            for line in [FULL, BARE] {
                let traced = logged(format, "info", || line.emit());
                let ours = String::from_utf8(bytes(format, &line, SystemTime::UNIX_EPOCH)).unwrap();
                assert_eq!(untimed(&ours), untimed(&traced));
                assert_eq!(ours.lines().count(), 1, "{ours}");
                let begin = |line: &str| line.split_once("Z").unwrap().0.len();
                assert_eq!(begin(&ours), begin(&traced));
            }
        }
    }

    #[test]
    fn time_is_told_to_the_microsecond() {
        let at = SystemTime::UNIX_EPOCH + Duration::new(1_795_406_462, 7_089_999);
        assert_eq!(Stamp(at).to_string(), "2026-11-23T04:01:02.007089Z");
    }
}
