//! Reads one request head from a connection: bounded, within one deadline, judged on the raw bytes.
//!
//! Pingora would read heads itself, but with a deadline per read instead of per head, a 1 MiB bound, and a
//! parser that repairs, drops or accepts what must be refused (see [`super::request`]). So the head is read
//! here, and its bytes are handed to pingora as an already received prefix.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::guarded_stream::GuardedStream;
use super::request::{CanonicalRequest, HeadLimits, HeadProgress, Refusal, find_head_end};
use super::respond::Content;

/// Room for a usual head, in bytes.
const USUAL_HEAD: usize = 2048;
/// The same for the rest of a head that does not come at once.
const LEAST_ROOM: usize = 256;
/// After a refusal: how long, and how many bytes, a client may still send before the connection is cut. An
/// immediate close would reset the connection and could take the answer with it.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 256 * 1024);

/// A head, and what was read beyond it.
pub struct ReadHead {
    /// The head, as in the request.
    pub head: BytesMut,
    /// Everything that was read behind it.
    pub behind: BytesMut,
    /// What the head asks.
    pub request: CanonicalRequest,
    /// When its first byte was there, or, of a request that came before the answer to the one before, when that was
    /// over.
    pub started: std::time::Instant,
}

/// Why there is no head.
pub enum NoHead {
    /// The client closed, broke off, stayed silent, or the gateway stops: nothing to answer.
    Gone,
    /// It started a head and did not finish in time.
    TooSlow(Content),
    /// The head is refused.
    Refused(Refusal, Content),
}

/// Reads the next head, of which `bytes` are there.
///
/// `idle` bounds the wait for its first byte, `whole` the time from there to its end. A stop signal ends the
/// wait for a first byte, not a head that has begun.
pub async fn read_head(
    stream: &mut GuardedStream,
    mut bytes: BytesMut,
    limits: &HeadLimits,
    idle: Duration,
    whole: Duration,
    stop: &mut watch::Receiver<bool>,
) -> Result<ReadHead, NoHead> {
    if bytes.is_empty() {
        let first = tokio::select! {
            biased;
            read = timeout(idle, first_read(stream, &mut bytes)) => read,
            _ = stop.wait_for(|stopping| *stopping) => return Err(NoHead::Gone),
        };
        match first {
            Ok(Ok(read)) if read > 0 => {}
            Ok(Ok(_) | Err(_)) | Err(_) => return Err(NoHead::Gone),
        }
    }
    #[expect(clippy::disallowed_methods, reason = "a deadline and a duration, on the monotonic clock")]
    let started = std::time::Instant::now();
    let refused = |bytes: &[u8]| {
        let content = Content::of_answer_to(bytes);
        move |refusal| NoHead::Refused(refusal, content)
    };
    let deadline = Instant::from_std(started) + whole;
    let mut scanned = 0;
    loop {
        match find_head_end(&bytes, scanned).map_err(refused(&bytes))? {
            HeadProgress::Complete { head_len } => {
                let behind = bytes.split_off(head_len);
                let request = CanonicalRequest::parse_odd(&bytes, limits).map_err(refused(&bytes))?;
                if request.head().len() != bytes.len() {
                    // Slashes were merged: from here on, there is no other path.
                    bytes = BytesMut::from(&request.head()[..]);
                }
                return Ok(ReadHead { head: bytes, behind, request, started });
            }
            HeadProgress::NeedMore => limits.may_grow(&bytes).map_err(refused(&bytes))?,
        }
        scanned = bytes.len();
        if bytes.capacity() == scanned {
            // Doubles, so that a head that trickles has hardly more room than it has bytes.
            bytes.reserve(scanned.max(LEAST_ROOM));
        }
        match timeout_at(deadline, stream.read_buf(&mut bytes)).await {
            Ok(Ok(read)) if read > 0 => {}
            Ok(Ok(_) | Err(_)) => return Err(NoHead::Gone),
            Err(_) => return Err(NoHead::TooSlow(Content::of_answer_to(&bytes))),
        }
    }
}

/// Closes between two requests: over TLS the client learns that this was all, and no attacker has cut something off.
pub async fn farewell(stream: &mut GuardedStream) {
    // It may have gone long ago.
    let _told = timeout(LINGER.0, tokio::io::AsyncWriteExt::shutdown(stream)).await;
}

/// The first bytes, in a buffer of their size: a connection that is idle has none at all.
async fn first_read(stream: &mut GuardedStream, bytes: &mut BytesMut) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut room = [MaybeUninit::uninit(); USUAL_HEAD];
        let mut read = ReadBuf::uninit(&mut room);
        let poll = Pin::new(&mut *stream).poll_read(cx, &mut read);
        poll.map_ok(|()| {
            bytes.extend_from_slice(read.filled());
            read.filled().len()
        })
    })
    .await
}

/// Writes a last answer and closes, so that the client can read it.
pub async fn last_words(stream: &mut GuardedStream, answer: &[u8]) {
    let write = async {
        stream.write_all(answer).await?;
        stream.flush().await?;
        tokio::io::AsyncWriteExt::shutdown(stream).await
    };
    if !matches!(timeout(LINGER.0, write).await, Ok(Ok(()))) {
        return;
    }
    let drain = async {
        let mut heard = 0;
        let mut sink = vec![0; 4096];
        while heard < LINGER.1 {
            match stream.read(&mut sink).await {
                Ok(0) | Err(_) => return,
                Ok(read) => heard += read,
            }
        }
    };
    // Whether the client finished or not, this connection is over.
    let _over = timeout(LINGER.0, drain).await;
}
