//! `gateward torture`

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use secrecy::{SecretSlice, SecretString};
use zeroize::Zeroizing;

use super::table::Table;
use super::{CliError, Exit};
use crate::live::Clock;
use crate::torture::{Options, Protocol, ScoreCard, Target, TortureError, Verdict};

const EXAMPLES: &str = "\
Examples:
  gateward torture http://127.0.0.1:8080
  gateward torture http://127.0.0.1:8080 --token-file token.txt --secret-file secret.txt --json > card.json
  gateward torture https://127.0.0.1:8443 --insecure --over both --class framing --class path

Sends the attack corpus to a gateway whose upstream is `gateward record`, and prints a score card: case, sent, \
answered, what the upstream saw, verdict. The gateway needs one route for everybody and one that needs a token.

Verdicts: `pass`: answered as expected, and the upstream saw what it should. `differs`: answered otherwise, and \
the upstream saw nothing that it should not. `fail`: the upstream saw what it should not, or the gateway did not \
answer the next good request. `skipped`: a case whose token could not be made, or the time was up.

--json prints {passed, total, classes, rows}: total and each of classes are {pass, differs, fail, skipped}; a row is \
{class, case, over, sent, answered, status, millis, upstream, upstream_count, verdict, reasons, why, source}.

Exits with 0 when everything passed and nothing was skipped, else with 1. Run it against gateways of your own \
only: it sends some thousand attacks in seconds.";

/// What to attack.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct TortureArgs {
    /// The gateway: http://HOST:PORT or https://HOST:PORT
    #[arg(value_name = "URL")]
    pub target: Target,
    /// A path prefix that anybody may use
    #[arg(long, value_name = "PATH", default_value = "/public", value_parser = prefix)]
    pub public: String,
    /// A path prefix that needs a token
    #[arg(long, value_name = "PATH", default_value = "/private", value_parser = prefix)]
    pub protected: String,
    /// A file with a token that stays valid for the whole run; without it, cases with tokens are skipped
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A file with the gateway's HS256 secret (last line end not included), for wrong tokens signed properly
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// The control address of the recorder
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9002")]
    pub recorder: SocketAddr,
    /// Only this class; may be given several times
    #[arg(long = "class", value_name = "CLASS")]
    pub classes: Vec<String>,
    /// The protocols; http:// means HTTP/2 with prior knowledge [default: h1 for http://, both for https://]
    #[arg(long, value_enum)]
    pub over: Option<Over>,
    /// Print the whole card as JSON
    #[arg(long)]
    pub json: bool,
    /// Print only what did not pass, and the sums
    #[arg(long, conflicts_with = "json")]
    pub quiet: bool,
    /// Take any certificate
    #[arg(long)]
    pub insecure: bool,
    /// Attack another machine
    #[arg(long)]
    pub allow_remote: bool,
    /// How many requests at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub concurrency: u8,
    /// When to stop and skip the rest
    #[arg(long, value_name = "SPAN", default_value = "2m", value_parser = humantime::parse_duration)]
    pub total: Duration,
}

/// The protocols of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Over {
    /// HTTP/1.1
    H1,
    /// HTTP/2
    H2,
    /// One after the other
    Both,
}

/// Attacks, and prints the card.
///
/// # Errors
/// [`Exit::Usage`] when the target or a class is none, [`Exit::Unavailable`] when gateway or recorder do not
/// answer, [`Exit::Failure`] when something did not pass.
pub fn run(args: &TortureArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let options = options(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let card = runtime.block_on(crate::torture::run(&options)).map_err(failed)?;
    if args.json {
        writeln!(out, "{}", card.json()?)?;
    } else {
        print(&card, args.quiet, out)?;
    }
    out.flush()?;
    let total = card.total();
    if card.passed() {
        return Ok(());
    }
    let message = format!(
        "{} of {} did not pass ({} differ, {} failed, {} skipped)",
        total.all().saturating_sub(total.pass),
        total.all(),
        total.differs,
        total.fail,
        total.skipped
    );
    Err(CliError::new(Exit::Failure, anyhow::anyhow!(message)))
}

fn failed(error: TortureError) -> CliError {
    let exit = match &error {
        TortureError::Remote(_) | TortureError::Class(..) => Exit::Usage,
        TortureError::Unreachable(..) | TortureError::Recorder(_) | TortureError::NotBehind { .. } => {
            Exit::Unavailable
        }
        TortureError::TokenRefused { .. } | TortureError::Open { .. } | TortureError::Corpus(_) => {
            Exit::Failure
        }
    };
    CliError::new(exit, error)
}

fn options(args: &TortureArgs) -> Result<Options, CliError> {
    let over = match (args.over, args.target.is_https()) {
        (Some(Over::H1), _) | (None, false) => vec![Protocol::H1],
        (Some(Over::H2), _) => vec![Protocol::H2],
        (Some(Over::Both), _) | (None, true) => vec![Protocol::H1, Protocol::H2],
    };
    let token = args.token_file.as_deref().map(read).transpose()?;
    let secret = args.secret_file.as_deref().map(read).transpose()?;
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(Options {
        target: args.target.clone(),
        public: args.public.clone(),
        protected: args.protected.clone(),
        token: token.map(|text| SecretString::from(text.as_str())),
        secret: secret.map(|text| SecretSlice::from(text.as_bytes().to_vec())),
        recorder: args.recorder,
        classes: args.classes.clone(),
        over,
        insecure: args.insecure,
        allow_remote: args.allow_remote,
        now: Clock::System.now().unix_seconds(),
        seed: u64::from_le_bytes(seed),
        concurrency: usize::from(args.concurrency),
        total: args.total,
    })
}

/// A secret's file, without the line end that editors add.
fn read(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("reading {}", path.display()))?;
    Ok(Zeroizing::new(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
}

fn prefix(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_'));
    if !text.starts_with('/') || text.len() < 2 || !plain {
        return Err("a prefix is / and plain letters, as /public".to_owned());
    }
    Ok(text.to_owned())
}

/// Prints the rows and the sums.
fn print(card: &ScoreCard, quiet: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let mut rows = Table::new(&["CLASS", "CASE", "OVER", "SENT", "ANSWERED", "UPSTREAM SAW", "VERDICT"]);
    let mut shown = 0_usize;
    for row in card.rows.iter().filter(|row| !quiet || row.verdict != Verdict::Pass) {
        shown = shown.saturating_add(1);
        let reasons = row.reasons.join("; ");
        let verdict = row.verdict.as_str();
        rows.row([
            row.class.clone(),
            row.case.clone(),
            row.over.to_owned(),
            row.sent.chars().take(60).collect(),
            row.answered.clone(),
            row.upstream.chars().take(60).collect(),
            if reasons.is_empty() { verdict.to_owned() } else { format!("{verdict}: {reasons}") },
        ]);
    }
    if shown > 0 {
        rows.write(out)?;
        writeln!(out)?;
    }
    let mut sums = Table::new(&["CLASS", "SENT", "PASS", "DIFFERS", "FAIL", "SKIPPED"]);
    for (name, sum) in card.classes().into_iter().chain([("all", card.total())]) {
        let numbers = [sum.sent(), sum.pass, sum.differs, sum.fail, sum.skipped].map(|sum| sum.to_string());
        let [sent, pass, differs, fail, skipped] = numbers;
        sums.row([name.to_owned(), sent, pass, differs, fail, skipped]);
    }
    sums.write(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_plain() {
        assert!(prefix("/public").is_ok());
        for wrong in ["", "/", "public", "/a b", "/%2f", "/a?b"] {
            assert!(prefix(wrong).is_err(), "{wrong}");
        }
    }
}
