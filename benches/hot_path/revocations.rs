//! The look-up of a session among those that have ended, which is not to depend on how many there are.

use std::hint::black_box;

use criterion::Criterion;
use gateward::domain::id::SessionId;

use crate::world::{end_of, fresh_revocations, session};

/// Sessions that are asked about in turn.
const ASKED: u64 = 10_000;

/// `revocation/live/..`: sessions that go on, each time another one. `revocation/ended/..`: such as have ended.
pub fn revocations(c: &mut Criterion) {
    for number in [0, 10_000, 1_000_000] {
        let (publisher, live) = fresh_revocations();
        for from in (0..number).step_by(10_000) {
            publisher.add(&(from..from + 10_000).map(end_of).collect::<Vec<_>>());
        }
        let going_on: Vec<SessionId> = (0..ASKED).map(|n| session(number + n)).collect();
        let mut at = 0;
        c.bench_function(&format!("revocation/live/{number}"), |b| {
            b.iter(|| {
                at = (at + 7_919) % going_on.len();
                assert!(!live.contains(black_box(going_on[at])));
            });
        });
        if number > 0 {
            let ended: Vec<SessionId> = (0..ASKED).map(|n| session(n * (number / ASKED))).collect();
            c.bench_function(&format!("revocation/ended/{number}"), |b| {
                b.iter(|| {
                    at = (at + 7_919) % ended.len();
                    assert!(live.contains(black_box(ended[at])));
                });
            });
        }
    }
}
