//! The names no client may send to a service, and their removal.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderName};
use pingora::http::{RequestHeader, ResponseHeader};

use super::fold::{folds_to, starts_folded};

/// Folded names that begin with `x`.
const X_NAMES: &[&[u8]] = &[
    // Ours.
    b"x-auth-session",
    b"x-auth-scope",
    b"x-request-id",
    // Where the call came from.
    b"x-forwarded",
    b"x-real-ip",
    b"x-client-ip",
    b"x-originating-ip",
    b"x-remote-ip",
    b"x-proxyuser-ip",
    b"x-cluster-client-ip",
    b"x-client-cert",
    // What was called: some frameworks route by these instead of by the path and method that were judged.
    b"x-original-url",
    b"x-original-host",
    b"x-original-method",
    b"x-host",
    b"x-http-host-override",
    b"x-scheme",
    b"x-original-uri",
    b"x-rewrite-url",
    b"x-http-method",
    b"x-http-method-override",
    b"x-method-override",
    // Who calls, as other proxies say it.
    b"x-remote-user",
    b"x-remote-addr",
    b"x-webauth-user",
    b"x-authenticated-user",
    b"x-authenticated-userid",
    b"x-ms-client-principal",
];

/// Folded prefixes that begin with `x`: each is a family of names.
const X_FAMILIES: &[&[u8]] = &[
    b"x-forwarded-",
    b"x-auth-request-",
    b"x-gateward-",
    // Who calls, as identity-aware proxies say it.
    b"x-authentik-",
    b"x-goog-authenticated-user-",
    b"x-amzn-oidc-",
    b"x-ms-client-principal-",
    // Who a TLS client is.
    b"x-client-cert-",
    b"x-ssl-client-",
    b"x-tls-client-",
];

/// Folded names that begin with another letter.
const OTHER_NAMES: &[&[u8]] = &[
    b"forwarded",
    b"forwarded-for",
    b"remote-user",
    b"remote-email",
    b"remote-groups",
    b"remote-name",
    b"true-client-ip",
    b"cf-connecting-ip",
    b"client-ip",
    b"proxy-client-ip",
    b"wl-proxy-client-ip",
    // RFC 9440 section 2.4.
    b"client-cert",
    b"client-cert-chain",
    // Becomes the variable HTTP_PROXY in CGI programs, whose own calls then go where the client says
    // (httpoxy).
    b"proxy",
];

/// Folded prefixes that begin with another letter.
const OTHER_FAMILIES: &[&[u8]] = &[b"ssl-client-", b"cf-access-", b"tailscale-user-"];

/// Whether a name, in any spelling that folds to it, belongs to the gateway.
pub fn is_protected(name: &str) -> bool {
    let name = name.as_bytes();
    // Names are judged for each request: the first letter spares most of them the lists.
    match name.first() {
        Some(b'x' | b'X') => {
            X_FAMILIES.iter().any(|family| starts_folded(name, family))
                || X_NAMES.iter().any(|protected| folds_to(name, protected))
        }
        Some(
            b'f' | b'F' | b'r' | b'R' | b's' | b'S' | b't' | b'T' | b'c' | b'C' | b'p' | b'P' | b'w' | b'W',
        ) => {
            OTHER_NAMES.iter().any(|protected| folds_to(name, protected))
                || OTHER_FAMILIES.iter().any(|family| starts_folded(name, family))
        }
        _ => false,
    }
}

/// Removes every header with a protected name. Allocates only when there is one.
pub fn strip(upstream: &mut RequestHeader) {
    let names: Vec<HeaderName> =
        upstream.headers.keys().filter(|name| is_protected(name.as_str())).cloned().collect();
    for name in &names {
        upstream.remove_header(name);
    }
}

/// Folded names, and prefixes of folded names, that only the gateway says in an answer.
const ANSWER_NAMES: &[&[u8]] = &[b"x-request-id", b"x-auth-session", b"x-auth-scope"];
const ANSWER_FAMILIES: &[&[u8]] = &[b"x-gateward-", b"x-forwarded-", b"x-auth-request-", b"remote-"];
/// What servers say about themselves. It helps nobody but who looks for a version with a hole.
const BANNERS: &[&[u8]] = &[b"server", b"x-powered-by", b"x-aspnet-version", b"x-aspnetmvc-version"];

/// Removes from a service's answer what only the gateway may say there (a proxy in front may believe who the
/// caller is from an answer), and banners.
pub fn strip_answer(answer: &mut ResponseHeader) {
    let names: Vec<HeaderName> =
        answer.headers.keys().filter(|name| is_ours_to_say(name.as_str())).cloned().collect();
    for name in &names {
        answer.remove_header(name);
    }
}

/// The same for the trailers of an answer, in which cookies have no place at all.
pub fn strip_trailers(trailers: &mut HeaderMap) {
    let names: Vec<HeaderName> = trailers
        .keys()
        .filter(|name| **name == SET_COOKIE || is_ours_to_say(name.as_str()))
        .cloned()
        .collect();
    for name in &names {
        trailers.remove(name);
    }
}

fn is_ours_to_say(name: &str) -> bool {
    let name = name.as_bytes();
    ANSWER_FAMILIES.iter().any(|family| starts_folded(name, family))
        || ANSWER_NAMES.iter().chain(BANNERS).any(|known| folds_to(name, known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_names_are_recognised_in_every_spelling() {
        for name in [
            "X-Forwarded-User",
            "X_Forwarded_User",
            "X-Originating-IP",
            "WL-Proxy-Client-IP",
            "X-Authentik-Username",
            "X-Goog-Authenticated-User-Email",
            "X-MS-Client-Principal",
            "x_amzn_oidc_identity",
            "Cf-Access-Authenticated-User-Email",
            "Tailscale-User-Login",
            "X.Forwarded.User",
            "x-forwarded_email",
            "X-FORWARDED-GROUPS",
            "X-Forwarded-Preferred-Username",
            "X-Auth-Session",
            "x_auth_scope",
            "X-Request-ID",
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Forwarded-Host",
            "X-Forwarded-Port",
            "X-Forwarded-Prefix",
            "X-Forwarded-Uri",
            "X-Forwarded-Method",
            "X-Forwarded-Server",
            "X-Forwarded-Ssl",
            "X-Forwarded-Client-Cert",
            "X-Forwarded",
            "X-Forwarded-Anything",
            "X-Real-IP",
            "Forwarded",
            "Forwarded-For",
            "X-Original-URL",
            "X-Original-URI",
            "X-Rewrite-URL",
            "X-HTTP-Method-Override",
            "X-HTTP-Method",
            "X-Method-Override",
            "Remote-User",
            "REMOTE_USER",
            "Remote-Email",
            "Remote-Groups",
            "Remote-Name",
            "X-Remote-User",
            "X-Auth-Request-User",
            "X-Auth-Request-Access-Token",
            "X-Client-Cert",
            "X-Client-Cert-Fingerprint",
            "X-SSL-Client-Verify",
            "X_SSL_Client_S_DN",
            "X-Tls-Client-Cert",
            "Client-Cert",
            "Client-Cert-Chain",
            "SSL-Client-Cert",
            "ssl-client-verify",
            "True-Client-IP",
            "CF-Connecting-IP",
            "Client-IP",
            "X-Client-IP",
            "X-Cluster-Client-IP",
            "X-Gateward-Whatever",
            "x.gateward.x",
            "Proxy",
        ] {
            assert!(is_protected(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for name in [
            "Via",
            "Host",
            "Cookie",
            "Content-Type",
            "Referer",
            "X-Forwarde",
            "X-Requested-With",
            "X-Api-Key",
            "Proxy-X",
            "X-Auth",
            "X-Auth-Sessions",
            "From",
            "Range",
            "TE",
            "Traceparent",
            "X-CSRF-Token",
            "",
        ] {
            assert!(!is_protected(name), "{name}");
        }
    }

    #[test]
    fn stripping_removes_all_lines_of_all_aliases_and_nothing_else() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in [
            ("Accept", "a"),
            ("X_Forwarded_User", "evil"),
            ("X-Forwarded-User", "evil"),
            ("x-forwarded-user", "evil"),
            ("X-Kept", "b"),
            ("Forwarded", "for=evil"),
            ("X-Kept", "c"),
        ] {
            request.append_header(name, value).unwrap();
        }
        strip(&mut request);
        let mut wire = Vec::new();
        request.header_to_h1_wire(&mut wire);
        assert_eq!(String::from_utf8(wire).unwrap(), "Accept: a\r\nX-Kept: b\r\nX-Kept: c\r\n");
    }

    #[test]
    fn answers_lose_what_only_we_say_and_banners() {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [
            ("A", "b"),
            ("X-Request-Id", "evil"),
            ("X_Request_Id", "evil"),
            ("X-Forwarded-User", "evil"),
            ("x_auth_session", "evil"),
            ("X-Auth-Request-Email", "evil"),
            ("X-Gateward-Anything", "evil"),
            ("Remote-User", "evil"),
            ("Server", "evil/1.2.3"),
            ("X-Powered-By", "evil/4"),
            ("X-AspNet-Version", "evil"),
            ("Traceparent", "c"),
            ("Server-Timing", "d"),
        ] {
            answer.append_header(name, value).unwrap();
        }
        strip_answer(&mut answer);
        let mut wire = Vec::new();
        answer.header_to_h1_wire(&mut wire);
        let wire = String::from_utf8(wire).unwrap();
        assert!(!wire.contains("evil"), "{wire}");
        assert_eq!(wire.lines().count(), 3, "{wire}");
    }

    #[test]
    fn trailers_say_nothing_that_is_ours_to_say() {
        let mut trailers = HeaderMap::new();
        for name in ["grpc-status", "x-forwarded-user", "x_request_id", "set-cookie", "server", "x-checksum"]
        {
            trailers.insert(HeaderName::from_static(name), http::HeaderValue::from_static("a"));
        }
        strip_trailers(&mut trailers);
        let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "x-checksum"]);
    }
}
