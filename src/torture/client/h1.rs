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
