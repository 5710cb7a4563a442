//! Heads that could be read in two ways are refused on the wire: nothing reaches the service, and the connection
//! is over, since where the next request would start is not known.

use super::front::{Front, PROMPT, head};
use crate::support::raw::RawClient;

/// Sends each case; the answer has this status and code, is the only one, and ends the connection.
async fn assert_refused(front: &Front, cases: Vec<(String, u16, &str)>) {
    for (bytes, status, code) in cases {
        let case = bytes.escape_debug().to_string();
        front.app.recorder.forget();
        let mut client = front.connect().await;
        // Behind it a request that nobody may ever see.
        client.send([bytes.as_bytes(), head("GET /public/behind", &[]).as_bytes()].concat()).await;
        let answer = client.read_response().await.unwrap_or_else(|none| panic!("{none:?} to {case}"));
        assert_eq!(answer.status, status, "{case}: {}", answer.text());
        assert_problem(&answer, code, &case);
        assert_eq!(answer.header("connection"), ["close"], "{case}");
        assert!(client.closes_within(PROMPT).await, "{case}: not closed, or a second answer");
        front.assert_nothing_forwarded(&case);
    }
    front.assert_serves("after all of them").await;
}

fn assert_problem(answer: &crate::support::raw::RawResponse, code: &str, case: &str) {
    assert_eq!(answer.header("content-type"), ["application/problem+json"], "{case}");
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{case}");
    assert_eq!(problem["status"], answer.status, "{case}");
    let id = problem["request_id"].as_str().unwrap_or_default();
    assert_eq!(answer.header("x-request-id"), [id], "{case}");
}

#[tokio::test]
async fn ambiguous_targets_are_refused() {
    let front = Front::start().await;
    let cases = [
        ("/public/../private", "dot_segment"),
        ("/public/..", "dot_segment"),
        ("/public/./x", "dot_segment"),
        ("/../private", "dot_segment"),
        ("/public/%2e%2e/private", "dot_segment"),
        ("/public/%2E./private", "dot_segment"),
        ("/public/.%2e/private", "dot_segment"),
        ("/public/a%2e/private", "encoded_unreserved"),
        ("/public;/../private", "path_parameter"),
        ("/public/..;/private", "path_parameter"),
        ("/public/..%3b/private", "path_parameter"),
        ("//private", "empty_segment"),
        ("/public//private", "empty_segment"),
        ("/public//", "empty_segment"),
        ("/public/..%2fprivate", "dot_segment"),
        ("/public%2fprivate", "encoded_slash"),
        ("/auth%2fme", "encoded_slash"),
        ("/auth%2Fme", "encoded_slash"),
        ("/public%5c..%5cprivate", "encoded_backslash"),
        ("/public\\..\\private", "backslash"),
        ("\\public", "backslash"),
        ("/public/%252e%252e/private", "double_encoding"),
        ("/public/%252fprivate", "double_encoding"),
        ("/public/%00", "encoded_control"),
        ("/public/a%0d%0aX-Forwarded-User:%20evil", "encoded_control"),
        ("/public/%7f", "encoded_control"),
        ("/public/%c0%ae%c0%ae/private", "encoded_not_utf8"),
        ("/public/%c0%af", "encoded_not_utf8"),
        ("/%70ublic", "encoded_unreserved"),
        ("/public/%zz", "bad_percent_encoding"),
        ("/public/%2", "bad_percent_encoding"),
        ("/public/%u002e", "bad_percent_encoding"),
        ("/public#/../private", "fragment"),
        ("/public?a#b", "fragment"),
        ("/public/\"x\"", "target_character"),
        ("/public/{x}", "target_character"),
        ("/public/caf\u{e9}", "target_character"),
        ("http://front.example/public", "target_form"),
        ("http://other.example/public", "target_form"),
        ("http://user:secret@front.example/public", "target_form"),
        ("front.example:80", "target_form"),
        ("*", "target_form"),
        ("public", "target_form"),
        ("?public", "target_form"),
        ("/public/a b", "bad_request_line"),
        ("/public\t/x", "target_character"),
        ("/public/\0", "target_character"),
    ];
    let cases = cases.map(|(target, code)| (front.head(&format!("GET {target}"), &[]), 400, code));
    assert_refused(&front, cases.into()).await;
}

#[tokio::test]
async fn odd_request_lines_and_methods_are_refused() {
    let front = Front::start().await;
    let line = |line: &str| format!("{line}\r\nHost: front.example\r\n\r\n");
    let cases = vec![
        (line("TRACE /public HTTP/1.1"), 405, "method_not_allowed"),
        (line("CONNECT front.example:443 HTTP/1.1"), 405, "method_not_allowed"),
        (line("CONNECT /public HTTP/1.1"), 405, "method_not_allowed"),
        (line("get /public HTTP/1.1"), 400, "method_case"),
        (line("G\u{1}T /public HTTP/1.1"), 400, "bad_method"),
        (line("GETGETGETGETGETGETGET /public HTTP/1.1"), 400, "bad_method"),
        (line("GET  /public HTTP/1.1"), 400, "bad_request_line"),
        (line("GET /public  HTTP/1.1"), 400, "bad_request_line"),
        (line("GET /public HTTP/1.1 "), 400, "bad_request_line"),
        (line("GET /public"), 400, "bad_request_line"),
        (line("GET\t/public\tHTTP/1.1"), 400, "bad_request_line"),
        (line("GET /public http/1.1"), 400, "bad_request_line"),
        (line("GET /public HTTP/0.9"), 505, "http_version"),
        (line("GET /public HTTP/2.0"), 505, "http_version"),
        (line("PRI * HTTP/2.0"), 505, "http_version"),
        (line(" GET /public HTTP/1.1"), 400, "not_http"),
        (format!("\r\n{}", line("GET /public HTTP/1.1")), 400, "not_http"),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}".to_owned(), 400, "not_http"),
    ];
    assert_refused(&front, cases).await;
}

#[tokio::test]
async fn broken_header_lines_are_refused() {
    let front = Front::start().await;
    let with = |lines: &str| format!("GET /public HTTP/1.1\r\nHost: front.example\r\n{lines}\r\n\r\n");
    let cases = vec![
        ("GET /public HTTP/1.1\nHost: front.example\n\n".to_owned(), 400, "bare_lf"),
        ("GET /public HTTP/1.1\r\nHost: front.example\n\r\n".to_owned(), 400, "bare_lf"),
        ("GET /public HTTP/1.1\r\nHost: front.example\r\n\n".to_owned(), 400, "bare_lf"),
        ("GET /public HTTP/1.1\rHost: front.example\r\n\r\n".to_owned(), 400, "bare_cr"),
        (with("X: a\rX-Forwarded-User: evil"), 400, "bare_cr"),
        (with("X: a\nX-Forwarded-User: evil"), 400, "bare_lf"),
        (with("X: a\r\n X-Forwarded-User: evil"), 400, "obs_fold"),
        (with("X: a\r\n\tb"), 400, "obs_fold"),
        (" Host: a\r\n".to_owned() + &with("X: a"), 400, "not_http"),
        (with("X-Forwarded-User : evil"), 400, "space_before_colon"),
        (with("Content-Length : 5"), 400, "space_before_colon"),
        (with("X\t: a"), 400, "space_before_colon"),
        (with("X a"), 400, "header_without_colon"),
        (with(": a"), 400, "header_name"),
        (with("X Y: a"), 400, "header_name"),
        (with("X(Y): a"), 400, "header_name"),
        (with("X\0: a"), 400, "header_name"),
        (with("X: a\0b"), 400, "header_value"),
        (with("X: a\u{b}b"), 400, "header_value"),
        (with("X: a\u{7f}"), 400, "header_value"),
        (with("Expect: 200-ok"), 417, "expectation"),
        (with("Connection: Authorization"), 400, "connection_nominates"),
        (with("Connection: Host"), 400, "connection_nominates"),
        (with("Connection: Content-Length"), 400, "connection_nominates"),
        (with("Connection: a b"), 400, "bad_connection_option"),
        (with("Upgrade: websocket"), 400, "bad_upgrade"),
        (with("Upgrade: websocket, h2c\r\nConnection: upgrade"), 400, "bad_upgrade"),
    ];
    assert_refused(&front, cases).await;
}

#[tokio::test]
async fn unclear_hosts_are_refused() {
    let front = Front::start().await;
    let with = |lines: &str| format!("GET /public HTTP/1.1\r\n{lines}\r\n");
    let cases = vec![
        (with(""), 400, "no_host"),
        (with("Host: a.example\r\nHost: a.example\r\n"), 400, "two_hosts"),
        (with("Host: a.example\r\nhost: b.example\r\n"), 400, "two_hosts"),
        (with("Host:\r\n"), 400, "bad_host"),
        (with("Host: a.example, b.example\r\n"), 400, "bad_host"),
        (with("Host: a.example/x\r\n"), 400, "bad_host"),
        (with("Host: a.example:0x50\r\n"), 400, "bad_host"),
        (with("Host: a.example:99999\r\n"), 400, "bad_host"),
        (with("Host: a b\r\n"), 400, "bad_host"),
        (with("Host: user@a.example\r\n"), 400, "host_user_info"),
        (with("Host: user:secret@a.example\r\n"), 400, "host_user_info"),
        ("GET /public HTTP/1.0\r\n\r\n".to_owned(), 400, "no_host"),
    ];
    assert_refused(&front, cases).await;
}

#[tokio::test]
async fn unclear_framing_is_refused() {
    let front = Front::start().await;
    let post = |lines: &str| {
        format!(
            "POST /public HTTP/1.1\r\nHost: front.example\r\n{lines}\r\n\r\n0\r\n\r\nGET /public/x HTTP/1.1\r\n"
        )
    };
    let cases = vec![
        (post("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400, "cl_and_te"),
        (post("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400, "cl_and_te"),
        (post("Content-Length: 5\r\nContent-Length: 5"), 400, "two_content_lengths"),
        (post("Content-Length: 5\r\nContent-Length: 6"), 400, "two_content_lengths"),
        (post("Content-Length: 5, 5"), 400, "two_content_lengths"),
        (post("Content-Length: +5"), 400, "bad_content_length"),
        (post("Content-Length: -5"), 400, "bad_content_length"),
        (post("Content-Length: 05"), 400, "bad_content_length"),
        (post("Content-Length: 0x5"), 400, "bad_content_length"),
        (post("Content-Length: 5 5"), 400, "bad_content_length"),
        (post("Content-Length:"), 400, "bad_content_length"),
        (post("Content-Length: 99999999999999999999"), 400, "bad_content_length"),
        (post("Content_Length: 5"), 400, "framing_alias"),
        (post("Transfer_Encoding: chunked"), 400, "framing_alias"),
        (post("Transfer-Encoding: chunked, chunked"), 400, "bad_transfer_encoding"),
        (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400, "two_transfer_encodings"),
        (post("Transfer-Encoding: identity"), 400, "bad_transfer_encoding"),
        (post("Transfer-Encoding: gzip, chunked"), 400, "bad_transfer_encoding"),
        (post("Transfer-Encoding: xchunked"), 400, "bad_transfer_encoding"),
        (post("Transfer-Encoding: \u{b}chunked"), 400, "header_value"),
        (post("Transfer-Encoding : chunked"), 400, "space_before_colon"),
        (
            "POST /public HTTP/1.0\r\nHost: front.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
            400,
            "te_on_http10",
        ),
    ];
    assert_refused(&front, cases).await;
}

/// A refusal must not depend on how the bytes come.
#[tokio::test]
async fn a_head_in_pieces_is_judged_as_a_whole() {
    let front = Front::start().await;
    for (head, status) in [
        (head("GET /public/pieces", &[]), 200),
        (head("GET /public/../private", &[]), 400),
        (head("POST /public", &["Content-Length: 5", "Transfer-Encoding: chunked"]), 400),
        ("GET /public HTTP/1.1\r\nHost: a\nX: b\r\n\r\n".to_owned(), 400),
    ] {
        for piece in [1, 2, 7] {
            let mut client = RawClient::connect(front.app.address).await;
            for part in head.as_bytes().chunks(piece) {
                if !client.send(part).await {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let answer = client.read_response().await.unwrap();
            assert_eq!(answer.status, status, "{head:?} in pieces of {piece}");
        }
    }
}
