//! From the arguments to the run and its result.

use std::io::{IsTerminal as _, Write};
use std::path::Path;

use anyhow::Context;

use super::args::LoadtestArgs;
use super::shown::{print, show};
use super::tokens::tokens;
use crate::cli::{CliError, Exit, GlobalArgs};
use crate::loadtest::{Access, Address, LoadError, Mix, Options, Pace, Protocol, Trust};

/// Sends, and prints the result.
///
/// # Errors
/// [`Exit::Usage`] when the flags make no sense together, [`Exit::Unavailable`] when the gateway does not answer,
/// [`Exit::Failure`] when an answer was wrong.
pub fn run(args: &LoadtestArgs, global: &GlobalArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let (tokens, mix) = tokens(args, global)?;
    // clap lets it be missing for --write-tokens only.
    let Some(address) = args.url.clone() else { return Ok(()) };
    let options = options(args, address, mix)?;
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
    if let Some(file) = &args.svg {
        std::fs::write(file, report.svg()).with_context(|| format!("writing {}", file.display()))?;
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

fn options(args: &LoadtestArgs, address: Address, mix: Mix) -> Result<Options, CliError> {
    let trust = match (&args.ca_file, args.insecure) {
        (Some(path), _) => Trust::Authorities(read(path)?),
        (None, true) => Trust::Anybody,
        (None, false) => Trust::System,
    };
    Ok(Options {
        address,
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
