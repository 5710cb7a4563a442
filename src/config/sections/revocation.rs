//! `[revocation]`.

use std::time::Duration;

use crate::config::parse;
use crate::config::reader::Reader;
use crate::config::settings::RevocationSettings;

pub(super) fn read(r: &mut Reader) -> RevocationSettings {
    let staleness = Duration::from_millis(250)..=Duration::from_mins(1);
    let detached = Duration::ZERO..=Duration::from_hours(24);
    RevocationSettings {
        max_staleness: r.value("revocation.max_staleness", "1s", parse::duration(staleness)),
        detached_limit: r.value("revocation.detached_limit", "15m", parse::duration(detached)),
    }
}
