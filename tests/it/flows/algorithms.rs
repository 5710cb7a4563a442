//! Every signing algorithm, from login to service, and changes between them.

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::forge::{Parts, header_of};
use crate::support::problems::problem;
use crate::support::wait::eventually;

const SECRET: &str = "token.secret = 'a secret of more than thirty-two bytes, for tests'";

async fn jwks(app: &TestApp) -> Value {
    let answer = app.get_anonymously("/.well-known/jwks.json").await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// A service checks the token with nothing but the published keys.
async fn assert_verifies_by_jwks(app: &TestApp, token: &str) {
    let (parts, published) = (Parts::of(token), jwks(app).await);
    let header = parts.header();
    let keys: JwkSet = serde_json::from_value(published.clone()).unwrap();
    let key = keys.find(header["kid"].as_str().unwrap()).expect("the key is published");
    let key = DecodingKey::from_jwk(key).unwrap();
    let algorithm: Algorithm = header["alg"].as_str().unwrap().parse().unwrap();
    let good = jsonwebtoken::crypto::verify(&parts.signature, parts.message().as_bytes(), &key, algorithm);
    assert!(good.unwrap());
    for key in published["keys"].as_array().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{private} is published");
        }
    }
}

async fn assert_works(app: &TestApp, token: &str) {
    assert_eq!(app.get("/private", token).await.status(), 200);
    assert_eq!(app.get("/auth/me", token).await.status(), 200);
}

/// Login, call, restart, call; with a key pair also the check by a service.
async fn works_and_outlives_a_restart(app: &mut TestApp, algorithm: &str) {
    let (email, token) = app.new_person().await;
    assert_eq!(header_of(&token)["alg"], algorithm);
    assert_works(app, &token).await;
    let before = jwks(app).await;
    if algorithm == "HS256" {
        assert_eq!(before["keys"], serde_json::json!([]), "a shared secret is not published");
    } else {
        assert_verifies_by_jwks(app, &token).await;
    }
    assert!(app.stop().await.success());
    app.restart().await;
    assert_works(app, &token).await;
    assert_eq!(jwks(app).await, before, "the key is the same");
    let again = app.login(&email, PASSWORD).await;
    assert_eq!(header_of(&again), header_of(&token));
}

both_kinds!(
    eddsa_works_and_its_tokens_outlive_a_restart,
    |app| app.config("token.algorithm = 'EdDSA'"),
    |mut app| async move { works_and_outlives_a_restart(&mut app, "EdDSA").await }
);
both_kinds!(
    es256_works_and_its_tokens_outlive_a_restart,
    |app| app.config("token.algorithm = 'ES256'"),
    |mut app| async move { works_and_outlives_a_restart(&mut app, "ES256").await }
);
both_kinds!(
    rs256_works_and_its_tokens_outlive_a_restart,
    |app| app.config("token.algorithm = 'RS256'"),
    |mut app| async move { works_and_outlives_a_restart(&mut app, "RS256").await }
);
both_kinds!(
    hs256_works_and_its_tokens_outlive_a_restart,
    |app| app.config(&format!("token.algorithm = 'HS256'\n{SECRET}")),
    |mut app| async move { works_and_outlives_a_restart(&mut app, "HS256").await }
);

both_kinds!(
    a_change_of_algorithm_is_a_rotation,
    |app| app.config("token.publish_ahead = '1s'"),
    |mut app| async move {
        let (email, first) = app.new_person().await;
        let mut tokens = vec![first];
        for algorithm in ["ES256", "RS256", "EdDSA"] {
            app.stop().await;
            app.reconfigure(&format!("token.algorithm = '{algorithm}'"));
            app.restart().await;
            let before = app.login(&email, PASSWORD).await;
            assert_eq!(
                header_of(&before),
                header_of(tokens.last().unwrap()),
                "until the next key is published"
            );
            let changed = || async { header_of(&app.login(&email, PASSWORD).await)["alg"] == algorithm };
            assert!(eventually(Duration::from_secs(15), changed).await);
            tokens.push(app.login(&email, PASSWORD).await);
            for token in &tokens {
                assert_works(&app, token).await;
                assert_verifies_by_jwks(&app, token).await;
            }
        }

        // A secret knows only its own tokens, and they end with it.
        app.stop().await;
        app.reconfigure(&format!("token.algorithm = 'HS256'\n{SECRET}"));
        app.restart().await;
        let by_secret = app.login(&email, PASSWORD).await;
        assert_works(&app, &by_secret).await;
        for token in &tokens {
            problem(app.get("/private", token).await, 401, "invalid_token").await;
        }
    }
);
