//! What is asked of the stream, one question at a time, and whether its answers count.

use super::Monotonic;

/// The connection to the stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum StreamLane {
    /// This kind of store has none.
    Absent,
    /// Not connected; to be tried at the next tick.
    Closed,
    /// Being connected, identified, or thrown away.
    Changing,
    /// Connected to a stream whose identity every answer repeats.
    Open(OpenStream),
}

/// A stream that was identified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct OpenStream {
    /// A question is under way.
    pub(super) busy: bool,
    /// When the answer to its identification arrived.
    identified_at: Monotonic,
    /// When the last complete read of the durable store began.
    vouched: Option<Monotonic>,
    /// The highest number that it is known to hold, and since when that is known.
    head: (i64, Monotonic),
    /// An entry was missing; nothing is read until the durable store was, after this.
    gap: Option<Monotonic>,
    /// What becomes of it once no question is under way.
    pub(super) fate: Fate,
}

/// What is to be done with an open stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    /// Read it.
    Read,
    /// Identify it anew: the durable store went back.
    Identify,
    /// Throw it away: it is another store's.
    Reset,
}

impl OpenStream {
    pub(super) const fn new(now: Monotonic, head: i64) -> Self {
        Self {
            busy: false,
            identified_at: now,
            vouched: None,
            head: (head, now),
            gap: None,
            fate: Fate::Read,
        }
    }

    /// A read of the durable store that began then has reached its end, where `newest` was the highest number.
    pub(super) fn read_of_store(&mut self, began: Monotonic, newest: i64) {
        if began >= self.head.1 && newest < self.head.0 {
            // What is in the stream was committed before it went there; this store never heard of it.
            self.fate = Fate::Reset;
            return;
        }
        self.vouched = Some(self.vouched.map_or(began, |before| before.max(began)));
        if self.gap.is_some_and(|gap| began >= gap) {
            self.gap = None;
        }
    }

    /// An entry with this number was seen.
    pub(super) fn saw(&mut self, number: i64, now: Monotonic) {
        if number > self.head.0 {
            self.head = (number, now);
        }
    }

    /// An entry is missing.
    pub(super) fn miss(&mut self, now: Monotonic) {
        self.gap = Some(now);
    }

    /// Since when the durable store vouches for it: whatever the stream did not carry was read there at a moment
    /// when the stream was already the one that answers now. None: not yet.
    pub(super) fn vouched_since(&self) -> Option<Monotonic> {
        let usable = self.fate == Fate::Read && self.gap.is_none();
        self.vouched.filter(|began| usable && *began >= self.identified_at)
    }
}
