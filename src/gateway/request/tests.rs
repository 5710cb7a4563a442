//! Whole heads: attacks, and agreement with the parser that reads the same bytes afterwards.

use http::{Method, StatusCode, Version};
use proptest::prelude::*;

use super::*;
use crate::gateway::properties::decided_is_forwarded;

const LIMITS: HeadLimits =
    HeadLimits { max_header_bytes: 32 * 1024, max_headers: 100, max_target_bytes: 8192 };

fn parse(head: &str) -> Result<CanonicalRequest, Refusal> {
    CanonicalRequest::parse(head.as_bytes(), &LIMITS)
}

fn code(head: &str) -> (u16, &'static str) {
    let refusal = parse(head).expect_err(head);
    (refusal.status.as_u16(), refusal.code)
}

#[test]
fn a_request_is_read_in_full() {
    let head = "POST /api/x?y=z&w HTTP/1.1\r\nhOST:  Example.org:8080 \r\nCookie: a=b\r\n\
                Authorization: Bearer abc.def\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n";
    let request = parse(head).unwrap();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.version(), Version::HTTP_11);
    assert_eq!(request.path(), "/api/x");
    assert_eq!(request.query(), Some("y=z&w"));
    assert_eq!(request.host(), "Example.org:8080");
    assert_eq!(request.bearer_token(), Some("abc.def"));
    assert_eq!(request.body(), Body::Length(5));
    assert_eq!(request.upgrade(), Upgrade::None);
    assert!(request.expects_continue());
    assert!(request.keep_alive());
    assert_eq!(request.head(), head.as_bytes());
}

/// Every range of a head is one of the head that goes on.
#[test]
fn merged_slashes_move_nothing_else() {
    let head = "POST //api///x//?y=//z HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer abc//def\r\n\
                Content-Length: 5\r\n\r\n";
    assert_eq!(parse(head).map(|_| ()), Err(Oddity::EmptySegment.refusal()));
    let request = CanonicalRequest::parse_odd(head.as_bytes(), &LIMITS).unwrap();
    assert_eq!((request.path(), request.query()), ("/api/x/", Some("y=//z")));
    assert_eq!((request.host(), request.bearer_token()), ("a.example", Some("abc//def")));
    assert_eq!(request.head(), head.replace("//api///x//", "/api/x/").as_bytes());
    // The bounds are those of what was sent.
    let limits = HeadLimits { max_target_bytes: 9, ..LIMITS };
    let refused = CanonicalRequest::parse_odd(b"GET /a///////// HTTP/1.1\r\nHost: a\r\n\r\n", &limits);
    assert_eq!(refused.map(|_| ()).unwrap_err().status, StatusCode::URI_TOO_LONG);
}

#[test]
fn what_is_absent_reads_as_absent() {
    let request =
        parse("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n").unwrap();
    assert_eq!((request.path(), request.query()), ("/", None));
    assert_eq!(request.credentials(), &Credentials::None);
    assert_eq!(request.body(), Body::None);
    assert!(!request.keep_alive() && !request.expects_continue());
    assert_eq!(parse("GET /? HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().query(), Some(""));
}

#[test]
fn debug_shows_neither_token_nor_query() {
    let request = parse("GET /?secret HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer hidden\r\n\r\n").unwrap();
    let shown = format!("{request:?}");
    assert!(!shown.contains("secret") && !shown.contains("hidden"), "{shown}");
}

#[test]
fn credentials_follow_the_lines() {
    for (lines, expected) in [
        ("", Credentials::None),
        ("Authorization: Basic YTpi\r\n", Credentials::OtherScheme),
        ("Authorization: Bearer\r\n", Credentials::Malformed),
        ("Authorization: Bearer a\r\nauthorization: Bearer a\r\n", Credentials::Several),
        ("Authorization: Basic a\r\nAuthorization: Bearer a\r\n", Credentials::Several),
    ] {
        let request = parse(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).unwrap();
        assert_eq!(request.credentials(), &expected, "{lines}");
        assert_eq!(request.bearer_token(), None);
    }
}

#[test]
fn attacks_on_whole_heads_are_refused() {
    for (head, expected) in [
        // Host.
        ("GET / HTTP/1.1\r\n\r\n", (400, "no_host")),
        ("GET / HTTP/1.0\r\n\r\n", (400, "no_host")),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", (400, "two_hosts")),
        ("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", (400, "two_hosts")),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", (400, "bad_host")),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", (400, "bad_host")),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", (400, "host_user_info")),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", (400, "target_form")),
        // Framing.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            (400, "cl_and_te"),
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            (400, "two_content_lengths"),
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", (400, "bad_content_length")),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            (400, "bad_transfer_encoding"),
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", (400, "header_value")),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", (400, "te_on_http10")),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n", (400, "framing_alias")),
        ("POST / HTTP/1.1\r\nHost: a\r\nCONTENT.LENGTH: 5\r\n\r\n", (400, "framing_alias")),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", (400, "space_before_colon")),
        ("POST / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", (400, "obs_fold")),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", (400, "obs_fold")),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", (400, "bare_lf")),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", (400, "bare_lf")),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", (400, "bare_lf")),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: b\rC: d\r\n\r\n", (400, "bare_cr")),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n", (400, "header_value")),
        ("GET / HTTP/1.1\r\nHost: a\r\n", (400, "incomplete_head")),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\nX", (400, "incomplete_head")),
        ("", (400, "incomplete_head")),
        // The rest.
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", (405, "method_not_allowed")),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", (405, "method_not_allowed")),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", (400, "target_form")),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", (505, "http_version")),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", (417, "expectation")),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Host\r\n\r\n", (400, "connection_nominates")),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            (400, "bad_upgrade"),
        ),
    ] {
        assert_eq!(code(head), expected, "{head:?}");
    }
}

#[test]
fn limits_have_their_own_statuses() {
    let limits = HeadLimits { max_header_bytes: 100, max_headers: 2, max_target_bytes: 10 };
    let status =
        |head: String| CanonicalRequest::parse(head.as_bytes(), &limits).map_err(|r| r.status).map(|_| ());
    assert_eq!(status("GET /234567890 HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n".into()), Ok(()));
    assert_eq!(status("GET /2345678901 HTTP/1.1\r\nHost: a\r\n\r\n".into()), Err(StatusCode::URI_TOO_LONG));
    let too_large = Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\n\r\n".into()), too_large);
    assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "b".repeat(80))), too_large);
}

/// Pieces of heads, mostly good, so that about half of the random sequences are accepted.
fn head() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        9 => "(GET|POST|X-Y) /((a|b|%20|%C3%A9|\\[|!|%2F){1,4}//?){0,3}(\\?[!$-;=?-~]{0,9})? HTTP/1\\.[01]",
        1 => "(GET|get|G@T) [!-~]{0,20} HTTP/1\\.[0-2]",
        1 => "[ -~]{0,20}",
    ];
    let host = prop_oneof![9 => Just("hOst:\ta.example:80 \r\n"), 1 => Just("")];
    let framing = prop_oneof![
        4 => Just(""),
        3 => Just("Content-Length: 3\r\n"),
        3 => Just("Transfer-Encoding: chunked\r\n"),
    ];
    let line = prop_oneof![
        5 => Just("Connection: keep-alive, X-A"),
        5 => Just("Authorization: Bearer a.b.c"),
        5 => Just("X-A:\t b \u{e9} "),
        5 => Just("Empty:"),
        5 => Just("a'b*c: ="),
        3 => Just("x-a: c"),
        3 => Just("Connection: close"),
        2 => Just("Connection: upgrade, keep-alive\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA"),
        2 => Just("Cookie: a=b;c"),
        2 => Just("TE: trailers"),
        2 => Just("Expect: 100-continue"),
        1 => Just("Host: b"),
        1 => Just("Content-Length: 4"),
        1 => Just(" folded"),
        1 => Just("Space : x"),
    ];
    let line = prop_oneof![
        9 => line.prop_map(str::to_owned),
        1 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}:[ \t]{0,2}[!-~]{0,9}[ \t]{0,2}",
    ];
    let noise = proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (start, host, framing, proptest::collection::vec(line, 0..4), noise).prop_map(
        |(start, host, framing, lines, noise)| {
            let mut head = format!("{start}\r\n{host}{framing}");
            for line in lines {
                head.push_str(&line);
                head.push_str("\r\n");
            }
            head.push_str("\r\n");
            let mut head = head.into_bytes();
            if let Some((index, byte)) = noise {
                let at = index.index(head.len());
                head[at] = byte;
            }
            head
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// The parser that reads the accepted bytes next, the proxy library's session and the request that it writes to a
    /// service agree with what was decided. Cases of which hardly one is accepted would say nothing.
    #[test]
    fn an_accepted_head_is_read_alike_by_the_proxy_library(heads in proptest::collection::vec(head(), 40)) {
        let accepted = heads.iter().filter(|head| decided_is_forwarded(head)).count();
        prop_assert!(accepted >= 2, "{} of {}", accepted, heads.len());
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(
        heads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 20),
    ) {
        for head in heads {
            decided_is_forwarded(&head);
        }
    }
}
