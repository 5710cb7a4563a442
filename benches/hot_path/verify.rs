//! The token check with its policy: what a protected request costs before it reaches its service.

use std::cell::RefCell;
use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use gateward::gateway::request::CanonicalRequest;

use crate::world::{Algorithm, World, canonical, end_of, head, token};

/// The token was verified before and is in the cache. What almost every request pays.
pub fn warm(c: &mut Criterion) {
    for algorithm in Algorithm::all() {
        let ring = algorithm.ring();
        let request = canonical(&head(&token(&ring, 0)));
        let world = World::new(ring);
        world.admit(&request).unwrap();
        c.bench_function(&format!("warm/{}", algorithm.name), |b| {
            b.iter(|| world.admit(black_box(&request)).unwrap());
        });
    }
}

/// A token never seen: header look-up, signature, claims, policy.
pub fn cold(c: &mut Criterion) {
    for algorithm in Algorithm::all() {
        let ring = algorithm.ring();
        let requests: Vec<CanonicalRequest> =
            (0..2_000).map(|number| canonical(&head(&token(&ring, number)))).collect();
        // A world that has seen none of the tokens, for every batch of all of them.
        let world = RefCell::new(World::new(algorithm.ring()));
        let mut next = 0;
        c.bench_function(&format!("cold/{}", algorithm.name), |b| {
            b.iter_batched(
                || {
                    if next == requests.len() {
                        world.replace(World::new(algorithm.ring()));
                        next = 0;
                    }
                    next += 1;
                    next - 1
                },
                |at| world.borrow().admit(black_box(&requests[at])).unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
}

/// A forged signature and a token of an ended session: what an attacker can make us do.
pub fn refused(c: &mut Criterion) {
    for algorithm in Algorithm::all() {
        let ring = algorithm.ring();
        let good = token(&ring, 0);
        // Its signature begins with other bits.
        let (message, signature) = good.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        let forged = canonical(&head(&format!("{message}.{other}{}", &signature[1..])));
        let world = World::new(ring);
        c.bench_function(&format!("refused/forged_{}", algorithm.name), |b| {
            b.iter(|| world.admit(black_box(&forged)).unwrap_err());
        });
    }
    let [_, eddsa, ..] = &Algorithm::all()[..] else { unreachable!("four algorithms") };
    let ring = eddsa.ring();
    let request = canonical(&head(&token(&ring, 0)));
    let world = World::new(ring);
    world.admit(&request).unwrap();
    world.revocations.add(&[end_of(0)]);
    c.bench_function("refused/ended_session", |b| {
        b.iter(|| world.admit(black_box(&request)).unwrap_err());
    });
}
