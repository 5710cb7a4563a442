//! The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B), one way: decoding.
//!
//! The code is canonical (codes of one length follow each other in the order of their symbols), so the lengths say
//! it all; a test compares with the code as printed.

/// The length of each symbol's code, in bits; the last symbol is the end of a string.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];

/// The longest code, in bits.
const LONGEST: usize = 30;
const END_OF_STRING: u16 = 256;

/// Of the codes of one length: the first, how many there are, and where their symbols stand.
#[derive(Clone, Copy)]
struct Row {
    first: u32,
    count: u32,
    symbols: usize,
}

struct Code {
    rows: [Row; LONGEST + 1],
    symbols: [u16; 257],
}

static CODE: Code = code();

#[expect(clippy::indexing_slicing, reason = "evaluated when compiling: outside the bounds is an error then")]
const fn code() -> Code {
    let mut rows = [Row { first: 0, count: 0, symbols: 0 }; LONGEST + 1];
    let mut symbols = [0; 257];
    let (mut length, mut code, mut at) = (1, 0, 0);
    while length <= LONGEST {
        code <<= 1;
        rows[length] = Row { first: code, count: 0, symbols: at };
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                symbols[at] = symbol as u16;
                at += 1;
                code += 1;
                rows[length].count += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    Code { rows, symbols }
}

/// Calls `each` with the bytes that `text` encodes. False: it is no encoding, or not padded as it must be.
pub(super) fn decode(text: &[u8], mut each: impl FnMut(u8)) -> bool {
    let (mut code, mut length) = (0_u32, 0_usize);
    for byte in text {
        for bit in (0..8).rev() {
            code = (code << 1) | u32::from((byte >> bit) & 1);
            length += 1;
            let Some(row) = CODE.rows.get(length) else { return false };
            let Some(place) = code.checked_sub(row.first).filter(|place| *place < row.count) else {
                continue;
            };
            let place = row.symbols + usize::try_from(place).unwrap_or(usize::MAX);
            match CODE.symbols.get(place).map(|symbol| (*symbol, u8::try_from(*symbol))) {
                Some((symbol, Ok(byte))) if symbol != END_OF_STRING => each(byte),
                _ => return false,
            }
            (code, length) = (0, 0);
        }
    }
    // The padding: less than a byte, and only ones.
    length < 8 && code == (1 << length) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        decode(text, |byte| bytes.push(byte)).then_some(bytes)
    }

    /// RFC 7541, appendix C.4 and C.6.
    #[test]
    fn examples_of_the_rfc_are_decoded() {
        for (text, expected) in [
            (&b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..], "www.example.com"),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", "custom-key"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", "custom-value"),
            (b"\x64\x02", "302"),
            (
                b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3",
                "https://www.example.com",
            ),
            (b"", ""),
        ] {
            assert_eq!(decoded(text).as_deref(), Some(expected.as_bytes()), "{expected}");
        }
    }

    /// Some of the longest and rarest codes, as appendix B prints them.
    #[test]
    fn long_codes_are_those_of_the_rfc() {
        for (symbol, code, length) in [
            (b'#', 0xffa_u32, 12_u32),
            (b'/', 0x18, 6),
            (0, 0x1ff8, 13),
            (1, 0x7f_ffd8, 23),
            (10, 0x3fff_fffc, 30),
            (22, 0x3fff_fffe, 30),
            (b'\\', 0x7_fff0, 19),
            (255, 0x3ff_ffee, 26),
            (249, 0xfff_fffe, 28),
        ] {
            let padded = ((u64::from(code) << (64 - length)) | (u64::MAX >> length)).to_be_bytes();
            let bytes = usize::try_from(length.div_ceil(8)).unwrap();
            assert_eq!(decoded(&padded[..bytes]), Some(vec![symbol]), "{symbol}");
        }
    }

    #[test]
    fn bad_padding_and_the_end_of_a_string_are_errors() {
        for text in [&b"\x18"[..], b"\x1f\xff", b"\xff\xff\xff\xff", b"\xff", b"\x00\x00\x06"] {
            assert_eq!(decoded(text), None, "{}", text.escape_ascii());
        }
    }
}
