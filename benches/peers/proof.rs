//! Right answers, before anything is measured.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::tokens::Tokens;

/// Bytes of every measured answer.
const BODY: usize = 100;

/// The service is reached without a token.
pub fn open(address: SocketAddr, path: &str) {
    let (status, body) = get(address, path, &[]);
    assert!(status == 200 && body.len() == BODY, "{path}: {status} {body}");
}

/// The service is reached with a good token alone, and is told who calls by nobody but the proxy.
pub fn guarded(address: SocketAddr, tokens: &Tokens) {
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let (status, body) = get(address, "/private", &[&bearer(&tokens.good)]);
    assert!(status == 200 && body.len() == BODY, "a good token: {status} {body}");
    for (what, token) in [
        ("forged", tokens.forged()),
        ("revoked", tokens.revoked.clone()),
        ("expired", tokens.expired.clone()),
    ] {
        let (status, body) = get(address, "/private", &[&bearer(&token)]);
        assert_eq!(status, 401, "a {what} token: {body}");
    }
    let (status, _) = get(address, "/private", &[]);
    assert_eq!(status, 401, "no token");
    let claims = ["X-Forwarded-User: mallory", "X-Forwarded-User: eve", &bearer(&tokens.good)];
    let (status, body) = get(address, "/private/echo", &claims);
    assert!(status == 200 && body == format!("user={}", tokens.subject), "the identity: {status} {body}");
}

/// Status and body of an answer to GET.
pub fn get(address: SocketAddr, path: &str, headers: &[&str]) -> (u16, String) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{lines}\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
