//! The headers the gateway vouches for.

use http::HeaderValue;
use pingora::Result;
use pingora::http::RequestHeader;

use crate::live::IdentityValues;

/// Where a call came from.
#[derive(Debug, Clone)]
pub struct ConnectionFacts {
    /// `X-Forwarded-For`: the client's address and, behind it, those of the trusted proxies that it came through; of
    /// a peer that is not trusted its address and nothing else. IPv4 in IPv6 form is shown as IPv4.
    pub client_ip: HeaderValue,
    /// `X-Forwarded-Proto`: `http` or `https`.
    pub proto: HeaderValue,
    /// `X-Forwarded-Host`: `Host` as the client sent it, or what a trusted proxy says that was.
    pub host: HeaderValue,
    /// What is appended to `Via` (RFC 9110 section 7.6.3): the version that the client spoke, and we.
    pub via: HeaderValue,
}

/// Sets exactly one value for each of the gateway's headers and appends to `Via`. [`super::strip`] comes
/// first: this replaces lines of the same name, not aliases.
///
/// # Errors
/// When the header map is full, which the bound on header lines excludes.
pub fn set(
    identity: &IdentityValues,
    facts: &ConnectionFacts,
    request_id: &HeaderValue,
    upstream: &mut RequestHeader,
) -> Result<()> {
    for (name, value) in [
        ("X-Forwarded-User", &identity.user),
        ("X-Forwarded-Email", &identity.email),
        ("X-Forwarded-Groups", &identity.groups),
        ("X-Forwarded-Preferred-Username", &identity.preferred_username),
        ("X-Auth-Session", &identity.session),
        ("X-Auth-Scope", &identity.scope),
        ("X-Request-Id", request_id),
        ("X-Forwarded-For", &facts.client_ip),
        ("X-Forwarded-Proto", &facts.proto),
        ("X-Forwarded-Host", &facts.host),
    ] {
        upstream.insert_header(name, value)?;
    }
    upstream.append_header("Via", &facts.via)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::is_protected;
    use super::*;
    use crate::gateway::properties::{OURS, one_value_each_of};

    fn facts() -> ConnectionFacts {
        ConnectionFacts {
            client_ip: HeaderValue::from_static("192.0.2.7"),
            proto: HeaderValue::from_static("http"),
            host: HeaderValue::from_static("a.example"),
            via: HeaderValue::from_static("1.1 gateward"),
        }
    }

    fn wire(request: &RequestHeader) -> String {
        let mut wire = Vec::new();
        request.header_to_h1_wire(&mut wire);
        String::from_utf8(wire).unwrap()
    }

    #[test]
    fn every_header_of_ours_is_set_once() {
        let identity = IdentityValues {
            user: HeaderValue::from_static("u"),
            email: HeaderValue::from_static("u@a.example"),
            groups: HeaderValue::from_static("admin,staff"),
            preferred_username: HeaderValue::from_static("U"),
            session: HeaderValue::from_static("s"),
            scope: HeaderValue::from_static("read write"),
        };
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.append_header("Via", "1.0 before").unwrap();
        set(&identity, &facts(), &HeaderValue::from_static("id"), &mut request).unwrap();
        assert_eq!(
            wire(&request),
            "Via: 1.0 before\r\nVia: 1.1 gateward\r\nX-Forwarded-User: u\r\nX-Forwarded-Email: u@a.example\r\n\
             X-Forwarded-Groups: admin,staff\r\nX-Forwarded-Preferred-Username: U\r\nX-Auth-Session: s\r\n\
             X-Auth-Scope: read write\r\nX-Request-Id: id\r\nX-Forwarded-For: 192.0.2.7\r\n\
             X-Forwarded-Proto: http\r\nX-Forwarded-Host: a.example\r\n"
        );
    }

    #[test]
    fn nobody_is_sent_as_empty_values() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        set(&IdentityValues::anonymous(), &facts(), &HeaderValue::from_static("id"), &mut request).unwrap();
        for name in
            ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-auth-session", "x-auth-scope"]
        {
            assert_eq!(request.headers.get(name).unwrap(), "", "{name}");
        }
    }

    #[test]
    fn setting_replaces_what_was_there() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for _ in 0..2 {
            request.append_header("x-forwarded-user", "evil").unwrap();
        }
        set(&IdentityValues::anonymous(), &facts(), &HeaderValue::from_static("id"), &mut request).unwrap();
        assert_eq!(request.headers.get_all("x-forwarded-user").iter().collect::<Vec<_>>(), [""]);
    }

    /// A spelling of one of our names, or of a protected name that is not ours.
    fn alias() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            8 => proptest::sample::select(&OURS[..]).prop_map(|(name, _)| name.to_owned()),
            1 => Just("forwarded".to_owned()),
            1 => "x-forwarded-[a-z]{1,6}",
            1 => "x-gateward-[a-z]{1,6}",
        ];
        (name, proptest::collection::vec((any::<bool>(), proptest::sample::select(&b"-_.~!+*'"[..])), 40))
            .prop_map(|(name, choices)| {
                let spell = |(byte, (upper, separator)): (char, (bool, u8))| match byte {
                    '-' => char::from(separator),
                    letter if upper => letter.to_ascii_uppercase(),
                    letter => letter,
                };
                name.chars().zip(choices).map(spell).collect()
            })
    }

    /// A line of a client that wants to be taken for another, or an ordinary one.
    fn line() -> impl Strategy<Value = (String, Vec<u8>)> {
        let evil = || b"evil".to_vec();
        prop_oneof![
            6 => alias().prop_map(move |name| (name, evil())),
            2 => proptest::collection::vec(alias(), 1..4).prop_map(|names| ("Connection".to_owned(), names.join(", ").into_bytes())),
            1 => "close|keep-alive|a|, ,|Upgrade, x-kept|content-length|transfer-encoding".prop_map(|value| ("connection".to_owned(), value.into_bytes())),
            1 => "h2c|websocket".prop_map(|value| ("Upgrade".to_owned(), value.into_bytes())),
            1 => "(a=b; ?)?__Host-gateward_session ?=x(;c)?".prop_map(|value| ("Cookie".to_owned(), value.into_bytes())),
            1 => Just(("Authorization".to_owned(), b"Bearer a.b.c".to_vec())),
            1 => Just(("Via".to_owned(), b"1.0 before".to_vec())),
            3 => ("[A-Wa-w][a-z_.-]{0,8}|X-Kept|content-length|transfer-encoding", "[ -~]{0,9}")
                .prop_map(|(name, value)| (name, value.into_bytes())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        /// Whatever aliases a client sends, in whatever number, a service finds one value for each of ours,
        /// and it is ours.
        #[test]
        fn no_alias_survives(
            aliases in proptest::collection::vec(alias(), 0..8),
            lines in proptest::collection::vec(line(), 0..12),
        ) {
            for name in &aliases {
                prop_assert!(is_protected(name), "{}", name);
            }
            let aliases = aliases.into_iter().map(|name| (name, b"evil".to_vec()));
            one_value_each_of(&aliases.chain(lines).collect::<Vec<_>>());
        }
    }
}
