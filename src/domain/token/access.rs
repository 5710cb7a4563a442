//! What a token says, writing one, judging one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::TokenRefusal;
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, SessionId, TokenId};
use crate::domain::keyring::Keyring;
use crate::domain::status_list::StatusReference;

/// Longer tokens are refused before anything is decoded. Ours are about 800 bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The longest life that a configuration or an operator may give an access token.
pub const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How far the clocks of replicas may differ.
pub const LEEWAY: Duration = Duration::from_secs(5);

/// The `client_id` of tokens from a first-party login.
pub const CLIENT_ID: &str = "gateward";

/// Who issues for whom: `iss` and `aud`, compared as exact strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parties {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
}

/// What a new token says.
#[derive(Debug, Clone)]
pub struct Grant {
    /// `sub`.
    pub account_id: AccountId,
    /// `sid`.
    pub session_id: SessionId,
    /// `jti`.
    pub token_id: TokenId,
    /// `scope`, space separated; may be empty.
    pub scope: String,
    /// `roles`.
    pub roles: Vec<String>,
    /// `email`, so that services get it without a look-up.
    pub email: String,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `status`; none for a session that has no place in the status list.
    pub status: Option<StatusReference>,
}

/// Claims on the wire; by themselves they prove nothing. Unknown members are ignored, so that replicas of two
/// versions can run side by side; a member that is there twice is an error of the parser.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the registered claim of its name")]
pub struct Claims {
    pub iss: String,
    pub sub: AccountId,
    pub aud: String,
    pub exp: i64,
    pub iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    pub jti: TokenId,
    pub sid: SessionId,
    pub client_id: String,
    pub scope: String,
    pub roles: Vec<String>,
    pub email: String,
    /// For other verifiers only: what we refuse stands in our memory, not in our list.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Debug, Serialize)]
struct Status {
    status_list: StatusReference,
}

/// Claims of a token whose signature, shape, issuer, audience and time were found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClaims {
    account_id: AccountId,
    session_id: SessionId,
    token_id: TokenId,
    scope: String,
    roles: Vec<String>,
    email: String,
    expires_at: Timestamp,
}

impl VerifiedClaims {
    /// `sub`.
    pub fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// `sid`.
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// `jti`.
    pub fn token_id(&self) -> TokenId {
        self.token_id
    }

    /// `scope`, space separated.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// `roles`.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// `email`.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// `exp`, without leeway.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// When the token stops being accepted: `exp` with the leeway.
    pub fn refused_from(&self) -> Timestamp {
        self.expires_at.plus(LEEWAY)
    }

    /// Whether the token may still be used at `now`.
    pub fn is_current(&self, now: Timestamp) -> bool {
        now < self.refused_from()
    }
}

/// Writes and signs a token.
///
/// # Errors
/// When the cryptographic library refuses, which it does not for a key that was accepted.
pub fn mint(grant: &Grant, parties: &Parties, keys: &Keyring) -> Result<String, jsonwebtoken::errors::Error> {
    let claims = Claims {
        iss: parties.issuer.clone(),
        sub: grant.account_id,
        aud: parties.audience.clone(),
        exp: grant.expires_at.unix_seconds(),
        iat: grant.issued_at.unix_seconds(),
        nbf: None,
        jti: grant.token_id,
        sid: grant.session_id,
        client_id: CLIENT_ID.to_owned(),
        scope: grant.scope.clone(),
        roles: grant.roles.clone(),
        email: grant.email.clone(),
        status: grant.status.clone().map(|status_list| Status { status_list }),
    };
    let key = keys.signer();
    let payload = serde_json::to_vec(&claims)?;
    let mut token = format!("{}.{}", key.header_segment(), URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

/// Checks everything about a token that the token itself can tell.
///
/// # Errors
/// The first check that fails, cheapest first.
pub fn verify(
    token: &str,
    parties: &Parties,
    keys: &Keyring,
    now: Timestamp,
) -> Result<VerifiedClaims, TokenRefusal> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenRefusal::TooLong);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenRefusal::NotAJwt)?;
    let (header, payload) = message.split_once('.').ok_or(TokenRefusal::NotAJwt)?;
    if payload.contains('.') {
        return Err(TokenRefusal::NotAJwt);
    }
    let key = keys.key_for_header(header).ok_or(TokenRefusal::UnknownHeader)?;
    if !key.verifies(message.as_bytes(), signature) {
        return Err(TokenRefusal::BadSignature);
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenRefusal::BadClaims)?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|_| TokenRefusal::BadClaims)?;
    judge(claims, parties, now)
}

/// What stands in a token, for showing it. Judges nothing: only for a token that [`verify`] has accepted.
pub fn read_claims(accepted: &str) -> Option<Claims> {
    let payload = URL_SAFE_NO_PAD.decode(accepted.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

fn judge(claims: Claims, parties: &Parties, now: Timestamp) -> Result<VerifiedClaims, TokenRefusal> {
    if claims.iss != parties.issuer {
        return Err(TokenRefusal::WrongIssuer);
    }
    if claims.aud != parties.audience {
        return Err(TokenRefusal::WrongAudience);
    }
    // Seconds since the epoch up to the year 9999: anything else was not minted by us.
    let plausible = 0..=253_402_300_799;
    if !plausible.contains(&claims.exp) || !plausible.contains(&claims.iat) {
        return Err(TokenRefusal::BadClaims);
    }
    let latest_start = now.plus(LEEWAY).unix_seconds();
    if claims.iat > latest_start || claims.nbf.is_some_and(|nbf| nbf > latest_start) {
        return Err(TokenRefusal::NotYetValid);
    }
    let verified = VerifiedClaims {
        account_id: claims.sub,
        session_id: claims.sid,
        token_id: claims.jti,
        scope: claims.scope,
        roles: claims.roles,
        email: claims.email,
        expires_at: Timestamp::from_unix_millis(claims.exp.saturating_mul(1000)),
    };
    if verified.is_current(now) { Ok(verified) } else { Err(TokenRefusal::Expired) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::keyring::SigningKey;
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

    fn parties() -> Parties {
        Parties { issuer: "gw".into(), audience: "svc".into() }
    }

    fn ring() -> Keyring {
        Keyring::new(1, SigningKey::from_secret(&[7; 32]), Vec::new())
    }

    fn grant() -> Grant {
        Grant {
            account_id: AccountId::new(NOW, [1; 10]),
            session_id: SessionId::new(NOW, [2; 10]),
            token_id: TokenId::new(NOW, [3; 10]),
            scope: "read".into(),
            roles: vec!["admin".into()],
            email: "a@example.org".into(),
            issued_at: NOW,
            expires_at: NOW.plus(Duration::from_secs(900)),
            status: Some(StatusReference { idx: 70_000, uri: "http://gw/auth/status-lists/0".into() }),
        }
    }

    fn good_claims() -> Value {
        let token = mint(&grant(), &parties(), &ring()).unwrap();
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    /// Signs any payload with our own key: only the claims can be wrong then.
    fn signed(payload: &str) -> String {
        let ring = ring();
        let message = format!("{}.{}", ring.signer().header_segment(), URL_SAFE_NO_PAD.encode(payload));
        let signature = ring.signer().sign(message.as_bytes()).unwrap();
        format!("{message}.{signature}")
    }

    fn check(token: &str) -> Result<VerifiedClaims, TokenRefusal> {
        verify(token, &parties(), &ring(), NOW)
    }

    #[test]
    fn a_minted_token_verifies_to_what_was_granted() {
        let token = mint(&grant(), &parties(), &ring()).unwrap();
        let claims = check(&token).unwrap();
        assert_eq!(claims.account_id(), grant().account_id);
        assert_eq!(claims.session_id(), grant().session_id);
        assert_eq!(claims.token_id(), grant().token_id);
        assert_eq!((claims.scope(), claims.email()), ("read", "a@example.org"));
        assert_eq!(claims.roles(), ["admin"]);
        assert_eq!(claims.expires_at(), grant().expires_at);
    }

    #[test]
    fn an_expired_token_is_refused_after_the_leeway() {
        let token = mint(&grant(), &parties(), &ring()).unwrap();
        let end = grant().expires_at;
        let at = |now| verify(&token, &parties(), &ring(), now).map(|_| ());
        assert_eq!(at(end.plus(Duration::from_millis(4_999))), Ok(()));
        assert_eq!(at(end.plus(LEEWAY)), Err(TokenRefusal::Expired));
    }

    #[test]
    fn wrong_parties_are_refused() {
        let token = mint(&grant(), &parties(), &ring()).unwrap();
        let other = |issuer: &str, audience: &str| {
            let parties = Parties { issuer: issuer.into(), audience: audience.into() };
            verify(&token, &parties, &ring(), NOW).map(|_| ())
        };
        assert_eq!(other("other", "svc"), Err(TokenRefusal::WrongIssuer));
        assert_eq!(other("gw", "other"), Err(TokenRefusal::WrongAudience));
    }

    #[test]
    fn every_wrong_claim_is_refused() {
        let cases: &[(&str, Value, TokenRefusal)] = &[
            ("exp", json!("1800000900"), TokenRefusal::BadClaims),
            ("exp", json!(1800000900.5), TokenRefusal::BadClaims),
            ("exp", json!(1e308), TokenRefusal::BadClaims),
            ("exp", json!(-1), TokenRefusal::BadClaims),
            ("exp", json!(null), TokenRefusal::BadClaims),
            ("exp", json!([1800000900]), TokenRefusal::BadClaims),
            ("exp", json!(i64::MAX), TokenRefusal::BadClaims),
            ("exp", json!(1_799_999_000), TokenRefusal::Expired),
            ("nbf", json!(1_800_000_100), TokenRefusal::NotYetValid),
            ("nbf", json!("soon"), TokenRefusal::BadClaims),
            ("iat", json!(1_800_000_100), TokenRefusal::NotYetValid),
            ("aud", json!(["svc"]), TokenRefusal::BadClaims),
            ("aud", json!("other"), TokenRefusal::WrongAudience),
            ("iss", json!("other"), TokenRefusal::WrongIssuer),
            ("iss", json!(7), TokenRefusal::BadClaims),
            ("sub", json!("someone"), TokenRefusal::BadClaims),
            ("sid", json!(null), TokenRefusal::BadClaims),
            ("roles", json!("admin"), TokenRefusal::BadClaims),
        ];
        for (name, value, refusal) in cases {
            let mut claims = good_claims();
            claims[*name] = value.clone();
            assert_eq!(check(&signed(&claims.to_string())).map(|_| ()), Err(*refusal), "{name} = {value}");
        }
    }

    #[test]
    fn every_missing_claim_is_refused() {
        let claims = good_claims();
        for name in claims.as_object().unwrap().keys().filter(|name| *name != "status") {
            let mut claims = good_claims();
            claims.as_object_mut().unwrap().remove(name);
            let refused = check(&signed(&claims.to_string())).map(|_| ());
            assert_eq!(refused, Err(TokenRefusal::BadClaims), "{name}");
        }
    }

    #[test]
    fn a_token_says_where_its_status_is_and_is_good_without_it() {
        let claims = good_claims();
        let expected = json!({"status_list": {"idx": 70_000, "uri": "http://gw/auth/status-lists/0"}});
        assert_eq!(claims["status"], expected);
        let older = mint(&Grant { status: None, ..grant() }, &parties(), &ring()).unwrap();
        assert!(
            !URL_SAFE_NO_PAD
                .decode(older.split('.').nth(1).unwrap())
                .unwrap()
                .windows(6)
                .any(|word| word == b"status")
        );
        assert!(check(&older).is_ok());
        // Another kind of status, one day: not ours to judge.
        let mut other = claims;
        other["status"] = json!({"identifier_list": 7});
        assert!(check(&signed(&other.to_string())).is_ok());
    }

    #[test]
    fn the_status_adds_little_to_a_token() {
        let with = mint(&grant(), &parties(), &ring()).unwrap().len();
        let without = mint(&Grant { status: None, ..grant() }, &parties(), &ring()).unwrap().len();
        assert!((80..=110).contains(&(with - without)), "{} bytes", with - without);
    }

    #[test]
    fn a_claim_that_is_there_twice_is_refused() {
        let text = good_claims().to_string();
        let twice = text.replacen('{', r#"{"exp":1900000000,"#, 1);
        assert_eq!(check(&signed(&twice)).map(|_| ()), Err(TokenRefusal::BadClaims));
        assert_eq!(check(&signed("[]")).map(|_| ()), Err(TokenRefusal::BadClaims));
        assert_eq!(check(&signed(&"[".repeat(5_000))).map(|_| ()), Err(TokenRefusal::BadClaims));
    }

    #[test]
    fn no_other_header_is_accepted() {
        let token = mint(&grant(), &parties(), &ring()).unwrap();
        let rest = token.split_once('.').unwrap().1;
        let kid = ring().signer().kid().to_owned();
        let headers = [
            r#"{"alg":"none"}"#.to_owned(),
            format!(r#"{{"typ":"at+jwt","alg":"nOnE","kid":"{kid}"}}"#),
            format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{kid}"}}"#),
            format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{kid}","crit":[]}}"#),
            format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"../{kid}"}}"#),
            format!(r#"{{"typ":"at+jwt","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#),
        ];
        for header in headers {
            let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(&header));
            assert_eq!(check(&forged).map(|_| ()), Err(TokenRefusal::UnknownHeader), "{header}");
        }
    }

    #[test]
    fn a_touched_signature_or_shape_is_refused() {
        let token = mint(&grant(), &parties(), &ring()).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let bad = [
            format!("{message}."),
            format!("{message}.{}", &signature[1..]),
            format!("{message}.{signature}A"),
            format!("{message}.{signature}="),
            format!("{message}.{signature} "),
            format!("{message}.{}", signature.replacen(&signature[..1], "+", 1)),
        ];
        for token in bad {
            assert_eq!(check(&token).map(|_| ()), Err(TokenRefusal::BadSignature), "{token}");
        }
        for token in ["", ".", "a.b", &format!("{message}.x.{signature}"), &".".repeat(8_000)] {
            let refusal = check(token).map(|_| ()).unwrap_err();
            assert!(matches!(refusal, TokenRefusal::NotAJwt | TokenRefusal::UnknownHeader), "{refusal}");
        }
        assert_eq!(check(&".".repeat(100_000)).map(|_| ()), Err(TokenRefusal::TooLong));
    }

    #[test]
    fn another_keys_token_is_refused() {
        let other = Keyring::new(1, SigningKey::from_secret(&[8; 32]), Vec::new());
        let token = mint(&grant(), &parties(), &other).unwrap();
        assert_eq!(check(&token).map(|_| ()), Err(TokenRefusal::UnknownHeader));
        let rest = token.split_once('.').unwrap().1;
        let spliced = format!("{}.{rest}", ring().signer().header_segment());
        assert_eq!(check(&spliced).map(|_| ()), Err(TokenRefusal::BadSignature));
    }
}
