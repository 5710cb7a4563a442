//! Claims that the gateway never mints, under a signature that it would make: with HS256 whoever knows the
//! secret can sign anything, so each check of the claims is on its own here.

use serde_json::{Value, json};

use crate::support::app::both_kinds;
use crate::support::forge::{Parts, signed_hs256};
use crate::support::problems::problem;

const SECRET: &str = "a secret of more than thirty-two bytes, for tests";
const WEEK: i64 = 7 * 24 * 3600;

/// Texts of claims that differ from good ones in one thing, with what that is.
fn bad_claims(good: &Value) -> Vec<(String, String)> {
    let now = good["iat"].as_i64().unwrap();
    let mut bad = Vec::new();
    let changes = [
        ("exp", json!("9999999999")),
        ("exp", json!(9_999_999_999.5)),
        ("exp", json!(1e308)),
        ("exp", json!(-1)),
        ("exp", json!(0)),
        ("exp", json!(null)),
        ("exp", json!(true)),
        ("exp", json!([now + WEEK])),
        ("exp", json!({"at": now + WEEK})),
        ("exp", json!(u64::MAX)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(now - 60)),
        ("nbf", json!(now + WEEK)),
        ("nbf", json!("soon")),
        ("nbf", json!(1e308)),
        ("iat", json!(now + WEEK)),
        ("iat", json!("now")),
        ("iat", json!(null)),
        ("iss", json!("somebody")),
        ("iss", json!("")),
        ("iss", json!("Gateward")),
        ("iss", json!(["gateward"])),
        ("iss", json!(null)),
        ("aud", json!("somebody")),
        ("aud", json!("gateward ")),
        ("aud", json!(["somebody"])),
        ("aud", json!(7)),
        ("aud", json!({"gateward": true})),
        ("aud", json!(null)),
        ("sub", json!("")),
        ("sub", json!("admin")),
        ("sub", json!(7)),
        ("sub", json!(null)),
        ("sid", json!("")),
        ("sid", json!(null)),
        ("sid", json!(["x"])),
        ("jti", json!("x")),
        ("roles", json!("admin")),
        ("roles", json!([1])),
        ("roles", json!(null)),
        ("scope", json!(["read"])),
        ("email", json!(null)),
    ];
    for (name, value) in changes {
        let mut claims = good.clone();
        claims[name] = value.clone();
        bad.push((format!("{name} = {value}"), claims.to_string()));
    }
    for name in ["exp", "iss", "aud", "sub", "sid", "jti", "iat", "client_id", "scope", "roles"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        bad.push((format!("no {name}"), claims.to_string()));
        let twice = good.to_string().replacen('{', &format!("{{\"{name}\":{},", good[name]), 1);
        bad.push((format!("{name} twice"), twice));
    }
    let text = good.to_string();
    for (what, payload) in [
        ("exp 1e999", text.replacen(&format!("\"exp\":{}", good["exp"]), "\"exp\":1e999", 1)),
        ("an array", format!("[{text}]")),
        ("a string", json!(text).to_string()),
        ("null", "null".to_owned()),
        ("a number", "7".to_owned()),
        ("nothing", String::new()),
        ("two objects", format!("{text}{text}")),
        ("cut", text[..text.len() - 1].to_owned()),
        ("5 000 levels deep", "[".repeat(5_000)),
    ] {
        bad.push((what.to_owned(), payload));
    }
    bad
}

both_kinds!(
    claims_that_are_not_as_minted_are_refused_whatever_the_signature,
    |app| app.config(&format!("token.algorithm = 'HS256'\ntoken.secret = '{SECRET}'")),
    |app| async move {
        let (_, token) = app.new_person().await;
        let parts = Parts::of(&token);
        let sign = |payload: &str| signed_hs256(&parts.header, payload, SECRET.as_bytes());
        let good = sign(&parts.claims().to_string());
        assert_eq!(app.get("/private", &good).await.status(), 200, "the forger knows the trade");
        app.recorder.forget();

        for (what, payload) in bad_claims(&parts.claims()) {
            for path in ["/private", "/auth/me"] {
                let answer = app.get(path, &sign(&payload)).await;
                assert_eq!(answer.status(), 401, "{path}: {what}");
                problem(answer, 401, "invalid_token").await;
            }
        }
        let not_text = sign_bytes(&parts.header, b"\xff\xfe{}");
        assert_eq!(app.get("/private", &not_text).await.status(), 401);
        assert_eq!(app.recorder.count(), 0, "the service saw one of them");

        // Another secret, and this one under another header.
        let claims = parts.claims().to_string();
        for forged in [
            signed_hs256(&parts.header, &claims, b"another secret of thirty-two bytes"),
            signed_hs256(&parts.header, &claims, b""),
            signed_hs256(&crate::support::forge::encoded(r#"{"alg":"HS256"}"#), &claims, SECRET.as_bytes()),
        ] {
            problem(app.get("/private", &forged).await, 401, "invalid_token").await;
        }
        assert_eq!(app.get("/private", &good).await.status(), 200);
    }
);

fn sign_bytes(header: &str, payload: &[u8]) -> String {
    signed_hs256(header, payload, SECRET.as_bytes())
}
