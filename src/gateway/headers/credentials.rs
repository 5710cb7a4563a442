//! Credentials for the gateway, which a service has no use for.

use http::{HeaderValue, header};
use memchr::memmem;
use pingora::Result;
use pingora::http::RequestHeader;

/// The cookie of browser sessions.
pub const SESSION_COOKIE: &str = "__Host-gateward_session";

/// Removes `Authorization`, on routes that do not forward it.
pub fn remove_authorization(upstream: &mut RequestHeader) {
    upstream.remove_header(&header::AUTHORIZATION);
}

/// Removes [`SESSION_COOKIE`] from `Cookie` and leaves the other cookies as they are. Allocates only when it
/// is there.
///
/// # Errors
/// None in practice: what is left of a valid value is valid.
pub fn remove_session_cookie(upstream: &mut RequestHeader) -> Result<()> {
    let holds_ours =
        |value: &HeaderValue| memmem::find(value.as_bytes(), SESSION_COOKIE.as_bytes()).is_some();
    if !upstream.headers.get_all(header::COOKIE).iter().any(holds_ours) {
        return Ok(());
    }
    let lines: Vec<Vec<u8>> =
        upstream.headers.get_all(header::COOKIE).iter().map(|value| without_ours(value.as_bytes())).collect();
    upstream.remove_header(&header::COOKIE);
    for line in lines.into_iter().filter(|line| !line.is_empty()) {
        upstream.append_header("Cookie", line)?;
    }
    Ok(())
}

fn without_ours(line: &[u8]) -> Vec<u8> {
    let others = line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !is_ours(pair));
    others.collect::<Vec<_>>().join(&b"; "[..])
}

fn is_ours(pair: &[u8]) -> bool {
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    name.trim_ascii() == SESSION_COOKIE.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_cookie_is_removed() {
        for (lines, expected) in [
            (&["a=b"][..], &["a=b"][..]),
            (&["__Host-gateward_session=x"], &[]),
            (&["a=b; __Host-gateward_session=x; c=d"], &["a=b; c=d"]),
            (&["__Host-gateward_session=x;a=b"], &["a=b"]),
            (&["__Host-gateward_session =x; __Host-gateward_session=y; a=b"], &["a=b"]),
            (&["a=b", "__Host-gateward_session=x", "c=d;e=f"], &["a=b", "c=d; e=f"]),
            (&["a=__Host-gateward_session"], &["a=__Host-gateward_session"]),
            (&["__Host-gateward_sessions=x"], &["__Host-gateward_sessions=x"]),
            (&["a=b;c=d ;"], &["a=b;c=d ;"]),
            (&[], &[]),
        ] {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            for line in lines {
                request.append_header("Cookie", *line).unwrap();
            }
            remove_session_cookie(&mut request).unwrap();
            let left: Vec<_> =
                request.headers.get_all("cookie").iter().map(|v| v.to_str().unwrap()).collect();
            assert_eq!(left, expected, "{lines:?}");
        }
    }

    #[test]
    fn authorization_is_removed() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.append_header("Authorization", "Bearer a").unwrap();
        remove_authorization(&mut request);
        assert!(request.headers.is_empty());
    }
}
