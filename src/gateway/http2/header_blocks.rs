//! Puts header blocks together from the frames that carry them, for [`Fragments`].

use super::fragments::Fragments;
use crate::telemetry::Http2Abuse;

/// Bytes of a block. `h2` takes six frames of 16 KiB at most.
const LARGEST: usize = 128 * 1024;

const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// The blocks of a connection, one after the other.
#[derive(Debug)]
pub(super) struct HeaderBlocks {
    fragments: Fragments,
    stream: u32,
    /// Of the frame that is being read, if it is HEADERS; CONTINUATION has none that matter.
    flags: u8,
    /// Where the payload of that frame begins in `block`.
    frame: usize,
    block: Vec<u8>,
}

impl HeaderBlocks {
    /// Before the first one.
    pub(super) fn new() -> Self {
        Self { fragments: Fragments::new(), stream: 0, flags: 0, frame: 0, block: Vec::new() }
    }

    /// HEADERS begins.
    pub(super) fn headers(&mut self, stream: u32, flags: u8) {
        self.block.clear();
        (self.stream, self.flags, self.frame) = (stream, flags, 0);
    }

    /// CONTINUATION begins.
    pub(super) fn continuation(&mut self) {
        (self.flags, self.frame) = (0, self.block.len());
    }

    /// Bytes of the frame's payload.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn payload(&mut self, bytes: &[u8]) -> Result<(), Http2Abuse> {
        if self.block.len() + bytes.len() > LARGEST {
            return Err(Http2Abuse::Continuations);
        }
        self.block.extend_from_slice(bytes);
        Ok(())
    }

    /// The frame is whole, and the block too, if `last`. The stream, if its `:path` has a fragment.
    ///
    /// # Errors
    /// The block cannot be read.
    pub(super) fn end(&mut self, last: bool) -> Result<Option<u32>, Http2Abuse> {
        self.strip().ok_or(Http2Abuse::BadHeaders)?;
        if !last {
            return Ok(None);
        }
        // Nothing of it stays with a connection that idles.
        let block = std::mem::take(&mut self.block);
        let found = self.fragments.found_in(&block).map_err(|_| Http2Abuse::BadHeaders)?;
        Ok(found.then_some(self.stream))
    }

    /// Takes away what is in the payload of HEADERS besides the block (RFC 9113 section 6.2).
    fn strip(&mut self) -> Option<()> {
        if self.flags & (PADDED | PRIORITY) == 0 {
            return Some(());
        }
        let mut begin = self.frame;
        let mut end = self.block.len();
        if self.flags & PADDED != 0 {
            end = end.checked_sub(usize::from(*self.block.get(begin)?))?;
            begin += 1;
        }
        if self.flags & PRIORITY != 0 {
            begin += 5;
        }
        self.block = self.block.get(begin..end)?.to_vec();
        self.flags = 0;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAGMENT: &[u8] = &[0x04, 3, b'/', b'x', b'#'];

    fn one(flags: u8, payload: &[u8]) -> Result<Option<u32>, Http2Abuse> {
        let mut blocks = HeaderBlocks::new();
        blocks.headers(7, flags);
        blocks.payload(payload)?;
        blocks.end(true)
    }

    #[test]
    fn what_surrounds_a_block_is_no_part_of_it() {
        assert_eq!(one(0, FRAGMENT), Ok(Some(7)));
        assert_eq!(one(PADDED, &[&[2], FRAGMENT, &[0, 0]].concat()), Ok(Some(7)));
        assert_eq!(one(PRIORITY, &[&[0, 0, 0, 0, 1], FRAGMENT].concat()), Ok(Some(7)));
        assert_eq!(one(PADDED | PRIORITY, &[&[1, 0, 0, 0, 0, 1], FRAGMENT, &[0]].concat()), Ok(Some(7)));
        assert_eq!(one(0, &[0x84]), Ok(None));
        assert_eq!(one(PADDED, &[9, 0x84]), Err(Http2Abuse::BadHeaders));
        assert_eq!(one(PADDED, &[]), Err(Http2Abuse::BadHeaders));
        assert_eq!(one(PRIORITY, &[0, 0]), Err(Http2Abuse::BadHeaders));
        assert_eq!(one(0, &[0x80]), Err(Http2Abuse::BadHeaders));
    }

    #[test]
    fn a_block_is_what_its_frames_are_together() {
        for cut in 0..=FRAGMENT.len() {
            let mut blocks = HeaderBlocks::new();
            blocks.headers(7, PADDED);
            let (first, second) = FRAGMENT.split_at(cut);
            blocks.payload(&[&[1], first, &[0]].concat()).unwrap();
            assert_eq!(blocks.end(false), Ok(None));
            blocks.continuation();
            blocks.payload(second).unwrap();
            assert_eq!(blocks.end(true), Ok(Some(7)), "{cut}");
        }
        let mut blocks = HeaderBlocks::new();
        blocks.headers(1, 0);
        blocks.payload(&[FRAGMENT; 1000].concat()).unwrap();
        assert_eq!(blocks.end(true), Ok(Some(1)));
        assert_eq!(blocks.block.capacity(), 0, "nothing stays behind");
        blocks.headers(3, 0);
        assert_eq!(blocks.payload(&vec![0; LARGEST]), Ok(()));
        assert_eq!(blocks.payload(&[0]), Err(Http2Abuse::Continuations));
    }
}
