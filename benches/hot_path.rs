//! What a protected request costs before it reaches its service: token check and policy.
//!
//! - `warm`: the token was verified before and is in the cache. What almost every request pays.
//! - `cold`: a token never seen: header look-up, signature, claims, policy.
//! - `refused`: a forged signature and a token of an ended session: what an attacker can make us do.
//! - `head`: canonical form of a usual request head.
//!
//! Run with `make bench`; figures that were seen are in docs/benchmarks.md.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot be set up has nothing to measure"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use gateward::domain::clock::Timestamp;
use gateward::domain::id::{AccountId, SessionId, TokenId};
use gateward::domain::keyring::{KeyAlgorithm, Keyring, SigningKey};
use gateward::domain::password::{Password, PasswordPolicy};
use gateward::domain::revocation::{Revocation, Revoked};
use gateward::domain::route::{Access, OnRevoke, OnStale, Route, RouteTable};
use gateward::domain::session::EndReason;
use gateward::domain::token::{Grant, Parties, mint};
use gateward::gateway::Admission;
use gateward::gateway::request::{CanonicalRequest, HeadLimits};
use gateward::live::{
    Clock, LiveRevocations, Moment, OpenConnection, RevocationPublisher, TokenCheck, keys_channel,
    revocations_channel,
};
use gateward::telemetry::metrics::Metrics;

/// An address whose forgeries are not counted, unless that is wanted.
const CLIENT: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);
const LIMITS: HeadLimits =
    HeadLimits { max_header_bytes: 32 * 1024, max_headers: 100, max_target_bytes: 8 * 1024 };

struct Bench {
    admission: Admission,
    connection: OpenConnection,
    revocations: RevocationPublisher,
    request: CanonicalRequest,
    session: SessionId,
}

fn keys() -> [(&'static str, SigningKey); 4] {
    let ed = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
    let rsa = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let rsa: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    [
        ("hs256", SigningKey::from_secret(&[7; 32])),
        ("eddsa", SigningKey::from_pkcs8(KeyAlgorithm::EdDsa, ed.as_ref()).unwrap()),
        ("es256", SigningKey::from_pkcs8(KeyAlgorithm::Es256, ec.as_ref()).unwrap()),
        ("rs256", SigningKey::from_pkcs8(KeyAlgorithm::Rs256, rsa.as_ref()).unwrap()),
    ]
}

fn parties() -> Parties {
    Parties { issuer: "gateward".into(), audience: "gateward".into() }
}

fn token(ring: &Keyring, number: u64) -> (String, SessionId) {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    let session_id = SessionId::new(NOW, random);
    let grant = Grant {
        account_id: AccountId::new(NOW, [1; 10]),
        session_id,
        token_id: TokenId::new(NOW, random),
        scope: "read write".into(),
        roles: vec!["staff".into()],
        email: "ada@example.org".into(),
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(900)),
        status: None,
    };
    (mint(&grant, &parties(), ring).unwrap(), session_id)
}

fn head(token: &str) -> Vec<u8> {
    format!(
        "GET /api/orders/17?expand=lines HTTP/1.1\r\nHost: shop.example.org\r\nUser-Agent: bench/1.0\r\n\
         Accept: application/json\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer {token}\r\n\
         Cookie: theme=dark\r\n\r\n"
    )
    .into_bytes()
}

/// A set that is known to be complete for as long as any bench runs.
fn fresh_revocations() -> (RevocationPublisher, LiveRevocations) {
    let (publisher, live) = revocations_channel(Duration::from_secs(24 * 3600));
    publisher.prove(Moment::now());
    (publisher, live)
}

fn bench(key: SigningKey) -> Bench {
    let ring = Keyring::new(1, key, Vec::new());
    let (token, session) = token(&ring, 0);
    let request = CanonicalRequest::parse(&head(&token), &LIMITS).unwrap();
    let (_publisher, keys) = keys_channel(ring);
    let (revocations, live) = fresh_revocations();
    let check = Arc::new(TokenCheck::new(parties(), keys, live, Clock::Stopped(NOW)));
    let routes = vec![
        Route {
            path: "/".into(),
            upstream: 0,
            access: Access::Public,
            forward_authorization: false,
            on_stale: OnStale::Refuse,
            allow_encoded_slash: false,
            merge_slashes: false,
            on_revoke: OnRevoke::Close,
            max_body_bytes: None,
        },
        Route {
            path: "/api".into(),
            upstream: 0,
            access: Access::Authenticated,
            forward_authorization: false,
            on_stale: OnStale::Refuse,
            allow_encoded_slash: false,
            merge_slashes: false,
            on_revoke: OnRevoke::Close,
            max_body_bytes: None,
        },
    ];
    let table = Arc::new(RouteTable::new(routes).unwrap());
    let metrics = Arc::new(Metrics::new(0).unwrap());
    let connection = check.open_requests().connection();
    Bench { admission: Admission::new(table, check, metrics), connection, revocations, request, session }
}

fn hot_path(c: &mut Criterion) {
    for (name, key) in keys() {
        let bench = bench(key);
        bench.admission.admit(&bench.request, CLIENT, &bench.connection).unwrap();
        c.bench_function(&format!("warm/{name}"), |b| {
            b.iter(|| bench.admission.admit(black_box(&bench.request), CLIENT, &bench.connection).unwrap());
        });
    }
    for (name, key) in keys() {
        let ring = Keyring::new(1, key, Vec::new());
        let requests: Vec<_> = (0..2_000)
            .map(|n| CanonicalRequest::parse(&head(&token(&ring, n).0), &LIMITS).unwrap())
            .collect();
        let (_publisher, keys) = keys_channel(ring);
        let routes = vec![Route {
            path: "/".into(),
            upstream: 0,
            access: Access::Authenticated,
            forward_authorization: false,
            on_stale: OnStale::Refuse,
            allow_encoded_slash: false,
            merge_slashes: false,
            on_revoke: OnRevoke::Close,
            max_body_bytes: None,
        }];
        let table = Arc::new(RouteTable::new(routes).unwrap());
        let metrics = Arc::new(Metrics::new(0).unwrap());
        // A check that has seen none of the tokens, for every batch of all of them.
        let fresh = || {
            let (_revocations, live) = fresh_revocations();
            let check = Arc::new(TokenCheck::new(parties(), keys.clone(), live, Clock::Stopped(NOW)));
            Admission::new(Arc::clone(&table), check, Arc::clone(&metrics))
        };
        let (mut admission, mut next) = (fresh(), 0);
        c.bench_function(&format!("cold/{name}"), |b| {
            b.iter_batched(
                || {
                    if next == requests.len() {
                        (admission, next) = (fresh(), 0);
                    }
                    next += 1;
                    (admission.clone(), admission.open_requests().connection(), next - 1)
                },
                |(admission, connection, at)| {
                    (admission.admit(black_box(&requests[at]), CLIENT, &connection).unwrap(), connection)
                },
                BatchSize::PerIteration,
            );
        });
    }
}

fn refusals(c: &mut Criterion) {
    let [_, (_, key), ..] = keys();
    let bench = bench(key);
    let good = bench.request.bearer_token().unwrap().to_owned();
    let forged = format!("{}A", &good[..good.len() - 1]);
    let forged = CanonicalRequest::parse(&head(&forged), &LIMITS).unwrap();
    c.bench_function("refused/forged_eddsa", |b| {
        b.iter(|| bench.admission.admit(black_box(&forged), CLIENT, &bench.connection).unwrap_err());
    });
    bench.admission.admit(&bench.request, CLIENT, &bench.connection).unwrap();
    bench.revocations.add(&[Revocation {
        number: 1,
        revoked: Revoked::Session { id: bench.session, status_index: None },
        forget_at: NOW.plus(Duration::from_secs(3600)),
        revoked_at: NOW,
        reason: EndReason::Logout,
    }]);
    c.bench_function("refused/ended_session", |b| {
        b.iter(|| bench.admission.admit(black_box(&bench.request), CLIENT, &bench.connection).unwrap_err());
    });
}

fn heads(c: &mut Criterion) {
    let [(_, key), ..] = keys();
    let bytes = bench(key).request.head().clone();
    c.bench_function("head/canonical", |b| {
        b.iter(|| CanonicalRequest::parse(black_box(&bytes), &LIMITS).unwrap());
    });
}

/// Not on the hot path, but what a registration may cost at worst before its hash.
fn strength(c: &mut Criterion) {
    let policy = PasswordPolicy { min_length: 8, min_strength: 4 };
    let nasty = "4@8([{<369 1!|7$5+%02".chars().cycle().take(256).collect::<String>();
    let nasty = Password::parse(nasty).unwrap();
    let usual = Password::parse("seven purple otters juggle".to_owned()).unwrap();
    for (name, password) in [("usual", &usual), ("nasty", &nasty)] {
        c.bench_function(&format!("strength/{name}"), |b| {
            b.iter(|| policy.check(black_box(password), &["wilhelmina.xanthopoulos", "example.org"]));
        });
    }
}

criterion_group!(benches, hot_path, refusals, heads, strength);
criterion_main!(benches);
