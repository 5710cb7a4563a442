//! What is asked of the stream, one question at a time, and whether its answers count.

use super::need::Need;

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
    /// Whatever the stream did not carry is read from the durable store after it was identified.
    identified: Need,
    /// An entry was missing; nothing is read until the durable store was.
    gap: Need,
    /// The highest number that it is known to hold, which the durable store must have given out.
    head: i64,
    head_seen: Need,
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
    pub(super) const fn new(head: i64) -> Self {
        Self {
            busy: false,
            identified: Need::Unasked,
            gap: Need::Met,
            head,
            head_seen: Need::Unasked,
            fate: Fate::Read,
        }
    }

    /// The durable store is asked now.
    pub(super) fn ask_store(&mut self) {
        self.needs().into_iter().for_each(Need::ask);
    }

    /// A read of the durable store has reached its end; `newest` is the highest number that it ever gave out.
    pub(super) fn read_store(&mut self, newest: i64) {
        self.needs().into_iter().for_each(Need::read);
        // What is in the stream was committed before it went there; this store never heard of it.
        if self.head_seen.is_met() && newest < self.head {
            self.fate = Fate::Reset;
        }
    }

    /// An entry with this number was seen.
    pub(super) fn saw(&mut self, number: i64) {
        if number > self.head {
            self.head = number;
            self.head_seen = Need::Unasked;
        }
    }

    /// An entry is missing.
    pub(super) fn miss(&mut self) {
        self.gap = Need::Unasked;
    }

    /// Whether it may be read on: the durable store vouches for everything that it does not carry.
    pub(super) fn is_vouched(&self) -> bool {
        self.fate == Fate::Read && self.identified.is_met() && self.gap.is_met()
    }

    fn needs(&mut self) -> [&mut Need; 3] {
        [&mut self.identified, &mut self.gap, &mut self.head_seen]
    }
}
