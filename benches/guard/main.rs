//! How many instructions things take, counted by callgrind: figures that a busy machine does not change.
//!
//! - `request/..`: a whole proxied request, of a running gateway (see [`request`]).
//!
//! Run with `make bench-guard`. `ONLY=request/protected` counts what begins with that alone, `TOP=40` also prints the functions
//! that cost most, `CALLERS=memcpy` who calls a function.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot be set up has nothing to measure; what it says is for the terminal"
)]

mod profile;
mod request;
mod traffic;
mod valgrind;

use request::Load;

fn main() {
    let mut only = String::new();
    let mut top = 0;
    let mut callers = Vec::new();
    let mut load = Load { connections: 1, requests: 500 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap();
        match argument.as_str() {
            "--bench" => {}
            "--only" => only = value(),
            "--top" => top = value().parse().unwrap(),
            "--callers" => callers.push(value()),
            "--requests" => load.requests = value().parse().unwrap(),
            "--connections" => load.connections = value().parse().unwrap(),
            other => valgrind::give_up(&format!("unknown argument {other}")),
        }
    }
    valgrind::version();
    for (name, asked) in request::REQUESTS {
        if !only.split(',').any(|only| name.starts_with(only)) {
            continue;
        }
        let (profile, threads) = request::count(asked, load);
        println!("{name}: {:.0} instructions a request", profile.total);
        if top == 0 && callers.is_empty() {
            continue;
        }
        for (number, count) in &profile.threads {
            let name = usize::try_from(*number).ok().and_then(|number| threads.get(number - 1));
            println!("    {count:>10.0}  thread {number} {}", name.map_or("", String::as_str));
        }
        if top > 0 {
            profile.print(top);
        }
        for part in &callers {
            profile.print_callers(part, 20);
        }
    }
}
