//! Chunked bodies (RFC 9112 section 7.1) on their raw bytes: whether they are well formed, and where they end.
//!
//! The proxy library decodes them, and forgives much while it does: a size line without a digit is the last
//! chunk for it, a bare LF ends an extension, a trailer may be anything. Whoever forgives otherwise sees the end
//! elsewhere, and a part of the body as the next request. This machine reads the same bytes first and forgives
//! nothing. It deliberately keeps none of them: data, extensions and trailers are the library's to use or drop.

use super::byte_class::{TOKEN, VALUE};

/// Of one chunk, in bytes from its `;` to its line end.
const LONGEST_EXTENSION: usize = 256;
/// Of all chunks of a body together.
const ALL_EXTENSIONS: usize = 16 * 1024;
/// Of all trailers together, with their line ends.
const ALL_TRAILERS: usize = 8 * 1024;
const MOST_TRAILERS: usize = 32;
/// More than a `u64` holds.
const MOST_DIGITS: usize = 16;

/// Why a body is no well-formed chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadChunk(&'static str);

const SIZE: BadChunk = BadChunk("a chunk size is 1 to 16 hexadecimal digits and nothing else");
const EXTENSION: BadChunk = BadChunk("a chunk extension has a byte that may not stand there");
const EXTENSIONS: BadChunk = BadChunk("the chunk extensions are too long");
const LINE_END: BadChunk = BadChunk("lines of a chunked body end in CR LF");
const DATA_END: BadChunk = BadChunk("a chunk is longer or shorter than its size says");
const TRAILER: BadChunk = BadChunk("a trailer is not a name, a colon and a value");
const TRAILERS: BadChunk = BadChunk("the trailers are too many or too long");

/// What the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Of a chunk size.
    Size { size: u64, digits: usize },
    /// Of the extension of a chunk.
    Extension { size: u64, length: usize },
    /// The LF of a size line.
    SizeEnd { size: u64 },
    /// Of the data, of which so much is left.
    Data { left: u64 },
    /// The CR behind the data.
    DataCr,
    /// The LF behind the data.
    DataLf,
    /// The first of a trailer, or of the empty line.
    Trailer,
    /// Of a trailer's name.
    Name,
    /// Of a trailer's value.
    Value,
    /// The LF of a trailer.
    TrailerEnd,
    /// The LF of the empty line.
    BodyEnd,
    /// Not the body's.
    Behind,
    /// Of no interest: the body was bad.
    Bad(BadChunk),
}

/// One chunked body, as its bytes arrive.
#[derive(Debug)]
pub struct Chunks {
    at: At,
    extensions: usize,
    trailers: usize,
    trailer_lines: usize,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { at: At::Size { size: 0, digits: 0 }, extensions: 0, trailers: 0, trailer_lines: 0 }
    }
}

impl Chunks {
    /// Judges the next bytes. How many of them are the body's: all, unless it ends among them.
    ///
    /// # Errors
    /// The body is not well formed; from then on always.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            match self.at {
                At::Behind => break,
                At::Data { left } => {
                    let here = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
                    self.at = if left == 0 { At::DataCr } else { At::Data { left } };
                    rest = rest.get(here..).unwrap_or_default();
                }
                _ => {
                    self.at = self.step(*byte).unwrap_or_else(At::Bad);
                    rest = behind;
                }
            }
            if let At::Bad(bad) = self.at {
                return Err(bad);
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Whether the body has ended.
    pub fn ended(&self) -> bool {
        self.at == At::Behind
    }

    fn step(&mut self, byte: u8) -> Result<At, BadChunk> {
        match self.at {
            At::Size { size, digits } => match (char::from(byte).to_digit(16), byte) {
                (Some(_), _) if digits == MOST_DIGITS => Err(SIZE),
                (Some(digit), _) => Ok(At::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }),
                (None, _) if digits == 0 => Err(SIZE),
                (None, b';') => self.extension(size, 1),
                (None, b'\r') => Ok(At::SizeEnd { size }),
                (None, b'\n') => Err(LINE_END),
                (None, _) => Err(SIZE),
            },
            At::Extension { size, length } => match byte {
                b'\r' => Ok(At::SizeEnd { size }),
                b'\t' | b' '..=b'~' => self.extension(size, length + 1),
                b'\n' => Err(LINE_END),
                _ => Err(EXTENSION),
            },
            At::SizeEnd { size: 0 } => lf(byte, At::Trailer),
            At::SizeEnd { size } => lf(byte, At::Data { left: size }),
            At::DataCr if byte == b'\r' => Ok(At::DataLf),
            At::DataCr => Err(DATA_END),
            At::DataLf => lf(byte, At::Size { size: 0, digits: 0 }),
            At::Trailer if byte == b'\r' => Ok(At::BodyEnd),
            At::Trailer if TOKEN.has(byte) && self.trailer_lines < MOST_TRAILERS => {
                self.trailer_lines += 1;
                self.trailer(At::Name)
            }
            At::Trailer if TOKEN.has(byte) => Err(TRAILERS),
            At::Name if byte == b':' => self.trailer(At::Value),
            At::Name if TOKEN.has(byte) => self.trailer(At::Name),
            At::Trailer | At::Name => Err(TRAILER),
            At::Value if byte == b'\r' => self.trailer(At::TrailerEnd),
            At::Value if VALUE.has(byte) => self.trailer(At::Value),
            At::Value if byte == b'\n' => Err(LINE_END),
            At::Value => Err(TRAILER),
            At::TrailerEnd => lf(byte, self.trailer(At::Trailer)?),
            At::BodyEnd => lf(byte, At::Behind),
            At::Data { .. } | At::Behind | At::Bad(_) => Ok(self.at),
        }
    }

    fn extension(&mut self, size: u64, length: usize) -> Result<At, BadChunk> {
        self.extensions += 1;
        if length > LONGEST_EXTENSION || self.extensions > ALL_EXTENSIONS {
            return Err(EXTENSIONS);
        }
        Ok(At::Extension { size, length })
    }

    fn trailer(&mut self, next: At) -> Result<At, BadChunk> {
        self.trailers += 1;
        if self.trailers > ALL_TRAILERS { Err(TRAILERS) } else { Ok(next) }
    }
}

fn lf(byte: u8, next: At) -> Result<At, BadChunk> {
    if byte == b'\n' { Ok(next) } else { Err(LINE_END) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEXT: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    /// The body's length, if it ends; fed in pieces of `piece` bytes.
    fn read(bytes: &[u8], piece: usize) -> Result<Option<usize>, BadChunk> {
        let mut chunks = Chunks::default();
        let mut length = 0;
        for part in bytes.chunks(piece) {
            length += chunks.feed(part)?;
        }
        Ok(chunks.ended().then_some(length))
    }

    fn everywhere(bytes: &[u8]) -> Result<Option<usize>, BadChunk> {
        let whole = read(bytes, bytes.len().max(1));
        for piece in [1, 2, 3, 7] {
            assert_eq!(read(bytes, piece), whole, "{} in pieces of {piece}", bytes.escape_ascii());
        }
        whole
    }

    #[test]
    fn well_formed_bodies_end_exactly_at_their_end() {
        let longest = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(LONGEST_EXTENSION - 1));
        let most = format!("0\r\n{}\r\n", "A: b\r\n".repeat(MOST_TRAILERS));
        let large = format!("0\r\nA:{}\r\n\r\n", "b".repeat(ALL_TRAILERS - 4));
        for body in [
            "0\r\n\r\n",
            "00\r\n\r\n",
            "0000000000000000\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "A\r\n0123456789\r\na\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
            "005;a=b\r\nhello\r\n0;last\r\n\r\n",
            "5;\r\nhello\r\n0\r\n\r\n",
            "5;a=\"q;\t \\\"\"\r\nhello\r\n0\r\n\r\n",
            "1\r\nx\r\n0\r\nX-Sum: 1\r\nEmpty:\r\nObs: \u{e4}\r\n\r\n",
            &longest,
            &most,
            &large,
        ] {
            assert_eq!(everywhere(body.as_bytes()), Ok(Some(body.len())), "{body:?}");
            let followed = [body.as_bytes(), NEXT].concat();
            assert_eq!(everywhere(&followed), Ok(Some(body.len())), "{body:?}");
            for end in 0..body.len() {
                assert_eq!(everywhere(&body.as_bytes()[..end]), Ok(None), "{body:?} up to {end}");
            }
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long = format!("1;{}\r\n", "e".repeat(LONGEST_EXTENSION));
        let many = "1;eeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\r\nx\r\n".repeat(ALL_EXTENSIONS / 32 + 1);
        let lines = format!("0\r\n{}\r\n", "A: b\r\n".repeat(MOST_TRAILERS + 1));
        let large = format!("0\r\nA:{}\r\n\r\n", "b".repeat(ALL_TRAILERS - 3));
        for (body, expected) in [
            ("\r\n\r\n", SIZE),
            (" \r\n\r\n", SIZE),
            ("\n", SIZE),
            (";a=b\r\n\r\n", SIZE),
            ("x\r\n", SIZE),
            ("-1\r\n", SIZE),
            ("+1\r\n", SIZE),
            ("0x1\r\n", SIZE),
            ("1 1\r\n", SIZE),
            (" 1\r\n", SIZE),
            ("1 \r\n", SIZE),
            ("1 ;a\r\n", SIZE),
            ("1\0\r\n", SIZE),
            ("00000000000000000\r\n\r\n", SIZE),
            ("1\nx\r\n", LINE_END),
            ("1\rx\r\n", LINE_END),
            ("1\r\r\n", LINE_END),
            ("5;a\nhello\r\n", LINE_END),
            ("5;a\rhello\r\n", LINE_END),
            ("5;a\0b\r\n", EXTENSION),
            ("5;\u{7f}\r\n", EXTENSION),
            ("5;\u{e4}\r\n", EXTENSION),
            (&long, EXTENSIONS),
            (&many, EXTENSIONS),
            ("1\r\nxy\r\n", DATA_END),
            ("1\r\nx\n0\r\n\r\n", DATA_END),
            ("1\r\nx0\r\n\r\n", DATA_END),
            ("1\r\nx\r0\r\n\r\n", LINE_END),
            ("0\n\r\n", LINE_END),
            ("0\r\n\n", TRAILER),
            ("0\r\nX Y\r\n\r\n", TRAILER),
            ("0\r\nX\r\n\r\n", TRAILER),
            ("0\r\n: y\r\n\r\n", TRAILER),
            ("0\r\nX : y\r\n\r\n", TRAILER),
            ("0\r\n X: y\r\n\r\n", TRAILER),
            ("0\r\nX: y\r\n z\r\n\r\n", TRAILER),
            ("0\r\nX: \0\r\n\r\n", TRAILER),
            ("0\r\nX: y\n\r\n", LINE_END),
            ("0\r\nX: y\rz\r\n\r\n", LINE_END),
            ("0\r\n\rX", LINE_END),
            ("0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", TRAILER),
            (&lines, TRAILERS),
            (&large, TRAILERS),
        ] {
            assert_eq!(everywhere(body.as_bytes()), Err(expected), "{body:?}");
        }
    }

    #[test]
    fn bad_body_stays_bad() {
        let mut chunks = Chunks::default();
        assert_eq!(chunks.feed(b"\r\n"), Err(SIZE));
        assert_eq!(chunks.feed(b"0\r\n\r\n"), Err(SIZE));
        assert!(!chunks.ended());
    }

    #[test]
    fn largest_size_is_no_overflow() {
        assert_eq!(everywhere(b"ffffffffffffffff\r\nx"), Ok(None));
    }

    /// Data, extensions and trailers, as a client would send them; the data too.
    fn body() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        let chunk = (proptest::collection::vec(any::<u8>(), 1..40), "(;[ -~\t]{0,12})?", 0..3_usize);
        let trailers = proptest::collection::vec("[a-zA-Z-]{1,8}:[ -~\t]{0,12}\r\n", 0..4);
        (proptest::collection::vec(chunk, 0..6), trailers).prop_map(|(chunks, trailers)| {
            let (mut wire, mut content) = (Vec::new(), Vec::new());
            for (data, extension, zeros) in chunks {
                let size = format!("{}{:x}{extension}\r\n", "0".repeat(zeros), data.len());
                wire.extend([size.as_bytes(), &data, b"\r\n"].concat());
                content.extend(data);
            }
            wire.extend([b"0\r\n", trailers.concat().as_bytes(), b"\r\n"].concat());
            (wire, content)
        })
    }

    /// The plainest reading of a body that is known to be well formed: its data, and its length on the wire.
    fn decode(wire: &[u8]) -> (Vec<u8>, usize) {
        let line = |from: usize| from + wire[from..].windows(2).position(|two| two == b"\r\n").unwrap();
        let (mut data, mut at) = (Vec::new(), 0);
        loop {
            let end = line(at);
            let digits = wire[at..end].split(|byte| *byte == b';').next().unwrap();
            let size = usize::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
            at = end + 2;
            if size == 0 {
                break;
            }
            data.extend(&wire[at..at + size]);
            at += size + 2;
        }
        while line(at) != at {
            at = line(at) + 2;
        }
        (data, at + 2)
    }

    proptest! {
        #[test]
        fn any_chunking_in_any_pieces_ends_at_its_end((wire, content) in body(), piece in 1..50_usize) {
            prop_assert_eq!(read(&wire, piece), Ok(Some(wire.len())));
            prop_assert_eq!(read(&[&wire, NEXT].concat(), piece), Ok(Some(wire.len())));
            prop_assert_eq!(decode(&wire), (content, wire.len()));
        }

        /// Whatever one byte is changed to: what is still accepted has the end that the plainest reader sees.
        #[test]
        fn corrupted_body_is_refused_or_read_alike(
            (mut wire, _) in body(), at in any::<proptest::sample::Index>(), byte in any::<u8>(),
        ) {
            let at = at.index(wire.len());
            wire[at] = byte;
            wire.extend(NEXT);
            if let Ok(Some(length)) = everywhere(&wire) {
                prop_assert_eq!(decode(&wire).1, length);
            }
        }

        /// However the bytes come, the verdict is the same.
        #[test]
        fn pieces_do_not_matter(bytes in "[0-2;a:\r\n \0]{0,40}", piece in 1..10_usize) {
            prop_assert_eq!(read(bytes.as_bytes(), piece), read(bytes.as_bytes(), 100));
        }
    }
}
