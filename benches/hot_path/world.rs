//! What the benches measure: keys, tokens, requests, and an admission that knows them.
//!
//! Used by `hot_path` (time) and by `guard` (instructions), so that both speak of the same things.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use gateward::domain::clock::Timestamp;
use gateward::domain::id::{AccountId, SessionId, TokenId};
use gateward::domain::keyring::{KeyAlgorithm, Keyring, SigningKey};
use gateward::domain::revocation::{Revocation, Revoked};
use gateward::domain::route::{Access, OnRevoke, OnStale, Route, RouteTable};
use gateward::domain::session::EndReason;
use gateward::domain::token::{Grant, Parties, mint};
use gateward::gateway::headers::{self, ConnectionFacts};
use gateward::gateway::request::{CanonicalRequest, HeadLimits, Upgrade};
use gateward::gateway::{Admission, Admitted, Refused};
use gateward::live::{
    Clock, IdentityValues, KeyPublisher, LiveRevocations, Moment, OpenConnection, RevocationPublisher,
    TokenCheck, keys_channel, revocations_channel,
};
use gateward::telemetry::metrics::Metrics;
use http::{HeaderValue, Version};
use pingora::http::{RequestHeader, ResponseHeader};

/// When everything happens.
pub const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

/// The defaults of the configuration.
/// Forgeries from this machine itself are not counted.
const CLIENT: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const LIMITS: HeadLimits =
    HeadLimits { max_header_bytes: 32 * 1024, max_headers: 100, max_target_bytes: 8 * 1024 };

/// How tokens are signed: the name in results, and the key's material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Algorithm {
    /// `hs256`, `eddsa`, `es256` or `rs256`.
    pub name: &'static str,
    kind: Option<KeyAlgorithm>,
    /// PKCS #8; for HS256 the secret.
    pub material: Vec<u8>,
}

/// All of them, without keys.
const ALGORITHMS: [(&str, Option<KeyAlgorithm>); 4] = [
    ("hs256", None),
    ("eddsa", Some(KeyAlgorithm::EdDsa)),
    ("es256", Some(KeyAlgorithm::Es256)),
    ("rs256", Some(KeyAlgorithm::Rs256)),
];

impl Algorithm {
    /// Every one, with a new key. The shared secret is always the same.
    pub fn all() -> Vec<Self> {
        let make = |(name, kind)| {
            let material = match kind {
                None => vec![7; 32],
                Some(KeyAlgorithm::EdDsa) => {
                    Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref().to_vec()
                }
                Some(KeyAlgorithm::Es256) => {
                    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                    pair.to_pkcs8v1().unwrap().as_ref().to_vec()
                }
                Some(KeyAlgorithm::Rs256) => {
                    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
                    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
                    der.as_ref().to_vec()
                }
            };
            Self { name, kind, material }
        };
        ALGORITHMS.map(make).into()
    }

    /// The one of this name with a key that was made before.
    pub fn with(name: &str, material: Vec<u8>) -> Self {
        let (name, kind) = *ALGORITHMS.iter().find(|(known, _)| *known == name).unwrap();
        Self { name, kind, material }
    }

    /// A ring with its key.
    pub fn ring(&self) -> Keyring {
        let key = match self.kind {
            None => SigningKey::from_secret(&self.material),
            Some(kind) => SigningKey::from_pkcs8(kind, &self.material).unwrap(),
        };
        Keyring::new(1, key, Vec::new())
    }
}

/// Whom tokens are from and for.
pub fn parties() -> Parties {
    Parties { issuer: "gateward".into(), audience: "gateward".into() }
}

/// A session for each number.
pub fn session(number: u64) -> SessionId {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    SessionId::new(NOW, random)
}

/// A token of the session of this number.
pub fn token(ring: &Keyring, number: u64) -> String {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    let grant = Grant {
        account_id: AccountId::new(NOW, [1; 10]),
        session_id: session(number),
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

/// The end of the session of this number.
pub fn end_of(number: u64) -> Revocation {
    Revocation {
        number: i64::try_from(number).unwrap(),
        revoked: Revoked::Session { id: session(number), status_index: None },
        forget_at: NOW.plus(Duration::from_secs(3600)),
        revoked_at: NOW,
        reason: EndReason::Logout,
    }
}

/// A usual request with this token, as bytes.
pub fn head(token: &str) -> Vec<u8> {
    format!(
        "GET /api/orders/17?expand=lines HTTP/1.1\r\nHost: shop.example.org\r\nUser-Agent: bench/1.0\r\n\
         Accept: application/json\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer {token}\r\n\
         Cookie: theme=dark\r\n\r\n"
    )
    .into_bytes()
}

/// The request of a head.
pub fn canonical(head: &[u8]) -> CanonicalRequest {
    CanonicalRequest::parse(head, &LIMITS).unwrap()
}

/// A set that is known to be complete for as long as any bench runs.
pub fn fresh_revocations() -> (RevocationPublisher, LiveRevocations) {
    let (publisher, live) = revocations_channel(Duration::from_secs(24 * 3600));
    publisher.prove(Moment::now());
    (publisher, live)
}

/// A route of this kind.
pub fn route(path: String, access: Access) -> Route {
    Route {
        path,
        upstream: 0,
        access,
        forward_authorization: false,
        on_stale: OnStale::Refuse,
        allow_encoded_slash: false,
        merge_slashes: false,
        on_revoke: OnRevoke::Close,
        max_body_bytes: None,
    }
}

/// So many routes, and a path for each of them.
pub fn routes(number: usize) -> (RouteTable, Vec<String>) {
    let prefix = |n: usize| format!("/team-{}/service-{}/v{}", n % 100, n / 100, n % 3);
    let table = (0..number).map(|n| route(prefix(n), Access::Authenticated)).collect();
    let paths = (0..number).map(|n| format!("{}/orders/17", prefix(n))).collect();
    (RouteTable::new(table).unwrap(), paths)
}

/// A check, and what it needs to stay alive.
pub struct Checking {
    /// It.
    pub check: Arc<TokenCheck>,
    /// Ends sessions.
    pub revocations: RevocationPublisher,
    _keys: KeyPublisher,
}

/// A check that has seen no token.
pub fn checking(ring: Keyring) -> Checking {
    let (keys_publisher, keys) = keys_channel(ring);
    let (revocations, live) = fresh_revocations();
    let check = Arc::new(TokenCheck::new(parties(), keys, live, Clock::Stopped(NOW)));
    Checking { check, revocations, _keys: keys_publisher }
}

/// An admission with a public route and a protected one, and a client's connection.
pub struct World {
    admission: Admission,
    connection: OpenConnection,
    /// Ends sessions.
    pub revocations: RevocationPublisher,
    _keys: KeyPublisher,
}

impl World {
    /// One that has seen no token.
    pub fn new(ring: Keyring) -> Self {
        let Checking { check, revocations, _keys } = checking(ring);
        let routes = vec![route("/".into(), Access::Public), route("/api".into(), Access::Authenticated)];
        let table = Arc::new(RouteTable::new(routes).unwrap());
        let metrics = Arc::new(Metrics::new(0).unwrap());
        let connection = check.open_requests().connection();
        Self { admission: Admission::new(table, check, metrics), connection, revocations, _keys }
    }

    /// What a gateway asks of every request.
    pub fn admit(&self, request: &CanonicalRequest) -> Result<Admitted, Refused> {
        self.admission.admit(request, CLIENT, &self.connection)
    }
}

/// A request and its answer on their way through the header policy.
pub struct Passage {
    identity: IdentityValues,
    facts: ConnectionFacts,
    id: HeaderValue,
}

impl Passage {
    /// Of the caller of an admitted request.
    pub fn new(admitted: &Admitted) -> Self {
        let facts = ConnectionFacts {
            client_ip: HeaderValue::from_static("192.0.2.7"),
            proto: HeaderValue::from_static("https"),
            host: HeaderValue::from_static("shop.example.org"),
            via: HeaderValue::from_static("1.1 gateward"),
        };
        let id = HeaderValue::from_static("0190a5c8-7d1e-7cc4-9a7b-3f6f3c0e8a11");
        Self { identity: admitted.identity().clone(), facts, id }
    }

    /// A request as the proxy library has it.
    pub fn request(token: &str) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/api/orders/17?expand=lines", None).unwrap();
        for (name, value) in [
            ("Host", "shop.example.org"),
            ("User-Agent", "bench/1.0"),
            ("Accept", "application/json"),
            ("Accept-Encoding", "gzip"),
            ("Authorization", &format!("Bearer {token}")),
            ("Cookie", "theme=dark"),
        ] {
            request.append_header(name.to_owned(), value).unwrap();
        }
        request
    }

    /// What happens to it.
    pub fn out(&self, request: &mut RequestHeader) {
        headers::settle_connection(request, Upgrade::None).unwrap();
        headers::strip(request);
        headers::set(&self.identity, &self.facts, &self.id, request).unwrap();
        headers::remove_our_cookies(request).unwrap();
        headers::remove_authorization(request);
    }

    /// A usual answer.
    pub fn answer() -> ResponseHeader {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [
            ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("Server", "bench"),
            ("Content-Type", "application/json"),
            ("Content-Length", "100"),
            ("Cache-Control", "no-cache"),
        ] {
            answer.append_header(name, value).unwrap();
        }
        answer
    }

    /// What happens to it.
    pub fn back(answer: &mut ResponseHeader) {
        assert!(headers::settle_framing(answer));
        headers::settle_answer(answer, Version::HTTP_11);
        headers::strip_answer(answer);
        headers::keep_our_cookies(answer).unwrap();
    }
}
