//! Gateward and others on one machine, in turn: processor time of the proxy for each request.
//!
//! Every set-up stands in front of the same nginx, which answers 100 bytes, and is driven over 64 kept connections. The
//! proxy has one worker thread and one core; the load and the service share another one. A round starts every set-up
//! once and measures its rows; the next round goes through them in another order. Before a set-up is measured it must
//! give the right answers ([`proof`]); during the load every status is looked at, and a wrong one fails the run.
//!
//! A Rust program and not a script: it needs pingora in process for one of the rows ([`bare`]), and keys and tokens of
//! the project's own libraries for others.
//!
//! Run with `make bench-peers`. Writes the marked part of docs/benchmarks.md, and docs/peers.svg. Variables:
//! `ROUNDS` (5), `SPAN` (seconds of load for each row, 4), `ONLY` (names of set-ups, separated by commas), `PROXY_CORES` (0),
//! `LOAD_CORES` (1), `GATEWARD` (another build of the program), `LOAD=wrk`
//! (instead of `gateward loadtest`), `WRITE=no` (only prints).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot be set up has nothing to measure, and measures by the system's clock"
)]

mod bare;
mod load;
mod machine;
mod place;
mod plot;
mod process;
mod proof;
mod report;
mod rounds;
mod setups;
mod signature;
mod tokens;

/// That of the gateway's program, so that the bare proxy differs from it in nothing but the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let modes = [bare::MODE, signature::MODE];
    let mode = arguments.iter().position(|argument| modes.contains(&argument.as_str()));
    match mode.map(|at| &arguments[at..]) {
        Some([mode, listen, service]) if mode == bare::MODE => bare::run(listen, service),
        Some([_, algorithm, key, tokens]) => signature::run(algorithm, key, tokens.as_ref()),
        _ => rounds::run(&place::Place::new()),
    }
}
