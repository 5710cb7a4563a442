//! How much of each kind is sent.

use std::fmt;
use std::str::FromStr;

use super::kind::{Kind, PerKind};

/// The largest sum of shares.
const MOST: u32 = 10_000;

/// Shares of the kinds, `valid=90,cold=2`. One that is not named is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix {
    shares: PerKind<u32>,
}

/// Why a text is no mix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// A part is not `kind=share`.
    #[error(
        "`{0}`: a mix is kind=share with commas between, as valid=90,cold=2; the kinds are valid, cold, expired, revoked, forged and absent"
    )]
    Part(String),
    /// A kind is there twice.
    #[error("`{0}` is there twice")]
    Twice(Kind),
    /// Nothing, or too much.
    #[error("the shares of a mix add up to 1 to {MOST}")]
    Sum,
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let mut named = PerKind::<Option<u32>>::default();
        for part in text.split(',').map(str::trim) {
            let wrong = || MixError::Part(part.to_owned());
            let (kind, share) = part.split_once('=').ok_or_else(wrong)?;
            let kind: Kind = kind.trim().parse().map_err(|_| wrong())?;
            let share: u32 = share.trim().parse().map_err(|_| wrong())?;
            if named.of_mut(kind).replace(share).is_some() {
                return Err(MixError::Twice(kind));
            }
        }
        let mix = Self { shares: PerKind::from_fn(|kind| named.of(kind).unwrap_or(0)) };
        let sum = mix.shares.iter().fold(0_u32, |sum, (_, share)| sum.saturating_add(*share));
        if (1..=MOST).contains(&sum) { Ok(mix) } else { Err(MixError::Sum) }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.named().map(|(kind, share)| format!("{kind}={share}")).collect();
        f.write_str(&parts.join(","))
    }
}

impl Mix {
    /// The share of a kind.
    pub fn share(&self, kind: Kind) -> u32 {
        *self.shares.of(kind)
    }

    /// The kinds that are sent, with their shares.
    pub fn named(&self) -> impl Iterator<Item = (Kind, u32)> {
        self.shares.iter().map(|(kind, share)| (kind, *share)).filter(|(_, share)| *share > 0)
    }

    /// The same without a kind; `None` when nothing is left.
    pub fn without(&self, kind: Kind) -> Option<Self> {
        let mut shares = self.shares.clone();
        *shares.of_mut(kind) = 0;
        let something = shares.iter().any(|(_, share)| *share > 0);
        something.then_some(Self { shares })
    }

    /// The order in which the kinds are sent, over and over: each as often as its share says, spread as evenly as
    /// can be (smooth weighted turns).
    pub fn turns(&self) -> Vec<Kind> {
        let common = self.named().fold(0, |common, (_, share)| greatest_divisor(common, share)).max(1);
        let weights: Vec<(Kind, i64)> =
            self.named().map(|(kind, share)| (kind, i64::from(share / common))).collect();
        let sum: i64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut credits = PerKind::<i64>::default();
        let mut turns = Vec::new();
        for _ in 0..sum {
            for (kind, weight) in &weights {
                *credits.of_mut(*kind) += weight;
            }
            // The first of equals.
            let next = weights.iter().rev().max_by_key(|(kind, _)| *credits.of(*kind));
            if let Some((kind, _)) = next {
                *credits.of_mut(*kind) -= sum;
                turns.push(*kind);
            }
        }
        turns
    }
}

fn greatest_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(turns: &[Kind]) -> PerKind<usize> {
        PerKind::from_fn(|kind| turns.iter().filter(|turn| **turn == kind).count())
    }

    #[test]
    fn a_mix_is_shares_of_kinds() {
        let mix: Mix = "valid=90,cold=2,expired=2,revoked=2,forged=2,absent=2".parse().unwrap();
        assert_eq!(mix.to_string(), "valid=90,cold=2,expired=2,revoked=2,forged=2,absent=2");
        assert_eq!(" absent=1 , valid = 3".parse::<Mix>().unwrap().to_string(), "valid=3,absent=1");
        for wrong in
            ["", "valid", "valid=", "valid=-1", "good=1", "valid=1,valid=1", "valid=0", "valid=10001"]
        {
            assert!(wrong.parse::<Mix>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn turns_are_as_many_as_the_shares_say_and_no_more_than_needed() {
        let turns = "valid=90,cold=2,expired=2,revoked=2,forged=2,absent=2".parse::<Mix>().unwrap().turns();
        let count = counts(&turns);
        assert_eq!((turns.len(), count.valid, count.cold, count.absent), (50, 45, 1, 1));
        assert_eq!("valid=100".parse::<Mix>().unwrap().turns(), [Kind::Valid]);
    }

    #[test]
    fn turns_are_spread() {
        let turns = "valid=2,forged=1,absent=1".parse::<Mix>().unwrap().turns();
        assert_eq!(turns, [Kind::Valid, Kind::Forged, Kind::Absent, Kind::Valid]);
    }

    #[test]
    fn a_kind_can_be_left_out() {
        let mix: Mix = "valid=1,cold=1".parse().unwrap();
        assert_eq!(mix.without(Kind::Cold).unwrap().to_string(), "valid=1");
        assert_eq!(mix.without(Kind::Cold).unwrap().without(Kind::Valid), None);
    }
}
