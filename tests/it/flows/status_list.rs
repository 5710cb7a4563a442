//! Other verifiers check offline: the status list (draft-ietf-oauth-status-list).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::Method;
use serde_json::Value;

use crate::support::app::{PASSWORD, StoreKind, TestApp, both_kinds};
use crate::support::app_config::AppBuilder;
use crate::support::forge::{Parts, claims_of};
use crate::support::inflate::zlib;
use crate::support::problems::problem;
use crate::support::services::services;
use crate::support::wait::eventually;

/// A list may be served for a second; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// Place and address of a token's status.
fn reference(token: &str) -> (usize, String) {
    let list = claims_of(token)["status"]["status_list"].clone();
    (list["idx"].as_u64().unwrap().try_into().unwrap(), list["uri"].as_str().unwrap().to_owned())
}

/// The list, from this gateway, whatever the address says.
async fn list_token(app: &TestApp, uri: &str) -> String {
    let path = &uri[uri.find("/auth/").unwrap()..];
    let request = app.request(Method::GET, path).header("accept", "application/statuslist+jwt");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/statuslist+jwt");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=15");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    answer.text().await.unwrap()
}

/// The bits of a list, after the checks of a verifier (section 8.3).
async fn verified_bits(app: &TestApp, uri: &str) -> Vec<u8> {
    let parts = Parts::of(&list_token(app, uri).await);
    let (header, claims) = (parts.header(), parts.claims());
    assert_eq!(header["typ"], "statuslist+jwt");
    let published: Value = app.get_anonymously("/.well-known/jwks.json").await.json().await.unwrap();
    let keys: JwkSet = serde_json::from_value(published).unwrap();
    let key = DecodingKey::from_jwk(keys.find(header["kid"].as_str().unwrap()).unwrap()).unwrap();
    let algorithm: Algorithm = header["alg"].as_str().unwrap().parse().unwrap();
    let good = jsonwebtoken::crypto::verify(&parts.signature, parts.message().as_bytes(), &key, algorithm);
    assert!(good.unwrap());

    assert_eq!(claims["sub"], uri);
    assert_eq!(claims["ttl"], 15);
    let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!((60..=120).contains(&(expires - issued)), "{claims}");
    let list = &claims["status_list"];
    assert_eq!(list["bits"], 1);
    zlib(&URL_SAFE_NO_PAD.decode(list["lst"].as_str().unwrap()).unwrap())
}

fn is_set(bits: &[u8], index: usize) -> bool {
    bits[index / 8] >> (index % 8) & 1 == 1
}

fn how_many(bits: &[u8]) -> u32 {
    bits.iter().map(|byte| byte.count_ones()).sum()
}

both_kinds!(an_ended_session_shows_in_the_list_and_no_other_does, |mut app| async move {
    let (email, ended) = app.new_person().await;
    let others = [app.login(&email, PASSWORD).await, app.login(&email, PASSWORD).await];
    let (index, uri) = reference(&ended);
    assert_eq!(uri, app.url("/auth/status-lists/0"));
    assert_eq!(how_many(&verified_bits(&app, &uri).await), 0);

    let logout = app.request(Method::POST, "/auth/logout").bearer_auth(&ended);
    assert_eq!(logout.send().await.unwrap().status(), 204);
    let shown = eventually(SOON, || async { is_set(&verified_bits(&app, &uri).await, index) });
    assert!(shown.await, "the bit of the ended session");
    let bits = verified_bits(&app, &uri).await;
    assert_eq!(bits.len(), 16 * 1024);
    assert_eq!(how_many(&bits), 1);
    for other in &others {
        assert!(!is_set(&bits, reference(other).0));
    }

    app.kill9();
    app.restart().await;
    assert_eq!(verified_bits(&app, &uri).await, bits, "after a restart too");
});

/// A replica that has given out no place itself knows that the list is there, and what another one ended.
#[tokio::test]
async fn every_replica_serves_the_list_that_a_token_of_any_of_them_points_to() {
    let (database, prefix) = (services().new_database(), services().new_key_prefix());
    let replica = || {
        let sealing_key =
            STANDARD.encode(std::array::from_fn::<u8, 32, _>(|at| u8::try_from(at * 7).unwrap()));
        AppBuilder::new(StoreKind::Embedded).postgres_at(&database, &services().redis_url()).config(&format!(
            "redis.key_prefix = '{prefix}'\ntoken.key_encryption_key = '{sealing_key}'\n\
             server.public_url = 'https://gw.example'"
        ))
    };
    let (one, other) = tokio::join!(replica().start(), replica().start());
    let (_, token) = one.new_person().await;
    let (index, uri) = reference(&token);
    assert_eq!(uri, "https://gw.example/auth/status-lists/0");
    assert_eq!(how_many(&verified_bits(&other, &uri).await), 0);
    assert_eq!(one.revoke(&token).await.status(), 200);
    let shown = eventually(SOON, || async { is_set(&verified_bits(&other, &uri).await, index) });
    assert!(shown.await);
}

#[tokio::test]
async fn a_list_is_no_access_token() {
    let app = TestApp::embedded().start().await;
    let (_, token) = app.new_person().await;
    let list = list_token(&app, &reference(&token).1).await;
    for path in ["/private", "/auth/me"] {
        problem(app.get(path, &list).await, 401, "invalid_token").await;
    }
    // Nor does the header of a list under the claims of an access token make one, or the other way round.
    let (list, token) = (Parts::of(&list), Parts::of(&token));
    for forged in [
        format!("{}.{}.{}", list.header, token.payload, token.signature),
        format!("{}.{}.{}", list.header, token.payload, list.signature),
        format!("{}.{}.{}", token.header, list.payload, list.signature),
    ] {
        problem(app.get("/private", &forged).await, 401, "invalid_token").await;
    }
    assert_eq!(app.recorder.count(), 0);
}

both_kinds!(only_lists_that_somebody_stands_in_are_there, |app| async move {
    problem(app.get_anonymously("/auth/status-lists/0").await, 404, "not_found").await;
    let (_, token) = app.new_person().await;
    let uri = reference(&token).1;
    let there = eventually(SOON, || async { app.client.get(&uri).send().await.unwrap().status() == 200 });
    assert!(there.await);
    for wrong in ["1", "00", "-1", "+0", "0/", "0.5", "x", "9223372036854775807", "18446744073709551616"] {
        let answer = app.get_anonymously(&format!("/auth/status-lists/{wrong}")).await;
        assert_eq!(answer.status(), 404, "{wrong}");
    }
});

#[tokio::test]
async fn with_a_shared_secret_its_holders_can_check_the_list() {
    let secret = "a secret of more than thirty-two bytes, for tests";
    let config = format!("token.algorithm = 'HS256'\ntoken.secret = '{secret}'");
    let app = TestApp::embedded().config(&config).start().await;
    let (_, token) = app.new_person().await;
    let parts = Parts::of(&list_token(&app, &reference(&token).1).await);
    let key = DecodingKey::from_secret(secret.as_bytes());
    let message = parts.message();
    let good = jsonwebtoken::crypto::verify(&parts.signature, message.as_bytes(), &key, Algorithm::HS256);
    assert!(good.unwrap());
}

/// No two signatures of this algorithm are the same: a hundred askers that hold the very same token share one.
#[tokio::test]
async fn many_askers_share_one_list() {
    let app = TestApp::embedded().config("token.algorithm = 'ES256'").start().await;
    let (_, token) = app.new_person().await;
    let uri = reference(&token).1;
    let shared = eventually(SOON, || async {
        let asked = (0..100).map(|_| list_token(&app, &uri));
        let tokens = futures_util::future::join_all(asked).await;
        tokens.iter().all(|token| *token == tokens[0])
    });
    assert!(shared.await);
}
