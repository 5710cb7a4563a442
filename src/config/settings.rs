//! The checked configuration: what the rest of the program may rely on.
//!
//! Every value here has passed its check; nothing outside `config` makes a [`Settings`]. Secrets are
//! redacted in `Debug`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::upstream::{UpstreamProtocol, UpstreamTls};
use crate::domain::attempts::Limits;
use crate::domain::forwarding::TrustedProxies;

/// Everything, checked.
#[derive(Debug)]
pub struct Settings {
    /// `[server]`
    pub server: ServerSettings,
    /// `[tls]` and `[[certificate]]`
    pub tls: TlsSettings,
    /// `[log]`
    pub log: LogSettings,
    /// `[store]`
    pub store: StoreSettings,
    /// `[token]`
    pub token: TokenSettings,
    /// `[revocation]`
    pub revocation: RevocationSettings,
    /// `[password]`
    pub password: PasswordSettings,
    /// `[limits]`
    pub limits: Limits,
    /// `[accounts]`
    pub accounts: AccountSettings,
    /// `[[client]]`: who may ask about tokens.
    pub clients: Vec<ClientSettings>,
    /// `[audit]`
    pub audit: AuditSettings,
    /// `[[upstream]]`. Empty: the built-in demo service stands behind the gateway.
    pub upstreams: Vec<UpstreamSettings>,
    /// `[[route]]`, each naming an upstream of `upstreams`. Empty only when `upstreams` is.
    pub routes: Vec<RouteSettings>,
}

/// `[server]`: listeners and limits.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where clients connect. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// `http(s)://host[:port]` that clients know the gateway by. None: see [`ServerSettings::known_public_url`].
    pub public_url: Option<String>,
    /// Whether `listen` speaks TLS: there is a `[[certificate]]`.
    pub over_tls: bool,
    /// Where operators connect: health, metrics, version. Default `127.0.0.1:9090`.
    pub admin_listen: SocketAddr,
    /// Proxy worker threads, 1 to 1024. The file's `0` (default) means one per core.
    pub threads: usize,
    /// Embedded database and generated keys. Default `.gateward`.
    pub data_dir: PathBuf,
    /// Client connections at once, 1 to 1 000 000. Default 10 000.
    pub max_connections: usize,
    /// Client connections at once from one address, of IPv6 from one /64; None (the file's 0): as many as there are.
    /// Default 1000. Those of `trusted_proxies` are not counted.
    pub max_connections_per_address: Option<usize>,
    /// Whether that holds for loopback addresses too: only when the key was given. Other programs of this machine may
    /// speak for many people, and are no strangers.
    pub count_loopback: bool,
    /// Requests on one HTTP/1 connection, which is closed behind the last one; None (the file's 0): any number.
    /// Default 10 000.
    pub max_requests_per_connection: Option<u64>,
    /// Peers whose `X-Forwarded-*` count. Default: none.
    pub trusted_proxies: TrustedProxies,
    /// From the first byte of a request head to its end. Default 10 s.
    pub head_timeout: Duration,
    /// How long a kept connection may wait for its next request. Default 60 s.
    pub keepalive_timeout: Duration,
    /// Longest silence while a request body is read; after as much waiting, also the least speed counts.
    /// Default 30 s.
    pub body_timeout: Duration,
    /// The same while an answer is written. Default 30 s.
    pub write_timeout: Duration,
    /// Bytes of a request head, 1 KiB to 1 MiB. Default 32 KiB. More is a 431.
    pub max_header_bytes: usize,
    /// Header lines of a request, 8 to 250. Default 100. More is a 431.
    pub max_headers: usize,
    /// Bytes of a request target, 64 to 64 KiB. Default 8 KiB. More is a 414.
    pub max_target_bytes: usize,
    /// Bytes of a body to `/auth/*`, 1 KiB to 1 MiB. Default 16 KiB. More is a 413.
    pub auth_body_limit: usize,
    /// Requests at once on a connection of HTTP/2, 1 to 1000. Default 100.
    pub max_streams: u32,
    /// Whether HTTP/2 is served without TLS, to clients that begin with it. Default no.
    pub h2c: bool,
    /// How long requests in flight may finish after a stop signal. Default 10 s.
    pub shutdown_grace: Duration,
}

impl ServerSettings {
    /// What clients know the gateway by, as far as the configuration tells: `public_url`, or else `http://`, over TLS
    /// `https://`, and `listen`. None when the system is to choose the port.
    pub fn known_public_url(&self) -> Option<String> {
        let listen = (self.listen.port() != 0).then(|| self.default_public_url(self.listen));
        self.public_url.clone().or(listen)
    }

    /// The same, once it is known where clients connect.
    pub fn public_url(&self, bound: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| self.default_public_url(bound))
    }

    /// Listening on every address is listening on the loopback address too, and only that one is known.
    fn default_public_url(&self, mut listen: SocketAddr) -> String {
        match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        format!("{}://{listen}", if self.over_tls { "https" } else { "http" })
    }
}

/// One `[[certificate]]`.
#[derive(Debug, Clone)]
pub struct CertificateSettings {
    /// PEM chain, the server's own certificate first.
    pub certificate_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
}

/// `tls.min_version`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

/// `tls.client_auth`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Clients are not asked for certificates.
    None,
    /// They are asked; one that is shown must be good.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// `[tls]` and `[[certificate]]`.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// Empty: the listener speaks plain HTTP. The first is for clients that name no known host.
    pub certificates: Vec<CertificateSettings>,
    /// Default 1.2.
    pub min_version: TlsVersion,
    /// Default `none`.
    pub client_auth: ClientAuth,
    /// PEM file of the authorities of clients; there is one unless `client_auth` is `none`.
    pub client_ca_file: Option<PathBuf>,
    /// How long browsers are to insist on TLS, 1 s to 3660 days. None, the default: they are not told to.
    pub hsts: Option<Duration>,
    /// Whether that holds for every name below the host too. Default false.
    pub hsts_include_subdomains: bool,
    /// Where plain HTTP is sent to `https`. None: nowhere.
    pub redirect_listen: Option<SocketAddr>,
    /// From the accepted connection to the end of the handshake. Default 10 s.
    pub handshake_timeout: Duration,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, an object a line.
    Json,
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Default `text`.
    pub format: LogFormat,
    /// A `tracing` filter, for example `info` or `warn,gateward=debug`. Default `info`.
    pub level: String,
}

/// When the schema is brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrateMode {
    /// At start.
    Auto,
    /// By `gateward migrate up`; a start with pending migrations fails.
    Manual,
}

/// `[store]` and the sections of the chosen kind.
#[derive(Debug)]
pub struct StoreSettings {
    /// Which kind, with what it needs.
    pub kind: StoreKind,
    /// Default `auto`.
    pub migrate: MigrateMode,
}

/// `store.kind`
#[derive(Debug)]
pub enum StoreKind {
    /// One SQLite file `gateward.db` in the data directory, shared memory in process. The default.
    Embedded,
    /// Postgres and Redis.
    Postgres {
        /// `[postgres]`
        postgres: PostgresSettings,
        /// `[redis]`
        redis: RedisSettings,
    },
}

/// `[postgres]`
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database?sslmode=..`
    pub url: SecretString,
    /// Connections at most, 1 to 1000. Default 16.
    pub max_connections: usize,
    /// Deadline of one call: waiting for a connection, making one, and the statements. Default 250 ms.
    pub timeout: Duration,
    /// PEM file of trusted roots for TLS; none: the system's.
    pub tls_ca_file: Option<PathBuf>,
}

/// `[redis]`
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `redis://` or `rediss://` URL.
    pub url: SecretString,
    /// In front of every key. Default `gateward:`.
    pub key_prefix: String,
    /// Connections at most, 1 to 1000. Default 8.
    pub max_connections: usize,
    /// Deadline of one call. Default 100 ms.
    pub timeout: Duration,
}

/// How access tokens are signed.
#[derive(Debug, Clone)]
pub enum SigningAlgorithm {
    /// Ed25519, a key pair made and kept by the gateway. The default.
    EdDsa,
    /// ECDSA on P-256, likewise.
    Es256,
    /// RSASSA-PKCS1-v1_5 with a 2048-bit key, likewise.
    Rs256,
    /// HMAC-SHA256 with a configured secret of at least 32 bytes.
    Hs256 {
        /// The secret (`token.secret`, `SECRET_KEY`).
        secret: SecretString,
    },
}

/// `[token]`
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// `iss` of every token. Default `gateward`.
    pub issuer: String,
    /// `aud` of every token. Default `gateward`.
    pub audience: String,
    /// Default EdDSA.
    pub algorithm: SigningAlgorithm,
    /// Life of an access token, 10 s to 24 h. Default 15 min.
    pub access_lifetime: Duration,
    /// Life of a session, 1 min to 366 days, at least `access_lifetime`. Default 30 days.
    pub session_lifetime: Duration,
    /// How long a verifier may go on with a status list, 1 s to 1 h, whole seconds. Default 15 s.
    pub status_list_ttl: Duration,
    /// A refresh token that is not used for so long is dead, 1 min to 366 days, at most `session_lifetime`. Default
    /// 7 days.
    pub refresh_idle_lifetime: Duration,
    /// How long after a rotation the same client gets the same successor again, 0 (never) to 1 min. Default 10 s.
    pub refresh_grace: Duration,
    /// How long a signing key signs, 5 s to 3660 days; `None`: until an operator replaces it. Default 90 days.
    pub rotate_every: Option<Duration>,
    /// How long a key is published before it signs, 1 s to 30 days, at least 3 s less than `rotate_every`.
    /// Default 1 h.
    pub publish_ahead: Duration,
    /// Seals private keys at rest: base64 of 32 bytes. None: `key-encryption.key` in the data directory,
    /// generated at first start.
    pub key_encryption_key: Option<SecretString>,
    /// Bytes of memory for tokens that verified, 1 MiB to 1 TiB. Default 32 MiB.
    pub cache_bytes: u64,
    /// Forged tokens of one address (of IPv6 one /64) that are looked at in a minute; 0: any number. Default 600. Those
    /// of `trusted_proxies` are not counted.
    pub forged_per_minute: u32,
    /// Whether that holds for loopback addresses too: only when the key was given.
    pub count_loopback: bool,
}

/// `[revocation]`
#[derive(Debug, Clone, Copy)]
pub struct RevocationSettings {
    /// How old the last proof may be that all ended sessions are known, 250 ms to 1 min. Default 1 s. Older:
    /// protected routes answer 503.
    pub max_staleness: Duration,
    /// How long a replica that has lost Postgres may follow through Redis alone, 0 to 24 h. Default 15 min.
    pub detached_limit: Duration,
}

/// `[password]`
#[derive(Debug, Clone)]
pub struct PasswordSettings {
    /// Code points after NFC, 8 to 64. Default 8 (15 recommended).
    pub min_length: usize,
    /// Strength estimate that is enough, 0 to 4 on zxcvbn's scale. Default 2.
    pub min_strength: u8,
    /// bcrypt cost, 10 to 16. Default 12: about a quarter of a second a hash.
    pub bcrypt_cost: u32,
    /// Hash threads, 1 to 256. The file's `0` (default) means cores - 1, at least one.
    pub hash_threads: usize,
    /// Hashes that may wait or run at once, 1 to 10 000. Default 32. More is a 503.
    pub hash_queue: usize,
    /// How long one may wait, by what hashes took lately, 100 ms to 10 s. Default 5 s. Longer is a 503.
    pub hash_wait: Duration,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anybody, through `POST /auth/register`.
    Open,
    /// Nobody but an operator, with `gateward user create`.
    Closed,
}

/// `[accounts]`
#[derive(Debug, Clone)]
pub struct AccountSettings {
    /// Default `open`.
    pub registration: Registration,
}

/// One `[[client]]`.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// `client_id`: letters, digits, `-`, `_` and `.`, 1 to 64.
    pub id: String,
    /// At least 32 bytes.
    pub secret: SecretString,
}

/// `[audit]`
#[derive(Debug, Clone)]
pub struct AuditSettings {
    /// How long events are kept, 1 to 3650 days. Default 90 days.
    pub retention: Duration,
}

/// One `[[upstream]]`.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// Its name in routes, logs and metrics: letters, digits, `-` and `_`, 1 to 64.
    pub name: String,
    /// `host:port`, at least one; used in turn.
    pub servers: Vec<String>,
    /// Default 2 s.
    pub connect_timeout: Duration,
    /// Longest silence while waiting for the answer or its next bytes. Default 60 s. Longer is a 504.
    pub read_timeout: Duration,
    /// Default `auto`.
    pub protocol: UpstreamProtocol,
    /// None, the default: plain connections.
    pub tls: Option<UpstreamTls>,
}

/// What a route asks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteAccess {
    /// Nothing.
    Public,
    /// A token that is valid now.
    Authenticated,
}

/// What becomes of a request that is open when the session or the token that admitted it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteOnRevoke {
    /// It is closed.
    Close,
    /// It may finish.
    Finish,
}

/// One `[[route]]`.
#[derive(Debug, Clone)]
pub struct RouteSettings {
    /// Path prefix by whole segments: `/api` takes `/api` and `/api/x`, not `/apis`. Canonical; unique.
    pub path: String,
    /// Name of an upstream.
    pub upstream: String,
    /// Default `authenticated`.
    pub access: RouteAccess,
    /// Whether `Authorization` reaches the service. Default `false`.
    pub forward_authorization: bool,
    /// When it is not known which sessions have ended lately. Default `refuse`.
    pub on_stale: RouteOnStale,
    /// Default `close`.
    pub on_revoke: RouteOnRevoke,
    /// Bytes of a request body; None (the file's 0): any number. Default 100 MiB. More is a 413.
    pub max_body_bytes: Option<u64>,
    /// Whether `%2f` may stand in paths. Default `false`.
    pub allow_encoded_slash: bool,
    /// Whether `//` in paths is taken as `/`. Default `false`.
    pub merge_slashes: bool,
}

/// See [`RouteSettings::on_stale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteOnStale {
    /// 503.
    Refuse,
    /// Asks the durable store about session and key of each request.
    Check,
}
