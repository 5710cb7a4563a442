//! `[limits]`.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::parse;
use crate::config::reader::Reader;
use crate::domain::attempts::{Limit, Limits};

const DAY: Duration = Duration::from_hours(24);
/// With the most failures at the longest refill a bucket is empty for a year.
const REFILL: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(1);

pub(super) fn read(r: &mut Reader) -> Limits {
    Limits {
        address: limit(r, ("limits.address_failures", "60"), ("limits.address_refill", "10s")),
        network: limit(r, ("limits.network_failures", "300"), ("limits.network_refill", "2s")),
        account: limit(r, ("limits.account_failures", "10"), ("limits.account_refill", "16m")),
        registration: limit(r, ("limits.registrations", "30"), ("limits.registration_refill", "1m")),
        secret: limit(r, ("limits.wrong_secrets", "120"), ("limits.wrong_secret_refill", "1s")),
        known_for: r.value("limits.known_for", "30d", parse::duration(Duration::from_secs(1)..=366 * DAY)),
    }
}

/// How many, of which 0 means any number, and how soon one comes back.
fn limit(r: &mut Reader, most: (&str, &str), refill: (&str, &str)) -> Option<Limit> {
    let most = r.value(most.0, most.1, parse::number(0..=10_000_u32));
    let refill = r.value(refill.0, refill.1, parse::duration(REFILL));
    NonZeroU32::new(most).map(|most| Limit::new(most, refill))
}
