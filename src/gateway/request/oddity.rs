//! What of a path is refused unless its route allows it.
//!
//! Some services have names with slashes in their paths (`/projects/group%2Fname`), or are called by clients that
//! write `//`. Both can be read in two ways, so both are refused, but for routes that say otherwise. Here they
//! are only recorded; `gateway::admission` decides, with the route.

use super::refusal::{EMPTY_SEGMENT, ENCODED_SLASH, Refusal};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// `%2f`: a slash for some, a part of a name for others.
    EncodedSlash,
    /// `//`: one slash for some, an empty segment for others.
    EmptySegment,
}

/// Those of a path, in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Oddities([Option<Oddity>; 2]);

impl Oddities {
    /// Adds one, unless it is there.
    pub(super) fn record(&mut self, oddity: Oddity) {
        if !self.has(oddity)
            && let Some(free) = self.0.iter_mut().find(|place| place.is_none())
        {
            *free = Some(oddity);
        }
    }

    /// Whether this one is there.
    pub fn has(self, oddity: Oddity) -> bool {
        self.0.contains(&Some(oddity))
    }

    /// Whether there is any.
    pub fn any(self) -> bool {
        self != Self::default()
    }

    /// The refusal of the first that is not allowed.
    pub fn refusal_unless(self, allowed: impl Fn(Oddity) -> bool) -> Option<Refusal> {
        self.0.into_iter().flatten().find(|oddity| !allowed(*oddity)).map(Oddity::refusal)
    }

    /// For the log: `encoded_slash`, `merged_slashes`, or both.
    pub fn as_str(self) -> Option<&'static str> {
        match (self.has(Oddity::EncodedSlash), self.has(Oddity::EmptySegment)) {
            (false, false) => None,
            (true, false) => Some("encoded_slash"),
            (false, true) => Some("merged_slashes"),
            (true, true) => Some("encoded_slash,merged_slashes"),
        }
    }
}

impl Oddity {
    /// What a client is told that may not send it.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::EncodedSlash => ENCODED_SLASH,
            Self::EmptySegment => EMPTY_SEGMENT,
        }
    }
}

/// A path with each run of slashes made one.
pub(super) fn merged(path: &[u8]) -> Vec<u8> {
    let mut merged = path.to_vec();
    merged.dedup_by(|byte, before| *byte == b'/' && *before == b'/');
    merged
}

/// What services make of the encoded slashes of a path: slashes, and then, in some, one of several.
pub(super) fn readings(path: &str) -> [String; 2] {
    let decoded = path.replace("%2f", "/").replace("%2F", "/");
    let mut once = decoded.clone();
    while once.contains("//") {
        once = once.replace("//", "/");
    }
    [decoded, once]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_not_allowed_is_named() {
        let mut oddities = Oddities::default();
        assert!(!oddities.any() && oddities.as_str().is_none());
        assert_eq!(oddities.refusal_unless(|_| false), None);
        oddities.record(Oddity::EmptySegment);
        oddities.record(Oddity::EmptySegment);
        assert_eq!(oddities.as_str(), Some("merged_slashes"));
        oddities.record(Oddity::EncodedSlash);
        assert_eq!(oddities.refusal_unless(|_| false), Some(EMPTY_SEGMENT));
        assert_eq!(oddities.refusal_unless(|oddity| oddity == Oddity::EmptySegment), Some(ENCODED_SLASH));
        assert_eq!(oddities.refusal_unless(|_| true), None);
        assert_eq!(oddities.as_str(), Some("encoded_slash,merged_slashes"));
    }

    #[test]
    fn slashes_are_merged_and_encoded_ones_read() {
        assert_eq!(merged(b"//a///b/c//"), b"/a/b/c/");
        assert_eq!(merged(b"/a/%2f/b"), b"/a/%2f/b");
        assert_eq!(readings("/a%2F%2fb/%2f/c"), ["/a//b///c", "/a/b/c"]);
    }
}
