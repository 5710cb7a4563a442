//! HTTP/1: exact bytes out, answers in, and whether the connection closed.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, answer};
use super::connect::Stream;
use super::outcome::{End, Outcome};

/// Longer answers are cut off: ours are some hundred bytes.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// What is sent, and how the answer is read.
#[derive(Debug, Clone)]
pub(in crate::torture) struct Bytes {
    /// Sent one after the other.
    pub parts: Vec<Vec<u8>>,
    /// What passes between two of them.
    pub pause: Duration,
    /// Whether the answer has no body whatever it says.
    pub to_head: bool,
    /// How long to stay after the first answer for more of them and for the end of the connection.
    pub linger: Duration,
}

/// Sends and reads until the answer is whole, and then as long as `linger` says. Everything within `deadline`.
pub(in crate::torture) async fn exchange(
    stream: Stream,
    bytes: &Bytes,
    deadline: Duration,
) -> (Outcome, Vec<u8>) {
    let began = Instant::now();
    let until = began + deadline;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sending = async {
        for (index, part) in bytes.parts.iter().enumerate() {
            if index > 0 {
                tokio::time::sleep(bytes.pause).await;
            }
            // A refusal may come, and the connection close, before all was taken.
            if writer.write_all(part).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    };
    let mut received = Vec::new();
    let reading = async {
        let mut until = until;
        let mut answered = false;
        loop {
            let mut part = vec![0; 16 * 1024];
            let Ok(read) = timeout_at(until, reader.read(&mut part)).await else {
                return if answered { End::Open } else { End::Late };
            };
            let size = read.unwrap_or(0);
            if size == 0 {
                return End::Closed;
            }
            received.extend_from_slice(part.get(..size).unwrap_or_default());
            if received.len() > LONGEST_ANSWER {
                return End::Open;
            }
            if !answered && !answers(&received, bytes.to_head, false).is_empty() {
                answered = true;
                until = until.min(Instant::now() + bytes.linger);
                if bytes.linger.is_zero() {
                    return End::Open;
                }
            }
        }
    };
    let end = {
        tokio::pin!(sending, reading);
        tokio::select! {
            end = &mut reading => end,
            () = &mut sending => reading.await,
        }
    };
    let closed = matches!(end, End::Closed);
    let statuses = answers(&received, bytes.to_head, closed).iter().map(|answer| answer.status).collect();
    (Outcome { statuses, end, took: began.elapsed() }, received)
}

/// The body of the first answer.
pub(in crate::torture) fn body_of(received: &[u8]) -> Option<&[u8]> {
    let answer = answer(received, false, true)?;
    received.get(answer.head..answer.length)
}

/// All whole answers but the interim ones.
fn answers(received: &[u8], to_head: bool, closed: bool) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut rest = received;
    while let Some(found) = answer(rest, to_head && answers.is_empty(), closed) {
        if !(100..200).contains(&found.status) || found.status == 101 {
            answers.push(found);
        }
        rest = rest.get(found.length..).unwrap_or_default();
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const BAD: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

    /// What becomes of a request to a server that says this and then stays, or closes.
    async fn outcome(said: &[u8], stays: bool, linger: Duration) -> Outcome {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        theirs.write_all(said).await.unwrap();
        let kept = stays.then_some(theirs);
        let bytes = Bytes { parts: vec![vec![b'x']], pause: Duration::ZERO, to_head: false, linger };
        let (outcome, _) = exchange(Box::new(ours), &bytes, Duration::from_millis(100)).await;
        drop(kept);
        outcome
    }

    #[tokio::test]
    async fn a_connection_ends_in_each_of_its_ways() {
        let (at_once, later) = (Duration::ZERO, Duration::from_millis(50));
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".as_slice();
        for (said, stays, linger, statuses, end) in [
            (OK.to_vec(), true, at_once, &[200][..], End::Open),
            (OK.to_vec(), true, later, &[200], End::Open),
            (BAD.to_vec(), false, later, &[400], End::Closed),
            ([OK, BAD].concat(), false, later, &[200, 400], End::Closed),
            ([interim, OK].concat(), true, at_once, &[200], End::Open),
            (OK[..20].to_vec(), true, later, &[], End::Late),
            (Vec::new(), false, later, &[], End::Closed),
            (b"<html>".to_vec(), false, later, &[], End::Closed),
        ] {
            let outcome = outcome(&said, stays, linger).await;
            let text = said.escape_ascii();
            assert_eq!((outcome.statuses.as_slice(), &outcome.end), (statuses, &end), "{text}");
        }
    }

    #[tokio::test]
    async fn parts_arrive_with_a_pause_between_them() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let pause = Duration::from_millis(30);
        let parts = vec![b"ab".to_vec(), b"cd".to_vec()];
        let bytes = Bytes { parts, pause, to_head: false, linger: Duration::ZERO };
        let server = async {
            let mut part = [0; 8];
            let first = theirs.read(&mut part).await.unwrap();
            let began = Instant::now();
            let second = theirs.read(&mut part).await.unwrap();
            theirs.write_all(OK).await.unwrap();
            (first, second, began.elapsed() >= pause / 2)
        };
        let (seen, (outcome, _)) =
            tokio::join!(server, exchange(Box::new(ours), &bytes, Duration::from_secs(5)));
        assert_eq!(seen, (2, 2, true));
        assert_eq!(outcome.statuses, [200]);
    }
}
