//! The program: parse, run, map the error to an exit code.

use std::process::ExitCode;

use clap::Parser;
use gateward::cli::{self, Cli};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateward: {error}");
            error.exit().into()
        }
    }
}
