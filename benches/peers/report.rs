//! The table.

use super::place::Place;
use super::rounds::Samples;

/// Writes table, targets and plot.
pub fn write(_place: &Place, samples: &Samples, missing: &[(&str, &str)]) {
    println!("{missing:?}");
    for (key, rounds) in samples {
        println!("{key} {:?}", rounds.iter().map(|one| one.cost()).collect::<Vec<_>>());
    }
}
