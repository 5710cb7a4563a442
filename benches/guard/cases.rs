//! Pieces of a request's way, each counted in a process of its own that was made ready before.
//!
//! The process is this program again, told the name of a case; only what happens inside [`measured`] counts. Keys are made
//! once, outside valgrind, and handed over as files.

use std::hint::black_box;
use std::path::Path;

use crate::profile::Profile;
use crate::valgrind;
use crate::world::{
    Algorithm, Passage, World, canonical, end_of, fresh_revocations, head, routes, session, token,
};

/// Names, and how often each is done. Few times what valgrind makes very slow to prepare: signing with RSA.
pub const CASES: [(&str, usize); 17] = [
    ("warm/hs256", 1_000),
    ("warm/eddsa", 1_000),
    ("warm/es256", 1_000),
    ("warm/rs256", 1_000),
    ("cold/hs256", 200),
    ("cold/eddsa", 200),
    ("cold/es256", 200),
    ("cold/rs256", 20),
    ("refused/forged", 200),
    ("refused/ended_session", 1_000),
    ("head/canonical", 1_000),
    ("headers/request", 1_000),
    ("headers/answer", 1_000),
    ("route/10", 10_000),
    ("route/10000", 10_000),
    ("revocation/0", 10_000),
    ("revocation/10000", 10_000),
];

/// Before it is counted: what is done once by whoever comes first.
const FIRST: usize = 10;

/// Instructions for each time.
pub fn count(name: &str, times: usize, keys: &Path) -> Profile {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--run", name, "--keys", keys.to_str().unwrap()];
    let profile = valgrind::count(&program, &arguments, "*cases::measured*");
    Profile::default().each_of(&profile, f64::from(u32::try_from(times).unwrap()))
}

/// A key for every algorithm, as files.
pub fn write_keys(directory: &Path) {
    for algorithm in Algorithm::all() {
        std::fs::write(directory.join(algorithm.name), algorithm.material).unwrap();
    }
}

/// Is a case: called in the process that is counted.
pub fn run(name: &str, keys: &Path) {
    let times = CASES.iter().find(|(known, _)| *known == name).unwrap().1;
    let key = |name| Algorithm::with(name, std::fs::read(keys.join(name)).unwrap());
    match name.split_once('/').unwrap() {
        ("warm", algorithm) => {
            let ring = key(algorithm_name(algorithm)).ring();
            let request = canonical(&head(&token(&ring, 0)));
            let world = World::new(ring);
            repeat(times, |_| drop(world.admit(black_box(&request)).unwrap()));
        }
        ("cold", algorithm) => {
            let ring = key(algorithm_name(algorithm)).ring();
            let tokens = 0..u64::try_from(FIRST + times).unwrap();
            let requests: Vec<_> = tokens.map(|number| canonical(&head(&token(&ring, number)))).collect();
            let world = World::new(ring);
            repeat(times, |at| drop(world.admit(black_box(&requests[at])).unwrap()));
        }
        ("refused", "forged") => {
            let ring = key("hs256").ring();
            let good = token(&ring, 0);
            let (message, signature) = good.rsplit_once('.').unwrap();
            let other = if signature.starts_with('A') { "B" } else { "A" };
            let request = canonical(&head(&format!("{message}.{other}{}", &signature[1..])));
            let world = World::new(ring);
            repeat(times, |_| drop(world.admit(black_box(&request)).unwrap_err()));
        }
        ("refused", "ended_session") => {
            let ring = key("eddsa").ring();
            let request = canonical(&head(&token(&ring, 0)));
            let world = World::new(ring);
            world.admit(&request).unwrap();
            world.revocations.add(&[end_of(0)]);
            repeat(times, |_| drop(world.admit(black_box(&request)).unwrap_err()));
        }
        ("head", _) => {
            let bytes = head(&token(&key("eddsa").ring(), 0));
            repeat(times, |_| drop(canonical(black_box(&bytes))));
        }
        ("headers", "request") => {
            let ring = key("eddsa").ring();
            let token = token(&ring, 0);
            let passage = Passage::new(&World::new(ring).admit(&canonical(&head(&token))).unwrap());
            let mut requests = vec![Passage::request(&token); FIRST + times];
            repeat(times, |at| passage.out(&mut requests[at]));
        }
        ("headers", _) => {
            let mut answers = vec![Passage::answer(); FIRST + times];
            repeat(times, |at| Passage::back(&mut answers[at]));
        }
        ("route", number) => {
            let (table, paths) = routes(number.parse().unwrap());
            repeat(times, |at| {
                // No factor in common with the numbers: every route in turn.
                black_box(table.position(black_box(&paths[at * 7_919 % paths.len()])).unwrap());
            });
        }
        ("revocation", number) => {
            let number: u64 = number.parse().unwrap();
            let (publisher, live) = fresh_revocations();
            publisher.add(&(0..number).map(end_of).collect::<Vec<_>>());
            let going_on: Vec<_> = (0..10_000).map(|n| session(number + n)).collect();
            repeat(times, |at| assert!(!live.contains(black_box(going_on[at % going_on.len()]))));
        }
        other => valgrind::give_up(&format!("no case {other:?}")),
    }
}

/// The name as the benches know it.
fn algorithm_name(name: &str) -> &'static str {
    ["hs256", "eddsa", "es256", "rs256"].into_iter().find(|known| *known == name).unwrap()
}

/// A few times not counted, then so many that are.
fn repeat(times: usize, mut operation: impl FnMut(usize)) {
    (0..FIRST).for_each(&mut operation);
    measured(FIRST..FIRST + times, &mut operation);
}

/// What callgrind counts.
#[inline(never)]
fn measured(times: std::ops::Range<usize>, operation: &mut dyn FnMut(usize)) {
    times.for_each(operation);
}
