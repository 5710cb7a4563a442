//! The rule.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::keyring::KeyAlgorithm;
use crate::domain::token::LONGEST_LIFE;

/// By how much a key is published earlier than asked for: the clocks of replicas may differ by two seconds, and a
/// replica needs a moment to learn of a new key.
pub const ALLOWANCE: Duration = Duration::from_millis(2_500);

/// How long a key is kept after it stopped signing: the longest life of a token, and a minute for the leeway of
/// verifiers and for clocks.
pub const KEEP: Duration = Duration::from_secs(LONGEST_LIFE.as_secs() + 60);

/// The life of one stored key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLife {
    /// Which.
    pub kid: String,
    /// What it signs with.
    pub algorithm: KeyAlgorithm,
    /// When it was made, and published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub active_from: Timestamp,
    /// When an operator ended all its tokens.
    pub retired_at: Option<Timestamp>,
}

/// When keys are replaced, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationRule {
    /// Algorithm of the next key.
    pub algorithm: KeyAlgorithm,
    /// How long a key signs; `None`: until an operator or another algorithm replaces it.
    pub rotate_every: Option<Duration>,
    /// How long a key is published before it signs.
    pub publish_ahead: Duration,
}

/// What a key is for at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published; signs later.
    Upcoming,
    /// Signs new tokens.
    Signing,
    /// Signed before; its tokens may be alive.
    Accepted,
    /// Its tokens are refused.
    Retired,
    /// No token of it can be alive.
    Spent,
}

impl KeyState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upcoming => "upcoming",
            Self::Signing => "signing",
            Self::Accepted => "accepted",
            Self::Retired => "retired",
            Self::Spent => "spent",
        }
    }

    /// Whether tokens of such a key are accepted, and its public half published.
    pub const fn in_ring(self) -> bool {
        match self {
            Self::Upcoming | Self::Signing | Self::Accepted => true,
            Self::Retired | Self::Spent => false,
        }
    }
}

/// The states of keys, in the order in which they were given, and what is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// One for each key.
    pub states: Vec<KeyState>,
    /// A new key is to be made; it signs from then on.
    pub next: Option<Timestamp>,
}

/// Why a key cannot be retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRetirable {
    /// No such key.
    #[error("there is no such key")]
    Unknown,
    /// It was retired before.
    #[error("the key is retired already")]
    Retired,
    /// Nothing else signs.
    #[error(
        "the key signs new tokens; rotate first and wait until the next key signs, or retire it with --rotate"
    )]
    Signing,
}

/// Judges the keys at `now`.
pub fn schedule(keys: &[KeyLife], rule: &RotationRule, now: Timestamp) -> Schedule {
    let order = in_order(keys);
    let signer = signer(&order, now);
    let states = keys.iter().map(|key| state(key, &order, signer, now)).collect();
    let newest = order.last().copied();
    let next = match newest {
        None => Some(now),
        // One is on its way.
        Some(newest) if newest.active_from > now => None,
        Some(newest) => {
            let active_from = now.plus(rule.publish_ahead.saturating_add(ALLOWANCE));
            let due = newest.algorithm != rule.algorithm
                || rule.rotate_every.is_some_and(|every| newest.active_from.plus(every) <= active_from);
            due.then_some(active_from)
        }
    };
    Schedule { states, next }
}

/// Whether an operator may retire this key without bringing another.
///
/// # Errors
/// [`NotRetirable`].
pub fn retirable(keys: &[KeyLife], kid: &str, now: Timestamp) -> Result<(), NotRetirable> {
    let key = keys.iter().find(|key| key.kid == kid).ok_or(NotRetirable::Unknown)?;
    if key.retired_at.is_some() {
        return Err(NotRetirable::Retired);
    }
    match signer(&in_order(keys), now) {
        Some(signer) if signer.kid == kid => Err(NotRetirable::Signing),
        Some(_) | None => Ok(()),
    }
}

/// Those that are not retired, in the order in which they sign.
fn in_order(keys: &[KeyLife]) -> Vec<&KeyLife> {
    let mut order: Vec<&KeyLife> = keys.iter().filter(|key| key.retired_at.is_none()).collect();
    order.sort_by(|a, b| (a.active_from, a.created_at, &a.kid).cmp(&(b.active_from, b.created_at, &b.kid)));
    order
}

/// The last that may sign; before any may, the first, for somebody must.
fn signer<'a>(order: &[&'a KeyLife], now: Timestamp) -> Option<&'a KeyLife> {
    order.iter().rev().find(|key| key.active_from <= now).or(order.first()).copied()
}

fn state(key: &KeyLife, order: &[&KeyLife], signer: Option<&KeyLife>, now: Timestamp) -> KeyState {
    if let Some(retired_at) = key.retired_at {
        return if retired_at.plus(KEEP) <= now { KeyState::Spent } else { KeyState::Retired };
    }
    if signer.is_some_and(|signer| signer.kid == key.kid) {
        return KeyState::Signing;
    }
    if key.active_from > now {
        return KeyState::Upcoming;
    }
    // Retired successors do not count: should one be gone, this key may have signed again.
    let successor = order.iter().skip_while(|other| other.kid != key.kid).nth(1);
    match successor {
        Some(successor) if successor.active_from.plus(KEEP) <= now => KeyState::Spent,
        Some(_) | None => KeyState::Accepted,
    }
}
