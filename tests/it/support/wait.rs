//! Waiting for a condition instead of sleeping.

use std::time::{Duration, Instant};

/// Asks again and again until the condition holds. `false`: it did not within `deadline`.
#[must_use = "assert that it happened"]
pub async fn eventually<F, C>(deadline: Duration, mut condition: C) -> bool
where
    C: FnMut() -> F,
    F: Future<Output = bool>,
{
    let until = Instant::now() + deadline;
    loop {
        if condition().await {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
