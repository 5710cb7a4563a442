//! One connection of the gateway to the recorder.

use std::io;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::log::Log;
use super::reader::Reader;

/// Answers requests until either side closes.
///
/// # Errors
/// The other side has gone, or its framing has no end that even a lenient service would see.
pub(super) async fn serve(stream: TcpStream, log: &Log, connection: usize) -> io::Result<()> {
    let mut reader = Reader::new(stream, log, connection);
    while let Some(head) = reader.head().await? {
        let facts = Facts::of(&head);
        if facts.expects_continue {
            reader.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        match facts.body {
            Body::Chunked => chunked(&mut reader).await?,
            Body::Length(length) => reader.take(length).await?,
        }
        reader.complete();
        let connection = if facts.keeps { "keep-alive" } else { "close" };
        let body = if facts.is_head { "" } else { "recorded\n" };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\nConnection: {connection}\r\n\r\n{body}"
        );
        reader.stream.write_all(answer.as_bytes()).await?;
        if !facts.keeps {
            break;
        }
    }
    Ok(())
}

async fn chunked(reader: &mut Reader<'_>) -> io::Result<()> {
    loop {
        let line = reader.line().await?;
        let text = String::from_utf8_lossy(&line);
        let size = text.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        if size == 0 {
            break;
        }
        reader.take(size).await?;
        reader.line().await?;
    }
    // Trailer lines up to the empty one.
    while !reader.line().await?.trim_ascii().is_empty() {}
    Ok(())
}

enum Body {
    Length(u64),
    Chunked,
}

/// What a lenient service takes from a head.
struct Facts {
    is_head: bool,
    keeps: bool,
    expects_continue: bool,
    body: Body,
}

impl Facts {
    fn of(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head).to_ascii_lowercase();
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let fields: Vec<(&str, &str)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let has = |wanted: &str, word: &str| {
            fields.iter().any(|(name, value)| *name == wanted && value.contains(word))
        };
        let length = fields.iter().find(|(name, _)| *name == "content-length").map(|(_, value)| {
            let digits = value.trim_start_matches('+');
            let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
            digits.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0)
        });
        let old = !first.ends_with("http/1.1");
        Self {
            is_head: first.starts_with("head "),
            keeps: !has("connection", "close") && (!old || has("connection", "keep-alive")),
            expects_continue: has("expect", "100-continue"),
            body: if has("transfer-encoding", "chunked") {
                Body::Chunked
            } else {
                Body::Length(length.unwrap_or(0))
            },
        }
    }
}
