//! What `gateward loadtest` can be told.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::domain::token::LONGEST_LIFE;
use crate::loadtest::{Address, Mix};

const EXAMPLES: &str = "\
Examples:
  gateward --config config.toml loadtest --url http://127.0.0.1:8080/ --sessions 10000
  gateward --config config.toml loadtest --url http://127.0.0.1:8080/ --sessions 100000 --rate 5000 --duration 1m --svg latency.svg
  gateward --config config.toml loadtest --sessions 100000 --write-tokens tokens.txt
  gateward loadtest --url https://127.0.0.1:8443/ --tokens tokens.txt --http2 --insecure --json result.json --target-pid 4711
  gateward loadtest --url http://127.0.0.1:8080/public --expect-public --mix absent=1

Sends requests with good, expired, revoked and forged tokens and without any, measures how long the answers take, and \
checks each of them: a wrong one fails the run. Good is any 2xx for `valid` and `cold` tokens, and 401 for all others; \
with --expect-public, 2xx for all. Answers 429 and 5xx and requests without answer are errors, not wrong.

Tokens: --sessions mints them with the store and the key of the configuration, so the gateway under test must use the same; \
they belong to the accounts loadtest@example.com and loadtest-ended@example.com, which are made when they are missing, with \
a password that nobody knows. --tokens reads a file, for any gateway: one token a line, perhaps with its kind in front, as \
`expired eyJ..`; forged ones are made of valid ones, and cold ones are taken from them in the proportion of the mix, \
unless there are any. `cold` tokens are sent once each; those that are missing are said, and other kinds are sent instead. \
Token files are credentials: --write-tokens lets nobody else read its file.

With --rate (open loop), times count from when a request was to be sent, so a gateway that stands still shows (no \
coordinated omission); without (closed loop), each connection sends when its last answer is there.

--json prints {format, gateward, passed, settings, tokens, duration_seconds, answers, rate, wrong, errors, \
cpu_us_per_request, rss_bytes, target, generator, schedule, latency_us, kinds, wrong_answers, error_causes, notes}; kinds \
is {kind: {expected, requests, statuses, wrong, errors, latency_us: {min, mean, p50, p90, p99, p999, max}}}, in \
microseconds. --target-pid adds CPU and memory of that process and its children.

Exits with 0 when no answer was wrong, else with 1; errors do not fail a run. Run it against gateways of your own only.";

/// The mix of a run that names none; kinds without tokens are left out.
pub(super) const MIX: &str = "valid=90,cold=2,expired=2,revoked=2,forged=2,absent=2";

/// What to send.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct LoadtestArgs {
    /// Where to: http://HOST:PORT/PATH or https://..
    #[arg(long, required_unless_present = "write_tokens")]
    pub url: Option<Address>,
    /// A file of tokens, one a line, perhaps with its kind in front
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// Mint tokens of so many sessions in the store of the configuration
    #[arg(long, value_name = "N", conflicts_with = "tokens", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub sessions: Option<u32>,
    /// Sessions that are minted and ended [default: one of a hundred, 10 to 10000]
    #[arg(long, value_name = "N", requires = "sessions", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub revoked_sessions: Option<u32>,
    /// Tokens that are sent once each [default: as many as the run needs, at 50000 requests a second without --rate]
    #[arg(long, value_name = "N", requires = "sessions", value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    pub cold_tokens: Option<u32>,
    /// How long minted tokens are valid, at most 24 h [default: the run and 15 minutes]
    #[arg(long, value_name = "SPAN", requires = "sessions", value_parser = token_life)]
    pub token_life: Option<Duration>,
    /// Write the tokens to a file; without --url, that is all
    #[arg(long, value_name = "FILE")]
    pub write_tokens: Option<PathBuf>,
    /// Shares of the kinds [default: valid=90,cold=2,expired=2,revoked=2,forged=2,absent=2, as far as there are tokens]
    #[arg(long, value_name = "KIND=SHARE,..")]
    pub mix: Option<Mix>,
    /// Requests a second, whether answers come or not (open loop) [default: as fast as answers come (closed loop)]
    #[arg(long, value_name = "R", value_parser = rate)]
    pub rate: Option<f64>,
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub connections: u16,
    /// How long is measured
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = duration)]
    pub duration: Duration,
    /// How long is sent before
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = warm_up)]
    pub warm_up: Duration,
    /// Threads that send
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub threads: u8,
    /// For one answer, and for connecting
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = deadline)]
    pub timeout: Duration,
    /// HTTP/1.1 (the default)
    #[arg(long, conflicts_with = "http2")]
    pub http1: bool,
    /// HTTP/2; on http:// with prior knowledge
    #[arg(long)]
    pub http2: bool,
    /// Requests at a time on a connection of HTTP/2
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000), requires = "http2")]
    pub streams: u16,
    /// Take any certificate
    #[arg(long)]
    pub insecure: bool,
    /// Trust these authorities only (PEM)
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca_file: Option<PathBuf>,
    /// Measure CPU and memory of this process and its children
    #[arg(long, value_name = "PID")]
    pub target_pid: Option<u32>,
    /// Print the result as JSON, or write it to a file beside the table
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub json: Option<Option<PathBuf>>,
    /// Draw the times of each kind by percentile
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// The method
    #[arg(long, default_value = "GET", value_parser = method)]
    pub method: http::Method,
    /// The URL is for everybody: every kind must get in
    #[arg(long)]
    pub expect_public: bool,
    /// Send to another machine
    #[arg(long)]
    pub allow_remote: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "a rate is a number of requests a second".to_owned())?;
    if (0.1..=2_000_000.0).contains(&rate) { Ok(rate) } else { Err("a rate is 0.1 to 2000000".to_owned()) }
}

fn within(text: &str, shortest: Duration, longest: Duration) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (shortest..=longest).contains(&span) {
        return Ok(span);
    }
    let [shortest, longest] = [shortest, longest].map(humantime::format_duration);
    Err(format!("{shortest} to {longest}"))
}

fn duration(text: &str) -> Result<Duration, String> {
    within(text, Duration::from_millis(100), Duration::from_secs(24 * 3600))
}

fn warm_up(text: &str) -> Result<Duration, String> {
    within(text, Duration::ZERO, Duration::from_secs(3600))
}

fn deadline(text: &str) -> Result<Duration, String> {
    within(text, Duration::from_millis(10), Duration::from_secs(300))
}

fn token_life(text: &str) -> Result<Duration, String> {
    within(text, Duration::from_secs(10), LONGEST_LIFE)
}

/// Requests are sent over and over, so they must be safe to send.
fn method(text: &str) -> Result<http::Method, String> {
    match text {
        "GET" => Ok(http::Method::GET),
        "HEAD" => Ok(http::Method::HEAD),
        "OPTIONS" => Ok(http::Method::OPTIONS),
        "POST" => Ok(http::Method::POST),
        _ => Err("a method is GET, HEAD, OPTIONS or POST".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_rates_have_bounds() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(warm_up("0s"), Ok(Duration::ZERO));
        assert_eq!(rate("2.5"), Ok(2.5));
        for wrong in ["30", "1ms", "25h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        for wrong in ["0", "-1", "NaN", "inf", "x", "3000000"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert!(token_life("25h").is_err() && deadline("1h").is_err());
    }

    #[test]
    fn a_method_may_be_sent_over_and_over() {
        assert_eq!(method("HEAD"), Ok(http::Method::HEAD));
        assert!(method("DELETE").is_err() && method("get").is_err());
    }
}
