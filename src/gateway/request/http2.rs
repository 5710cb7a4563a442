//! A request that came over HTTP/2, in the one form that everything else judges: the head of HTTP/1.1.
//!
//! Two ways of judging would be two gateways. So the fields of a request of HTTP/2 are written down as the head
//! of HTTP/1.1 that says the same, and that head goes the way of every other: it is parsed, and its bytes are what
//! the proxy library gets and what a service reads. What HTTP/2 forbids on top (RFC 9113 section 8) is refused
//! here, before a byte is written down.

use bytes::{BufMut as _, BytesMut};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Version, header};

use super::canonical::CanonicalRequest;
use super::head::HeadLimits;
use super::refusal::{
    AUTHORITY_DIFFERS, CONNECTION_SPECIFIC, FRAGMENT, HEADER_VALUE, LENGTH_WITHOUT_BODY, METHOD_NOT_ALLOWED,
    NO_HOST, Refusal, SCHEME, TARGET_CHARACTER, TE, TWO_HOSTS, VALUE_SPACE,
};

/// Room for a usual head, in bytes.
const USUAL_HEAD: usize = 1024;

/// What is known of a request of HTTP/2 besides its fields.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// `http` or `https`: what the connection is.
    pub scheme: &'a str,
    /// Whether the request ended with its fields (END_STREAM): it has no body.
    pub ended: bool,
    /// Whether its `:path` had a fragment. The `http` crate has cut it off.
    pub fragment: bool,
}

impl CanonicalRequest {
    /// Reads the fields of a request of HTTP/2. A body without a length is one in chunks.
    ///
    /// # Errors
    /// A [`Refusal`] for everything that [`CanonicalRequest::parse_odd`] refuses, and for what is malformed in HTTP/2
    /// (RFC 9113 sections 8.2.2 and 8.3.1): fields of a connection, `:authority` missing or another than `Host`,
    /// another `:scheme` than the connection's, values with white space around them.
    pub fn from_http2(parts: &Parts, received: Received<'_>, limits: &HeadLimits) -> Result<Self, Refusal> {
        let head = compose(parts, received)?;
        Ok(Self::parse_odd(&head, limits)?.received_as(Version::HTTP_2))
    }
}

fn compose(parts: &Parts, received: Received<'_>) -> Result<BytesMut, Refusal> {
    // Extended CONNECT (RFC 8441) has a path and looks like any other request.
    if parts.method == Method::CONNECT {
        return Err(METHOD_NOT_ALLOWED);
    }
    if received.fragment {
        return Err(FRAGMENT);
    }
    let authority = parts.uri.authority().ok_or(NO_HOST)?.as_str();
    if parts.uri.scheme_str() != Some(received.scheme) {
        return Err(SCHEME);
    }
    let target = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    // The head must have the lines that are written here and no others. The same holds for the values below.
    if target.bytes().chain(authority.bytes()).any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(TARGET_CHARACTER);
    }
    let mut head = BytesMut::with_capacity(USUAL_HEAD);
    head.put_slice(parts.method.as_str().as_bytes());
    head.put_u8(b' ');
    head.put_slice(target.as_bytes());
    head.put_slice(b" HTTP/1.1\r\n");
    line(&mut head, b"host", authority.as_bytes());
    let mut has_length = false;
    let mut crumbs: Vec<&[u8]> = Vec::new();
    let mut hosts = 0;
    for (name, value) in &parts.headers {
        let value = clean(value)?;
        if is_connection_specific(name) {
            return Err(CONNECTION_SPECIFIC);
        }
        match *name {
            header::HOST => {
                hosts += 1;
                if hosts > 1 {
                    return Err(TWO_HOSTS);
                }
                if value != authority.as_bytes() {
                    return Err(AUTHORITY_DIFFERS);
                }
                continue;
            }
            header::TE if !value.eq_ignore_ascii_case(b"trailers") => return Err(TE),
            // RFC 9113 section 8.2.3: one field again, before anybody looks at it.
            header::COOKIE => {
                crumbs.push(value);
                continue;
            }
            header::CONTENT_LENGTH => {
                has_length = true;
                if received.ended && value != b"0" {
                    return Err(LENGTH_WITHOUT_BODY);
                }
            }
            _ => {}
        }
        line(&mut head, name.as_str().as_bytes(), value);
    }
    if !crumbs.is_empty() {
        line(&mut head, b"cookie", &crumbs.join(&b"; "[..]));
    }
    if !received.ended && !has_length {
        line(&mut head, b"transfer-encoding", b"chunked");
    }
    head.put_slice(b"\r\n");
    Ok(head)
}

fn line(head: &mut BytesMut, name: &[u8], value: &[u8]) {
    head.put_slice(name);
    head.put_slice(b": ");
    head.put_slice(value);
    head.put_slice(b"\r\n");
}

/// A value that stays itself when it is written on a line (RFC 9113 section 8.2.1).
fn clean(value: &HeaderValue) -> Result<&[u8], Refusal> {
    let value = value.as_bytes();
    if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(HEADER_VALUE);
    }
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if blank(value.first()) || blank(value.last()) { Err(VALUE_SPACE) } else { Ok(value) }
}

/// Fields that mean nothing in HTTP/2 and something in HTTP/1.1, which services speak.
fn is_connection_specific(name: &HeaderName) -> bool {
    const NAMES: [&str; 6] =
        ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"];
    NAMES.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::super::framing::Body;
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { max_header_bytes: 4096, max_headers: 20, max_target_bytes: 100 };

    fn parts(method: &str, uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn read(ended: bool, parts: &Parts) -> Result<CanonicalRequest, Refusal> {
        CanonicalRequest::from_http2(parts, Received { scheme: "http", ended, fragment: false }, &LIMITS)
    }

    #[test]
    fn fields_become_the_head_that_says_the_same() {
        let fields = [
            ("x-b", "1"),
            ("cookie", "a=b"),
            ("x-a", "2"),
            ("x-b", "3"),
            ("cookie", "c=d; e=f"),
            ("te", "trailers"),
        ];
        let request = read(true, &parts("GET", "http://a.example:80/x?y=z", &fields)).unwrap();
        let head = std::str::from_utf8(request.head()).unwrap();
        assert_eq!(
            head,
            "GET /x?y=z HTTP/1.1\r\nhost: a.example:80\r\nx-b: 1\r\nx-b: 3\r\nx-a: 2\r\nte: trailers\r\n\
             cookie: a=b; c=d; e=f\r\n\r\n"
        );
        assert_eq!(
            (request.path(), request.query(), request.host(), request.body(), request.version()),
            ("/x", Some("y=z"), "a.example:80", Body::None, Version::HTTP_2)
        );
    }

    #[test]
    fn bodies_are_framed_as_in_the_older_form() {
        for (ended, fields, expected) in [
            (true, &[][..], Body::None),
            (true, &[("content-length", "0")], Body::Length(0)),
            (false, &[], Body::Chunked),
            (false, &[("content-length", "5")], Body::Length(5)),
        ] {
            let request = read(ended, &parts("POST", "http://a/x", fields)).unwrap();
            assert_eq!(request.body(), expected, "{ended} {fields:?}");
        }
    }

    #[test]
    fn what_http2_forbids_is_refused() {
        for (method, uri, fields, expected) in [
            ("CONNECT", "http://a/x", &[][..], METHOD_NOT_ALLOWED),
            ("GET", "/x", &[], NO_HOST),
            ("GET", "/x", &[("host", "a")], NO_HOST),
            ("GET", "https://a/x", &[], SCHEME),
            ("GET", "ftp://a/x", &[], SCHEME),
            ("GET", "http://a/x", &[("host", "b")], AUTHORITY_DIFFERS),
            ("GET", "http://a/x", &[("host", "A")], AUTHORITY_DIFFERS),
            ("GET", "http://a/x", &[("host", "a"), ("host", "a")], TWO_HOSTS),
            ("GET", "http://a/x", &[("connection", "close")], CONNECTION_SPECIFIC),
            ("GET", "http://a/x", &[("keep-alive", "timeout=5")], CONNECTION_SPECIFIC),
            ("GET", "http://a/x", &[("proxy-connection", "close")], CONNECTION_SPECIFIC),
            ("GET", "http://a/x", &[("transfer-encoding", "chunked")], CONNECTION_SPECIFIC),
            ("GET", "http://a/x", &[("upgrade", "websocket")], CONNECTION_SPECIFIC),
            ("GET", "http://a/x", &[("te", "gzip")], TE),
            ("GET", "http://a/x", &[("te", "trailers, deflate")], TE),
            ("GET", "http://a/x", &[("x", " y")], VALUE_SPACE),
            ("GET", "http://a/x", &[("x", "y\t")], VALUE_SPACE),
            ("POST", "http://a/x", &[("content-length", "5")], LENGTH_WITHOUT_BODY),
            // As in the older form.
            ("GET", "http://u@a/x", &[], super::super::refusal::HOST_USER_INFO),
            ("GET", "http://a/x/../y", &[], super::super::refusal::DOT_SEGMENT),
            ("GET", "http://a/x;y", &[], super::super::refusal::PATH_PARAMETER),
            ("TRACE", "http://a/x", &[], METHOD_NOT_ALLOWED),
            ("get", "http://a/x", &[], super::super::refusal::METHOD_CASE),
            (
                "GET",
                "http://a/x",
                &[("content-length", "0"), ("content-length", "0")],
                super::super::refusal::TWO_CONTENT_LENGTHS,
            ),
            ("GET", "http://a/x", &[("content_length", "0")], super::super::refusal::FRAMING_ALIAS),
            ("GET", "http://a/x", &[("expect", "x")], super::super::refusal::EXPECT),
        ] {
            assert_eq!(read(true, &parts(method, uri, fields)).unwrap_err(), expected, "{uri} {fields:?}");
        }
        let plain = parts("GET", "http://a/x", &[]);
        let received = Received { scheme: "http", ended: true, fragment: true };
        assert_eq!(CanonicalRequest::from_http2(&plain, received, &LIMITS).unwrap_err(), FRAGMENT);
    }
}
