//! The tokens of a run: read from a file or minted, written to a file.
//!
//! A file has one token a line, perhaps with its kind in front (`expired eyJ..`); without one it is `valid`. Empty
//! lines and lines that begin with `#` are passed over. `forged` ones need not be given: they are made of valid
//! ones by changing the signature. Nor need `cold` ones: they are then taken from the valid ones, in the
//! proportion of the mix.

use std::fmt;
use std::io::{self, BufRead, Write};

use bytes::Bytes;

use super::kind::{Kind, PerKind};
use super::mix::Mix;

/// Tokens of one run, all kinds together.
pub const MOST_TOKENS: usize = 4_000_000;
/// A gateward refuses longer ones undecoded.
const LONGEST: usize = 8 * 1024;
/// Their text together: 4 GiB is the reach of the offsets.
const MOST_BYTES: usize = u32::MAX as usize;
/// Forged tokens that are made, if none are given.
const FORGED: usize = 1_000;
/// What stands before the token in its header.
const SCHEME: &[u8] = b"Bearer ";

/// Many `Authorization` values in one piece of memory. Shows nothing of itself: they are credentials.
#[derive(Clone, Default)]
pub struct TokenList {
    text: Bytes,
    ends: Vec<u32>,
}

impl fmt::Debug for TokenList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenList({} tokens)", self.ends.len())
    }
}

impl TokenList {
    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn range(&self, at: usize) -> Option<std::ops::Range<usize>> {
        let end = *self.ends.get(at)? as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        Some(start..end)
    }

    /// The value of the `Authorization` header with this token.
    pub(super) fn header(&self, at: usize) -> Option<&[u8]> {
        self.text.get(self.range(at)?)
    }

    /// The same, sharing the memory.
    pub(super) fn shared_header(&self, at: usize) -> Option<Bytes> {
        self.range(at).map(|range| self.text.slice(range))
    }

    /// The tokens.
    fn tokens(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|at| self.header(at)?.strip_prefix(SCHEME))
    }

    /// The first `count` (or all) and the rest.
    fn split(&self, count: usize) -> (Self, Self) {
        let (mut first, mut rest) = (TokenWriter::default(), TokenWriter::default());
        for (at, token) in self.tokens().enumerate() {
            // They fit: they did together.
            let _fits = if at < count { first.push(token) } else { rest.push(token) };
        }
        (first.finish(), rest.finish())
    }
}

/// Gathers a [`TokenList`].
#[derive(Default)]
pub struct TokenWriter {
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl fmt::Debug for TokenWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenWriter({} tokens)", self.ends.len())
    }
}

/// Why tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A line holds something else.
    #[error("line {0}: {1}")]
    Line(usize, TokenFault),
    /// A token that was made is none.
    #[error("{0}")]
    Token(#[from] TokenFault),
    /// The mix names a kind that is not there.
    #[error("the mix wants {0} tokens, and there are none")]
    Missing(Kind),
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// The word in front names none.
    #[error("before the token stands its kind: valid, cold, expired, revoked or forged")]
    Kind,
    /// Another character, or none.
    #[error("a token is 1 to 8192 characters of RFC 6750")]
    Token,
    /// The bound.
    #[error("a run has {MOST_TOKENS} tokens and 4 GiB at most")]
    TooMany,
}

impl TokenWriter {
    /// Adds a token.
    ///
    /// # Errors
    /// [`TokenFault::Token`] when it is none, [`TokenFault::TooMany`] beyond the bound.
    pub fn push(&mut self, token: &[u8]) -> Result<(), TokenFault> {
        // RFC 6750, section 2.1.
        let fits = |byte: &u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
        };
        if token.is_empty() || token.len() > LONGEST || !token.iter().all(fits) {
            return Err(TokenFault::Token);
        }
        let end = self.text.len().saturating_add(SCHEME.len()).saturating_add(token.len());
        if self.ends.len() >= MOST_TOKENS || end > MOST_BYTES {
            return Err(TokenFault::TooMany);
        }
        self.text.extend_from_slice(SCHEME);
        self.text.extend_from_slice(token);
        self.ends.push(u32::try_from(end).map_err(|_| TokenFault::TooMany)?);
        Ok(())
    }

    /// What was gathered.
    pub fn finish(self) -> TokenList {
        TokenList { text: Bytes::from(self.text), ends: self.ends }
    }
}

/// The tokens of a run; the list of [`Kind::Absent`] is empty.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    lists: PerKind<TokenList>,
}

impl Tokens {
    /// From lists.
    pub fn new(lists: PerKind<TokenList>) -> Self {
        Self { lists }
    }

    /// Reads a token file.
    ///
    /// # Errors
    /// It cannot be read, or a line holds something else.
    pub fn read(mut file: impl BufRead) -> Result<Self, TokensError> {
        let mut writers = PerKind::<TokenWriter>::default();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            // A line that is longer than any is a wrong one.
            let most = u64::try_from(LONGEST.saturating_mul(2)).unwrap_or(u64::MAX);
            if io::Read::take(&mut file, most).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let text = line.trim_ascii();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            let (kind, token) = entry(text).map_err(|fault| TokensError::Line(number, fault))?;
            writers.of_mut(kind).push(token).map_err(|fault| TokensError::Line(number, fault))?;
        }
        let mut lists = PerKind::default();
        for kind in Kind::ALL {
            *lists.of_mut(kind) = std::mem::take(writers.of_mut(kind)).finish();
        }
        Ok(Self { lists })
    }

    /// Writes a token file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for (kind, list) in self.lists.iter() {
            for token in list.tokens() {
                out.write_all(kind.as_str().as_bytes())?;
                out.write_all(b" ")?;
                out.write_all(token)?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// The tokens of a kind.
    pub fn of(&self, kind: Kind) -> &TokenList {
        self.lists.of(kind)
    }

    /// Makes what the mix wants and can be made: forged ones of valid ones, cold ones of those never sent.
    pub fn complete(&mut self, mix: &Mix) {
        let lists = &mut self.lists;
        if mix.share(Kind::Forged) > 0 && lists.forged.is_empty() {
            let mut forged = TokenWriter::default();
            for token in lists.valid.tokens().take(FORGED) {
                // Not more or longer than those it is made of.
                let _fits = forged.push(&forge(token));
            }
            lists.forged = forged.finish();
        }
        let (valid, cold) = (u64::from(mix.share(Kind::Valid)), u64::from(mix.share(Kind::Cold)));
        if cold > 0 && lists.cold.is_empty() && lists.valid.len() > 1 {
            let all = u64::try_from(lists.valid.len()).unwrap_or(u64::MAX);
            let warm = all.saturating_mul(valid).checked_div(valid.saturating_add(cold)).unwrap_or(0);
            // One at least on each side that is wanted.
            let warm = warm.clamp(u64::from(valid > 0), all.saturating_sub(1));
            let (valid, cold) = lists.valid.split(usize::try_from(warm).unwrap_or(usize::MAX));
            (lists.valid, lists.cold) = (valid, cold);
        }
    }

    /// The kinds of the mix that there are no tokens of.
    pub fn missing(&self, mix: &Mix) -> Vec<Kind> {
        let lacks = |kind: &Kind| *kind != Kind::Absent && self.of(*kind).is_empty();
        mix.named().map(|(kind, _)| kind).filter(lacks).collect()
    }
}

/// `token` or `kind token`.
fn entry(text: &[u8]) -> Result<(Kind, &[u8]), TokenFault> {
    let Some(blank) = text.iter().position(u8::is_ascii_whitespace) else { return Ok((Kind::Valid, text)) };
    let (word, token) = text.split_at(blank);
    let kind = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
    match kind {
        None | Some(Kind::Absent) => Err(TokenFault::Kind),
        Some(kind) => Ok((kind, token.trim_ascii())),
    }
}

/// The token with another signature: one character in the middle of its last part is changed.
fn forge(token: &[u8]) -> Vec<u8> {
    let mut forged = token.to_vec();
    let last = token.iter().rposition(|byte| *byte == b'.').map_or(0, |dot| dot.saturating_add(1));
    // Not the last character, whose low bits may count for nothing.
    let middle = last.saturating_add(token.len().saturating_sub(last) / 2).min(token.len().saturating_sub(1));
    if let Some(byte) = forged.get_mut(middle) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    forged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Tokens, TokensError> {
        Tokens::read(text.as_bytes())
    }

    fn all(list: &TokenList) -> Vec<&str> {
        list.tokens().map(|token| std::str::from_utf8(token).unwrap()).collect()
    }

    #[test]
    fn a_file_has_a_token_a_line_perhaps_with_its_kind() {
        let tokens =
            read("# of staging\na.b.c\n\n  valid d.e.f \r\nexpired\tg.h.i\nrevoked j\ncold k").unwrap();
        assert_eq!(all(tokens.of(Kind::Valid)), ["a.b.c", "d.e.f"]);
        assert_eq!(all(tokens.of(Kind::Expired)), ["g.h.i"]);
        assert_eq!(all(tokens.of(Kind::Revoked)), ["j"]);
        assert_eq!(all(tokens.of(Kind::Cold)), ["k"]);
        assert_eq!(tokens.of(Kind::Valid).header(1), Some(b"Bearer d.e.f".as_slice()));
        assert_eq!(tokens.of(Kind::Valid).header(2), None);
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number_and_never_shown() {
        for (text, line) in [
            ("a\nabsent b", 2),
            ("good a", 1),
            ("a\n\nvalid a b", 3),
            ("a\"b", 1),
            ("valid a\r\nb\x01", 2),
            (&"a".repeat(LONGEST + 1), 1),
            (&"a".repeat(LONGEST * 3), 1),
        ] {
            match read(text) {
                Err(error @ TokensError::Line(number, _)) => {
                    assert_eq!(number, line, "{text}");
                    assert!(!error.to_string().contains("b\""));
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let tokens = read("a\ncold b\nforged c\nrevoked d\nexpired e").unwrap();
        let mut file = Vec::new();
        tokens.write(&mut file).unwrap();
        assert_eq!(String::from_utf8_lossy(&file), "valid a\ncold b\nexpired e\nrevoked d\nforged c\n");
        let again = Tokens::read(file.as_slice()).unwrap();
        assert_eq!(all(again.of(Kind::Forged)), ["c"]);
    }

    #[test]
    fn debug_shows_no_token() {
        let tokens = read("valid secret.secret.secret").unwrap();
        assert!(!format!("{tokens:?}").contains("secret"));
    }

    #[test]
    fn forged_tokens_are_made_of_valid_ones_by_another_signature() {
        let mut tokens = read("head.body.AAAA\nhead.body.xyzxyz").unwrap();
        tokens.complete(&"valid=1,forged=1".parse().unwrap());
        assert_eq!(all(tokens.of(Kind::Forged)), ["head.body.AABA", "head.body.xyzAyz"]);
        let mut given = read("a.b.c\nforged x").unwrap();
        given.complete(&"valid=1,forged=1".parse().unwrap());
        assert_eq!(all(given.of(Kind::Forged)), ["x"]);
    }

    #[test]
    fn cold_tokens_are_taken_from_the_valid_ones_in_the_proportion_of_the_mix() {
        let cold = |mix: &str, text: &str| {
            let mut tokens = read(text).unwrap();
            tokens.complete(&mix.parse().unwrap());
            (tokens.of(Kind::Valid).len(), tokens.of(Kind::Cold).len())
        };
        let ten = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj";
        assert_eq!(cold("valid=8,cold=2", ten), (8, 2));
        assert_eq!(cold("valid=98,cold=2", ten), (9, 1));
        assert_eq!(cold("valid=1,cold=9999", ten), (1, 9));
        assert_eq!(cold("cold=1", ten), (0, 10));
        assert_eq!(cold("valid=1", ten), (10, 0));
        assert_eq!(cold("valid=1,cold=1", "a"), (1, 0));
        assert_eq!(cold("valid=1,cold=1", "a\nb\ncold c"), (2, 1));
    }

    #[test]
    fn what_cannot_be_made_is_missing() {
        let mut tokens = read("a.b.c").unwrap();
        let mix = "valid=1,forged=1,expired=1,absent=1".parse().unwrap();
        tokens.complete(&mix);
        assert_eq!(tokens.missing(&mix), [Kind::Expired]);
    }
}
