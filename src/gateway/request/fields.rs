//! The header lines: their syntax (RFC 9112 section 5), and those whose meaning the gateway needs.

use std::ops::Range;

use http::{Method, Version};
use memchr::memchr;

use super::byte_class::{TOKEN, VALUE, all_values};
use super::connection::{ConnectionLines, Upgrade};
use super::credentials::Credentials;
use super::framing::{Body, FramingLines};
use super::host;
use super::refusal::{
    BARE_CR, EXPECT, FRAMING_ALIAS, HEADER_NAME, HEADER_VALUE, NAME_TOO_LONG, NO_COLON, NO_HOST, OBS_FOLD,
    Refusal, SPACE_BEFORE_COLON, TOO_MANY_HEADERS, TWO_HOSTS,
};
use crate::gateway::headers::folds_to;

/// Far above any name in use, far below what header maps hold.
const LONGEST_NAME: usize = 256;

/// The lines seen so far.
pub(super) struct Fields {
    count: usize,
    most: usize,
    host: Option<Range<usize>>,
    framing: FramingLines,
    connection: ConnectionLines,
    credentials: Credentials,
    expects_continue: bool,
}

/// What the lines amount to.
pub(super) struct Meaning {
    pub(super) host: Range<usize>,
    pub(super) body: Body,
    pub(super) upgrade: Upgrade,
    pub(super) credentials: Credentials,
    pub(super) expects_continue: bool,
    pub(super) keep_alive: bool,
}

impl Fields {
    /// None yet; at most `most` will be taken.
    pub(super) fn new(most: usize) -> Self {
        Self {
            count: 0,
            most,
            host: None,
            framing: FramingLines::default(),
            connection: ConnectionLines::default(),
            credentials: Credentials::None,
            expects_continue: false,
        }
    }

    /// Takes a line, without its CRLF, that begins at `at` in the head.
    pub(super) fn add_line(&mut self, line: &[u8], at: usize) -> Result<(), Refusal> {
        self.count += 1;
        if self.count > self.most {
            return Err(TOO_MANY_HEADERS);
        }
        let (name, value) = split(line)?;
        let start = at + value.start;
        let value = line.get(value).unwrap_or_default();
        // By length first: most names are none of these.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                if self.host.is_some() {
                    return Err(TWO_HOSTS);
                }
                host::judge(value)?;
                self.host = Some(start..start + value.len());
            }
            6 if name.eq_ignore_ascii_case(b"expect") => {
                // Twice would be a list, which is not the one expectation either.
                if self.expects_continue || !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(EXPECT);
                }
                self.expects_continue = true;
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.connection.upgrade(value),
            10 if name.eq_ignore_ascii_case(b"connection") => self.connection.connection(value)?,
            13 if name.eq_ignore_ascii_case(b"authorization") => self.credentials.add_line(value, start),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.framing.content_length(value)?,
            // CGI-like services make one variable of both spellings.
            14 if folds_to(name, b"content-length") => return Err(FRAMING_ALIAS),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.framing.transfer_encoding(value)?,
            17 if folds_to(name, b"transfer-encoding") => return Err(FRAMING_ALIAS),
            17 if name.eq_ignore_ascii_case(b"sec-websocket-key") => self.connection.websocket_key(value),
            21 if name.eq_ignore_ascii_case(b"sec-websocket-version") => {
                self.connection.websocket_version(value)
            }
            _ => {}
        }
        Ok(())
    }

    /// After the last line.
    pub(super) fn finish(self, method: &Method, version: Version) -> Result<Meaning, Refusal> {
        let body = self.framing.body(version)?;
        Ok(Meaning {
            host: self.host.ok_or(NO_HOST)?,
            body,
            upgrade: self.connection.judge_upgrade(method, version, body)?,
            credentials: self.credentials,
            // RFC 9110 section 10.1.1: not of HTTP/1.0, not without a body.
            expects_continue: self.expects_continue
                && version == Version::HTTP_11
                && !matches!(body, Body::None | Body::Length(0)),
            keep_alive: self.connection.keep_alive(version),
        })
    }
}

/// A line's name, and where its value stands without the white space around it.
fn split(line: &[u8]) -> Result<(&[u8], Range<usize>), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(OBS_FOLD);
    }
    let colon = memchr(b':', line).ok_or(NO_COLON)?;
    let name = line.get(..colon).unwrap_or_default();
    if name.is_empty() || !TOKEN.all(name) {
        return Err(match name.last() {
            Some(b' ' | b'\t') => SPACE_BEFORE_COLON,
            _ => HEADER_NAME,
        });
    }
    if name.len() > LONGEST_NAME {
        return Err(NAME_TOO_LONG);
    }
    let value = line.get(colon + 1..).unwrap_or_default();
    if !all_values(value) {
        let bad = value.iter().find(|byte| !VALUE.has(**byte));
        return Err(if bad == Some(&b'\r') { BARE_CR } else { HEADER_VALUE });
    }
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(0, |last| last + 1);
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(0);
    Ok((name, colon + 1 + start..colon + 1 + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_at_the_first_colon_and_trimmed() {
        for (line, name, value) in [
            ("A:b", "A", "b"),
            ("a-b_c.d: \t x y \t", "a-b_c.d", "x y"),
            ("a:", "a", ""),
            ("a: \t ", "a", ""),
            ("a: b: c", "a", "b: c"),
            ("a: \u{e9}", "a", "\u{e9}"),
        ] {
            let (got, range) = split(line.as_bytes()).unwrap();
            assert_eq!((got, &line.as_bytes()[range]), (name.as_bytes(), value.as_bytes()), "{line}");
        }
    }

    #[test]
    fn broken_lines_are_refused() {
        for (line, expected) in [
            (&b" a: b"[..], OBS_FOLD),
            (b"\ta: b", OBS_FOLD),
            (b"a", NO_COLON),
            (b"a b", NO_COLON),
            (b": b", HEADER_NAME),
            (b"a : b", SPACE_BEFORE_COLON),
            (b"Transfer-Encoding : chunked", SPACE_BEFORE_COLON),
            (b"a\t: b", SPACE_BEFORE_COLON),
            (b"a b: c", HEADER_NAME),
            (b"a\0: b", HEADER_NAME),
            (b"a\x0b: b", HEADER_NAME),
            (b"a\"b: c", HEADER_NAME),
            (b"\xc3\xa9: b", HEADER_NAME),
            (b"a: b\0", HEADER_VALUE),
            (b"a: b\x0bc", HEADER_VALUE),
            (b"a: b\x7f", HEADER_VALUE),
            (b"a: b\rc: d", BARE_CR),
            (b"a: b\r", BARE_CR),
        ] {
            assert_eq!(split(line), Err(expected), "{}", line.escape_ascii());
        }
        assert_eq!(split(&[&[b'a'; 257][..], b": b"].concat()), Err(NAME_TOO_LONG));
    }
}
