//! Whatever header lines come in, a service finds exactly one value for each header of ours, and it is ours.
#![expect(clippy::expect_used, reason = "a property that does not hold panics")]

use http::{HeaderName, HeaderValue, header};
use pingora::http::RequestHeader;

use crate::gateway::headers::{
    ConnectionFacts, is_protected, remove_authorization, remove_our_cookies, set, settle_connection, strip,
};
use crate::gateway::request::Upgrade;
use crate::live::IdentityValues;

/// Our headers and the values that a service must find.
pub const OURS: [(&str, &str); 10] = [
    ("x-forwarded-user", "our-user"),
    ("x-forwarded-email", "our-email"),
    ("x-forwarded-groups", "our-groups"),
    ("x-forwarded-preferred-username", "our-name"),
    ("x-auth-session", "our-session"),
    ("x-auth-scope", "our-scope"),
    ("x-request-id", "our-id"),
    ("x-forwarded-for", "192.0.2.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "our.example"),
];

/// Lines as text, `NAME: VALUE`; those that no header map takes are left out.
pub fn one_value_each(text: &[u8]) {
    let lines: Vec<(String, Vec<u8>)> = text
        .split(|byte| *byte == b'\n')
        .take(100)
        .filter_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(line.get(..colon)?).ok()?;
            Some((name.to_owned(), line.get(colon + 1..)?.trim_ascii().to_vec()))
        })
        .collect();
    one_value_each_of(&lines);
}

/// After everything that happens to a request on its way to a service (in this order: what `Connection` says is settled,
/// protected names are stripped, ours are set, our cookies and `Authorization` are taken away), each of our
/// headers is there once under every spelling that a service may fold to it, no other protected name is left, and
/// every other line is as it was.
pub fn one_value_each_of(lines: &[(String, Vec<u8>)]) {
    for upgrade in [Upgrade::None, Upgrade::Ignored, Upgrade::WebSocket] {
        let mut request = RequestHeader::build("GET", b"/", None).expect("a plain request");
        let mut taken = Vec::new();
        for (name, value) in lines {
            let (Ok(key), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
            else {
                continue;
            };
            if request.append_header(name.clone(), value.clone()).is_ok() {
                taken.push((key, value));
            }
        }
        settle_connection(&mut request, upgrade).expect("connection settled");
        strip(&mut request);
        set(&identity(), &facts(), &value_of("x-request-id"), &mut request).expect("ours set");
        remove_our_cookies(&mut request).expect("cookie removed");
        remove_authorization(&mut request);
        judge(&request, &taken, upgrade);
    }
}

fn judge(request: &RequestHeader, taken: &[(HeaderName, HeaderValue)], upgrade: Upgrade) {
    // What goes over the wire, in which the library keeps the spelling of names apart from their values.
    let mut wire = Vec::new();
    request.header_to_h1_wire(&mut wire);
    let written: Vec<(Vec<u8>, Vec<u8>)> = wire
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let value = line.get(colon + 1..)?.trim_ascii();
            Some((folded(line.get(..colon)?), value.to_vec()))
        })
        .collect();
    for (name, expected) in OURS {
        let values: Vec<&[u8]> =
            written.iter().filter(|line| line.0 == name.as_bytes()).map(|line| line.1.as_slice()).collect();
        assert_eq!(values, [expected.as_bytes()], "{name}");
    }
    for name in request.headers.keys().map(HeaderName::as_str) {
        assert!(!is_protected(name) || OURS.iter().any(|(ours, _)| *ours == name), "{name} is left");
    }
    let connection: Vec<&[u8]> =
        request.headers.get_all("connection").iter().map(HeaderValue::as_bytes).collect();
    match upgrade {
        Upgrade::WebSocket => assert_eq!(connection, [b"Upgrade"]),
        Upgrade::None | Upgrade::Ignored => {
            assert!(connection.is_empty() && !request.headers.contains_key("upgrade"));
        }
    }
    for value in request.headers.get_all("cookie") {
        let ours = value.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii).any(|pair| {
            pair.split(|byte| *byte == b'=')
                .next()
                .is_some_and(|name| name.trim_ascii().starts_with(b"__Host-gateward_"))
        });
        assert!(!ours, "a cookie of ours is left");
    }
    assert!(!request.headers.contains_key(header::AUTHORIZATION));
    others_are_kept(request, taken);
}

/// Lines that are none of the above, and that `Connection` does not name, are there in their order.
fn others_are_kept(request: &RequestHeader, taken: &[(HeaderName, HeaderValue)]) {
    let named: Vec<Vec<u8>> = taken
        .iter()
        .filter(|(name, _)| name == header::CONNECTION)
        .flat_map(|(_, value)| value.as_bytes().split(|byte| *byte == b','))
        .map(|option| option.trim_ascii().to_ascii_lowercase())
        .collect();
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let touched = [header::CONNECTION, header::UPGRADE, header::COOKIE, header::AUTHORIZATION, header::VIA];
    for (name, _) in taken {
        let is_named =
            named.iter().any(|option| option == name.as_str().as_bytes()) && !framing.contains(name);
        let expected: Vec<&HeaderValue> = if is_named {
            vec![]
        } else {
            taken.iter().filter(|line| line.0 == *name).map(|line| &line.1).collect()
        };
        if touched.contains(name) || name == "http2-settings" || is_protected(name.as_str()) {
            continue;
        }
        assert_eq!(request.headers.get_all(name).iter().collect::<Vec<_>>(), expected, "{name}");
    }
}

/// Letters in one case, everything that is neither letter nor digit one character: CGI and its likes.
fn folded(name: &[u8]) -> Vec<u8> {
    name.iter()
        .map(|byte| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' })
        .collect()
}

fn value_of(name: &str) -> HeaderValue {
    let value = OURS.iter().find(|(ours, _)| *ours == name).map_or("", |(_, value)| value);
    HeaderValue::from_static(value)
}

fn identity() -> IdentityValues {
    IdentityValues {
        user: value_of("x-forwarded-user"),
        email: value_of("x-forwarded-email"),
        groups: value_of("x-forwarded-groups"),
        preferred_username: value_of("x-forwarded-preferred-username"),
        session: value_of("x-auth-session"),
        scope: value_of("x-auth-scope"),
    }
}

fn facts() -> ConnectionFacts {
    ConnectionFacts {
        client_ip: value_of("x-forwarded-for"),
        proto: value_of("x-forwarded-proto"),
        host: value_of("x-forwarded-host"),
        via: HeaderValue::from_static("1.1 gateward"),
    }
}
