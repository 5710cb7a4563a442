//! Two gateways on one Postgres and one Redis.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::Value;

use crate::support::app::{PASSWORD, StoreKind};
use crate::support::app_config::AppBuilder;
use crate::support::forge::header_of;
use crate::support::services::services;
use crate::support::wait::eventually;

/// What the replicas share.
pub(super) struct Shared {
    database: String,
    prefix: String,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { database: services().new_database(), prefix: services().new_key_prefix() }
    }

    /// One more replica, with the key-encryption key of this number.
    pub(super) fn replica(&self, key: u8) -> AppBuilder {
        AppBuilder::new(StoreKind::Embedded).postgres_at(&self.database, &services().redis_url()).config(
            &format!(
                "redis.key_prefix = '{}'\ntoken.key_encryption_key = '{}'",
                self.prefix,
                key_encryption_key(key)
            ),
        )
    }
}

/// A different one for each number, none of them a placeholder.
fn key_encryption_key(number: u8) -> String {
    STANDARD.encode(std::array::from_fn::<u8, 32, _>(|at| u8::try_from(at).unwrap().wrapping_mul(number)))
}

#[tokio::test]
async fn what_ends_at_one_replica_ends_at_the_other_within_two_seconds() {
    let shared = Shared::new();
    // At once: both run the migrations and bring a signing key.
    let (one, other) = tokio::join!(shared.replica(7).start(), shared.replica(7).start());
    let (email, token) = one.new_person().await;
    assert_eq!(other.get("/private", &token).await.status(), 200);
    assert_eq!(other.get("/auth/me", &token).await.status(), 200);
    let second = other.login(&email, PASSWORD).await;
    assert_eq!(one.get("/private", &second).await.status(), 200);
    assert_eq!(header_of(&token), header_of(&second), "both sign with the same key");

    for (at, elsewhere, token) in [(&one, &other, &token), (&other, &one, &second)] {
        let logout = at.request(Method::POST, "/auth/logout").bearer_auth(token).send().await.unwrap();
        assert_eq!(logout.status(), 204);
        let ended = Instant::now();
        assert_eq!(at.get("/private", token).await.status(), 401);
        let refused = || async { elsewhere.get("/private", token).await.status() == 401 };
        assert!(eventually(Duration::from_secs(2), refused).await, "alive after {:?}", ended.elapsed());
        assert_eq!(elsewhere.get("/auth/me", token).await.status(), 401);
    }
    // One address, wherever it is registered.
    let email = one.new_email();
    let (at_one, at_other) = tokio::join!(one.register(&email, PASSWORD), other.register(&email, PASSWORD));
    let mut statuses = [at_one.status().as_u16(), at_other.status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn a_replica_with_another_key_encryption_key_does_not_start() {
    let shared = Shared::new();
    let one = shared.replica(7).start().await;
    let (_, token) = one.new_person().await;
    let before: Value = one.get_anonymously("/.well-known/jwks.json").await.json().await.unwrap();

    one.reconfigure(&format!(
        "token.key_encryption_key = '{}'\nserver.listen = '127.0.0.1:0'\nserver.admin_listen = '127.0.0.1:0'",
        key_encryption_key(8)
    ));
    let started = one.cli(&["serve"], "");
    let output = tokio::time::timeout(Duration::from_secs(20), started).await.expect("it gives up");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("does not open with this key-encryption key"), "{said}");
    assert!(said.contains("token.key_encryption_key"), "the remedy is named: {said}");
    assert!(!said.contains(&key_encryption_key(8)), "the key is not: {said}");

    assert_eq!(one.get("/private", &token).await.status(), 200, "the first replica goes on");
    let after: Value = one.get_anonymously("/.well-known/jwks.json").await.json().await.unwrap();
    assert_eq!(after, before);
}
