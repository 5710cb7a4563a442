//! Counts the frames that a client sends, by what they can be abused for.
//!
//! Each of these frames is legal, and cheap to send; what it costs us is not bounded by any window of HTTP/2. So
//! each kind has a bound for a span of time, far above what clients in use need and far below what hurts.
//! Sources: CVE-2023-44487 (rapid reset), VU#421644 (CONTINUATION), CVE-2019-9511 to 9518 (the floods of 2019).

use std::time::Duration;

use tokio::time::Instant;

use super::header_blocks::HeaderBlocks;
use crate::telemetry::Http2Abuse;

/// The span of time that the bounds are for.
const SPAN: Duration = Duration::from_secs(10);
/// Streams that a client opens and gives up. A browser that leaves a page gives up a hundred at once, at most.
const MOST_RESETS: u64 = 200;
/// A header block of 32 KiB needs one; a hundred requests with such blocks are an odd client.
const MOST_CONTINUATIONS: u64 = 100;
/// Frames that carry nothing and end nothing.
const MOST_EMPTY: u64 = 100;
/// A client says them once, or a few times while it measures.
const MOST_SETTINGS: u64 = 50;
/// Keep-alive and measuring of round trips (gRPC). More are allowed while much is sent, see [`Floods::frame`].
const MOST_PINGS: u64 = 1000;
/// RFC 9113 gives them no meaning; older browsers send a handful for each stream.
const MOST_PRIORITIES: u64 = 1000;
/// While nothing is sent to the client there is nothing that it could make room for; else see [`Floods::frame`].
const MOST_WINDOW_UPDATES: u64 = 1000;
/// Extensions that we do not know, and frames that are only ours to send.
const MOST_UNKNOWN: u64 = 100;
/// For each so many bytes that were moved, one more ping and window update may come: clients that take their
/// answers in small steps.
const BYTES_A_FRAME: u64 = 1024;

const PREFACE: usize = 24;
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// How often each kind of frame came in the present span.
#[derive(Debug, Default)]
struct Counts {
    resets: u64,
    continuations: u64,
    empty: u64,
    settings: u64,
    pings: u64,
    priorities: u64,
    window_updates: u64,
    unknown: u64,
    /// Bytes moved, both ways.
    bytes: u64,
}

/// Reads the heads of frames on their way, and counts.
#[derive(Debug)]
pub(super) struct Floods {
    /// Of the preface, to come.
    preface: usize,
    head: [u8; HEAD],
    /// Bytes of `head` that are there.
    have: usize,
    /// Bytes of the frame behind its head that are to come.
    rest: usize,
    /// Whether the frame behind `rest` is content, whose speed is judged elsewhere.
    content: bool,
    /// Whether a header block has begun and not ended.
    in_block: bool,
    since: Instant,
    counts: Counts,
    /// Of the frame behind `rest`.
    kind: u8,
    blocks: HeaderBlocks,
    /// Streams whose `:path` has a fragment, until they are taken.
    fragments: Vec<u32>,
}

impl Floods {
    /// Before the first byte.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            preface: PREFACE,
            head: [0; HEAD],
            have: 0,
            rest: 0,
            content: false,
            in_block: false,
            since: now,
            counts: Counts::default(),
            kind: DATA,
            blocks: HeaderBlocks::new(),
            fragments: Vec::new(),
        }
    }

    /// Takes bytes that came.
    ///
    /// # Errors
    /// There were too many frames of a kind.
    pub(super) fn received(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Http2Abuse> {
        self.sent(bytes.len());
        if now.duration_since(self.since) >= SPAN {
            self.since = now;
            self.counts = Counts::default();
        }
        let preface = self.preface.min(bytes.len());
        self.preface -= preface;
        bytes = bytes.get(preface..).unwrap_or_default();
        while !bytes.is_empty() {
            let (payload, after) = bytes.split_at_checked(self.rest).unwrap_or((bytes, &[]));
            bytes = after;
            if !payload.is_empty() {
                self.payload(payload)?;
            }
            while let (Some((byte, after)), true) = (bytes.split_first(), self.rest == 0) {
                if let Some(slot) = self.head.get_mut(self.have) {
                    *slot = *byte;
                }
                self.have += 1;
                bytes = after;
                if self.have == HEAD {
                    self.have = 0;
                    self.frame()?;
                }
            }
        }
        Ok(())
    }

    /// Streams whose `:path` has a fragment, each once. They are open by now or will be with the same bytes.
    pub(super) fn take_fragments(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.fragments)
    }

    /// Counts bytes that went the other way.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.counts.bytes = self.counts.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Whether something has begun that must come to its end soon: the preface, a header block, any frame but one
    /// with content.
    pub(super) fn unfinished(&self) -> bool {
        let begun = self.preface > 0 && self.preface < PREFACE;
        begun || self.have > 0 || (self.rest > 0 && !self.content) || self.in_block
    }

    fn payload(&mut self, payload: &[u8]) -> Result<(), Http2Abuse> {
        self.rest -= payload.len();
        if !matches!(self.kind, HEADERS | CONTINUATION) {
            return Ok(());
        }
        self.blocks.payload(payload)?;
        if self.rest == 0 { self.end_of_headers() } else { Ok(()) }
    }

    fn end_of_headers(&mut self) -> Result<(), Http2Abuse> {
        let found = self.blocks.end(!self.in_block)?;
        self.fragments.extend(found);
        Ok(())
    }

    /// A frame's head is there.
    fn frame(&mut self) -> Result<(), Http2Abuse> {
        let [a, b, c, kind, flags, s, t, u, v] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        self.rest = usize::try_from(length).unwrap_or(usize::MAX);
        self.content = kind == DATA;
        self.kind = kind;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_block = flags & END_HEADERS == 0;
            if kind == HEADERS {
                self.blocks.headers(u32::from_be_bytes([s & 0x7f, t, u, v]), flags);
            } else {
                self.blocks.continuation();
            }
            if length == 0 {
                self.end_of_headers()?;
            }
        }
        let counts = &mut self.counts;
        let more = counts.bytes / BYTES_A_FRAME;
        let (count, most, abuse) = match kind {
            DATA if length == 0 && flags & END_STREAM == 0 => {
                (&mut counts.empty, MOST_EMPTY, Http2Abuse::EmptyFrames)
            }
            HEADERS if length == 0 => (&mut counts.empty, MOST_EMPTY, Http2Abuse::EmptyFrames),
            DATA | HEADERS => return Ok(()),
            CONTINUATION => (&mut counts.continuations, MOST_CONTINUATIONS, Http2Abuse::Continuations),
            RST_STREAM => (&mut counts.resets, MOST_RESETS, Http2Abuse::Resets),
            SETTINGS if flags & ACK == 0 => (&mut counts.settings, MOST_SETTINGS, Http2Abuse::Settings),
            PING if flags & ACK == 0 => (&mut counts.pings, MOST_PINGS + more, Http2Abuse::Pings),
            PRIORITY => (&mut counts.priorities, MOST_PRIORITIES, Http2Abuse::Priorities),
            WINDOW_UPDATE => {
                (&mut counts.window_updates, MOST_WINDOW_UPDATES + more, Http2Abuse::WindowUpdates)
            }
            _ => (&mut counts.unknown, MOST_UNKNOWN, Http2Abuse::UnknownFrames),
        };
        *count += 1;
        if *count > most { Err(abuse) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    /// How many of these frames pass, however the bytes are cut.
    fn passing(frame: &[u8], step: usize) -> u64 {
        let now = Instant::now();
        let mut floods = Floods::new(now);
        floods.received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", now).unwrap();
        for passed in 0..5000 {
            for part in frame.chunks(step) {
                if floods.received(part, now).is_err() {
                    return passed;
                }
            }
        }
        u64::MAX
    }

    #[test]
    fn every_kind_of_frame_has_its_bound() {
        for (name, bytes, expected) in [
            ("reset", frame(RST_STREAM, 0, &[0; 4]), MOST_RESETS),
            ("continuation", frame(CONTINUATION, END_HEADERS, b""), MOST_CONTINUATIONS),
            ("empty continuation", frame(CONTINUATION, 0, b""), MOST_CONTINUATIONS),
            ("empty data", frame(DATA, 0, b""), MOST_EMPTY),
            ("empty headers", frame(HEADERS, 0, b""), MOST_EMPTY),
            ("settings", frame(SETTINGS, 0, b""), MOST_SETTINGS),
            ("priority", frame(PRIORITY, 0, &[0; 5]), MOST_PRIORITIES),
            ("unknown", frame(0xfa, 0, b"x"), MOST_UNKNOWN),
            ("push promise", frame(5, 0, b"x"), MOST_UNKNOWN),
            ("goaway", frame(7, 0, &[0; 8]), MOST_UNKNOWN),
            ("data", frame(DATA, 0, b"x"), u64::MAX),
            ("last data", frame(DATA, END_STREAM, b""), u64::MAX),
            ("headers", frame(HEADERS, END_HEADERS, b"\x84"), u64::MAX),
        ] {
            for step in [1, 4, 1000] {
                assert_eq!(passing(&bytes, step), expected, "{name} by {step}");
            }
        }
        // Their own bytes count a little.
        for kind in [PING, WINDOW_UPDATE] {
            let passed = passing(&frame(kind, 0, &[0; 8]), 1000);
            assert!((MOST_PINGS..MOST_PINGS + 20).contains(&passed), "{kind}: {passed}");
        }
    }

    #[test]
    fn acknowledgements_are_asked_for_by_us() {
        for kind in [SETTINGS, PING] {
            assert_eq!(passing(&frame(kind, ACK, b""), 1000), MOST_UNKNOWN, "{kind}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bounds_are_for_a_span_of_time() {
        let mut floods = Floods::new(Instant::now());
        floods.preface = 0;
        let reset = frame(RST_STREAM, 0, &[0; 4]);
        for _ in 0..5 {
            for _ in 0..MOST_RESETS {
                floods.received(&reset, Instant::now()).unwrap();
            }
            tokio::time::advance(SPAN).await;
        }
        for _ in 0..MOST_RESETS {
            floods.received(&reset, Instant::now()).unwrap();
        }
        assert_eq!(floods.received(&reset, Instant::now()), Err(Http2Abuse::Resets));
    }

    #[test]
    fn what_has_begun_is_known() {
        let now = Instant::now();
        let mut floods = Floods::new(now);
        assert!(!floods.unfinished());
        for (bytes, unfinished) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"[..], true),
            (b"\n", false),
            (&frame(HEADERS, 0, b"\x82"), true),
            (&frame(CONTINUATION, 0, b"\x84"), true),
            (&frame(CONTINUATION, END_HEADERS, b"\x86"), false),
            (&frame(HEADERS, END_HEADERS, b"\x82\x84")[..10], true),
            (b"\x84", false),
            (&frame(DATA, 0, b"xx")[..8], true),
            (&[1], true),
        ] {
            floods.received(bytes, now).unwrap();
            let last = bytes == [1];
            assert_eq!(floods.unfinished(), unfinished && !last, "{}", bytes.escape_ascii());
        }
    }
}
