//! Keys and tokens, made by the gateway itself and shown to every proxy.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::place::Place;
use super::process::free_address;

/// As many as there are connections.
const WARM: usize = 64;
/// More than a cold row uses up; the row fails if not.
pub const COLD: usize = 40_000;
/// The gateway's leeway, and a second.
const EXPIRED_AFTER: u64 = 10 + 5 + 1;

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// What belongs to one gateway: data folder, secret, tokens.
pub struct Tokens {
    pub algorithm: Algorithm,
    /// Folder of the data, relative to that of the run.
    pub data: String,
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    /// Only of HS256.
    pub secret: Option<String>,
    pub subject: String,
    /// One token a line, each of a session of its own.
    pub warm: PathBuf,
    /// Likewise, never sent before; behind the word `cold`.
    pub cold: PathBuf,
    pub good: String,
    pub revoked: String,
    pub expired: String,
    /// What checks signatures, base64url: the secret, or the public key as the algorithm's standard writes it.
    pub key: String,
    made: u64,
}

impl Tokens {
    /// Makes a gateway's data with an account, and tokens.
    pub fn new(place: &Place, algorithm: Algorithm, cold: usize) -> Self {
        let name = algorithm.name().to_lowercase();
        let secret = (algorithm == Algorithm::Hs256).then(|| STANDARD.encode(random::<48>()));
        let mut tokens = Self {
            algorithm,
            data: format!("data-{name}"),
            listen: free_address(),
            admin: free_address(),
            secret,
            subject: String::new(),
            warm: place.file(&format!("{name}-warm")),
            cold: place.file(&format!("{name}-cold")),
            good: String::new(),
            revoked: String::new(),
            expired: String::new(),
            key: String::new(),
            made: now(),
        };
        let nowhere = free_address();
        let config = tokens.config(place, nowhere, "warn", &tokens.data);
        let run =
            |config: &Path, arguments: &[&str], input: &str| run(&place.gateward, config, arguments, input);
        let password = STANDARD.encode(random::<18>());
        tokens.subject = run(&config, &["user", "create", "ann@example.com"], &password)
            .split_whitespace()
            .find(|word| word.len() == 36)
            .unwrap()
            .to_owned();
        let mint = |lifetime: &str, count: usize| {
            let count = count.to_string();
            let arguments =
                ["token", "mint", "--subject", &tokens.subject, "--lifetime", lifetime, "--count", &count];
            run(&config, &arguments, "")
        };
        let expired = mint("10s", 1).trim().to_owned();
        let revoked = mint("24h", 1).trim().to_owned();
        let warm = mint("24h", WARM);
        let good = warm.lines().next().unwrap().to_owned();
        std::fs::write(&tokens.warm, warm).unwrap();
        if cold > 0 {
            let lines: String = mint("24h", cold).lines().map(|token| format!("cold {token}\n")).collect();
            std::fs::write(&tokens.cold, lines).unwrap();
        }
        run(&config, &["session", "revoke", &session(&revoked)], "");
        tokens.key = URL_SAFE_NO_PAD.encode(tokens.secret.as_deref().unwrap_or_default());
        (tokens.good, tokens.revoked, tokens.expired) = (good, revoked, expired);
        tokens.made = now();
        tokens
    }

    /// Writes the gateway's configuration.
    pub fn config(&self, place: &Place, service: SocketAddr, level: &str, data: &str) -> PathBuf {
        let secret =
            self.secret.as_ref().map(|secret| format!("\nsecret = \"{secret}\"")).unwrap_or_default();
        let values: [(&str, &str); 6] = [
            ("LEVEL", level),
            ("LISTEN", &self.listen.to_string()),
            ("ADMIN", &self.admin.to_string()),
            ("SERVICE", &service.to_string()),
            ("DATA", data),
            ("TOKEN", &format!("algorithm = \"{}\"{secret}", self.algorithm.name())),
        ];
        place.fill("gateward.toml", &format!("{data}-{level}.toml").replace([',', ':', '='], "-"), &values)
    }

    /// Sessions of the warm tokens.
    pub fn sessions(&self) -> Vec<String> {
        std::fs::read_to_string(&self.warm).unwrap().lines().map(session).collect()
    }

    /// A token with a signature that nobody made.
    pub fn forged(&self) -> String {
        let (message, signature) = self.good.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[7] ^= 1;
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Waits until the expired token is.
    pub fn wait_for_expiry(&self) {
        let remaining = (self.made + EXPIRED_AFTER).saturating_sub(now());
        std::thread::sleep(Duration::from_secs(remaining));
    }
}

/// The public key of a gateway, from its published keys: a point on the curve (RFC 8032, or SEC 1 uncompressed).
pub fn public_key(jwks: &str) -> Vec<u8> {
    let keys: Value = serde_json::from_str(jwks).unwrap();
    let part =
        |name: &str| URL_SAFE_NO_PAD.decode(keys["keys"][0][name].as_str().unwrap_or_default()).unwrap();
    let (x, y) = (part("x"), part("y"));
    if y.is_empty() { x } else { [vec![4], x, y].concat() }
}

/// A point on P-256 as PEM, for programs that want a file.
pub fn pem(point: &[u8]) -> String {
    // SubjectPublicKeyInfo (RFC 5480) up to the point.
    const PREFIX: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
    let mut whole = STANDARD.decode(PREFIX).unwrap();
    // The prefix ends with the point's first byte, which says that it is uncompressed.
    whole.extend(&point[1..]);
    let text = STANDARD.encode(whole);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// `sid` of a token.
pub fn session(token: &str) -> String {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

/// Runs a command of the gateway to its end; what it prints.
fn run(gateward: &Path, config: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(gateward)
        .arg("--config")
        .arg(config)
        .args(arguments)
        .env_clear()
        .current_dir(config.parent().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "gateward {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A file of `count` sessions that ended, none of them known here, and `session`.
pub fn revocation_map(file: &Path, session: &str, count: usize) {
    let mut map = std::io::BufWriter::new(File::create(file).unwrap());
    writeln!(map, "{session} 1").unwrap();
    for _ in 0..count {
        writeln!(map, "{} 1", uuid::Uuid::from_bytes(random())).unwrap();
    }
}
