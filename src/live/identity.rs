//! Identity header values, built once per verified token.

use http::HeaderValue;

use crate::domain::token::VerifiedClaims;

/// What services are told about the person behind a request. Every value is set on every forwarded
/// request, empty when there is nothing to say, so that a service never reads a client's value.
#[derive(Debug, Clone)]
pub struct IdentityValues {
    /// `X-Forwarded-User`: the account id.
    pub user: HeaderValue,
    /// `X-Forwarded-Email`: UTF-8.
    pub email: HeaderValue,
    /// `X-Forwarded-Groups`: roles, comma separated.
    pub groups: HeaderValue,
    /// `X-Forwarded-Preferred-Username`: the e-mail address.
    pub preferred_username: HeaderValue,
    /// `X-Auth-Session`: the session id.
    pub session: HeaderValue,
    /// `X-Auth-Scope`: scopes, space separated.
    pub scope: HeaderValue,
}

impl IdentityValues {
    /// Nobody: all values empty.
    pub fn anonymous() -> Self {
        let empty = || HeaderValue::from_static("");
        Self {
            user: empty(),
            email: empty(),
            groups: empty(),
            preferred_username: empty(),
            session: empty(),
            scope: empty(),
        }
    }

    /// The person of a verified token. A value that no header may carry is left empty: none is ever
    /// stored, so this is for tokens that something else signed with a shared secret.
    pub fn of(claims: &VerifiedClaims) -> Self {
        let value = |text: &str| {
            HeaderValue::from_bytes(text.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static(""))
        };
        let roles = if claims.roles().iter().any(|role| role.contains(',')) {
            // A comma inside a role would read as two roles.
            HeaderValue::from_static("")
        } else {
            value(&claims.roles().join(","))
        };
        Self {
            user: value(&claims.account_id().to_string()),
            email: value(claims.email()),
            groups: roles,
            preferred_username: value(claims.email()),
            session: value(&claims.session_id().to_string()),
            scope: value(claims.scope()),
        }
    }
}
