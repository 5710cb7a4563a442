//! The request line: method, target, version (RFC 9112 section 3).

use std::ops::Range;

use http::{Method, Version};
use memchr::memchr;

use super::byte_class::TOKEN;
use super::refusal::{
    METHOD, METHOD_CASE, METHOD_NOT_ALLOWED, REQUEST_LINE, Refusal, TARGET_TOO_LONG, VERSION,
};

const LONGEST_METHOD: usize = 20;

/// Methods that some services recognise in any case.
const KNOWN: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// The parts of a request line.
#[derive(Debug)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    /// Where the target stands in the line; not empty, not yet judged.
    pub(super) target: Range<usize>,
    pub(super) version: Version,
}

/// Takes a request line, without its CRLF, apart.
pub(super) fn parse(line: &[u8], max_target_bytes: usize) -> Result<RequestLine, Refusal> {
    let method_end = memchr(b' ', line).ok_or(REQUEST_LINE)?;
    let (method, rest) =
        (line.get(..method_end).unwrap_or_default(), line.get(method_end + 1..).unwrap_or_default());
    let target_len = memchr(b' ', rest).ok_or(REQUEST_LINE)?;
    let version = version(rest.get(target_len + 1..).unwrap_or_default())?;
    if target_len == 0 {
        return Err(REQUEST_LINE);
    }
    if target_len > max_target_bytes {
        return Err(TARGET_TOO_LONG);
    }
    let target = method_end + 1..method_end + 1 + target_len;
    Ok(RequestLine { method: judge_method(method)?, target, version })
}

fn version(text: &[u8]) -> Result<Version, Refusal> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(VERSION)
        }
        _ => Err(REQUEST_LINE),
    }
}

/// TRACE reflects credentials and CONNECT makes a tunnel: neither is for a service behind us. Any other token
/// is judged like a known method; rules do not depend on it.
fn judge_method(method: &[u8]) -> Result<Method, Refusal> {
    if method.is_empty() || method.len() > LONGEST_METHOD || !TOKEN.all(method) {
        return Err(METHOD);
    }
    if KNOWN.iter().any(|known| known.eq_ignore_ascii_case(method) && *known != method) {
        return Err(METHOD_CASE);
    }
    match Method::from_bytes(method) {
        Ok(Method::TRACE | Method::CONNECT) => Err(METHOD_NOT_ALLOWED),
        Ok(method) => Ok(method),
        Err(_) => Err(METHOD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines_are_accepted() {
        for (line, method, target, version) in [
            (&b"GET / HTTP/1.1"[..], "GET", &b"/"[..], Version::HTTP_11),
            (b"HEAD /a HTTP/1.0", "HEAD", b"/a", Version::HTTP_10),
            (b"OPTIONS /a?b HTTP/1.1", "OPTIONS", b"/a?b", Version::HTTP_11),
            (b"PROPFIND /dav HTTP/1.1", "PROPFIND", b"/dav", Version::HTTP_11),
            (b"m-search /x HTTP/1.1", "m-search", b"/x", Version::HTTP_11),
        ] {
            let parsed = parse(line, 100).unwrap();
            assert_eq!(parsed.method.as_str(), method);
            assert_eq!(&line[parsed.target.clone()], target);
            assert_eq!(parsed.version, version);
        }
    }

    #[test]
    fn request_lines_are_refused() {
        for (line, expected) in [
            (&b""[..], REQUEST_LINE),
            (b"GET", REQUEST_LINE),
            (b"GET /", REQUEST_LINE),
            (b"GET  / HTTP/1.1", REQUEST_LINE),
            (b"GET /  HTTP/1.1", REQUEST_LINE),
            (b"GET / HTTP/1.1 ", REQUEST_LINE),
            (b"GET /a b HTTP/1.1", REQUEST_LINE),
            (b"GET\t/\tHTTP/1.1", REQUEST_LINE),
            (b"GET / http/1.1", REQUEST_LINE),
            (b"GET / HTTP/1.10", REQUEST_LINE),
            (b"GET / HTTP/1,1", REQUEST_LINE),
            (b"GET / HTTPS/1.1", REQUEST_LINE),
            (b"GET / HTTP/1.2", VERSION),
            (b"GET / HTTP/0.9", VERSION),
            (b"PRI * HTTP/2.0", VERSION),
            (b" / HTTP/1.1", METHOD),
            (b"G(T / HTTP/1.1", METHOD),
            (b"G\0T / HTTP/1.1", METHOD),
            (b"AAAAAAAAAAAAAAAAAAAAA / HTTP/1.1", METHOD),
            (b"get / HTTP/1.1", METHOD_CASE),
            (b"Trace / HTTP/1.1", METHOD_CASE),
            (b"TRACE / HTTP/1.1", METHOD_NOT_ALLOWED),
            (b"CONNECT a:443 HTTP/1.1", METHOD_NOT_ALLOWED),
            (b"GET /0123456789 HTTP/1.1", TARGET_TOO_LONG),
        ] {
            assert_eq!(parse(line, 10).unwrap_err(), expected, "{}", line.escape_ascii());
        }
    }
}
