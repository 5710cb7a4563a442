//! The rounds: every set-up in turn, each time in another order.

use std::collections::BTreeMap;
use std::time::Duration;

use super::load::{Tool, drive};
use super::machine::Machine;
use super::place::{Place, uvicorn};
use super::report::{self, Found};
use super::setups::{Drive, Kind, Row, Running, SETUPS, Setup, World};
use super::tokens::COLD;
use super::{proof, signature};

/// Seconds of load before a measured one, and of a row of cold tokens, which are used up.
const WARM_UP: u64 = 1;
const COLD_SPAN: u64 = 1;

/// What a row used in one round.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    pub answers: u64,
    pub span: Duration,
    pub processor: Duration,
    pub memory: u64,
}

impl Sample {
    /// Processor time for each request, in microseconds.
    pub fn cost(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / self.answers as f64
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.answers as f64 / self.span.as_secs_f64()
    }

    /// Share of one core.
    pub fn busy(&self) -> f64 {
        self.processor.as_secs_f64() / self.span.as_secs_f64()
    }
}

/// Samples of each row by its key, one of each round.
pub type Samples = BTreeMap<&'static str, Vec<Sample>>;

/// Everything: measures, prints, writes.
pub fn run(place: &Place) {
    let mut missing = Vec::new();
    let setups: Vec<&Setup> = SETUPS
        .iter()
        .filter(|setup| place.only.as_ref().is_none_or(|only| only.iter().any(|name| name == setup.name)))
        .filter(|setup| {
            let absent = setup.needs.iter().find(|name| !there(name));
            missing.extend(absent.map(|name| (setup.name, *name)));
            absent.is_none()
        })
        .collect();
    for (setup, program) in &missing {
        eprintln!("peers: {program} is missing, the rows of {setup} stay empty");
    }
    let load = (place.tool == Tool::Wrk).then_some("wrk");
    for program in ["nginx", "taskset", "setpriv"].into_iter().chain(load) {
        assert!(there(program), "{program} is needed for any row: make setup-bench-peers");
    }
    let machine = Machine::ask(place);
    let world = World::new(place, &setups, COLD);
    let mut samples = Samples::new();
    for round in 0..place.rounds {
        let mut order = setups.clone();
        let shift = round * 5 % order.len().max(1);
        order.rotate_left(shift);
        if round % 2 == 1 {
            order.reverse();
        }
        for setup in order {
            measure(&world, setup, round, &mut samples);
        }
    }
    let signatures =
        world.tokens.values().map(|tokens| (tokens.algorithm.name(), signature::cost(place, tokens)));
    let found = Found { samples, missing, signatures: signatures.collect(), machine };
    report::write(place, &found);
}

fn there(program: &str) -> bool {
    if program == "uvicorn" { uvicorn().is_some() } else { Place::program(program).is_some() }
}

/// Starts a set-up, has it prove itself, and measures its rows.
fn measure(world: &World<'_>, setup: &Setup, round: usize, samples: &mut Samples) {
    let running = world.start(setup);
    let tokens = world.tokens_of(setup);
    match tokens {
        Some(tokens) => proof::guarded(running.address, tokens),
        None => proof::open(running.address, "/public"),
    }
    if matches!(setup.kind, Kind::Gateward { .. }) {
        proof::open(running.address, "/public");
    }
    // Public and warm twice, A B A B or B A B A; cold at the end.
    let (mut rows, cold): (Vec<&Row>, Vec<&Row>) =
        setup.rows.iter().partition(|row| row.drive != Drive::Cold);
    if round % 2 == 1 {
        rows.reverse();
    }
    if rows.len() > 1 {
        rows.extend(rows.clone());
    }
    let mut sums: BTreeMap<&'static str, Sample> = BTreeMap::new();
    for row in rows.into_iter().chain(cold) {
        let one = slice(world, setup, row, &running);
        let sum = sums.entry(row.key).or_default();
        sum.answers += one.answers;
        sum.span += one.span;
        sum.processor += one.processor;
        sum.memory = one.memory;
    }
    for (key, sum) in sums {
        eprintln!(
            "peers: round {}: {key:<16} {:>7.2} us {:>7.0}/s {:>4.0} % of a core {:>5} MiB",
            round + 1,
            sum.cost(),
            sum.rate(),
            sum.busy() * 100.0,
            sum.memory >> 20
        );
        samples.entry(key).or_default().push(sum);
    }
}

fn slice(world: &World<'_>, setup: &Setup, row: &Row, running: &Running) -> Sample {
    let place = world.place;
    let none = place.file("no-tokens");
    std::fs::write(&none, "\n").unwrap();
    let tokens = world.tokens_of(setup);
    let (file, span) = match row.drive {
        Drive::Public => (&none, place.span),
        Drive::Warm => (&tokens.unwrap().warm, place.span),
        Drive::Cold => (&tokens.unwrap().cold, COLD_SPAN),
    };
    match row.drive {
        Drive::Cold => drive(place, running.address, Drive::Public, &none, WARM_UP),
        other => drive(place, running.address, other, file, WARM_UP),
    };
    let used = || running.processes.iter().map(super::process::Process::processor_time).sum::<Duration>();
    let begun = used();
    let load = drive(place, running.address, row.drive, file, span);
    let processor = used() - begun;
    assert!(
        row.drive != Drive::Cold || load.answers <= COLD as u64,
        "cold tokens were used up: {}",
        load.answers
    );
    let memory = running.processes.iter().map(super::process::Process::memory).sum();
    Sample { answers: load.answers, span: load.span, processor, memory }
}
