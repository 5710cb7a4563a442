//! The fields that end at this hop (RFC 9110 section 7.6.1).

use http::{HeaderMap, HeaderName, StatusCode, Version, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use super::protected::is_protected;
use crate::gateway::request::Upgrade;

/// Applies `Connection` and `Upgrade` to a request that was accepted, before pingora proxies it (in
/// `request_filter`): removes the fields that `Connection` names and, unless the upgrade is a WebSocket,
/// every trace of one.
///
/// Pingora does this too, later, but answers its own error for more than nine names and for some protected
/// ones; with `Connection` reduced here, naming a header of ours has no effect, since ours are set
/// afterwards. Framing and credentials cannot be named: such heads are refused.
///
/// # Errors
/// None in practice; pingora's signature allows for one.
pub fn settle_connection(request: &mut RequestHeader, upgrade: Upgrade) -> Result<()> {
    for name in nominated(&request.headers).iter().filter(|name| !is_protected(name.as_str())) {
        request.remove_header(name);
    }
    request.remove_header(&header::CONNECTION);
    match upgrade {
        Upgrade::WebSocket => request.insert_header(header::CONNECTION, "Upgrade"),
        Upgrade::None | Upgrade::Ignored => {
            request.remove_header(&header::UPGRADE);
            request.remove_header("http2-settings");
            Ok(())
        }
    }
}

/// Takes out of a request what HTTP/2 does not have (RFC 9113 section 8.2.2) and what is for this hop only. The one
/// exception is `TE: trailers` of a client of HTTP/2, which gRPC servers ask for; another client gets no trailers, so
/// none are promised to the service. `asked` is the request as it came, since pingora removes the field, too.
///
/// # Errors
/// None in practice; pingora's signature allows for one.
pub fn settle_for_http2(request: &mut RequestHeader, asked: &HeaderMap, client: Version) -> Result<()> {
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "proxy-authenticate",
        "proxy-authorization",
        "trailer",
        "te",
    ] {
        request.remove_header(name);
    }
    let mut wanted = asked.get_all(header::TE).iter();
    let trailers = wanted.next().is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    if client == Version::HTTP_2 && trailers && wanted.next().is_none() {
        request.insert_header(header::TE, "trailers")?;
    }
    Ok(())
}

/// Removes from a service's answer what was said about its own connection. The client's `Connection` is
/// pingora's to write.
///
/// A client of HTTP/1.0 knows no chunks (RFC 9112 section 7.1): for it the end of the connection is the end of
/// the answer.
pub fn settle_answer(answer: &mut ResponseHeader, client: Version) {
    if answer.status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    for name in nominated(&answer.headers) {
        answer.remove_header(&name);
    }
    for name in ["connection", "keep-alive", "proxy-connection"] {
        answer.remove_header(name);
    }
    // A 426 says with it what the client should ask for.
    if answer.status != StatusCode::UPGRADE_REQUIRED {
        answer.remove_header(&header::UPGRADE);
    }
    if client == Version::HTTP_10 {
        answer.remove_header(&header::TRANSFER_ENCODING);
    }
}

/// The fields that `Connection` names and that are there, but for `Connection` and `Upgrade` themselves and the
/// framing, which nobody may take away.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    const STAY: [HeaderName; 4] =
        [header::CONNECTION, header::UPGRADE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok())
        .filter(|name| !STAY.contains(name) && headers.contains_key(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(fields: &[(&'static str, &'static str)], upgrade: Upgrade) -> String {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        settle_connection(&mut request, upgrade).unwrap();
        let mut wire = Vec::new();
        request.header_to_h1_wire(&mut wire);
        String::from_utf8(wire).unwrap()
    }

    #[test]
    fn named_fields_and_foreign_upgrades_are_removed() {
        for (fields, upgrade, expected) in [
            (&[("A", "b")][..], Upgrade::None, "A: b\r\n"),
            (&[("A", "b"), ("Connection", "close")], Upgrade::None, "A: b\r\n"),
            (&[("A", "b"), ("Connection", "a, ,x")], Upgrade::None, ""),
            (
                &[("A", "b"), ("Connection", "close"), ("C", "d"), ("Connection", "c")],
                Upgrade::None,
                "A: b\r\n",
            ),
            (
                &[("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAA")],
                Upgrade::Ignored,
                "",
            ),
            (&[("Upgrade", "h2c"), ("HTTP2-Settings", "AAA")], Upgrade::Ignored, ""),
            (
                &[("Connection", "keep-alive, upgrade, a"), ("Upgrade", "websocket"), ("A", "b")],
                Upgrade::WebSocket,
                "Upgrade: websocket\r\nConnection: Upgrade\r\n",
            ),
        ] {
            assert_eq!(sorted(&settled(fields, upgrade)), sorted(expected), "{fields:?}");
        }
    }

    #[test]
    fn naming_a_protected_header_leaves_it_to_be_stripped() {
        let fields = [("Connection", "X-Forwarded-For"), ("X-Forwarded-For", "evil")];
        assert_eq!(settled(&fields, Upgrade::None), "X-Forwarded-For: evil\r\n");
    }

    #[test]
    fn requests_over_http2_keep_nothing_of_a_connection() {
        let fields = [
            ("Connection", "close"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "close"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAA"),
            ("Proxy-Authorization", "Basic x"),
            ("Trailer", "x"),
            ("A", "b"),
        ];
        for (client, te, expected) in [
            (Version::HTTP_11, &["trailers"][..], "A: b\r\n"),
            (Version::HTTP_2, &["trailers"], "A: b\r\nte: trailers\r\n"),
            (Version::HTTP_2, &["gzip"], "A: b\r\n"),
            (Version::HTTP_2, &["trailers, gzip"], "A: b\r\n"),
            (Version::HTTP_2, &["trailers", "gzip"], "A: b\r\n"),
        ] {
            let mut request = RequestHeader::build("POST", b"/", None).unwrap();
            for (name, value) in fields.iter().chain(&te.iter().map(|te| ("TE", *te)).collect::<Vec<_>>()) {
                request.append_header(*name, *value).unwrap();
            }
            let asked = request.headers.clone();
            settle_for_http2(&mut request, &asked, client).unwrap();
            let mut wire = Vec::new();
            request.header_to_h1_wire(&mut wire);
            let wire = String::from_utf8(wire).unwrap();
            assert_eq!(sorted(&wire), sorted(expected), "{client:?} {te:?}");
        }
    }

    #[test]
    fn answers_lose_what_was_about_the_services_connection() {
        for (status, fields, client, expected) in [
            (200, &[("A", "b"), ("Connection", "close, X, a"), ("X", "y")][..], Version::HTTP_11, ""),
            (
                200,
                &[("Keep-Alive", "timeout=5"), ("Upgrade", "h2c"), ("A", "b")],
                Version::HTTP_11,
                "A: b\r\n",
            ),
            (
                426,
                &[("Upgrade", "websocket"), ("Connection", "upgrade")],
                Version::HTTP_11,
                "Upgrade: websocket\r\n",
            ),
            (
                101,
                &[("Upgrade", "websocket"), ("Connection", "upgrade")],
                Version::HTTP_11,
                "Connection: upgrade\r\nUpgrade: websocket\r\n",
            ),
            (
                200,
                &[("Content-Length", "1"), ("Connection", "content-length")],
                Version::HTTP_11,
                "Content-Length: 1\r\n",
            ),
            (200, &[("Transfer-Encoding", "chunked")], Version::HTTP_11, "Transfer-Encoding: chunked\r\n"),
            (200, &[("Transfer-Encoding", "chunked")], Version::HTTP_10, ""),
        ] {
            let mut answer = ResponseHeader::build(status, None).unwrap();
            for (name, value) in fields {
                answer.append_header(*name, *value).unwrap();
            }
            settle_answer(&mut answer, client);
            let mut wire = Vec::new();
            answer.header_to_h1_wire(&mut wire);
            assert_eq!(sorted(&String::from_utf8(wire).unwrap()), sorted(expected), "{status} {fields:?}");
        }
    }

    fn sorted(wire: &str) -> Vec<&str> {
        let mut lines: Vec<_> = wire.lines().collect();
        lines.sort_unstable();
        lines
    }
}
