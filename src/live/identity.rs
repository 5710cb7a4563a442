//! Identity header values, built once per verified token.

use bytes::Bytes;
use http::HeaderValue;

use crate::domain::token::VerifiedClaims;

/// What services are told about the person behind a request. Every value is set on every forwarded
/// request, empty when there is nothing to say, so that a service never reads a client's value.
///
/// The values of a token share one piece of memory, counted: to set one on a request allocates nothing.
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
        let bearer = claims.bearer();
        let (user, session) = (bearer.account_id().to_string(), bearer.session_id().to_string());
        // A comma inside a role would read as two roles.
        let roles = if claims.roles().iter().any(|role| role.contains(',')) {
            String::new()
        } else {
            claims.roles().join(",")
        };
        let texts = [user.as_str(), claims.email(), &roles, &session, claims.scope()];
        let all = Bytes::from(texts.concat());
        let mut at = 0;
        let [user, email, groups, session, scope] = texts.map(|text| {
            let value = all.slice(at..at + text.len());
            at += text.len();
            HeaderValue::from_maybe_shared(value).unwrap_or_else(|_| HeaderValue::from_static(""))
        });
        let preferred_username = email.clone();
        Self { user, email, groups, preferred_username, session, scope }
    }

    /// Bytes of the texts, each counted once.
    pub(super) fn text_bytes(&self) -> usize {
        let values = [&self.user, &self.email, &self.groups, &self.session, &self.scope];
        values.iter().map(|value| value.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::id::{AccountId, SessionId, TokenId};
    use crate::domain::keyring::{Keyring, SigningKey};
    use crate::domain::token::{Grant, Parties, mint, verify};

    const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

    fn values(email: &str, roles: &[&str], scope: &str) -> IdentityValues {
        let ring = Keyring::new(1, SigningKey::from_secret(&[7; 32]), Vec::new());
        let parties = Parties { issuer: "gw".into(), audience: "svc".into() };
        let grant = Grant {
            account_id: AccountId::new(NOW, [1; 10]),
            session_id: SessionId::new(NOW, [2; 10]),
            token_id: TokenId::new(NOW, [3; 10]),
            scope: scope.to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            email: email.to_owned(),
            issued_at: NOW,
            expires_at: NOW.plus(Duration::from_secs(60)),
            status: None,
        };
        let token = mint(&grant, &parties, &ring).unwrap();
        IdentityValues::of(&verify(&token, &parties, &ring, NOW).unwrap())
    }

    #[test]
    fn each_value_is_its_own_claim() {
        let values = values("ädä@example.org", &["a", "b"], "read write");
        assert_eq!(values.user, AccountId::new(NOW, [1; 10]).to_string());
        assert_eq!(values.email.as_bytes(), "ädä@example.org".as_bytes());
        assert_eq!(values.preferred_username, values.email);
        assert_eq!(values.groups, "a,b");
        assert_eq!(values.session, SessionId::new(NOW, [2; 10]).to_string());
        assert_eq!(values.scope, "read write");
        assert_eq!(values.text_bytes(), 36 + 17 + 3 + 36 + 10);
    }

    #[test]
    fn what_no_header_may_carry_is_left_out_alone() {
        let values = values("a\r\nX-Forwarded-User: evil", &["staff", "x,admin"], "read");
        assert_eq!(
            (&values.email, &values.groups),
            (&HeaderValue::from_static(""), &HeaderValue::from_static(""))
        );
        assert_eq!(values.scope, "read");
    }

    #[test]
    fn values_share_one_piece_of_memory() {
        let values = values("ada@example.org", &["staff"], "read");
        let start = |value: &HeaderValue| value.as_bytes().as_ptr() as usize;
        assert_eq!(start(&values.email) - start(&values.user), values.user.len());
        assert_eq!(start(&values.preferred_username), start(&values.email));
        assert_eq!(start(&values.scope.clone()), start(&values.scope), "a clone copies no text");
    }
}
