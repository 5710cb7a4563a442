//! Credentials for the gateway, which a service has no use for.

use http::{HeaderValue, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use super::fold::fold;

/// How the names of the gateway's cookies begin, folded, behind `__Host-` or `__Secure-`.
const OURS: &[u8] = b"gateward-";

/// Removes `Authorization`, on routes that do not forward it.
pub fn remove_authorization(upstream: &mut RequestHeader) {
    upstream.remove_header(&header::AUTHORIZATION);
}

/// Removes the gateway's cookies from `Cookie` and leaves the others as they are. Allocates only when one is there.
///
/// # Errors
/// None in practice: what is left of a valid value is valid.
pub fn remove_our_cookies(upstream: &mut RequestHeader) -> Result<()> {
    let pairs = |value: &HeaderValue| value.as_bytes().split(|byte| *byte == b';').any(is_ours);
    if !upstream.headers.get_all(header::COOKIE).iter().any(pairs) {
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

/// Removes every `Set-Cookie` of a service that would make one of the gateway's cookies: a session is begun by
/// logging in here and nowhere else.
///
/// # Errors
/// None in practice: what is left was there before.
pub fn keep_our_cookies(answer: &mut ResponseHeader) -> Result<()> {
    let ours = |value: &HeaderValue| {
        is_ours(value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default())
    };
    if !answer.headers.get_all(header::SET_COOKIE).iter().any(ours) {
        return Ok(());
    }
    let others: Vec<HeaderValue> =
        answer.headers.get_all(header::SET_COOKIE).iter().filter(|value| !ours(value)).cloned().collect();
    answer.remove_header(&header::SET_COOKIE);
    for line in others {
        answer.append_header("Set-Cookie", line)?;
    }
    Ok(())
}

fn without_ours(line: &[u8]) -> Vec<u8> {
    let others = line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !is_ours(pair));
    others.collect::<Vec<_>>().join(&b"; "[..])
}

/// Whether a cookie is the gateway's: `gateward_...`, with `__Host-` or `__Secure-` before it or not. Read as lenient
/// as any reader may be: in any letter case, quoted, percent-encoded (PHP decodes names), with other separators,
/// and without a name, for then browsers send the value alone, which may look like a name and a value.
fn is_ours(pair: &[u8]) -> bool {
    let pair = pair.trim_ascii();
    let start =
        pair.iter().position(|byte| !matches!(byte, b'=' | b'"' | b' ' | b'\t')).unwrap_or(pair.len());
    let pair = pair.get(start..).unwrap_or_default();
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    // The shortest of ours, but for the prefixes: what is shorter needs no second look.
    if name.len() <= OURS.len() {
        return false;
    }
    let name: Vec<u8> = decoded(name).into_iter().map(fold).collect();
    let name = name.strip_prefix(b"--host-").or_else(|| name.strip_prefix(b"--secure-")).unwrap_or(&name);
    name.starts_with(OURS)
}

/// A name with every `%` triple replaced by its byte.
fn decoded(name: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((byte, behind)) = rest.split_first() {
        let triple = match (byte, behind) {
            (b'%', [high, low, ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                digit(high).zip(digit(low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
            }
            _ => None,
        };
        decoded.push(triple.unwrap_or(*byte));
        rest = if triple.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    decoded
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
            (&["__Host-gateward_sessions=x"], &[]),
            (&["__Secure-gateward_session=x; gateward_csrf=y;a=b"], &["a=b"]),
            (&["__host-GATEWARD_session=x; __HOST-Gateward_x=y", "a=b"], &["a=b"]),
            (&["\"__Host-gateward_session\"=x; a=b"], &["a=b"]),
            (&["\t__Host-gateward_session\t=x"], &[]),
            (&["=__Host-gateward_session=x; a=b"], &["a=b"]),
            (&["__Host-gateward_session; a=b"], &["a=b"]),
            (&["__Host%2Dgateward%5Fsession=x; a=b"], &["a=b"]),
            (&["__Host-gatewar%64.session=x; a=b"], &["a=b"]),
            (&["__Host.gateward session=x; a=b"], &["a=b"]),
            (&["gateward=x; gateway_session=y"], &["gateward=x; gateway_session=y"]),
            (&["my_gateward_session=x"], &["my_gateward_session=x"]),
            (&["a=b;c=d ;"], &["a=b;c=d ;"]),
            (&[], &[]),
        ] {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            for line in lines {
                request.append_header("Cookie", *line).unwrap();
            }
            remove_our_cookies(&mut request).unwrap();
            let left: Vec<_> =
                request.headers.get_all("cookie").iter().map(|v| v.to_str().unwrap()).collect();
            assert_eq!(left, expected, "{lines:?}");
        }
    }

    #[test]
    fn no_service_sets_our_cookies() {
        for (line, kept) in [
            ("a=b; Path=/", true),
            ("a=__Host-gateward_session; Path=/", true),
            ("a=b; Comment=gateward_session=x", true),
            ("gateward=b", true),
            ("__Host-gateward_session=x; Path=/; Secure", false),
            ("__HOST-gateward_session=x", false),
            ("__Secure-gateward_anything=x", false),
            (" gateward_csrf = x", false),
            ("=__Host-gateward_session=x; Path=/; Secure", false),
            ("__Host-gateward_session", false),
            ("__%48ost-gateward_session=x", false),
            ("__Host-gateward_session=; Max-Age=0", false),
        ] {
            let mut answer = ResponseHeader::build(200, None).unwrap();
            for value in ["first=1", line, "last=1"] {
                answer.append_header("Set-Cookie", value).unwrap();
            }
            keep_our_cookies(&mut answer).unwrap();
            let left: Vec<_> =
                answer.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap()).collect();
            let expected = if kept { vec!["first=1", line, "last=1"] } else { vec!["first=1", "last=1"] };
            assert_eq!(left, expected.iter().map(|line| line.to_owned()).collect::<Vec<_>>(), "{line}");
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
