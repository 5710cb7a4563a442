//! Where a head ends, watched while its bytes arrive.

use memchr::memchr2;

use super::byte_class::TOKEN;
use super::refusal::{BARE_CR, BARE_LF, HEAD_TOO_LARGE, NOT_HTTP, Refusal, TARGET_TOO_LONG};

/// The longest target the `http` crate's `Uri` can hold.
const LONGEST_URI: usize = 65_534;

/// Header lines the proxy library has room for.
const MOST_HEADERS: usize = 256;

/// Bounds of a request head.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes of the whole head with its last empty line. More is a 431.
    pub max_header_bytes: usize,
    /// Header lines, without the request line, at most 256 whatever is set here. More is a 431.
    pub max_headers: usize,
    /// Bytes of path and query, at most 65 534 whatever is set here. More is a 414.
    pub max_target_bytes: usize,
}

impl HeadLimits {
    /// The longest target that is accepted.
    pub(super) fn target_bytes(&self) -> usize {
        self.max_target_bytes.min(LONGEST_URI)
    }

    /// The most header lines that are accepted.
    pub(super) fn headers(&self) -> usize {
        self.max_headers.min(MOST_HEADERS)
    }

    /// Whether an unfinished head in `buffer` may still grow.
    ///
    /// # Errors
    /// 414 if the request line alone fills the bound, else 431.
    pub fn may_grow(&self, buffer: &[u8]) -> Result<(), Refusal> {
        if buffer.len() < self.max_header_bytes {
            return Ok(());
        }
        match memchr::memchr(b'\n', buffer) {
            None => Err(TARGET_TOO_LONG),
            Some(_) => Err(HEAD_TOO_LARGE),
        }
    }
}

/// What the bytes so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadProgress {
    /// No complete head yet, and nothing wrong so far.
    NeedMore,
    /// The head is the first `head_len` bytes, its empty line included.
    Complete {
        /// In bytes; the body or the next request begins there.
        head_len: usize,
    },
}

/// Looks for the end of a head: CRLF CRLF. `already_scanned` is the length of `buffer` at the last call that
/// returned [`HeadProgress::NeedMore`], 0 at first; no byte is looked at more than a few times.
///
/// # Errors
/// 400 as soon as a line ends in a bare LF or a CR stands alone (such a head might never end for us while
/// it has for others), or the first byte begins no request: an empty line, white space, a TLS handshake.
pub fn find_head_end(buffer: &[u8], already_scanned: usize) -> Result<HeadProgress, Refusal> {
    match buffer.first() {
        None => return Ok(HeadProgress::NeedMore),
        Some(b'\n') => return Err(BARE_LF),
        Some(first) if !TOKEN.has(*first) => return Err(NOT_HTTP),
        Some(_) => {}
    }
    // A CR at the very end of the last look has still to be judged.
    let mut at = already_scanned.min(buffer.len()).saturating_sub(1);
    while let Some(found) = buffer.get(at..).and_then(|rest| memchr2(b'\r', b'\n', rest)) {
        let cr = at + found;
        match (buffer.get(cr), buffer.get(cr + 1)) {
            (Some(b'\r'), None) => return Ok(HeadProgress::NeedMore),
            (Some(b'\r'), Some(b'\n')) => {}
            (Some(b'\r'), Some(_)) => return Err(BARE_CR),
            // The LF of a CRLF whose CR was the last byte but one of the last look.
            _ if cr > 0 && buffer.get(cr - 1) == Some(&b'\r') => {
                at = cr + 1;
                continue;
            }
            _ => return Err(BARE_LF),
        }
        if cr >= 2 && buffer.get(cr - 2..cr) == Some(b"\r\n") {
            return Ok(HeadProgress::Complete { head_len: cr + 2 });
        }
        at = cr + 2;
    }
    Ok(HeadProgress::NeedMore)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn heads_end_at_the_first_empty_line() {
        let complete = |head_len| Ok(HeadProgress::Complete { head_len });
        for (buffer, expected) in [
            (&b""[..], Ok(HeadProgress::NeedMore)),
            (b"GET / HTTP/1.1", Ok(HeadProgress::NeedMore)),
            (b"GET / HTTP/1.1\r", Ok(HeadProgress::NeedMore)),
            (b"GET / HTTP/1.1\r\n", Ok(HeadProgress::NeedMore)),
            (b"GET / HTTP/1.1\r\n\r", Ok(HeadProgress::NeedMore)),
            (b"GET / HTTP/1.1\r\n\r\n", complete(18)),
            (b"GET / HTTP/1.1\r\n\r\nbody\nwith anything\r", complete(18)),
            (b"GET / HTTP/1.1\r\nA: b\r\n\r\n", complete(24)),
            (b"GET / HTTP/1.1\n", Err(BARE_LF)),
            (b"GET / HTTP/1.1\r\nA: b\n\r\n", Err(BARE_LF)),
            (b"GET / HTTP/1.1\r\n\n", Err(BARE_LF)),
            (b"GET / HTTP/1.1\rA", Err(BARE_CR)),
            (b"GET / HTTP/1.1\r\r\n", Err(BARE_CR)),
            (b"\r\nGET / HTTP/1.1", Err(NOT_HTTP)),
            (b"\nGET / HTTP/1.1", Err(BARE_LF)),
            (b" GET / HTTP/1.1", Err(NOT_HTTP)),
            (b"\x16\x03\x01", Err(NOT_HTTP)),
        ] {
            assert_eq!(find_head_end(buffer, 0), expected, "{}", buffer.escape_ascii());
        }
    }

    #[test]
    fn a_head_that_fills_its_bound_is_refused_by_what_filled_it() {
        let limits = HeadLimits { max_header_bytes: 20, max_headers: 8, max_target_bytes: 20 };
        assert_eq!(limits.may_grow(b"GET /aaaa"), Ok(()));
        assert_eq!(limits.may_grow(b"GET /aaaaaaaaaaaaaaaaaaa"), Err(TARGET_TOO_LONG));
        assert_eq!(limits.may_grow(b"GET / HTTP/1.1\r\nA: bbbbbb"), Err(HEAD_TOO_LARGE));
    }

    proptest! {
        /// However the bytes are cut into reads, the verdict is that of the whole.
        #[test]
        fn arrival_in_pieces_changes_nothing(
            buffer in "[GX][\r\nAB: ]{0,24}(\r\n\r\n)?[\r\nA]{0,4}",
            step in 1_usize..5,
        ) {
            let bytes = buffer.as_bytes();
            let whole = find_head_end(bytes, 0);
            let mut scanned = 0;
            let mut last = Ok(HeadProgress::NeedMore);
            while scanned < bytes.len() && last == Ok(HeadProgress::NeedMore) {
                let end = (scanned + step).min(bytes.len());
                last = find_head_end(&bytes[..end], scanned);
                scanned = end;
            }
            prop_assert_eq!(last, whole);
        }
    }
}
