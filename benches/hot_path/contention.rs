//! The cache of verified tokens when several threads ask at once, also while sessions end.
//!
//! The time of one check on one of the threads. On a machine with fewer cores than threads, threads wait for cores: twice as
//! many threads as cores, twice the time, without any contention.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use criterion::Criterion;
use gateward::live::{RevocationPublisher, TokenCheck};

use crate::world::{Algorithm, Checking, checking, end_of, token};

/// Tokens in the cache.
const MANY: u64 = 1_000;
/// Ended sessions that are not among those asked about.
const OTHERS: u64 = 1_000_000;

/// `contention/THREADS/one`: all threads ask about the same token; `many`: each about another one each time. `_ending`:
/// beside them sessions end, about 100 000 a second.
pub fn contention(c: &mut Criterion) {
    let ring = Algorithm::with("hs256", vec![7; 32]).ring();
    let tokens: Vec<String> = (0..MANY).map(|number| token(&ring, number)).collect();
    let Checking { check, revocations, .. } = &checking(ring);
    tokens.iter().for_each(|token| assert!(check.check(token).is_ok()));
    for threads in [1, 2, 4] {
        for (keys, tokens) in [("one", &tokens[..1]), ("many", &tokens[..])] {
            c.bench_function(&format!("contention/{threads}/{keys}"), |b| {
                b.iter_custom(|checks| ask(check, tokens, threads, checks));
            });
            c.bench_function(&format!("contention/{threads}/{keys}_ending"), |b| {
                b.iter_custom(|checks| beside_ends(revocations, || ask(check, tokens, threads, checks)));
            });
        }
    }
}

/// So many checks on each thread: the time until all have done theirs.
fn ask(check: &TokenCheck, tokens: &[String], threads: usize, checks: u64) -> Duration {
    let barrier = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut at = thread * tokens.len() / threads;
                    barrier.wait();
                    for _ in 0..checks {
                        at = (at + 7_919) % tokens.len();
                        check.check(black_box(&tokens[at])).unwrap();
                    }
                })
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        asking.into_iter().for_each(|thread| thread.join().unwrap());
        started.elapsed()
    })
}

/// Ends a hundred sessions each millisecond until the work is done.
fn beside_ends<T>(revocations: &RevocationPublisher, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| {
            let mut next = 0;
            while !done.load(Ordering::Relaxed) {
                let ends: Vec<_> = (0..100).map(|n| end_of(MANY + (next + n) % OTHERS)).collect();
                revocations.add(&ends);
                next += 100;
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        ending.thread().unpark();
        ending.join().unwrap();
        result
    })
}
