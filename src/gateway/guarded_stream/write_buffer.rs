//! Small writes wait for what follows them, so that the head of an answer and a short body leave in one piece.
//!
//! The proxy library writes heads and bodies apart and flushes what cannot wait; between accepting and serving it would
//! put a buffer of its own behind that, but only around connections that it accepted itself. Without one, each answer is
//! two packets and two system calls (measured: a tenth of the processor time of a request).
//!
//! What does not fit goes out together with what waits, in one vectored write. Nothing is copied twice, and an idle
//! connection has no buffer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::AsyncWrite;

/// Bytes that may wait: about a packet, as in the proxy library.
const MOST: usize = 1460;

/// Bytes that were written and not sent.
#[derive(Debug, Default)]
pub(super) struct WriteBuffer(BytesMut);

impl WriteBuffer {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes these bytes, or sends some of them behind those that wait.
    pub fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.0.len() + bytes.len() <= MOST {
            self.0.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        while !self.0.is_empty() {
            let waiting = self.0.len();
            let both = [IoSlice::new(&self.0), IoSlice::new(bytes)];
            let sent = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &both))?;
            self.sent(sent.min(waiting))?;
            if sent > waiting {
                return Poll::Ready(Ok(sent - waiting));
            }
        }
        Pin::new(stream).poll_write(cx, bytes)
    }

    /// Sends what waits. The stream itself is not flushed.
    pub fn poll_send<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.0.is_empty() {
            let sent = ready!(Pin::new(&mut *stream).poll_write(cx, &self.0))?;
            self.sent(sent)?;
        }
        Poll::Ready(Ok(()))
    }

    fn sent(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.0.advance(bytes);
        if self.0.is_empty() {
            self.0 = BytesMut::new();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most so many bytes at a time.
    struct Narrow {
        width: usize,
        writes: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            pieces: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
            let taken = all.len().min(self.width);
            self.writes.push(all[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Writes these pieces whole, then sends what waits.
    fn write(width: usize, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut stream = Narrow { width, writes: Vec::new() };
        let mut buffer = WriteBuffer::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for piece in pieces {
            let mut done = 0;
            while done < piece.len() {
                match buffer.poll_write(&mut stream, &mut cx, &piece[done..]) {
                    Poll::Ready(Ok(taken)) => done += taken,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(matches!(buffer.poll_send(&mut stream, &mut cx), Poll::Ready(Ok(()))));
        assert!(buffer.is_empty() && buffer.0.capacity() == 0);
        stream.writes
    }

    #[test]
    fn head_and_body_leave_in_one_write() {
        let (head, short, long) = ([b'h'; 200], [b'b'; 100], [b'b'; 9000]);
        assert_eq!(write(usize::MAX, &[&head, &short]), [[&head[..], &short[..]].concat()]);
        assert_eq!(write(usize::MAX, &[&head, &long]), [[&head[..], &long[..]].concat()]);
    }

    #[test]
    fn no_byte_is_lost_or_moved_however_little_the_stream_takes() {
        let pieces: Vec<Vec<u8>> = [200, 1, 1460, 1461, 0, 5000, 3]
            .iter()
            .enumerate()
            .map(|(number, length)| vec![u8::try_from(number).unwrap(); *length])
            .collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        for width in [1, 7, 199, 200, 201, 1459, 1460, 1461, usize::MAX] {
            assert_eq!(write(width, &pieces).concat(), pieces.concat(), "{width}");
        }
    }

    #[test]
    fn a_stream_that_takes_nothing_is_an_error() {
        let mut stream = Narrow { width: 0, writes: Vec::new() };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut buffer = WriteBuffer::default();
        assert!(buffer.poll_write(&mut stream, &mut cx, b"head").is_ready());
        assert!(matches!(buffer.poll_send(&mut stream, &mut cx), Poll::Ready(Err(_))));
        assert!(matches!(buffer.poll_write(&mut stream, &mut cx, &[0; MOST]), Poll::Ready(Err(_))));
    }
}
