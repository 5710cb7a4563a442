//! The program: everything is in the library; this maps the outcome to an exit code.

use std::process::ExitCode;

use gateward::cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateward: {error}");
            error.exit().into()
        }
    }
}
