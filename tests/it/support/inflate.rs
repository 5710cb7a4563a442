//! A decoder of zlib streams (RFC 1950, RFC 1951) that shares nothing with the program under test: small, slow, and
//! written from the standards, as somebody else's verifier would be.

/// Lengths of canonical Huffman codes, as counts and symbols in order.
struct Codes {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Codes {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        lengths.iter().for_each(|length| counts[*length] += 1);
        counts[0] = 0;
        let of_length = |wanted: usize| (0..lengths.len()).filter(move |symbol| lengths[*symbol] == wanted);
        Self { counts, symbols: (1..16).flat_map(of_length).collect() }
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        (0..count).fold(0, |value, place| {
            let bit = usize::from(self.bytes[self.at / 8] >> (self.at % 8) & 1);
            self.at += 1;
            value | bit << place
        })
    }

    fn symbol(&mut self, codes: &Codes) -> usize {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &codes.counts[1..] {
            code |= self.take(1);
            if code < first + count {
                return codes.symbols[index + code - first];
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        panic!("no such code");
    }
}

const LENGTHS: [(usize, usize); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];
const CODE_LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The first distance of a distance code, and its extra bits.
fn distance(code: usize) -> (usize, usize) {
    match code {
        0..4 => (code + 1, 0),
        _ => (((2 + code % 2) << (code / 2 - 1)) + 1, code / 2 - 1),
    }
}

/// What was compressed.
///
/// # Panics
/// When the stream is damaged.
pub fn zlib(stream: &[u8]) -> Vec<u8> {
    assert_eq!(stream[0] & 15, 8, "the method is deflate");
    assert_eq!((u16::from(stream[0]) << 8 | u16::from(stream[1])) % 31, 0, "the header is whole");
    let (body, sum) = stream[2..].split_at(stream.len() - 6);
    let mut bits = Bits { bytes: body, at: 0 };
    let mut out = Vec::new();
    loop {
        let last = bits.take(1) == 1;
        match bits.take(2) {
            0 => stored(&mut bits, &mut out),
            1 => block(&mut bits, &mut out, &fixed().0, &fixed().1),
            2 => {
                let (literals, distances) = dynamic(&mut bits);
                block(&mut bits, &mut out, &literals, &distances);
            }
            _ => panic!("no such kind of block"),
        }
        if last {
            break;
        }
    }
    assert_eq!(sum, adler32(&out).to_be_bytes(), "the checksum");
    out
}

fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>) {
    bits.at = bits.at.next_multiple_of(8);
    let length = bits.take(16);
    assert_eq!(bits.take(16), !length & 0xffff);
    out.extend((0..length).map(|_| u8::try_from(bits.take(8)).unwrap()));
}

fn fixed() -> (Codes, Codes) {
    let length = |symbol| match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    };
    (Codes::new(&(0..288).map(length).collect::<Vec<_>>()), Codes::new(&[5; 30]))
}

fn dynamic(bits: &mut Bits<'_>) -> (Codes, Codes) {
    let (literals, distances, lengths) = (bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4);
    let mut of_lengths = [0; 19];
    CODE_LENGTH_ORDER[..lengths].iter().for_each(|symbol| of_lengths[*symbol] = bits.take(3));
    let codes = Codes::new(&of_lengths);
    let mut all: Vec<usize> = Vec::new();
    while all.len() < literals + distances {
        let (value, times) = match bits.symbol(&codes) {
            16 => (*all.last().unwrap(), 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            18 => (0, 11 + bits.take(7)),
            length => (length, 1),
        };
        all.extend(std::iter::repeat_n(value, times));
    }
    (Codes::new(&all[..literals]), Codes::new(&all[literals..]))
}

fn block(bits: &mut Bits<'_>, out: &mut Vec<u8>, literals: &Codes, distances: &Codes) {
    loop {
        match bits.symbol(literals) {
            literal @ 0..256 => out.push(u8::try_from(literal).unwrap()),
            256 => return,
            symbol => {
                let (length, extra) = LENGTHS[symbol - 257];
                let length = length + bits.take(extra);
                let (back, extra) = distance(bits.symbol(distances));
                let back = back + bits.take(extra);
                for _ in 0..length {
                    out.push(out[out.len() - back]);
                }
            }
        }
    }
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

#[test]
fn streams_of_every_kind_of_block_are_read() {
    // Made with zlib: the example of draft-ietf-oauth-status-list, section 4.1, and a stored block.
    assert_eq!(zlib(&[0x78, 0xda, 0xdb, 0xb9, 0x18, 0x00, 0x02, 0x17, 0x01, 0x5d]), [0xb9, 0xa3]);
    assert_eq!(zlib(&[0x78, 0x01, 0x01, 0x01, 0x00, 0xfe, 0xff, b'a', 0x00, 0x62, 0x00, 0x62]), b"a");
}
