//! Heads and bodies of HTTP/1.1 answers, as the sender of the request must read them (RFC 9112).

use std::mem::MaybeUninit;

/// Fields that a head may have.
const MOST_FIELDS: usize = 100;

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Its bytes.
    pub(super) length: usize,
    pub(super) status: u16,
    pub(super) body: Body,
    /// The connection ends with this answer.
    pub(super) last: bool,
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    /// All until the connection ends.
    UntilClose,
}

/// The bytes are no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// Reads a head; `None` while it is not complete. `to_head`: the request was HEAD.
pub(super) fn head(bytes: &[u8], to_head: bool) -> Result<Option<Head>, Broken> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut answer, bytes, &mut fields)
        .map_err(|_| Broken)?;
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    let (Some(status), Some(version)) = (answer.code, answer.version) else { return Err(Broken) };
    let mut last = version == 0;
    let (mut content_length, mut chunked) = (None, false);
    for field in answer.headers.iter() {
        // Most names are told apart by their length.
        match field.name.len() {
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                if content_length.replace(number(field.value)?).is_some() {
                    return Err(Broken);
                }
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                if chunked || !field.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Broken);
                }
                chunked = true;
            }
            10 if field.name.eq_ignore_ascii_case("connection") => {
                let has = |word: &[u8]| {
                    field
                        .value
                        .split(|byte| *byte == b',')
                        .any(|option| option.trim_ascii().eq_ignore_ascii_case(word))
                };
                last = has(b"close") || (last && !has(b"keep-alive"));
            }
            _ => {}
        }
    }
    let body = match (content_length, chunked) {
        (Some(_), true) => return Err(Broken),
        _ if to_head || status < 200 || matches!(status, 204 | 304) => Body::Length(0),
        (None, true) => Body::Chunked,
        (Some(length), false) => Body::Length(length),
        (None, false) => Body::UntilClose,
    };
    Ok(Some(Head { length, status, body, last: last || body == Body::UntilClose }))
}

/// Digits and nothing else.
fn number(text: &[u8]) -> Result<u64, Broken> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(Broken);
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Broken)
}

/// Goes through a chunked body (RFC 9112, section 7.1) without keeping it.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: Place,
    /// Bytes of the chunk that are missing; its size while that is read.
    left: u64,
    digits: u8,
    /// Bytes of size lines and trailers, which are bounded.
    around: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    Extension,
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    TrailerStart,
    Trailer,
    TrailerEnd,
    LastEnd,
    Over,
}

/// Most of one size line, or of the trailers together.
const MOST_AROUND: u32 = 16 * 1024;

impl Chunks {
    /// Takes bytes; how many belonged to the body, and whether it is over.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(usize, bool), Broken> {
        let mut used = 0_usize;
        while let Some(&byte) = bytes.get(used) {
            if self.at == Place::Over {
                break;
            }
            if self.at == Place::Data {
                let there = bytes.len().saturating_sub(used);
                let part = usize::try_from(self.left).unwrap_or(usize::MAX).min(there);
                used = used.saturating_add(part);
                self.left = self.left.saturating_sub(u64::try_from(part).unwrap_or(u64::MAX));
                if self.left == 0 {
                    self.at = Place::DataReturn;
                }
                continue;
            }
            used = used.saturating_add(1);
            self.at = self.step(byte)?;
        }
        Ok((used, self.at == Place::Over))
    }

    fn step(&mut self, byte: u8) -> Result<Place, Broken> {
        self.around = self.around.saturating_add(1);
        if self.around > MOST_AROUND {
            return Err(Broken);
        }
        Ok(match (self.at, byte) {
            (Place::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).ok_or(Broken)?;
                self.digits = self.digits.saturating_add(1);
                if self.digits > 15 {
                    return Err(Broken);
                }
                self.left = self.left.saturating_mul(16).saturating_add(u64::from(digit));
                Place::Size
            }
            (Place::Size, b'\r') if self.digits > 0 => Place::SizeEnd,
            (Place::Size, b';' | b' ' | b'\t') if self.digits > 0 => Place::Extension,
            (Place::Extension, b'\r') => Place::SizeEnd,
            (Place::Extension, byte) if byte != b'\n' => Place::Extension,
            (Place::SizeEnd, b'\n') if self.left == 0 => Place::TrailerStart,
            (Place::SizeEnd, b'\n') => {
                self.around = 0;
                Place::Data
            }
            (Place::DataReturn, b'\r') => Place::DataEnd,
            (Place::DataEnd, b'\n') => {
                self.digits = 0;
                Place::Size
            }
            (Place::TrailerStart, b'\r') => Place::LastEnd,
            (Place::TrailerStart | Place::Trailer, byte) if byte != b'\r' && byte != b'\n' => Place::Trailer,
            (Place::Trailer, b'\r') => Place::TrailerEnd,
            (Place::TrailerEnd, b'\n') => Place::TrailerStart,
            (Place::LastEnd, b'\n') => Place::Over,
            (_, _) => return Err(Broken),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Head>, Broken> {
        head(text.as_bytes(), false)
    }

    #[test]
    fn a_head_says_how_long_the_body_is_and_whether_the_connection_lasts() {
        for (fields, body, last) in [
            ("content-length: 5\r\n", Body::Length(5), false),
            ("Content-Length: 0\r\nConnection: keep-alive, Close\r\n", Body::Length(0), true),
            ("Transfer-Encoding: chunked\r\n", Body::Chunked, false),
            ("", Body::UntilClose, true),
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\nrest");
            let head = read(&text).unwrap().unwrap();
            assert_eq!((head.status, head.body, head.last), (200, body, last), "{fields}");
            assert_eq!(head.length, text.len() - 4);
        }
        assert_eq!(read("HTTP/1.1 204 No\r\n\r\n").unwrap().unwrap().body, Body::Length(0));
        assert_eq!(
            read("HTTP/1.1 304 No\r\ncontent-length: 9\r\n\r\n").unwrap().unwrap().body,
            Body::Length(0)
        );
        let to_head = head(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", true);
        assert_eq!(to_head.unwrap().unwrap().body, Body::Length(0));
        assert!(read("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n").unwrap().unwrap().last);
        let kept = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\n";
        assert!(!read(kept).unwrap().unwrap().last);
        assert_eq!(read("HTTP/1.1 200 OK\r\ncontent-le"), Ok(None));
    }

    #[test]
    fn two_lengths_are_broken() {
        for fields in [
            "content-length: 1\r\ncontent-length: 1\r\n",
            "content-length: 1, 1\r\n",
            "content-length: +1\r\n",
            "content-length:\r\n",
            "content-length: 1\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        ] {
            assert_eq!(read(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")), Err(Broken), "{fields}");
        }
        assert_eq!(read("200 OK\r\n\r\n"), Err(Broken));
    }

    #[test]
    fn a_chunked_body_ends_where_it_ends_however_it_is_cut() {
        let body = b"5\r\nhello\r\n1a;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\na: b\r\n\r\n";
        for step in 1..=body.len() {
            let mut chunks = Chunks::default();
            let mut over = false;
            for part in body.chunks(step) {
                assert!(!over);
                let (used, now) = chunks.take(part).unwrap();
                assert_eq!(used, part.len());
                over = now;
            }
            assert!(over, "{step}");
        }
        let mut more = body.to_vec();
        more.extend_from_slice(b"HTTP");
        assert_eq!(Chunks::default().take(&more), Ok((body.len(), true)));
    }

    #[test]
    fn wrong_chunks_are_broken() {
        for body in
            ["x", "\r\n", "5\nhello", "1\r\nab", "1\r\na\n", "0\r\n\n", "ffffffffffffffff\r\n", ";a\r\n"]
        {
            assert_eq!(Chunks::default().take(body.as_bytes()), Err(Broken), "{body:?}");
        }
        let endless = format!("1;{}", "a".repeat(20_000));
        assert_eq!(Chunks::default().take(endless.as_bytes()), Err(Broken));
    }
}
