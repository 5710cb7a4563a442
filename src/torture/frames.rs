//! HTTP/2 frames (RFC 9113, section 4.1) as a case wants them, well-formed or not.

use std::time::Duration;

use super::case::{Frame, NameOrNumber};
use super::client::{Frames, literal};
use super::placeholders::Words;

const TYPES: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];

const FLAGS: [(&str, u8); 5] =
    [("END_STREAM", 0x1), ("ACK", 0x1), ("END_HEADERS", 0x4), ("PADDED", 0x8), ("PRIORITY", 0x20)];

/// The largest payload that everybody takes.
const PAYLOAD: usize = 16_384;

/// All frames of a case; a flood is cut off here.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// How long to stay after the answer: a frame that is wrong may be looked at later.
const LINGER: Duration = Duration::from_millis(80);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// A whole request on stream 1.
pub(super) fn request(fields: &[(Vec<u8>, Vec<u8>)], body: &[u8]) -> Frames {
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
    let mut bytes = Vec::new();
    let mut parts = block.chunks(PAYLOAD).peekable();
    let mut kind = HEADERS;
    let mut flags = if body.is_empty() { END_STREAM } else { 0 };
    while let Some(part) = parts.next() {
        let last = if parts.peek().is_none() { END_HEADERS } else { 0 };
        write(&mut bytes, kind, flags | last, 1, part, part.len());
        (kind, flags) = (CONTINUATION, 0);
    }
    let mut parts = body.chunks(PAYLOAD).peekable();
    while let Some(part) = parts.next() {
        let last = if parts.peek().is_none() { END_STREAM } else { 0 };
        write(&mut bytes, DATA, last, 1, part, part.len());
    }
    Frames { bytes, stream: Some(1), linger: Duration::ZERO }
}

/// The frames of a case. The stream whose answer counts is that of the last HEADERS frame.
pub(super) fn written(frames: &[Frame], rounds: u32, words: &Words) -> Frames {
    let mut streams: Vec<u32> =
        frames.iter().map(|frame| frame.stream).filter(|stream| *stream != 0).collect();
    streams.sort_unstable();
    streams.dedup();
    let step = u32::try_from(streams.len().saturating_mul(2)).unwrap_or(2);
    let mut bytes = Vec::new();
    let mut judged = None;
    for round in 0..rounds {
        for frame in frames {
            let moved = frame.stream.saturating_add(step.saturating_mul(round));
            let stream = if frame.stream == 0 { 0 } else { moved & 0x7fff_ffff };
            let (kind, flags) = (kind(&frame.kind).unwrap_or(u8::MAX), flags(&frame.flags).unwrap_or(0));
            let payload = payload(frame, words);
            let claimed = frame.length.and_then(|length| usize::try_from(length).ok());
            for _ in 0..frame.repeat.unwrap_or(1) {
                if bytes.len() > MOST_BYTES {
                    return Frames { bytes, stream: judged, linger: LINGER };
                }
                write(&mut bytes, kind, flags, stream, &payload, claimed.unwrap_or(payload.len()));
            }
            if kind == HEADERS && stream != 0 {
                judged = Some(stream);
            }
        }
    }
    Frames { bytes, stream: judged, linger: LINGER }
}

/// What is wrong with a frame of the corpus, if anything.
pub(super) fn problem(frame: &Frame, vary: &[String]) -> Option<&'static str> {
    let is_hex =
        |value: &str| frame.payload.as_deref().is_none_or(|text| hex(&text.replace("{v}", value)).is_some());
    let is_hex = if vary.is_empty() { is_hex("") } else { vary.iter().all(|value| is_hex(value)) };
    let said = [frame.headers.is_some(), frame.payload.is_some(), frame.text.is_some()];
    let problems = [
        (kind(&frame.kind).is_none(), "a frame has an unknown type"),
        (flags(&frame.flags).is_none(), "a frame has an unknown flag"),
        (said.iter().filter(|said| **said).count() > 1, "headers, payload and text exclude each other"),
        (!is_hex, "a payload is not hexadecimal"),
        (frame.length.is_some_and(|length| length >= 1 << 24), "a length has more than 24 bits"),
    ];
    problems.into_iter().find(|(wrong, _)| *wrong).map(|(_, problem)| problem)
}

fn kind(kind: &NameOrNumber) -> Option<u8> {
    match kind {
        NameOrNumber::Number(number) => Some(*number),
        NameOrNumber::Name(name) => {
            TYPES.iter().position(|known| known == name).and_then(|at| u8::try_from(at).ok())
        }
    }
}

fn flags(flags: &NameOrNumber) -> Option<u8> {
    match flags {
        NameOrNumber::Number(number) => Some(*number),
        NameOrNumber::Name(names) => names.split('|').try_fold(0, |all, name| {
            let (_, bit) = FLAGS.iter().find(|(known, _)| *known == name.trim())?;
            Some(all | bit)
        }),
    }
}

fn payload(frame: &Frame, words: &Words) -> Vec<u8> {
    if let Some(fields) = &frame.headers {
        return fields
            .iter()
            .flat_map(|(name, value)| literal(&words.bytes(name), &words.bytes(value)))
            .collect();
    }
    if let Some(text) = &frame.text {
        return words.bytes(text);
    }
    frame.payload.as_deref().and_then(|text| hex(&words.text(text))).unwrap_or_default()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|letter| !letter.is_ascii_whitespace())
        .map(|letter| letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let pairs = digits?;
    pairs
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        })
        .collect()
}

fn write(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8], length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    bytes.extend_from_slice(length.get(1..).unwrap_or_default());
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = Words {
        public: "/public",
        protected: "/private",
        host: "h",
        scheme: "http",
        token: "",
        value: "",
        canary: "c",
        now: 0,
    };

    fn frame(text: &str) -> Frame {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_long_head_goes_on_in_continuation_frames() {
        let frames = request(&[(b"a".to_vec(), vec![b'b'; 20_000])], b"body");
        assert_eq!(frames.bytes[..9], [0, 0x40, 0, HEADERS, 0, 0, 0, 0, 1]);
        assert_eq!(frames.bytes[9 + PAYLOAD + 3..9 + PAYLOAD + 9], [CONTINUATION, END_HEADERS, 0, 0, 0, 1]);
        assert!(frames.bytes.ends_with(&[0, 0, 4, DATA, END_STREAM, 0, 0, 0, 1, b'b', b'o', b'd', b'y']));
    }

    #[test]
    fn each_round_has_streams_of_its_own() {
        let headers =
            frame("type = 'HEADERS'\nflags = 'END_HEADERS|END_STREAM'\nstream = 1\ntext = '{canary}'");
        let reset = frame("type = 3\nstream = 1\npayload = '0000 0008'");
        let ping = frame("type = 'PING'\npayload = '0000000000000000'\nrepeat = 2\nlength = 7");
        let frames = written(&[headers, reset, ping], 2, &WORDS);
        assert_eq!(frames.stream, Some(3));
        let round = 10 + 13 + 2 * 17;
        assert_eq!(frames.bytes.len(), 2 * round);
        assert_eq!(frames.bytes[..10], [0, 0, 1, 1, 5, 0, 0, 0, 1, b'c']);
        assert_eq!(frames.bytes[round..round + 9], [0, 0, 1, 1, 5, 0, 0, 0, 3]);
        assert_eq!(frames.bytes[23..32], [0, 0, 7, 6, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_flood_is_cut_off() {
        let data = frame("type = 'DATA'\ntext = '{16384*a}'\nrepeat = 4000000");
        assert!(written(&[data], 1, &WORDS).bytes.len() < MOST_BYTES + 20_000);
    }

    #[test]
    fn wrong_frames_are_found() {
        assert_eq!(problem(&frame("type = 'DATA'\nflags = 'END_STREAM'"), &[]), None);
        for wrong in [
            "type = 'DADA'",
            "type = 0\nflags = 'END'",
            "type = 0\npayload = '0'",
            "type = 0\npayload = 'xy'",
        ] {
            assert!(problem(&frame(wrong), &[]).is_some(), "{wrong}");
        }
    }
}
