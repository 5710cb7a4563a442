//! Counting requests: one atomic addition each, labels resolved beforehand.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec};

use crate::telemetry::Outcome;

/// Status classes; the first stands for "no answer was sent".
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

type Cell = OnceLock<Option<IntCounter>>;

/// The handles of one route, made when the route table is built and kept with the route.
///
/// A series appears with its first request; after that, counting takes no lock and makes no string.
#[derive(Debug)]
pub struct RouteMetrics {
    route: String,
    requests: IntCounterVec,
    cells: [[Cell; CLASSES.len()]; Outcome::ALL.len()],
    durations: Vec<Histogram>,
}

impl RouteMetrics {
    /// `durations` holds a histogram for each of [`Outcome::ALL`], in that order.
    pub(super) fn new(route: &str, requests: IntCounterVec, durations: Vec<Histogram>) -> Self {
        Self { route: route.to_owned(), requests, cells: Default::default(), durations }
    }

    /// Counts a finished request. `status` is `None` when the client left before an answer.
    pub fn finished(&self, outcome: Outcome, status: Option<u16>, took: Duration) {
        if let Some(durations) = self.durations.get(outcome as usize) {
            durations.observe(took.as_secs_f64());
        }
        let class = class_index(status);
        let cell = self.cells.get(outcome as usize).and_then(|row| row.get(class));
        if let Some(Some(counter)) = cell.map(|cell| cell.get_or_init(|| self.counter(outcome, class))) {
            counter.inc();
        }
    }

    fn counter(&self, outcome: Outcome, class: usize) -> Option<IntCounter> {
        let class = CLASSES.get(class)?;
        self.requests.get_metric_with_label_values(&[self.route.as_str(), outcome.as_str(), class]).ok()
    }
}

/// Where in [`CLASSES`] a status belongs.
fn class_index(status: Option<u16>) -> usize {
    match status {
        Some(status @ 100..=599) => usize::from(status / 100),
        Some(_) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_counted_in_its_class() {
        for (status, class) in [
            (None, "none"),
            (Some(0), "none"),
            (Some(101), "1xx"),
            (Some(204), "2xx"),
            (Some(302), "3xx"),
            (Some(499), "4xx"),
            (Some(503), "5xx"),
            (Some(600), "none"),
        ] {
            assert_eq!(CLASSES.get(class_index(status)), Some(&class), "{status:?}");
        }
    }

    #[test]
    fn outcomes_count_up_from_zero() {
        for (index, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, index);
        }
    }
}
