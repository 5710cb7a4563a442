//! Which lines are written.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;

use super::logs::LogError;

/// `EnvFilter` takes a lone unknown word as the name of a target, so that `level = "inof"` would
/// silence everything. Here it is an error. Spaces round the commas are allowed.
pub(super) fn parse_filter(filter: &str) -> Result<EnvFilter, LogError> {
    let parts: Vec<_> = filter.split(',').map(str::trim).collect();
    for part in &parts {
        let names_a_target = part.contains(['=', '[']);
        if part.is_empty() || (!names_a_target && part.parse::<LevelFilter>().is_err()) {
            return Err(LogError::UnknownLevel { part: (*part).to_owned() });
        }
    }
    Ok(EnvFilter::try_new(parts.join(","))?)
}

/// The most that each source may say, whatever the configured filter asks for.
///
/// Libraries print what they work on below info: header lines with tokens (pingora, h2), statement
/// parameters (tokio-postgres). And pingora prints raw request bytes or targets at error and warn
/// already ("Fail to proxy", "invalid content-length"); the line per request says the same without
/// them. The pool of connections tells each one it lost; the store's observer tells of the outage once.
/// No configuration lifts these ceilings, so a secret cannot reach the log by a log level.
pub(super) fn ceilings() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("gateward", LevelFilter::TRACE)
        .with_target("refinery", LevelFilter::WARN)
        .with_target("deadpool", LevelFilter::ERROR)
        .with_target("pingora", LevelFilter::WARN)
        .with_target("pingora_core::protocols", LevelFilter::OFF)
        .with_target("pingora_proxy", LevelFilter::OFF)
        .with_target("pingora_cache", LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::logs::LogFormatChoice;
    use crate::telemetry::logs::capture::logged;

    #[test]
    fn libraries_stay_under_their_ceilings_whatever_the_filter_asks() {
        let text = logged(LogFormatChoice::Text, "trace,pingora_proxy=trace,tokio_postgres::x=trace", || {
            tracing::error!(target: "pingora_proxy", "Fail to proxy: buf: secret-1");
            tracing::error!(target: "pingora_proxy::proxy_h1", "secret-2");
            tracing::warn!(target: "pingora_core::protocols::http", "invalid content-length secret-3");
            tracing::info!(target: "pingora_core::server", "secret-4");
            tracing::debug!(target: "tokio_postgres::x", "parameters secret-5");
            tracing::warn!(target: "pingora_core::server", "shown-1");
            tracing::info!(target: "refinery_core::traits", "secret-6");
            tracing::warn!(target: "deadpool.postgres", "secret-7");
            tracing::info!(target: "some_library", "shown-2");
            tracing::trace!(target: "gateward::gateway", "shown-3");
        });
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }

    #[test]
    fn the_ceilings_hold_for_records_of_the_log_crate() {
        // The bridge asks the filter with the record's own target, so a ceiling by target works for both.
        let text = logged(LogFormatChoice::Text, "trace", || {
            log::error!(target: "pingora_proxy", "Fail to proxy: secret");
            log::debug!(target: "tokio_postgres", "parameters: secret");
            log::warn!(target: "pingora_core::server", "shown");
        });
        assert!(text.contains("shown") && text.contains("pingora_core::server"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_wrong_filter_is_refused() {
        for filter in ["inof", "info,loud", "", "info,"] {
            assert!(matches!(parse_filter(filter), Err(LogError::UnknownLevel { .. })), "{filter}");
        }
        assert!(matches!(parse_filter("gateward=loud"), Err(LogError::Filter(_))));
        for filter in ["info", "WARN", "warn,gateward=debug", "off", "info, gateward::access=off"] {
            assert!(parse_filter(filter).is_ok(), "{filter}");
        }
    }
}
