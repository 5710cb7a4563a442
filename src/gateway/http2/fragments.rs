//! Finds the requests whose `:path` has a fragment (`#`).
//!
//! The `http` crate, which `h2` reads targets with, cuts a fragment off and says nothing, so that a request would be
//! served that the client did not write, while over HTTP/1.1 it is refused. It can be seen only in the header block
//! itself, which means to follow HPACK (RFC 7541). What is kept of a field is its size and whether it is a
//! `:path` with a `#`; the crates that decode header blocks build tables for each string or copy each field.
//!
//! Nothing is decided here but that one refusal: should this reader and `h2` ever differ, what is judged is still
//! what `h2` has read, and what is forwarded is what was judged.

use std::collections::VecDeque;

use super::huffman;

/// Sizes of the names of the static table (RFC 7541 appendix A), in bytes.
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13,
    12, 6, 4, 4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3,
    16,
];
/// `:path` in the static table, with two values.
const STATIC_PATHS: [usize; 2] = [4, 5];
/// What the table may hold: HPACK's default, which is what we say.
const TABLE: usize = 4096;
/// What each entry counts on top of its bytes (RFC 7541 section 4.1).
const OVERHEAD: usize = 32;

/// A header block is no HPACK.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// What is known of a text.
#[derive(Debug, Clone, Copy, Default)]
struct Text {
    length: usize,
    /// Whether it is `:path`.
    is_path: bool,
    /// Whether it has a `#`.
    has_hash: bool,
}

/// What is known of a field in the dynamic table.
#[derive(Debug, Clone, Copy)]
struct Field {
    name: Text,
    value: Text,
}

impl Field {
    fn size(self) -> usize {
        self.name.length + self.value.length + OVERHEAD
    }

    fn is_fragment(self) -> bool {
        self.name.is_path && self.value.has_hash
    }
}

/// Follows the header blocks of a connection.
#[derive(Debug)]
pub(super) struct Fragments {
    /// The newest first.
    table: VecDeque<Field>,
    size: usize,
    most: usize,
}

impl Fragments {
    /// Before the first block.
    pub(super) fn new() -> Self {
        Self { table: VecDeque::new(), size: 0, most: TABLE }
    }

    /// Whether the `:path` of this block has a fragment. Every block has to be shown, in order.
    ///
    /// # Errors
    /// It cannot be read, and nor can any that comes after it.
    pub(super) fn found_in(&mut self, block: &[u8]) -> Result<bool, Broken> {
        let mut found = false;
        let mut rest = Rest(block);
        while let Some(first) = rest.0.first().copied() {
            let field = match first {
                0x80.. => self.entry(rest.number(7)?)?,
                0x40.. => {
                    let field = self.literal(&mut rest, 6)?;
                    self.insert(field);
                    field
                }
                0x20.. => {
                    self.most = rest.number(5)?;
                    if self.most > TABLE {
                        return Err(Broken);
                    }
                    self.evict(0);
                    continue;
                }
                _ => self.literal(&mut rest, 4)?,
            };
            found |= field.is_fragment();
        }
        Ok(found)
    }

    fn literal(&self, rest: &mut Rest<'_>, prefix: u32) -> Result<Field, Broken> {
        let name = match rest.number(prefix)? {
            0 => rest.text()?,
            index => self.entry(index)?.name,
        };
        Ok(Field { name, value: rest.text()? })
    }

    fn entry(&self, index: usize) -> Result<Field, Broken> {
        let place = index.checked_sub(1).ok_or(Broken)?;
        match (STATIC_NAMES.get(place), place.checked_sub(STATIC_NAMES.len())) {
            (Some(length), _) => {
                let is_path = STATIC_PATHS.contains(&index);
                let name = Text { length: usize::from(*length), is_path, has_hash: false };
                Ok(Field { name, value: Text::default() })
            }
            (None, Some(place)) => self.table.get(place).copied().ok_or(Broken),
            (None, None) => Err(Broken),
        }
    }

    fn insert(&mut self, field: Field) {
        self.evict(field.size());
        if field.size() <= self.most {
            self.size += field.size();
            self.table.push_front(field);
        }
    }

    /// Makes room.
    fn evict(&mut self, room: usize) {
        while self.size + room > self.most {
            let Some(oldest) = self.table.pop_back() else { return };
            self.size -= oldest.size();
        }
    }
}

/// What of a block is not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// An integer (RFC 7541 section 5.1); at most four bytes go on after the prefix.
    fn number(&mut self, prefix: u32) -> Result<usize, Broken> {
        let mask = (1_usize << prefix) - 1;
        let mut value = usize::from(self.byte()?) & mask;
        if value < mask {
            return Ok(value);
        }
        for shift in [0, 7, 14, 21] {
            let byte = usize::from(self.byte()?);
            value += (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    /// A string (RFC 7541 section 5.2).
    fn text(&mut self) -> Result<Text, Broken> {
        let encoded = self.0.first().ok_or(Broken)? & 0x80 != 0;
        let length = self.number(7)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Broken)?;
        self.0 = rest;
        let path = b":path";
        let mut text = Text::default();
        let mut like_path = true;
        let mut take = |byte| {
            like_path &= path.get(text.length) == Some(&byte);
            text.has_hash |= byte == b'#';
            text.length += 1;
        };
        if encoded {
            if !huffman::decode(bytes, take) {
                return Err(Broken);
            }
        } else {
            bytes.iter().copied().for_each(&mut take);
        }
        text.is_path = like_path && text.length == path.len();
        Ok(text)
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        let (byte, rest) = self.0.split_first().ok_or(Broken)?;
        self.0 = rest;
        Ok(*byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A literal with its name and value as they are; `kind` is 0 (not indexed), 0x10 (never), 0x40 (indexed).
    fn literal(kind: u8, name: &str, value: &str) -> Vec<u8> {
        let mut bytes = vec![kind, u8::try_from(name.len()).unwrap()];
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(u8::try_from(value.len()).unwrap());
        bytes.extend_from_slice(value.as_bytes());
        bytes
    }

    #[test]
    fn fragments_are_found_in_every_representation() {
        for (block, expected) in [
            (literal(0, ":path", "/x#y"), true),
            (literal(0x10, ":path", "#"), true),
            (literal(0x40, ":path", "/x?y#"), true),
            (literal(0, ":path", "/x"), false),
            (literal(0, ":pathx", "/x#"), false),
            (literal(0, "x", "#"), false),
            (vec![0x04, 3, b'/', b'x', b'#'], true),
            (vec![0x45, 3, b'/', b'x', b'#'], true),
            (vec![0x06, 3, b'/', b'x', b'#'], false),
            // "/x#" is 011000 1111001 111111111010, then padding.
            (vec![0x04, 0x80 | 4, 0x63, 0xcf, 0xfd, 0x7f], true),
            (vec![0x84], false),
            ([vec![0x82, 0x84], literal(0, "a", "b")].concat(), false),
        ] {
            assert_eq!(Fragments::new().found_in(&block), Ok(expected), "{}", block.escape_ascii());
        }
    }

    #[test]
    fn fields_are_remembered_as_long_as_they_fit() {
        let mut fragments = Fragments::new();
        assert_eq!(fragments.found_in(&literal(0x40, ":path", "/x#y")), Ok(true));
        assert_eq!(fragments.found_in(&[0x80 | 62]), Ok(true), "the same again");
        assert_eq!(fragments.found_in(&[0x40 | 62, 2, b'/', b'z']), Ok(false), "its name with another value");
        assert_eq!(fragments.found_in(&[0x80 | 63]), Ok(true), "now it is the second");
        assert_eq!(fragments.found_in(&[0x80 | 64]), Err(Broken));
        // 41 and 39 bytes: in 79 only the newer fits.
        let mut fragments = Fragments::new();
        fragments.found_in(&literal(0x40, ":path", "/x#y")).unwrap();
        fragments.found_in(&literal(0x40, ":path", "/z")).unwrap();
        assert_eq!(fragments.size, 80);
        assert_eq!(fragments.found_in(&[0x3f, 79 - 31, 0x80 | 62]), Ok(false));
        assert_eq!(fragments.found_in(&[0x80 | 63]), Err(Broken));
        // One that does not fit at all empties the table.
        assert_eq!(fragments.found_in(&literal(0x40, "a", &"b".repeat(100))), Ok(false));
        assert_eq!((fragments.size, fragments.table.len()), (0, 0));
    }

    #[test]
    fn what_is_no_hpack_is_an_error() {
        for block in [
            &[0x80][..],
            &[0x80 | 62],
            &[0x00, 1],
            &[0x00, 5, b'a'],
            &[0x04],
            &[0x04, 0x7f],
            &[0x04, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x00],
            &[0x3f, 0xff, 0xff, 0x00],
            &[0x3f, 0xe2, 0x1f],
            &[0xff, 0x80, 0x80, 0x80, 0x80, 0x80],
            &[0x04, 0x81, 0x00],
        ] {
            assert_eq!(Fragments::new().found_in(block), Err(Broken), "{}", block.escape_ascii());
        }
        // 4096 exactly is allowed.
        assert_eq!(Fragments::new().found_in(&[0x3f, 0xe1, 0x1f]), Ok(false));
    }

    #[test]
    fn a_table_is_never_larger_than_said() {
        let mut fragments = Fragments::new();
        for _ in 0..10_000 {
            fragments.found_in(&[0x40, 0, 0]).unwrap();
        }
        assert_eq!((fragments.table.len(), fragments.size), (TABLE / OVERHEAD, TABLE));
    }
}
