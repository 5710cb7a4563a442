//! The kinds of requests, told apart by their token.

use std::fmt;
use std::str::FromStr;

/// What is special about a request's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Good, and sent over and over.
    Valid,
    /// Good, and never sent before.
    Cold,
    /// Its time is over.
    Expired,
    /// Its session was ended.
    Revoked,
    /// Its signature is wrong.
    Forged,
    /// There is none.
    Absent,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Valid, Self::Cold, Self::Expired, Self::Revoked, Self::Forged, Self::Absent];

    /// Its word in mixes, token files and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Cold => "cold",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Forged => "forged",
            Self::Absent => "absent",
        }
    }

    /// Whether a gateway lets it through.
    pub const fn is_good(self) -> bool {
        match self {
            Self::Valid | Self::Cold => true,
            Self::Expired | Self::Revoked | Self::Forged | Self::Absent => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(UnknownKind)
    }
}

/// A word that names no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a kind is valid, cold, expired, revoked, forged or absent")]
pub struct UnknownKind;

/// One of something for each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the one of the kind of its name")]
pub struct PerKind<T> {
    pub valid: T,
    pub cold: T,
    pub expired: T,
    pub revoked: T,
    pub forged: T,
    pub absent: T,
}

impl<T> PerKind<T> {
    /// Makes one for each.
    pub fn from_fn(mut make: impl FnMut(Kind) -> T) -> Self {
        Self {
            valid: make(Kind::Valid),
            cold: make(Kind::Cold),
            expired: make(Kind::Expired),
            revoked: make(Kind::Revoked),
            forged: make(Kind::Forged),
            absent: make(Kind::Absent),
        }
    }

    /// The one of a kind.
    pub fn of(&self, kind: Kind) -> &T {
        match kind {
            Kind::Valid => &self.valid,
            Kind::Cold => &self.cold,
            Kind::Expired => &self.expired,
            Kind::Revoked => &self.revoked,
            Kind::Forged => &self.forged,
            Kind::Absent => &self.absent,
        }
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, kind: Kind) -> &mut T {
        match kind {
            Kind::Valid => &mut self.valid,
            Kind::Cold => &mut self.cold,
            Kind::Expired => &mut self.expired,
            Kind::Revoked => &mut self.revoked,
            Kind::Forged => &mut self.forged,
            Kind::Absent => &mut self.absent,
        }
    }

    /// All, in the order of [`Kind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &T)> {
        Kind::ALL.into_iter().map(|kind| (kind, self.of(kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_its_kind() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("good".parse::<Kind>(), Err(UnknownKind));
    }

    #[test]
    fn every_kind_has_a_place_of_its_own() {
        let mut counts = PerKind::from_fn(|kind| kind);
        assert!(counts.iter().all(|(kind, there)| kind == *there));
        *counts.of_mut(Kind::Cold) = Kind::Absent;
        assert_eq!(counts.iter().filter(|(kind, there)| kind == *there).count(), 5);
    }
}
