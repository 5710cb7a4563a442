//! `gateward loadtest`

use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::table::Table;
use super::{CliError, Exit, GlobalArgs};
use crate::loadtest::{
    Access, Address, LatencyRow, LoadError, Mix, Options, Pace, Progress, Protocol, Report, Tokens, Trust,
};

const EXAMPLES: &str = "\
Examples:
  gateward loadtest --url http://127.0.0.1:8080/ --tokens tokens.txt --duration 30s

TODO";

/// The mix of a run that names none; kinds without tokens are left out.
const MIX: &str = "valid=90,cold=2,expired=2,revoked=2,forged=2,absent=2";

/// What to send.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct LoadtestArgs {
    /// Where to: http://HOST:PORT/PATH or https://..
    #[arg(long)]
    pub url: Address,
    /// A file of tokens, one a line, perhaps with its kind in front
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
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

/// Sends, and prints the result.
///
/// # Errors
/// [`Exit::Usage`] when the flags make no sense together, [`Exit::Unavailable`] when the gateway does not answer,
/// [`Exit::Failure`] when an answer was wrong.
pub fn run(args: &LoadtestArgs, _global: &GlobalArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let (tokens, mix) = tokens(args)?;
    let options = options(args, mix)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let stop = async {
        // Without signals it cannot be stopped early, that is all.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let report = runtime.block_on(crate::loadtest::run(options, tokens, stop, show)).map_err(failed)?;
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    if let Some(Some(file)) = &args.json {
        let json = report.json()?;
        std::fs::write(file, json + "\n").with_context(|| format!("writing {}", file.display()))?;
    }
    if matches!(args.json, Some(None)) {
        writeln!(out, "{}", report.json()?)?;
    } else {
        print(&report, out)?;
    }
    out.flush()?;
    if report.passed() {
        return Ok(());
    }
    let message = match report.wrong {
        0 => "nothing was answered in the measured time".to_owned(),
        wrong => format!("{wrong} wrong answers"),
    };
    Err(CliError::new(Exit::Failure, anyhow::anyhow!(message)))
}

fn failed(error: LoadError) -> CliError {
    let exit = match &error {
        LoadError::Remote(_) | LoadError::Tls(_) | LoadError::Process(..) => Exit::Usage,
        LoadError::Unreachable(..) | LoadError::Silent(..) => Exit::Unavailable,
        LoadError::Machine(_) => Exit::Failure,
    };
    CliError::new(exit, error)
}

/// The tokens, and the mix that can be made of them.
fn tokens(args: &LoadtestArgs) -> Result<(Tokens, Mix), CliError> {
    let mut tokens = match &args.tokens {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
            Tokens::read(BufReader::new(file)).with_context(|| path.display().to_string())?
        }
        None => Tokens::default(),
    };
    let mut mix = match &args.mix {
        Some(mix) => mix.clone(),
        None => MIX.parse()?,
    };
    tokens.complete(&mix);
    for kind in tokens.missing(&mix) {
        // What nobody asked for is left out.
        let less = if args.mix.is_none() { mix.without(kind) } else { None };
        mix =
            less.ok_or_else(|| CliError::usage(format!("the mix wants {kind} tokens, and there are none")))?;
    }
    Ok((tokens, mix))
}

fn options(args: &LoadtestArgs, mix: Mix) -> Result<Options, CliError> {
    let trust = match (&args.ca_file, args.insecure) {
        (Some(path), _) => Trust::Authorities(read(path)?),
        (None, true) => Trust::Anybody,
        (None, false) => Trust::System,
    };
    Ok(Options {
        address: args.url.clone(),
        allow_remote: args.allow_remote,
        protocol: if args.http2 { Protocol::Http2 } else { Protocol::Http1 },
        trust,
        method: args.method.clone(),
        access: if args.expect_public { Access::Public } else { Access::Protected },
        mix,
        pace: args.rate.map_or(Pace::Closed, Pace::Open),
        connections: usize::from(args.connections),
        streams: if args.http2 { usize::from(args.streams) } else { 1 },
        threads: usize::from(args.threads),
        duration: args.duration,
        warm_up: args.warm_up,
        timeout: args.timeout,
        target_pid: args.target_pid,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    Ok(std::fs::read(path).with_context(|| format!("reading {}", path.display()))?)
}

/// The progress line: one that is written over on a terminal, else none.
fn show(progress: &Progress) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let Progress { elapsed, total, warming_up, right, right_lately, wrong, errors } = progress;
    let what = if *warming_up { "warming up" } else { "measuring" };
    let (elapsed, total) = (elapsed.as_secs(), total.as_secs());
    eprint!(
        "\r\x1b[K{what} {elapsed}/{total} s  {right_lately} answers/s  {right} right  {wrong} wrong  {errors} errors"
    );
}

fn print(report: &Report, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(&[
        "KIND", "EXPECTED", "REQUESTS", "P50 us", "P90 us", "P99 us", "P99.9 us", "MAX us", "ERRORS", "WRONG",
    ]);
    let times = |latency: &Option<LatencyRow>| {
        latency.as_ref().map_or([(); 5].map(|()| "-".to_owned()), |row| {
            [row.p50, row.p90, row.p99, row.p999, row.max].map(|time| format!("{time:.0}"))
        })
    };
    for kind in crate::loadtest::Kind::ALL {
        let Some(row) = report.kinds.get(kind.as_str()) else { continue };
        let [p50, p90, p99, p999, max] = times(&row.latency_us);
        let (errors, wrong) = (row.errors.to_string(), row.wrong.to_string());
        let first = [kind.to_string(), row.expected.to_owned(), row.requests.to_string()];
        let [kind, expected, requests] = first;
        table.row([kind, expected, requests, p50, p90, p99, p999, max, errors, wrong]);
    }
    let [p50, p90, p99, p999, max] = times(&report.latency_us);
    let sum: u64 = report.kinds.values().map(|row| row.requests).sum();
    let (errors, wrong) = (report.errors.to_string(), report.wrong.to_string());
    table.row(["all".to_owned(), String::new(), sum.to_string(), p50, p90, p99, p999, max, errors, wrong]);
    table.write(out)?;
    writeln!(out)?;
    writeln!(out, "{:.0} answers/s over {:.1} s", report.rate, report.duration_seconds)?;
    if let (Some(target), Some(cpu)) = (&report.target, report.cpu_us_per_request) {
        let (cores, megabytes) = (target.cores, |bytes: u64| bytes / 1_000_000);
        let (now, peak) = (megabytes(target.rss_bytes), megabytes(target.peak_rss_bytes));
        writeln!(
            out,
            "target: {cpu:.2} us CPU/request, {cores:.2} cores, {now} MB resident ({peak} MB at most)"
        )?;
    }
    if let (Some(cpu), Some(cores)) = (report.generator.cpu_us_per_request, report.generator.cores) {
        writeln!(out, "this program: {cpu:.2} us CPU/request, {cores:.2} cores")?;
    }
    Ok(())
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
