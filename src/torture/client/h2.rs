//! HTTP/2: any frames out, and what becomes of one stream.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::connect::Stream;
use super::hpack;
use super::outcome::{End, Outcome};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// SETTINGS: no dynamic table for its answers, no pushes.
const SETTINGS: &[u8] = &[0, 0, 12, 4, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0];

/// Without a stream to wait for, this long without a word is the end.
const QUIET: Duration = Duration::from_millis(500);

/// Acknowledgements that wait to be written; a flood of pings gets no more.
const MOST_ACKS: usize = 64;

/// What is sent after the preface and the settings.
#[derive(Debug, Clone)]
pub(in crate::torture) struct Frames {
    /// The frames, one after the other.
    pub bytes: Vec<u8>,
    /// The stream whose answer counts.
    pub stream: Option<u32>,
    /// How long to stay after its end for a GOAWAY.
    pub linger: Duration,
}

/// What a reader has learnt.
#[derive(Default)]
struct Seen {
    statuses: BTreeMap<u32, Vec<u16>>,
    goaway: Option<u32>,
}

/// Sends, and reads until the stream has ended or the connection has.
pub(in crate::torture) async fn talk(stream: Stream, frames: &Frames, deadline: Duration) -> Outcome {
    let began = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (acks, mut to_write) = mpsc::channel::<Vec<u8>>(MOST_ACKS);
    let sending = async {
        // A refusal may come, and the connection close, before all was taken.
        for bytes in [PREFACE, SETTINGS, &frames.bytes] {
            if writer.write_all(bytes).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
        while let Some(ack) = to_write.recv().await {
            if writer.write_all(&ack).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    };
    let mut seen = Seen::default();
    let end = {
        let reading = read(&mut reader, frames, &acks, &mut seen, began + deadline);
        tokio::pin!(sending, reading);
        tokio::select! {
            end = &mut reading => end,
            () = &mut sending => reading.await,
        }
    };
    let end = match (end, seen.goaway) {
        (End::Closed | End::Late | End::Open, Some(code)) => End::GoAway(code),
        (end, _) => end,
    };
    let statuses = match frames.stream {
        Some(stream) => seen.statuses.remove(&stream).unwrap_or_default(),
        None => seen.statuses.into_values().flatten().collect(),
    };
    Outcome { statuses, end, took: began.elapsed() }
}

async fn read(
    reader: &mut (impl AsyncRead + Unpin),
    frames: &Frames,
    acks: &mpsc::Sender<Vec<u8>>,
    seen: &mut Seen,
    mut until: Instant,
) -> End {
    let stream = frames.stream;
    let mut all_ended = false;
    let mut block: Vec<u8> = Vec::new();
    let mut block_ends_stream = false;
    loop {
        let quiet = if stream.is_some() { until } else { until.min(Instant::now() + QUIET) };
        let frame = match timeout_at(quiet, frame(reader)).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return End::Closed,
            Err(_) => return if stream.is_some() && !all_ended { End::Late } else { End::Open },
        };
        let judged = stream.is_some_and(|stream| stream == frame.stream);
        let mut ended = false;
        match frame.kind {
            0 => ended = frame.has(0x1),
            1 | 9 => {
                if frame.kind == 1 {
                    block.clear();
                    block_ends_stream = frame.has(0x1);
                }
                block.extend_from_slice(frame.fragment());
                if frame.has(0x4) {
                    let status = hpack::status(&block).filter(|status| !(100..200).contains(status));
                    seen.statuses.entry(frame.stream).or_default().extend(status);
                    ended = block_ends_stream;
                }
            }
            3 if judged => return End::Reset(frame.code(0)),
            4 if !frame.has(0x1) => {
                let _full = acks.try_send(vec![0, 0, 0, 4, 1, 0, 0, 0, 0]);
            }
            6 if !frame.has(0x1) => {
                let ack = [&[0, 0, 8, 6, 1, 0, 0, 0, 0], frame.payload.get(..8).unwrap_or(&[0; 8])].concat();
                let _full = acks.try_send(ack);
            }
            7 => {
                seen.goaway = Some(frame.code(4));
                // Without an error, streams up to the one it names may still be answered.
                if frame.code(4) != 0 || stream.is_none_or(|stream| frame.code(0) < stream) {
                    return End::GoAway(frame.code(4));
                }
            }
            _ => {}
        }
        if judged && ended {
            if frames.linger.is_zero() {
                return End::Open;
            }
            all_ended = true;
            until = until.min(Instant::now() + frames.linger);
        }
    }
}

/// A frame as it was read.
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The number at this place of the payload.
    fn code(&self, at: usize) -> u32 {
        let bytes = self.payload.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes)) & 0x7fff_ffff
    }

    /// The field block fragment of HEADERS or CONTINUATION.
    fn fragment(&self) -> &[u8] {
        if self.kind != 1 {
            return &self.payload;
        }
        let (padding, mut rest) = match self.payload.split_first() {
            Some((padding, rest)) if self.has(0x8) => (usize::from(*padding), rest),
            _ => (0, self.payload.as_slice()),
        };
        if self.has(0x20) {
            rest = rest.get(5..).unwrap_or_default();
        }
        rest.get(..rest.len().saturating_sub(padding)).unwrap_or_default()
    }
}

/// The next frame; `None` at the end of the connection.
async fn frame(reader: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, flags, rest @ ..] = head;
    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
    let stream = u32::from_be_bytes(rest) & 0x7fff_ffff;
    // At most 16 MiB by its three bytes; answers stay under the 16 KiB that we did not raise.
    let mut payload = vec![0; length.min(64 * 1024)];
    reader.read_exact(&mut payload).await.ok()?;
    let mut beyond = reader.take(u64::try_from(length.saturating_sub(payload.len())).ok()?);
    tokio::io::copy(&mut beyond, &mut tokio::io::sink()).await.ok()?;
    Some(Frame { kind, flags, stream, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS_200: &[u8] = &[0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88];
    const DATA_END: &[u8] = &[0, 0, 2, 0, 1, 0, 0, 0, 1, b'o', b'k'];
    const RESET: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    const SERVER_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

    fn goaway(last: u8, code: u8) -> Vec<u8> {
        vec![0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last, 0, 0, 0, code]
    }

    /// What becomes of a request to a server that says this and then stays, or closes.
    async fn outcome(said: &[u8], stays: bool, linger: Duration) -> Outcome {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        theirs.write_all(said).await.unwrap();
        let kept = stays.then_some(theirs);
        let frames = Frames { bytes: vec![0; 9], stream: Some(1), linger };
        let outcome = talk(Box::new(ours), &frames, Duration::from_millis(100)).await;
        drop(kept);
        outcome
    }

    #[tokio::test]
    async fn a_stream_ends_in_each_of_its_ways() {
        for (said, stays, statuses, end) in [
            ([SERVER_SETTINGS, HEADERS_200, DATA_END].concat(), true, &[200][..], End::Open),
            ([HEADERS_200, RESET].concat(), true, &[200], End::Reset(1)),
            (RESET.to_vec(), true, &[], End::Reset(1)),
            (goaway(0, 1), true, &[], End::GoAway(1)),
            // Without an error, the streams up to the last are still answered.
            ([goaway(1, 0).as_slice(), HEADERS_200, DATA_END].concat(), true, &[200], End::GoAway(0)),
            (goaway(0, 0), true, &[], End::GoAway(0)),
            (HEADERS_200.to_vec(), true, &[200], End::Late),
            (HEADERS_200.to_vec(), false, &[200], End::Closed),
            (Vec::new(), false, &[], End::Closed),
        ] {
            let outcome = outcome(&said, stays, Duration::ZERO).await;
            assert_eq!((outcome.statuses.as_slice(), &outcome.end), (statuses, &end), "{said:?}");
        }
    }

    #[tokio::test]
    async fn whoever_lingers_sees_the_error_after_the_answer() {
        let said = [HEADERS_200, DATA_END, &goaway(1, 1)].concat();
        assert_eq!(outcome(&said, true, Duration::ZERO).await.end, End::Open);
        let lingered = outcome(&said, true, Duration::from_millis(50)).await;
        assert_eq!((lingered.statuses.as_slice(), lingered.end), (&[200][..], End::GoAway(1)));
    }

    #[tokio::test]
    async fn padding_and_priority_are_no_part_of_a_field_block() {
        // 3 bytes of padding, 5 of priority, and the block in two frames.
        let head = [0, 0, 11, 1, 0x29, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0x48, 0x03, 1, 2, 3];
        let rest = [0, 0, 3, 9, 4, 0, 0, 0, 1, b'4', b'3', b'1'];
        let outcome = outcome(&[&head[..], &rest].concat(), true, Duration::ZERO).await;
        assert_eq!((outcome.statuses.as_slice(), outcome.end), (&[431][..], End::Open));
    }
}
