//! Tokens from mint to verification, and everything that is no token of ours.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::TokenRefusal;
use super::access::*;
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, SessionId, TokenId};
use crate::domain::keyring::{Keyring, SigningKey};
use crate::domain::status_list::StatusReference;
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
    signed_bytes(payload.as_bytes())
}

fn signed_bytes(payload: &[u8]) -> String {
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
    assert_eq!(claims.bearer().account_id(), grant().account_id);
    assert_eq!(claims.bearer().session_id(), grant().session_id);
    assert_eq!(claims.token_id(), grant().token_id);
    assert_eq!((claims.scope(), claims.email()), ("read", "a@example.org"));
    assert_eq!(claims.roles(), ["admin"]);
    assert_eq!(claims.bearer().expires_at(), grant().expires_at);
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
fn claims_in_an_array_are_refused() {
    let claims = good_claims();
    let names =
        ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "client_id", "scope", "roles", "email"];
    let in_order: Vec<Value> = names.iter().map(|name| claims[*name].clone()).collect();
    let refused = check(&signed(&json!(in_order).to_string())).map(|_| ());
    assert_eq!(refused, Err(TokenRefusal::BadClaims));
}

#[test]
fn claims_that_are_not_utf_8_are_refused() {
    let ignored = good_claims().to_string().replacen('{', r#"{"other":"?","#, 1);
    assert!(check(&signed(&ignored)).is_ok());
    let bytes: Vec<u8> = ignored.bytes().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
    assert_eq!(check(&signed_bytes(&bytes)).map(|_| ()), Err(TokenRefusal::BadClaims));
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
