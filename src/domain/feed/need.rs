//! Something that only a later read of the durable store settles.

/// Whether a read of the durable store that was asked after some event has reached its end. An order of events
/// and not of moments: two of them may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Need {
    /// No read was asked since. One that is under way does not count.
    Unasked,
    /// The read that is under way, or the next one, was asked since.
    Asked,
    /// Such a read has reached its end.
    Met,
}

impl Need {
    /// A read (or its next page) is asked now.
    pub(super) fn ask(&mut self) {
        if *self == Self::Unasked {
            *self = Self::Asked;
        }
    }

    /// A read has reached its end.
    pub(super) fn read(&mut self) {
        if *self == Self::Asked {
            *self = Self::Met;
        }
    }

    pub(super) fn is_met(self) -> bool {
        self == Self::Met
    }
}
