//! What is done to every request head, and to the header on its way to a service and back.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};

use crate::world::{Algorithm, Passage, World, canonical, head as head_of, token};

/// Canonical form of a usual request head, from its bytes.
pub fn head(c: &mut Criterion) {
    let bytes = head_of(&token(&Algorithm::all()[1].ring(), 0));
    c.bench_function("head/canonical", |b| b.iter(|| canonical(black_box(&bytes))));
}

/// The header policy: a request on its way out, an answer on its way back.
pub fn headers(c: &mut Criterion) {
    let ring = Algorithm::all()[1].ring();
    let token = token(&ring, 0);
    let passage = Passage::new(&World::new(ring).admit(&canonical(&head_of(&token))).unwrap());
    let request = Passage::request(&token);
    c.bench_function("headers/request", |b| {
        b.iter_batched_ref(|| request.clone(), |request| passage.out(request), BatchSize::SmallInput);
    });
    let answer = Passage::answer();
    c.bench_function("headers/answer", |b| {
        b.iter_batched_ref(|| answer.clone(), Passage::back, BatchSize::SmallInput);
    });
}
