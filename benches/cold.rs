//! What a token costs that was never seen before, beside the signature that it must be checked for anyway.
//!
//! - `signature`: the bare check of the cryptographic library, with a key that is ready to be used.
//! - `key each time`: the same with the public key as the token library hands it over, for every signature.
//! - `cold`: the whole of it: route, look at the cache, signature, claims, revocations, header values, a place in the
//!   cache.
//! - `forged`: a good token with another signature.
//!
//! The fastest of many short runs of each, taken in turns: what else the machine does makes figures greater, never
//! smaller. Run with `make bench-cold`; figures that were seen are in docs/benchmarks.md.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench that cannot be set up has nothing to measure"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateward::domain::clock::Timestamp;
use gateward::domain::id::{AccountId, SessionId, TokenId};
use gateward::domain::keyring::{KeyAlgorithm, Keyring, SigningKey};
use gateward::domain::route::{Access, OnRevoke, OnStale, Route, RouteTable};
use gateward::domain::token::{Grant, Parties, mint};
use gateward::gateway::Admission;
use gateward::gateway::request::{CanonicalRequest, HeadLimits};
use gateward::live::{CheckLimits, Clock, Moment, TokenCheck, keys_channel, revocations_channel};
use gateward::telemetry::metrics::Metrics;
use jsonwebtoken::{Algorithm, DecodingKey};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);
const LIMITS: HeadLimits =
    HeadLimits { max_header_bytes: 32 * 1024, max_headers: 100, max_target_bytes: 8 * 1024 };
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// Tokens of one short run.
const RUN: usize = 50;
/// Short runs of each.
const RUNS: usize = 300;

/// A key, as everybody who takes part in the comparison wants it.
struct Key {
    name: &'static str,
    algorithm: Algorithm,
    ours: SigningKey,
    bare: Bare,
    library: DecodingKey,
}

enum Bare {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Bare {
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

fn keys() -> [Key; 4] {
    let ed = Ed25519KeyPair::generate().unwrap();
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let rsa_der: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    let ours = |algorithm, der: &[u8]| SigningKey::from_pkcs8(algorithm, der).unwrap();
    let secret = [7; 32];
    [
        Key {
            name: "HS256",
            algorithm: Algorithm::HS256,
            ours: SigningKey::from_secret(&secret),
            bare: Bare::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &secret))),
            library: DecodingKey::from_secret(&secret),
        },
        Key {
            name: "RS256",
            algorithm: Algorithm::RS256,
            ours: ours(KeyAlgorithm::Rs256, rsa_der.as_ref()),
            bare: Bare::Public(ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, rsa.public_key()).unwrap()),
            library: DecodingKey::from_rsa_der(rsa.public_key().as_ref()),
        },
        Key {
            name: "EdDSA",
            algorithm: Algorithm::EdDSA,
            ours: ours(KeyAlgorithm::EdDsa, ed.to_pkcs8v1().unwrap().as_ref()),
            bare: Bare::Public(ParsedPublicKey::new(&ED25519, ed.public_key()).unwrap()),
            library: DecodingKey::from_ed_der(ed.public_key().as_ref()),
        },
        Key {
            name: "ES256",
            algorithm: Algorithm::ES256,
            ours: ours(KeyAlgorithm::Es256, ec.to_pkcs8v1().unwrap().as_ref()),
            bare: Bare::Public(ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, ec.public_key()).unwrap()),
            library: DecodingKey::from_ec_der(ec.public_key().as_ref()),
        },
    ]
}

fn parties() -> Parties {
    Parties { issuer: "gateward".into(), audience: "gateward".into() }
}

fn token(ring: &Keyring, number: usize) -> String {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    let grant = Grant {
        account_id: AccountId::new(NOW, [1; 10]),
        session_id: SessionId::new(NOW, random),
        token_id: TokenId::new(NOW, random),
        scope: "read write".into(),
        roles: vec!["staff".into()],
        email: "ada@example.org".into(),
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(900)),
        status: None,
    };
    mint(&grant, &parties(), ring).unwrap()
}

fn request(token: &str) -> CanonicalRequest {
    let head = format!(
        "GET /api/orders/17?expand=lines HTTP/1.1\r\nHost: shop.example.org\r\nUser-Agent: bench/1.0\r\n\
         Accept: application/json\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    CanonicalRequest::parse(head.as_bytes(), &LIMITS).unwrap()
}

fn admission(ring: Keyring) -> Admission {
    let (publisher, keys) = keys_channel(ring);
    let (revocations, live) = revocations_channel(Duration::from_secs(24 * 3600));
    revocations.prove(Moment::now());
    // Both only write.
    drop((publisher, revocations));
    let limits = CheckLimits { forged_per_minute: 0, ..CheckLimits::default() };
    let check = Arc::new(TokenCheck::with_limits(parties(), keys, live, Clock::Stopped(NOW), limits));
    let route = Route {
        path: "/".into(),
        upstream: 0,
        access: Access::Authenticated,
        forward_authorization: false,
        on_stale: OnStale::Refuse,
        allow_encoded_slash: false,
        merge_slashes: false,
        on_revoke: OnRevoke::Close,
        max_body_bytes: None,
    };
    let table = Arc::new(RouteTable::new(vec![route]).unwrap());
    Admission::new(table, check, Arc::new(Metrics::new(0).unwrap()))
}

/// Microseconds for each of a run.
fn each(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1e6 / RUN as f64
}

fn main() {
    println!("microseconds; the fastest of {RUNS} runs of {RUN}");
    println!(
        "{:<8}{:>12}{:>16}{:>10}{:>20}{:>10}",
        "", "signature", "key each time", "cold", "cold - signature", "forged"
    );
    for Key { name, algorithm, ours, bare, library } in keys() {
        let ring = Keyring::new(1, ours, Vec::new());
        let tokens: Vec<String> = (0..RUN * RUNS).map(|number| token(&ring, number)).collect();
        let requests: Vec<_> = tokens.iter().map(|token| request(token)).collect();
        let first = tokens[0].rsplit_once('.').unwrap();
        let forgeries: Vec<_> = tokens
            .iter()
            .map(|token| request(&format!("{}.{}", token.rsplit_once('.').unwrap().0, first.1)))
            .collect();
        let parts: Vec<_> = tokens
            .iter()
            .map(|token| token.rsplit_once('.').unwrap())
            .map(|(message, signature)| (message, signature, URL_SAFE_NO_PAD.decode(signature).unwrap()))
            .collect();
        let admission = admission(ring);
        let connection = admission.open_requests().connection();
        let mut fastest = [f64::MAX; 4];
        for run in 0..RUNS {
            let these = run * RUN..(run + 1) * RUN;
            let took = [
                each(|| {
                    for (message, _, signature) in &parts[these.clone()] {
                        assert!(bare.verifies(black_box(message.as_bytes()), signature));
                    }
                }),
                each(|| {
                    for (message, signature, _) in &parts[these.clone()] {
                        let message = black_box(message.as_bytes());
                        assert!(
                            jsonwebtoken::crypto::verify(signature, message, &library, algorithm).unwrap()
                        );
                    }
                }),
                each(|| {
                    for request in &requests[these.clone()] {
                        admission.admit(black_box(request), CLIENT, &connection).unwrap();
                    }
                }),
                each(|| {
                    for request in &forgeries[these.clone()] {
                        let _ = black_box(admission.admit(black_box(request), CLIENT, &connection));
                    }
                }),
            ];
            for (fastest, took) in fastest.iter_mut().zip(took) {
                *fastest = fastest.min(took);
            }
        }
        let [signature, each_time, cold, forged] = fastest;
        println!(
            "{name:<8}{signature:>12.2}{each_time:>16.2}{cold:>10.2}{:>20.2}{forged:>10.2}",
            cold - signature
        );
    }
}
