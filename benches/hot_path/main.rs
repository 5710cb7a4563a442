//! What the way of a request costs in time, piece by piece. In instructions: the bench `guard`.
//!
//! - [`verify`]: the token check with its policy, warm, cold and refused.
//! - [`requests`]: the canonical form of a head, and the header policy both ways.
//! - [`routes`]: the look-up among 10, 1 000 and 10 000 routes.
//! - [`revocations`]: the look-up among 0, 10 000 and 1 000 000 ended sessions.
//! - [`contention`]: the cache of verified tokens with several threads.
//! - [`strength`]: the estimate of a password's strength.
//!
//! Run with `make bench`, or one with `cargo bench --bench hot_path -- route/`; figures that were seen are in
//! docs/benchmarks.md.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench that cannot be set up has nothing to measure, and measures by the system's clock"
)]

mod contention;
mod requests;
mod revocations;
mod routes;
mod strength;
mod verify;
mod world;

use criterion::{criterion_group, criterion_main};

/// The gateway's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion_group!(
    benches,
    verify::warm,
    verify::cold,
    verify::refused,
    requests::head,
    requests::headers,
    routes::routes,
    revocations::revocations,
    contention::contention,
    strength::strength
);
criterion_main!(benches);
