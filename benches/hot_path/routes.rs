//! The look-up of a path's route, which is not to depend on how many routes there are.

use std::hint::black_box;

use criterion::Criterion;

use crate::world;

/// `route/same/..`: one path again and again, as a busy service is asked. `route/all/..`: every route in turn.
pub fn routes(c: &mut Criterion) {
    for number in [10, 1_000, 10_000] {
        let (table, paths) = world::routes(number);
        let path = &paths[number / 2];
        c.bench_function(&format!("route/same/{number}"), |b| {
            b.iter(|| table.position(black_box(path)).unwrap());
        });
        // A step that has no factor in common with the numbers, so that neighbours in memory do not help.
        let mut at = 0;
        c.bench_function(&format!("route/all/{number}"), |b| {
            b.iter(|| {
                at = (at + 7_919) % number;
                table.position(black_box(&paths[at])).unwrap()
            });
        });
        c.bench_function(&format!("route/none/{number}"), |b| {
            b.iter(|| table.position(black_box("/unknown/service/v1/orders/17")));
        });
    }
}
