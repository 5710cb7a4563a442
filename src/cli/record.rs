//! `gateward record`

use std::io::Write;
use std::net::SocketAddr;

use anyhow::Context;
use clap::Args;

use super::CliError;
use crate::torture::Recorder;

const EXAMPLES: &str = "\
Examples:
  gateward record
  gateward record --listen 127.0.0.1:9001 --control 127.0.0.1:9002

A lenient service that keeps the raw bytes of every request and answers 200. Put it behind a gateway as its \
upstream, and let `gateward torture` ask it what it saw.

  GET  /records?since=N  on the control address: JSON, raw bytes as base64
  POST /reset            forgets what it kept

It keeps 50 000 requests at most, 128 KiB of each and 128 MiB in all. It shows what it keeps, tokens included, \
to whoever asks, so it listens on loopback addresses only. Ctrl-C stops it.";

/// Where it listens.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct RecordArgs {
    /// Where the gateway connects
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9001")]
    pub listen: SocketAddr,
    /// Where the records are asked for
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9002")]
    pub control: SocketAddr,
    /// Listen on other than loopback addresses too
    #[arg(long)]
    pub anywhere: bool,
}

/// Records until a signal.
///
/// # Errors
/// An address is not loopback without `--anywhere`, or is taken.
pub fn run(args: &RecordArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(async {
        let recorder = if args.anywhere {
            Recorder::bind_anywhere(args.listen, args.control).await
        } else {
            Recorder::bind(args.listen, args.control).await
        }?;
        writeln!(out, "recording {}, control {}", recorder.address(), recorder.control_address())?;
        out.flush()?;
        tokio::select! {
            () = recorder.run() => Ok(()),
            stopped = tokio::signal::ctrl_c() => Ok(stopped?),
        }
    })
}
