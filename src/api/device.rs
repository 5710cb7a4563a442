//! What shows that a login comes from somebody who was here before: the device cookie, or an access token.
//!
//! The cookie is for `/auth` only, so that no service behind the gateway ever gets it. That rules out the `__Host-`
//! prefix, which wants the path `/`; what `__Host-` keeps out, a cookie set by a sibling host, could only be
//! somebody else's device cookie, which is worth nothing at another account. Scripts cannot read it, other sites cannot
//! have it sent, and it grants nothing but a bucket of attempts (see [`domain::attempts`](crate::domain::attempts)).

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::bearer::Presented;
use super::state::{ApiState, RequestFacts};
use crate::domain::attempts::{DEVICE_LIFE, DeviceCookie};
use crate::domain::email::EmailAddress;
use crate::domain::id::SessionId;
use crate::domain::token::read_claims;

const NAME: &str = "__Secure-gateward_device";
/// Longer than one of ours is.
const LONGEST: usize = 256;

/// The text of the device cookie of a request, as it was sent.
pub(super) fn presented(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, text) = pairs.find(|(name, text)| *name == NAME && text.len() <= LONGEST)?;
    Some(text.to_owned())
}

/// `Set-Cookie` for a device that has logged in.
pub(super) fn set_cookie(cookie: &DeviceCookie) -> Option<HeaderValue> {
    let (text, age) = (cookie.as_str(), DEVICE_LIFE.as_secs());
    let line = format!("{NAME}={text}; Path=/auth; Max-Age={age}; Secure; HttpOnly; SameSite=Strict");
    let mut value = HeaderValue::try_from(line).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The session of the access token that came with a login, if it is valid now and of the account that logs in.
pub(super) fn session_of(state: &ApiState, facts: &RequestFacts, email: &EmailAddress) -> Option<SessionId> {
    let Presented::Bearer(token) = &facts.presented else { return None };
    let verified = state.check.check_from(facts.client, token).ok()?;
    let owner = EmailAddress::parse(&read_claims(token)?.email).ok()?;
    (owner.normal() == email.normal()).then(|| verified.claims().session_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_static(line));
        }
        presented(&headers)
    }

    #[test]
    fn the_cookie_is_found_among_others_and_nothing_else_is_taken_for_it() {
        for lines in [
            &["__Secure-gateward_device=1.a.2.b"][..],
            &["a=b; __Secure-gateward_device=1.a.2.b; c"],
            &["a=b", "x; __Secure-gateward_device=1.a.2.b"],
        ] {
            assert_eq!(found(lines).as_deref(), Some("1.a.2.b"), "{lines:?}");
        }
        for lines in
            [&[][..], &["gateward_device=1"], &["x__Secure-gateward_device=1"], &["__Secure-gateward_device"]]
        {
            assert_eq!(found(lines), None, "{lines:?}");
        }
    }
}
