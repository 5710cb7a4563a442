//! As much of HPACK (RFC 7541) as a client needs that writes everything literally, lets the other side use no
//! dynamic table, and wants to know the status.

/// A field line as a literal without indexing (section 6.2.2), without Huffman coding.
pub(in crate::torture) fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        integer(&mut bytes, 7, text.len());
        bytes.extend_from_slice(text);
    }
    bytes
}

/// Section 5.1, with zeros before the prefix.
fn integer(bytes: &mut Vec<u8>, prefix: u32, value: usize) {
    let most = (1_usize << prefix) - 1;
    if value < most {
        bytes.push(u8::try_from(value).unwrap_or(u8::MAX));
        return;
    }
    bytes.push(u8::try_from(most).unwrap_or(u8::MAX));
    let mut rest = value - most;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap_or(0) | 0x80);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap_or(0));
}

/// `:status` of a field block; `None` when there is none, or the block makes no sense.
pub(super) fn status(block: &[u8]) -> Option<u16> {
    let mut rest = block;
    loop {
        let first = *rest.first()?;
        match first {
            // Indexed (6.1): 8 to 14 are the statuses of the static table (appendix A).
            0x80.. => {
                let index = take_integer(&mut rest, 7)?;
                let known = [200, 204, 206, 304, 400, 404, 500];
                if let Some(status) = index.checked_sub(8).and_then(|at| known.get(at)) {
                    return Some(*status);
                }
            }
            // A new size of the dynamic table (6.3).
            0x20..0x40 => {
                take_integer(&mut rest, 5)?;
            }
            // Literal, to be indexed (6.2.1) or not (6.2.2, 6.2.3).
            0x40..0x80 | 0x00..0x20 => {
                let index = take_integer(&mut rest, if first >= 0x40 { 6 } else { 4 })?;
                let is_status = match index {
                    0 => take_text(&mut rest)? == (false, b":status".as_slice()),
                    8..=14 => true,
                    _ => false,
                };
                let (coded, value) = take_text(&mut rest)?;
                if is_status {
                    return number(coded, value);
                }
            }
        }
    }
}

fn take_integer(rest: &mut &[u8], prefix: u32) -> Option<usize> {
    let most = (1_usize << prefix) - 1;
    let (first, mut after) = rest.split_first()?;
    let mut value = usize::from(*first) & most;
    if value == most {
        for shift in [0, 7, 14, 21] {
            let (byte, further) = after.split_first()?;
            after = further;
            value = value.checked_add((usize::from(*byte) & 127) << shift)?;
            if *byte < 128 {
                *rest = after;
                return Some(value);
            }
        }
        return None;
    }
    *rest = after;
    Some(value)
}

/// Whether it is Huffman coded, and its bytes (5.2).
fn take_text<'a>(rest: &mut &'a [u8]) -> Option<(bool, &'a [u8])> {
    let coded = *rest.first()? >= 0x80;
    let length = take_integer(rest, 7)?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some((coded, text))
}

/// Three digits. Huffman: 0, 1, 2 are the codes 0 to 2 in five bits, 3 to 9 are 0x19 to 0x1f in six (appendix B).
fn number(coded: bool, text: &[u8]) -> Option<u16> {
    if !coded {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let bit = |at: usize| Some(u16::from(text.get(at / 8)? >> (7 - at % 8) & 1));
    let mut at = 0;
    let mut bits = |count: usize| {
        let mut value = 0;
        for _ in 0..count {
            value = value * 2 + bit(at)?;
            at += 1;
        }
        Some(value)
    };
    let mut number = 0;
    for _ in 0..3 {
        let digit = match bits(5)? {
            short @ 0..=2 => short,
            long => {
                (long * 2 + bits(1)?).checked_sub(0x19).map(|digit| digit + 3).filter(|digit| *digit < 10)?
            }
        };
        number = number * 10 + digit;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_found_in_every_form() {
        for (block, found) in [
            (&[0x88][..], Some(200)),
            (&[0x8d], Some(404)),
            // RFC 7541, appendix C.6.1 and C.6.2: 302 and 307, Huffman coded.
            (&[0x48, 0x82, 0x64, 0x02], Some(302)),
            (&[0x48, 0x83, 0x64, 0x0e, 0xff], Some(307)),
            // C.5.1: 302 as it is.
            (&[0x48, 0x03, 0x33, 0x30, 0x32], Some(302)),
            (&[0x20, 0x3f, 0xe1, 0x1f, 0x08, 0x03, b'4', b'3', b'1'], Some(431)),
            (&[0x08, 0x82, 0x68, 0x01], Some(401)),
            (&literal(b":status", b"503"), Some(503)),
            (&[literal(b"a", b"b"), literal(b":status", b"418")].concat(), Some(418)),
            (&[0x48, 0x03, 0x33], None),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], None),
            (&[], None),
        ] {
            assert_eq!(status(block), found, "{block:02x?}");
        }
    }

    #[test]
    fn long_texts_have_their_length_in_several_bytes() {
        let value = vec![b'a'; 300];
        let bytes = literal(b"x", &value);
        assert_eq!(bytes[..5], [0, 1, b'x', 0x7f, 0xad]);
        assert_eq!(bytes[5], 1);
        assert_eq!(bytes.len(), 6 + 300);
        let mut rest = &bytes[3..];
        assert_eq!(take_text(&mut rest), Some((false, value.as_slice())));
    }
}
