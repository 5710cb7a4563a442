//! The state of one connection, as the registry holds it.
//!
//! One word says which request of the connection is open, if any, and whether it was cut. Cutting compares the
//! whole word, so it can never hit the request that came after the one it meant.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

use super::registry::KeyMark;
use crate::domain::clock::Timestamp;

/// Why an open request is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// Its session was ended.
    SessionEnded,
    /// The token that admitted it has expired.
    TokenExpired,
    /// The key that signed its token was retired.
    KeyRetired,
}

/// The low bits of the word; the number of the request is above them.
const STATE_BITS: u32 = 3;
const STATE: u64 = (1 << STATE_BITS) - 1;
const IDLE: u64 = 0;
const OPEN: u64 = 1;
const SESSION_ENDED: u64 = 2;
const TOKEN_EXPIRED: u64 = 3;
const KEY_RETIRED: u64 = 4;

impl Cut {
    const fn state(self) -> u64 {
        match self {
            Self::SessionEnded => SESSION_ENDED,
            Self::TokenExpired => TOKEN_EXPIRED,
            Self::KeyRetired => KEY_RETIRED,
        }
    }
}

/// What is known of the request that is open, to decide whether it is meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// When its token stops being accepted.
    pub deadline: Timestamp,
    /// The key that signed its token.
    pub key: KeyMark,
}

/// The entry of a connection.
#[derive(Debug, Default)]
pub(super) struct Entry {
    word: AtomicU64,
    deadline: AtomicI64,
    key: AtomicU64,
    /// Its place in the list of its session. Read and written under the lock of the list.
    pub(super) place: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Entry {
    /// A request opens; the word that [`Entry::close`] wants. Called by the connection alone.
    pub(super) fn open(&self, terms: Terms) -> u64 {
        let number = (self.word.load(Ordering::Relaxed) >> STATE_BITS).wrapping_add(1);
        let word = number << STATE_BITS | OPEN;
        self.deadline.store(terms.deadline.unix_millis(), Ordering::Relaxed);
        self.key.store(terms.key.0, Ordering::Relaxed);
        // Ordered before the look at `OpenRequests::changes` that follows.
        self.word.swap(word, Ordering::SeqCst);
        word
    }

    /// The request is over, unless it was cut before. Acquire on failure: the next request's terms must not be
    /// seen by who cut this one.
    pub(super) fn close(&self, word: u64) {
        let idle = word & !STATE | IDLE;
        let _cut = self.word.compare_exchange(word, idle, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Forgets a cut that came when there was nothing left to cut. Called by the connection alone, between two
    /// requests.
    pub(super) fn settle(&self) {
        let word = self.word.load(Ordering::Relaxed);
        if word & STATE != IDLE {
            self.word.store(word & !STATE | IDLE, Ordering::Relaxed);
        }
    }

    /// Whether a request is open.
    pub(super) fn is_open(&self) -> bool {
        self.word.load(Ordering::Relaxed) & STATE == OPEN
    }

    /// Whether the request was cut, and why.
    pub(super) fn was_cut(&self) -> Option<Cut> {
        match self.word.load(Ordering::Acquire) & STATE {
            SESSION_ENDED => Some(Cut::SessionEnded),
            TOKEN_EXPIRED => Some(Cut::TokenExpired),
            KEY_RETIRED => Some(Cut::KeyRetired),
            _ => None,
        }
    }

    /// Cuts the open request if it is meant. The task to wake then.
    pub(super) fn cut(&self, why: Cut, meant: impl Fn(Terms) -> bool) -> Option<Waker> {
        loop {
            let word = self.word.load(Ordering::SeqCst);
            if word & STATE != OPEN {
                return None;
            }
            let terms = Terms {
                deadline: Timestamp::from_unix_millis(self.deadline.load(Ordering::Relaxed)),
                key: KeyMark(self.key.load(Ordering::Relaxed)),
            };
            if !meant(terms) {
                return None;
            }
            let cut = word & !STATE | why.state();
            // Fails when the terms may be those of another request: look again.
            if self.word.compare_exchange(word, cut, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                // Nobody is asleep when nobody has watched yet.
                return Some(self.waker.lock().clone().unwrap_or_else(|| Waker::noop().clone()));
            }
        }
    }

    /// The task to wake from now on.
    pub(super) fn watch(&self, waker: &Waker) {
        let mut known = self.waker.lock();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }
}
