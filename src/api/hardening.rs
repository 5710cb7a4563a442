//! Headers that keep a browser from making more of the gateway's own answers than they are.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Swagger UI styles itself inline and draws data: images; everything else comes from the binary.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; connect-src 'self'; form-action 'self'; \
                           base-uri 'none'; frame-ancestors 'none'";
/// What is no page does nothing, should a browser show it nevertheless.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// For every answer of the gateway's own, errors included.
pub fn harden(headers: &mut HeaderMap) {
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let is_open = headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
    let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(X_FRAME_OPTIONS, "DENY");
    set(REFERRER_POLICY, "no-referrer");
    set(CONTENT_SECURITY_POLICY, if is_page { PAGE_POLICY } else { DATA_POLICY });
    if is_page {
        set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    }
    // What is for every origin says so itself.
    if !is_open {
        set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    }
}

/// The same as a layer of a router.
pub async fn hardened(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    harden(response.headers_mut());
    response
}
