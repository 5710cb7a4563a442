//! Which bytes may stand where: one table, one look-up a byte.
//!
//! Field values and tokens are long, and every request has some: they are judged by comparisons, which the compiler does
//! for 16 bytes at once (a look-up cannot be). A test holds both ways together.

/// A set of classes as bits.
#[derive(Clone, Copy)]
pub(super) struct Class(u8);

/// `tchar`: methods, field names, connection options (RFC 9110 section 5.6.2).
pub(super) const TOKEN: Class = Class(1);
/// Field values: SP, HTAB, visible ASCII and obs-text (RFC 9110 section 5.5).
pub(super) const VALUE: Class = Class(1 << 1);
/// Paths: visible ASCII without `"` `<` `>` `\` `^` `` ` `` `{` `|` `}` `#` `?` `;`.
pub(super) const PATH: Class = Class(1 << 2);
/// Queries: visible ASCII without `"` `<` `>` `#`. Wider than RFC 3986 because browsers send `{ | } ^ \`
/// there as they are, and a query takes no part in any decision.
pub(super) const QUERY: Class = Class(1 << 3);
/// The alphabet of `b64token` before its padding (RFC 6750 section 2.1).
pub(super) const BEARER: Class = Class(1 << 4);
/// Names and IPv4 addresses in `Host`.
pub(super) const HOST: Class = Class(1 << 5);
/// `unreserved` (RFC 3986 section 2.3): encoding one of these changes nothing but how rules match.
pub(super) const UNRESERVED: Class = Class(1 << 6);

static TABLE: [u8; 256] = table();

impl Class {
    /// Whether `byte` is of this class.
    #[inline]
    pub(super) fn has(self, byte: u8) -> bool {
        TABLE.get(usize::from(byte)).is_some_and(|bits| bits & self.0 != 0)
    }

    /// Whether every byte is of this class; true for none.
    #[inline]
    pub(super) fn all(self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.has(*byte))
    }
}

/// Whether every byte may stand in a field value: the same as `VALUE.all`.
pub(super) fn all_values(bytes: &[u8]) -> bool {
    all_in_blocks(bytes, |byte| (byte >= b' ') & (byte != 0x7f) | (byte == b'\t'))
}

/// Whether every byte is of the alphabet of `b64token`: the same as `BEARER.all`.
pub(super) fn all_bearer(bytes: &[u8]) -> bool {
    // `-`, `.`, `/` and the digits are neighbours.
    all_in_blocks(bytes, |byte| {
        (byte | 0x20).wrapping_sub(b'a').lt(&26)
            | byte.wrapping_sub(b'-').lt(&13)
            | (byte == b'_')
            | (byte == b'~')
            | (byte == b'+')
    })
}

/// No early end within a block, and no branch: that is what lets the compiler take many bytes at once.
#[inline]
fn all_in_blocks(bytes: &[u8], is_member: impl Fn(u8) -> bool + Copy) -> bool {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let bad = |block: &[u8]| block.iter().fold(0, |bad, byte| bad | u8::from(!is_member(*byte)));
    blocks.iter().all(|block| bad(block) == 0) && bad(rest) == 0
}

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time: out of bounds would not compile")]
const fn table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte: u8 = 0;
    loop {
        table[byte as usize] = classes(byte);
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

const fn classes(byte: u8) -> u8 {
    let alphanumeric = byte.is_ascii_alphanumeric();
    let visible = byte.is_ascii_graphic();
    let mut bits = 0;
    if alphanumeric
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
    {
        bits |= TOKEN.0;
    }
    if visible || byte >= 0x80 || byte == b' ' || byte == b'\t' {
        bits |= VALUE.0;
    }
    if visible
        && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#' | b'?' | b';')
    {
        bits |= PATH.0;
    }
    if visible && !matches!(byte, b'"' | b'<' | b'>' | b'#') {
        bits |= QUERY.0;
    }
    if alphanumeric || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/') {
        bits |= BEARER.0;
    }
    if alphanumeric || matches!(byte, b'-' | b'.' | b'_') {
        bits |= HOST.0;
    }
    if alphanumeric || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        bits |= UNRESERVED.0;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_say_what_the_table_says_of_every_byte_at_every_place() {
        for (class, all, member) in
            [(VALUE, all_values as fn(&[u8]) -> bool, b'a'), (BEARER, all_bearer as fn(&[u8]) -> bool, b'Z')]
        {
            for byte in 0..=u8::MAX {
                for length in [1, 31, 32, 33, 70] {
                    for place in [0, length / 2, length - 1] {
                        let mut bytes = vec![member; length];
                        bytes[place] = byte;
                        assert_eq!(all(&bytes), class.has(byte), "{byte:#x} at {place} of {length}");
                    }
                }
            }
            assert!(all(b""));
        }
    }
}
