//! Finding the route of a path.

use std::borrow::Cow;

use super::Route;

/// Why routes make no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// A path without its first `/`.
    #[error("route path {0:?} does not start with '/'")]
    NotAbsolute(String),
    /// `//` somewhere in a path: no request has one.
    #[error("route path {0:?} has an empty segment")]
    EmptySegment(String),
    /// Two routes take the same paths.
    #[error("route path {0:?} is there twice")]
    Duplicate(String),
}

/// All routes, found by the hash of a prefix: a look-up costs one probe for each segment, at most as many as the longest route
/// has, whatever the number of routes, and what it touches lies together in memory.
///
/// The hash has no key, since only who writes the configuration decides what is in the table: a client that knows two texts of
/// one hash gains nothing, for the whole prefix is compared.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Route>,
    /// Of each route: its path in one spelling, without a `/` at the end.
    prefixes: Vec<Box<[u8]>>,
    /// A power of two of them, more than half of them empty. A route is in the first that was empty from the place on that its
    /// hash says.
    slots: Vec<Slot>,
    /// Of the longest route.
    most_segments: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// A part of the hash.
    tag: u32,
    /// Place of the route, or [`EMPTY`].
    route: u32,
}

const EMPTY: u32 = u32::MAX;

impl RouteTable {
    /// # Errors
    /// The first path that is not absolute, has an empty segment, or is there twice.
    pub fn new(routes: Vec<Route>) -> Result<Self, RouteError> {
        let size = (2 * routes.len() + 1).next_power_of_two();
        let mut table = Self {
            routes: Vec::new(),
            prefixes: Vec::with_capacity(routes.len()),
            slots: vec![Slot { tag: 0, route: EMPTY }; size],
            most_segments: 0,
        };
        for route in &routes {
            table.add(&route.path)?;
        }
        Ok(Self { routes, ..table })
    }

    fn add(&mut self, path: &str) -> Result<(), RouteError> {
        if !path.starts_with('/') {
            return Err(RouteError::NotAbsolute(path.to_owned()));
        }
        let prefix = normal(path.strip_suffix('/').unwrap_or(path).as_bytes());
        let (mut hash, mut rest, mut segments) = (NOTHING, prefix.as_ref(), 0);
        while let Some((segment, after)) = first_segment(rest) {
            if segment.is_empty() {
                return Err(RouteError::EmptySegment(path.to_owned()));
            }
            (hash, rest, segments) = (hash_on(hash, segment), after, segments + 1);
        }
        if self.find(hash, &prefix).is_some() {
            return Err(RouteError::Duplicate(path.to_owned()));
        }
        let route = u32::try_from(self.prefixes.len()).unwrap_or(EMPTY);
        let (place, tag) = self.place(hash);
        let mut behind = (place..self.slots.len()).chain(0..place);
        if let Some(empty) = behind.find(|at| self.slots.get(*at).is_some_and(|slot| slot.route == EMPTY))
            && let Some(slot) = self.slots.get_mut(empty)
        {
            *slot = Slot { tag, route };
        }
        self.prefixes.push(prefix.into());
        self.most_segments = self.most_segments.max(segments);
        Ok(())
    }

    /// The most specific route for a canonical path, which starts with `/`, as its place in
    /// [`RouteTable::routes`]. Allocates nothing for a path without percent-encoding.
    pub fn position(&self, path: &str) -> Option<usize> {
        if !path.starts_with('/') {
            return None;
        }
        let path = normal(path.as_bytes());
        let (mut hash, mut rest) = (NOTHING, path.as_ref());
        let mut best = self.find(hash, b"");
        for _ in 0..self.most_segments {
            let Some((segment, after)) = first_segment(rest) else { break };
            (hash, rest) = (hash_on(hash, segment), after);
            let prefix = path.get(..path.len() - rest.len()).unwrap_or_default();
            best = self.find(hash, prefix).or(best);
        }
        best
    }

    /// Every route, in the order given.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The route of exactly this prefix, which has this hash.
    fn find(&self, hash: u64, prefix: &[u8]) -> Option<usize> {
        let (place, tag) = self.place(hash);
        let (before, from) = self.slots.split_at_checked(place)?;
        for slot in from.iter().chain(before) {
            if slot.route == EMPTY {
                return None;
            }
            if slot.tag == tag {
                let route = usize::try_from(slot.route).ok()?;
                if self.prefixes.get(route).is_some_and(|known| **known == *prefix) {
                    return Some(route);
                }
            }
        }
        None
    }

    /// Where the search begins, and what marks the slot.
    fn place(&self, hash: u64) -> (usize, u32) {
        let low = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or(0);
        (low & (self.slots.len() - 1), u32::try_from(hash >> 32).unwrap_or(0))
    }
}

/// What follows the first `/`, up to the next one, and what is from there on. None: there is no `/`.
fn first_segment(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, below) = path.split_first()?;
    below.split_at_checked(memchr::memchr(b'/', below).unwrap_or(below.len()))
}

/// The hash of no segments.
const NOTHING: u64 = 0x243f_6a88_85a3_08d3;

/// The hash of what had `hash`, and a segment behind it.
fn hash_on(hash: u64, segment: &[u8]) -> u64 {
    let mut hash = mixed(hash ^ u64::try_from(segment.len()).unwrap_or(0));
    let mut rest = segment;
    while let Some((word, after)) = rest.split_first_chunk() {
        hash = mixed(hash ^ u64::from_le_bytes(*word));
        rest = after;
    }
    let last = rest.iter().fold(0, |last, byte| last << 8 | u64::from(*byte));
    mixed(hash ^ last)
}

/// Every bit of the result hangs on every bit of the value.
fn mixed(value: u64) -> u64 {
    let wide = u128::from(value) * 0x9e37_79b9_7f4a_7c15;
    let [high, low] = [wide >> 64, wide & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(0));
    high ^ low
}

/// One spelling for all that mean the same: every `%` triple is replaced by its byte, but for `/` and `%` themselves, which
/// become `%2F` and `%25`; so does a `%` that begins no triple.
fn normal(path: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', path).is_none() {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len() + 2);
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        let (next, byte) = match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (after, high * 16 + low),
                _ => (tail, b'%'),
            },
            _ => (tail, *first),
        };
        match (first, byte) {
            (b'%', b'/') => out.extend_from_slice(b"%2F"),
            (b'%', b'%') => out.extend_from_slice(b"%25"),
            _ => out.push(byte),
        }
        rest = next;
    }
    Cow::Owned(out)
}

pub(super) fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
