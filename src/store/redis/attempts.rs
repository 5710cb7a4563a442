//! Buckets of attempts in Redis: two scripts, each of which is one round trip and happens at once or not at all.
//!
//! They state the rule of [`domain::attempts`](crate::domain::attempts) once more, in Lua; the contract tests hold
//! both to the same answers. The clock is that of Redis, so that replicas need not agree on theirs. Numbers stay below
//! 2^53, where Lua's are exact: microseconds since 1970 do until the year 2255.

use std::time::Duration;

use redis::Cmd;

use super::error::corrupt;
use crate::domain::attempts::{Attempt, Bucket, BucketKey, BucketKind, Charged, Settlement};
use crate::store::StoreError;

/// KEYS: buckets; then, if there is a door, its known bucket and its stranger's.
/// ARGV: units; how many plain buckets; for each key microseconds a unit and units of a full bucket.
/// Answers {1, known} or {0, which key lacks most, microseconds to wait}.
const CHARGE: &str = r"
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local units, plain = tonumber(ARGV[1]), tonumber(ARGV[2])
local chosen, known = {}, 0
for i = 1, plain do chosen[i] = i end
if #KEYS > plain then
  known = redis.call('EXISTS', KEYS[plain + 1])
  chosen[plain + 1] = plain + 2 - known
end
local full_at, lacks, wait = {}, 0, 0
for n, i in ipairs(chosen) do
  local every = tonumber(ARGV[1 + 2 * i])
  local latest = now + every * tonumber(ARGV[2 + 2 * i])
  local at = tonumber(redis.call('GET', KEYS[i]) or 0) or 0
  at = math.min(math.max(at, now), latest) + units * every
  if at - latest > wait then lacks, wait = i, at - latest end
  full_at[n] = at
end
if lacks > 0 then return {0, lacks, wait} end
for n, i in ipairs(chosen) do
  local text = string.format('%.0f', full_at[n])
  if known == 1 and i == plain + 1 then
    redis.call('SET', KEYS[i], text, 'KEEPTTL')
  else
    redis.call('SET', KEYS[i], text, 'PX', math.max(1, math.ceil((full_at[n] - now) / 1000)))
  end
end
return {1, known, 0}
";

/// KEYS: buckets, then the known place, if one is remembered.
/// ARGV: milliseconds to remember it, 0 for none; for each key microseconds to give back.
const SETTLE: &str = r"
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local ttl = tonumber(ARGV[1])
for i = 1, #KEYS do
  local at = tonumber(redis.call('GET', KEYS[i]) or 0) or 0
  local text = string.format('%.0f', math.max(at - tonumber(ARGV[1 + i]), 0))
  if ttl > 0 and i == #KEYS then
    if at == 0 then text = string.format('%.0f', now) end
    redis.call('SET', KEYS[i], text, 'PX', ttl)
  elseif at > 0 then
    redis.call('SET', KEYS[i], text, 'KEEPTTL')
  end
end
return 0
";

/// What [`CHARGE`] answers.
pub(super) type Answer = (u8, u32, u64);

pub(super) fn charge(prefix: &str, attempt: &Attempt) -> Cmd {
    let buckets: Vec<&Bucket> = buckets(attempt).collect();
    let mut command = redis::cmd("EVAL");
    command.arg(CHARGE).arg(buckets.len());
    for bucket in &buckets {
        command.arg(name(prefix, bucket));
    }
    command.arg(Attempt::UNITS).arg(attempt.buckets.len());
    for bucket in &buckets {
        command.arg(bucket.limit.micros_a_unit()).arg(bucket.limit.units());
    }
    command
}

pub(super) fn charged(attempt: &Attempt, (admitted, which, wait): &Answer) -> Result<Charged, StoreError> {
    if *admitted == 1 {
        return Ok(Charged::Admitted { known: *which == 1 });
    }
    let lacking = usize::try_from(*which).ok().and_then(|which| which.checked_sub(1));
    let lacking = lacking.and_then(|at| buckets(attempt).nth(at));
    match lacking {
        Some(bucket) => Ok(Charged::Refused { by: bucket.kind, wait: Duration::from_micros(*wait) }),
        None => Err(corrupt("the script of buckets names one that it was not given".to_owned())),
    }
}

pub(super) fn settle(prefix: &str, settlement: &Settlement) -> Cmd {
    let remember = settlement.remember.map(|remember| (remember.bucket, remember.units));
    let refunds: Vec<(Bucket, u32)> = settlement.refunds.iter().copied().chain(remember).collect();
    let mut command = redis::cmd("EVAL");
    command.arg(SETTLE).arg(refunds.len());
    for (bucket, _) in &refunds {
        command.arg(name(prefix, bucket));
    }
    let ttl = settlement.remember.map_or(0, |remember| remember.ttl.as_millis().max(1));
    command.arg(u64::try_from(ttl).unwrap_or(u64::MAX).min(LONGEST_MILLIS));
    for (bucket, units) in &refunds {
        command.arg(bucket.limit.micros_a_unit().saturating_mul(u64::from(*units)));
    }
    command
}

/// A hundred years.
const LONGEST_MILLIS: u64 = 100 * 366 * 24 * 3600 * 1000;

/// In the order of the keys.
fn buckets(attempt: &Attempt) -> impl Iterator<Item = &Bucket> {
    attempt.buckets.iter().chain(attempt.door.iter().flat_map(|door| [&door.known, &door.stranger]))
}

/// Known places live by another rule than buckets. Those that are proven by a device have ordinary buckets, under the
/// same kind; their names differ from those of places.
fn name(prefix: &str, bucket: &Bucket) -> String {
    let word = match bucket.kind {
        BucketKind::Known => "known",
        BucketKind::Address
        | BucketKind::Network
        | BucketKind::Account
        | BucketKind::Registration
        | BucketKind::Session
        | BucketKind::Secret => "bucket",
    };
    format!("{prefix}{word}:{}", hex(&bucket.key))
}

fn hex(key: &BucketKey) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    key.as_bytes().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}
