//! Not on the hot path, but what a registration may cost at worst before its hash.

use std::hint::black_box;

use criterion::Criterion;
use gateward::domain::password::{Password, PasswordPolicy};

/// The estimate of a usual passphrase, and of the worst that is known.
pub fn strength(c: &mut Criterion) {
    let policy = PasswordPolicy { min_length: 8, min_strength: 4 };
    let nasty = "4@8([{<369 1!|7$5+%02".chars().cycle().take(256).collect::<String>();
    let nasty = Password::parse(nasty).unwrap();
    let usual = Password::parse("seven purple otters juggle".to_owned()).unwrap();
    for (name, password) in [("usual", &usual), ("nasty", &nasty)] {
        c.bench_function(&format!("strength/{name}"), |b| {
            b.iter(|| policy.check(black_box(password), &["wilhelmina.xanthopoulos", "example.org"]));
        });
    }
}
