//! What a token says, writing one, judging one.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::TokenRefusal;
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, SessionId, TokenId};
use crate::domain::keyring::{Keyring, SigningKey};
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
    bearer: VerifiedBearer,
    token_id: TokenId,
    scope: String,
    roles: Vec<String>,
    email: String,
}

/// The claims that decide: whose the token is, and until when. What is kept of a verified token; its texts are for
/// the services only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedBearer {
    account_id: AccountId,
    session_id: SessionId,
    expires_at: Timestamp,
}

impl VerifiedClaims {
    /// Those of them that decide.
    pub fn bearer(&self) -> VerifiedBearer {
        self.bearer
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
}

impl VerifiedBearer {
    /// `sub`.
    pub fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// `sid`.
    pub fn session_id(&self) -> SessionId {
        self.session_id
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

/// A text in the form of our tokens, with the header of one of our keys. Nothing of it is verified.
#[derive(Debug)]
pub struct Candidate<'a> {
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
    key: &'a Arc<SigningKey>,
}

/// Looks at what costs next to nothing, in front of the signature.
///
/// # Errors
/// It is too long, has not three segments, or no key of ours makes such a header.
pub fn candidate<'a>(token: &'a str, keys: &'a Keyring) -> Result<Candidate<'a>, TokenRefusal> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenRefusal::TooLong);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenRefusal::NotAJwt)?;
    let (header, payload) = message.split_once('.').ok_or(TokenRefusal::NotAJwt)?;
    if payload.contains('.') {
        return Err(TokenRefusal::NotAJwt);
    }
    let key = keys.key_for_header(header).ok_or(TokenRefusal::UnknownHeader)?;
    Ok(Candidate { message, payload, signature, key })
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
    candidate(token, keys)?.verify(parties, now)
}

impl<'a> Candidate<'a> {
    /// The key that is said to have signed it.
    pub fn key(&self) -> &'a Arc<SigningKey> {
        self.key
    }

    /// Checks the signature, and after that what was signed.
    ///
    /// # Errors
    /// The first check that fails. Every [`TokenRefusal::BadSignature`] is from here, and nothing else that was
    /// not signed by one of our keys gets further.
    pub fn verify(&self, parties: &Parties, now: Timestamp) -> Result<VerifiedClaims, TokenRefusal> {
        if !self.key.verifies(self.message.as_bytes(), self.signature) {
            return Err(TokenRefusal::BadSignature);
        }
        let payload = URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| TokenRefusal::BadClaims)?;
        // As a whole: in members that it ignores, serde takes any bytes.
        let payload = std::str::from_utf8(&payload).map_err(|_| TokenRefusal::BadClaims)?;
        // serde takes an array for a struct, member by member; claims are an object (RFC 7519 section 7.2).
        if !payload.trim_ascii_start().starts_with('{') {
            return Err(TokenRefusal::BadClaims);
        }
        let claims: Claims = serde_json::from_str(payload).map_err(|_| TokenRefusal::BadClaims)?;
        judge(claims, parties, now)
    }
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
    let bearer = VerifiedBearer {
        account_id: claims.sub,
        session_id: claims.sid,
        expires_at: Timestamp::from_unix_millis(claims.exp.saturating_mul(1000)),
    };
    if !bearer.is_current(now) {
        return Err(TokenRefusal::Expired);
    }
    let Claims { jti: token_id, scope, roles, email, .. } = claims;
    Ok(VerifiedClaims { bearer, token_id, scope, roles, email })
}
