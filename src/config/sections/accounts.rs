//! `[password]`, `[accounts]` and `[audit]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::parse;
use crate::config::reader::Reader;
use crate::config::settings::{AccountSettings, AuditSettings, PasswordSettings, Registration};

use super::all::cores;

/// Shorter than a call with a hash in it may take.
const HASH_WAIT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(10);

pub(super) fn password(r: &mut Reader) -> PasswordSettings {
    let hash_threads = match r.value("password.hash_threads", "0", parse::number(0..=256)) {
        // One core stays free: a login must not stop the traffic of those who are logged in.
        0 => cores().saturating_sub(1).clamp(1, 256),
        threads => threads,
    };
    PasswordSettings {
        min_length: r.value("password.min_length", "8", parse::number(8..=64)),
        min_strength: r.value("password.min_strength", "2", parse::number(0..=4)),
        bcrypt_cost: r.value("password.bcrypt_cost", "12", parse::number(10..=16)),
        hash_threads,
        hash_wait: r.value("password.hash_wait", "5s", parse::duration(HASH_WAIT)),
        hash_queue: r.value("password.hash_queue", "32", parse::number(1..=10_000)),
    }
}

pub(super) fn accounts(r: &mut Reader) -> AccountSettings {
    let words = [("open", Registration::Open), ("closed", Registration::Closed)];
    AccountSettings { registration: r.value("accounts.registration", "open", parse::one_of(words)) }
}

pub(super) fn audit(r: &mut Reader) -> AuditSettings {
    let range = Duration::from_hours(24)..=Duration::from_hours(3650 * 24);
    AuditSettings { retention: r.value("audit.retention", "90d", parse::duration(range)) }
}
