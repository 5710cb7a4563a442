//! How many instructions things take, counted by callgrind: figures that a busy machine does not change. They are compared
//! with those in `baseline.toml`; more than 5 % more is a failure.
//!
//! - `request/..`: a whole proxied request, of a running gateway ([`request`]).
//! - everything else: a piece of its way ([`cases`]), the same as the bench `hot_path` times.
//!
//! Run with `make bench-guard`. `UPDATE=1` keeps the counts as the new baseline; `ONLY=request/protected,warm` counts what
//! begins with one of these; `TOP=40` also prints the functions that cost most, `CALLERS=memcpy` who calls a function.
//!
//! A small program of our own, and not one of the crates for this: they count functions of a bench, but not a server under
//! load, which is what matters most here, and need a second program of the very same version installed.
//!
//! What would make two runs differ, and what is done about it: preparing is not counted; keys are made once outside valgrind;
//! tokens are numbered; time stands still for everything but whole requests, whose threads that work by the clock are left
//! out; copies by `rep movsb` are turned off, which count by the byte. Addresses and hash seeds differ from run to run and
//! cannot be held; each thing is done often enough for that to even out.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot be set up has nothing to measure; what it says is for the terminal"
)]

mod baseline;
mod cases;
mod profile;
mod request;
mod traffic;
mod valgrind;
#[path = "../hot_path/world.rs"]
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use baseline::{Baseline, Finding, Tools};
use profile::Profile;
use request::Load;

/// The gateway's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Options {
    only: Vec<String>,
    update: bool,
    top: usize,
    callers: Vec<String>,
    load: Load,
    /// Be this case, in a process that is counted; with keys from there.
    run: Option<String>,
    keys: PathBuf,
}

fn main() -> ExitCode {
    let options = options();
    if let Some(case) = &options.run {
        cases::run(case, &options.keys);
        return ExitCode::SUCCESS;
    }
    if options.update && options.load != Load::default() {
        valgrind::give_up("a baseline is of the default load");
    }
    let tools = Tools::here(valgrind::version());
    let kept = Baseline::read();
    let mut new = kept.clone().unwrap_or_else(|| Baseline {
        made_with: tools.clone(),
        instructions: std::collections::BTreeMap::new(),
    });
    if options.update && options.only.is_empty() {
        new.instructions.clear();
    }
    let differences = new.made_with.differences(&tools);
    for difference in &differences {
        println!("other than when the baseline was kept: {difference}");
    }
    let (mut failed, mut fell) = (false, false);
    count_all(&options, |name, profile| {
        let finding = kept.as_ref().map_or(Finding::Unknown, |kept| kept.judge(name, profile.total));
        let said = match finding {
            Finding::Held(more) => format!("{:+.1} %", more * 100.0),
            Finding::Grew(more) => format!("{:+.1} %  TOO MUCH", more * 100.0),
            Finding::Fell(more) => format!("{:+.1} %  less: the baseline is to be renewed", more * 100.0),
            Finding::Unknown => "not in the baseline".to_owned(),
        };
        println!("{:>10.0}  {name:<26} {said}", profile.total);
        failed |= matches!(finding, Finding::Grew(_) | Finding::Unknown);
        fell |= matches!(finding, Finding::Fell(_));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        new.instructions.insert(name.to_owned(), profile.total.round() as u64);
    });
    if options.update {
        new.made_with = tools;
        new.write();
        println!("kept as the new baseline");
        return ExitCode::SUCCESS;
    }
    if fell {
        println!(
            "some counts fell: `make bench-guard UPDATE=1` keeps them, so that they cannot grow back unseen"
        );
    }
    if failed {
        let hint = "`make bench-guard UPDATE=1` accepts them";
        let also = if differences.is_empty() { "" } else { ", or the tools differ (see above)" };
        eprintln!("bench-guard: counts grew by more than 5 % or are new{also}; {hint}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn count_all(options: &Options, mut tell: impl FnMut(&str, &Profile)) {
    let wanted = |name: &str| {
        options.only.is_empty() || options.only.iter().any(|only| name.starts_with(only.as_str()))
    };
    let keys = tempfile::tempdir().unwrap();
    cases::write_keys(keys.path());
    for (name, times) in cases::CASES.into_iter().filter(|(name, _)| wanted(name)) {
        let profile = cases::count(name, times, keys.path());
        tell(name, &profile);
        print_more(options, &profile);
    }
    for (name, asked) in request::REQUESTS.into_iter().filter(|(name, _)| wanted(name)) {
        let (profile, threads) = request::count(asked, options.load);
        tell(name, &profile);
        if options.top > 0 {
            for (number, count) in &profile.threads {
                let name = usize::try_from(*number).ok().and_then(|number| threads.get(number - 1));
                println!("    {count:>12.1}  thread {number} {}", name.map_or("", String::as_str));
            }
        }
        print_more(options, &profile);
    }
}

fn print_more(options: &Options, profile: &Profile) {
    if options.top > 0 {
        profile.print(options.top);
    }
    for part in &options.callers {
        profile.print_callers(part, options.top.max(20));
    }
}

fn options() -> Options {
    let mut options = Options {
        only: Vec::new(),
        update: false,
        top: 0,
        callers: Vec::new(),
        load: Load::default(),
        run: None,
        keys: PathBuf::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value =
            || arguments.next().unwrap_or_else(|| valgrind::give_up(&format!("{argument} what?")));
        let number =
            |text: String| text.parse().unwrap_or_else(|_| valgrind::give_up(&format!("no number: {text}")));
        match argument.as_str() {
            // From cargo.
            "--bench" => {}
            "--update" => options.update = true,
            "--only" => options.only.extend(value().split(',').map(str::to_owned)),
            "--top" => options.top = number(value()),
            "--callers" => options.callers.push(value()),
            "--connections" => options.load.connections = number(value()),
            "--requests" => options.load.requests = number(value()),
            "--run" => options.run = Some(value()),
            "--keys" => options.keys = PathBuf::from(value()),
            other => valgrind::give_up(&format!("unknown argument {other}")),
        }
    }
    options
}
