//! Names of requests, without a system call for each.
//!
//! A name must be unique, not secret, so its randomness is read in blocks, one for each thread. It comes from the operating
//! system all the same: a generator of our own would need a reason.

use std::cell::RefCell;

use crate::domain::clock::Timestamp;
use crate::domain::id::RequestId;

/// Random bytes of a name.
const EACH: usize = 10;
/// Names a block is enough for: a page of randomness costs hardly more than one name's.
const NAMES: usize = 100;

struct Block {
    bytes: [u8; EACH * NAMES],
    used: usize,
}

thread_local! {
    static BLOCK: RefCell<Block> = const { RefCell::new(Block { bytes: [0; EACH * NAMES], used: NAMES }) };
}

/// A fresh name. Without randomness the time alone tells requests apart.
pub(super) fn next(now: Timestamp) -> RequestId {
    RequestId::new(now, BLOCK.with_borrow_mut(Block::next))
}

impl Block {
    fn next(&mut self) -> [u8; EACH] {
        if self.used >= NAMES {
            if getrandom::fill(&mut self.bytes).is_err() {
                tracing::debug!("no randomness for a request id");
                return [0; EACH];
            }
            self.used = 0;
        }
        let (names, _) = self.bytes.as_chunks::<EACH>();
        let name = names.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        name
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_differ_within_and_across_blocks_and_threads() {
        let now = Timestamp::from_unix_millis(1_800_000_000_000);
        let some = move || (0..3 * NAMES).map(|_| next(now).to_string()).collect::<Vec<_>>();
        let elsewhere = std::thread::spawn(some).join().unwrap();
        let all: HashSet<_> = some().into_iter().chain(elsewhere).collect();
        assert_eq!(all.len(), 6 * NAMES);
    }
}
