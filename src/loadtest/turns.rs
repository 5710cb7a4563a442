//! Whose turn it is: which kind is sent next, with which token.
//!
//! Each thread has its own, so that nothing is shared: of `n` threads, the `i`th takes every `n`th token from the `i`th
//! on. Good, ended and forged tokens go round and round; a cold one is used once.

use super::kind::{Kind, PerKind};
use super::mix::Mix;
use super::tokens::Tokens;

/// A request to be sent: its kind, and the number of its token in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) kind: Kind,
    pub(super) token: usize,
}

/// The turns of one thread.
#[derive(Debug)]
pub(super) struct Turns {
    order: Vec<Kind>,
    at: usize,
    next: PerKind<usize>,
    lengths: PerKind<usize>,
    first: usize,
    step: usize,
    /// Turns that were another kind's because no cold token was left.
    pub(super) out_of_cold: u64,
}

impl Turns {
    /// Of the thread `thread` of `threads`.
    pub(super) fn new(mix: &Mix, tokens: &Tokens, thread: usize, threads: usize) -> Self {
        let order = mix.turns();
        // Not all threads begin with the same kind.
        let at = order.len().saturating_mul(thread).checked_div(threads).unwrap_or(0);
        Self {
            order,
            at,
            next: PerKind::from_fn(|_| thread),
            lengths: PerKind::from_fn(|kind| tokens.of(kind).len()),
            first: thread,
            step: threads.max(1),
            out_of_cold: 0,
        }
    }

    /// The next one of the warm-up, which leaves the cold tokens to the measurement unless there is nothing else.
    pub(super) fn next_of_warm_up(&mut self) -> Option<Turn> {
        for _ in 0..self.order.len() {
            let kind = self.kind()?;
            if kind != Kind::Cold {
                return self.token(kind).map(|token| Turn { kind, token });
            }
        }
        self.next()
    }

    /// The next one; `None` when only cold ones are wanted and none is left.
    pub(super) fn next(&mut self) -> Option<Turn> {
        for _ in 0..self.order.len() {
            let kind = self.kind()?;
            if let Some(token) = self.token(kind) {
                return Some(Turn { kind, token });
            }
            self.out_of_cold = self.out_of_cold.saturating_add(1);
        }
        None
    }

    fn kind(&mut self) -> Option<Kind> {
        let kind = *self.order.get(self.at)?;
        self.at = if self.at + 1 < self.order.len() { self.at + 1 } else { 0 };
        Some(kind)
    }

    fn token(&mut self, kind: Kind) -> Option<usize> {
        let length = *self.lengths.of(kind);
        let next = self.next.of_mut(kind);
        if *next >= length {
            match kind {
                Kind::Cold => return None,
                Kind::Absent => return Some(0),
                // With more threads than tokens, they share.
                Kind::Valid | Kind::Expired | Kind::Revoked | Kind::Forged => {
                    *next = self.first.checked_rem(length)?;
                }
            }
        }
        let token = *next;
        *next = token.saturating_add(self.step);
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Tokens {
        Tokens::read(text.as_bytes()).unwrap()
    }

    fn turns(mix: &str, text: &str, thread: usize, threads: usize, count: usize) -> Vec<(Kind, usize)> {
        let mut turns = Turns::new(&mix.parse().unwrap(), &tokens(text), thread, threads);
        (0..count).map_while(|_| turns.next()).map(|turn| (turn.kind, turn.token)).collect()
    }

    #[test]
    fn tokens_go_round() {
        use Kind::{Absent, Valid};
        let seen = turns("valid=2,absent=1", "a\nb\nc", 0, 1, 6);
        assert_eq!(seen, [(Valid, 0), (Absent, 0), (Valid, 1), (Valid, 2), (Absent, 0), (Valid, 0)]);
    }

    #[test]
    fn a_cold_token_is_used_once_and_by_one_thread() {
        let text = "a\ncold b\ncold c\ncold d";
        let mut used: Vec<_> =
            (0..2).flat_map(|thread| turns("valid=1,cold=1", text, thread, 2, 20)).collect();
        used.retain(|(kind, _)| *kind == Kind::Cold);
        used.sort();
        assert_eq!(used, [(Kind::Cold, 0), (Kind::Cold, 1), (Kind::Cold, 2)]);
    }

    #[test]
    fn when_cold_tokens_run_out_others_go_on_and_it_is_counted() {
        let mut both = Turns::new(&"valid=1,cold=1".parse().unwrap(), &tokens("a\ncold b"), 0, 1);
        let kinds: Vec<_> = (0..4).filter_map(|_| both.next()).map(|turn| turn.kind).collect();
        assert_eq!(kinds, [Kind::Valid, Kind::Cold, Kind::Valid, Kind::Valid]);
        assert_eq!(both.out_of_cold, 1);
        assert_eq!(turns("cold=1", "cold a\ncold b", 0, 1, 9).len(), 2);
    }

    #[test]
    fn the_warm_up_leaves_the_cold_tokens() {
        let mut turns = Turns::new(&"valid=1,cold=1".parse().unwrap(), &tokens("a\ncold b"), 0, 1);
        let warm_up: Vec<_> = (0..5).filter_map(|_| turns.next_of_warm_up()).map(|turn| turn.kind).collect();
        assert_eq!(warm_up, [Kind::Valid; 5]);
        assert!((0..2).filter_map(|_| turns.next()).any(|turn| turn.kind == Kind::Cold));
        assert_eq!(turns.out_of_cold, 0);
        let mut only = Turns::new(&"cold=1".parse().unwrap(), &tokens("cold a\ncold b"), 0, 1);
        assert!(only.next_of_warm_up().is_some() && only.next().is_some() && only.next().is_none());
    }

    #[test]
    fn threads_without_a_token_of_their_own_share() {
        assert_eq!(turns("valid=1", "a", 3, 4, 2), [(Kind::Valid, 3 % 1), (Kind::Valid, 0)]);
    }
}
