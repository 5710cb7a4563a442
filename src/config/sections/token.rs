//! `[token]`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::config::given::Raw;
use crate::config::parse;
use crate::config::problem::{Fault, Origin};
use crate::config::reader::Reader;
use crate::config::settings::{SigningAlgorithm, TokenSettings};
use crate::config::shown::{NOT_SET, REDACTED};
use crate::domain::key_schedule::ALLOWANCE;
use crate::domain::token::LONGEST_LIFE;

/// Below this the ring of keys grows long.
const SHORTEST_SENSIBLE: Duration = Duration::from_hours(1);

/// What an address may cost in signature checks: 25 milliseconds of a processor in a minute. Nobody sends such tokens by mistake.
const FORGED_PER_MINUTE: u32 = 600;

/// RFC 7518 section 3.2: an HMAC key at least as long as the hash.
pub(super) const SHORTEST_SECRET: usize = 32;

pub(super) fn read(r: &mut Reader) -> TokenSettings {
    let issuer = r.value("token.issuer", "gateward", name);
    let audience = r.value("token.audience", "gateward", name);
    let algorithm = algorithm(r);
    let day = 24;
    let access_lifetime =
        r.value("token.access_lifetime", "15m", parse::duration(Duration::from_secs(10)..=LONGEST_LIFE));
    let session_lifetime = r.value(
        "token.session_lifetime",
        "30d",
        parse::duration(Duration::from_mins(1)..=Duration::from_hours(366 * day)),
    );
    if r.sound(&["token.access_lifetime", "token.session_lifetime"]) && session_lifetime < access_lifetime {
        let fault = Fault::new("is shorter than token.access_lifetime", "make the session at least as long");
        r.problem("token.session_lifetime", fault);
    }
    let status_list_ttl = r.value(
        "token.status_list_ttl",
        "15s",
        parse::duration(Duration::from_secs(1)..=Duration::from_hours(1)),
    );
    let (refresh_idle_lifetime, refresh_grace) = refresh(r, session_lifetime);
    let (rotate_every, publish_ahead) = rotation(r);
    let key_encryption_key = key_encryption_key(r);
    let cache_bytes = r.value("token.cache_bytes", "33554432", parse::number(1 << 20..=1 << 40));
    let forged = r.optional("token.forged_per_minute", parse::number(0..=1_000_000));
    TokenSettings {
        issuer,
        audience,
        algorithm,
        access_lifetime,
        session_lifetime,
        status_list_ttl: Duration::from_secs(status_list_ttl.as_secs()),
        refresh_idle_lifetime,
        refresh_grace,
        rotate_every,
        publish_ahead,
        key_encryption_key,
        cache_bytes,
        forged_per_minute: forged.unwrap_or(FORGED_PER_MINUTE),
        count_loopback: forged.is_some(),
    }
}

/// The idle lifetime and the grace of refresh tokens.
fn refresh(r: &mut Reader, session_lifetime: Duration) -> (Duration, Duration) {
    const IDLE: &str = "token.refresh_idle_lifetime";
    let idle_range = Duration::from_mins(1)..=Duration::from_hours(366 * 24);
    let idle = r.value(IDLE, "7d", parse::duration(idle_range));
    let grace =
        r.value("token.refresh_grace", "10s", parse::duration(Duration::ZERO..=Duration::from_mins(1)));
    // A session that is shorter than the default is no mistake: it ends first.
    let chosen = r.origin(IDLE) != Origin::Default;
    if chosen && r.sound(&[IDLE, "token.session_lifetime"]) && idle > session_lifetime {
        let remedy = "choose a shorter one, or leave it out: a session that ends takes its tokens along";
        r.problem(IDLE, Fault::new("is longer than token.session_lifetime", remedy));
    }
    (idle.min(session_lifetime), grace)
}

fn rotation(r: &mut Reader) -> (Option<Duration>, Duration) {
    const EVERY: &str = "token.rotate_every";
    const AHEAD: &str = "token.publish_ahead";
    let rotate_every = r.value(EVERY, "90d", rotation_span);
    let month = Duration::from_hours(30 * 24);
    let publish_ahead = r.value(AHEAD, "1h", parse::duration(Duration::from_secs(1)..=month));
    let least = publish_ahead.saturating_add(ALLOWANCE);
    if r.sound(&[EVERY, AHEAD]) && rotate_every.is_some_and(|every| every < least) {
        let fault = Fault::new(
            "is too short for token.publish_ahead: the next key is published before the last one signs",
            "make it at least three seconds longer than token.publish_ahead, or \"off\"",
        );
        r.problem(EVERY, fault);
    } else if rotate_every.is_some_and(|every| every < SHORTEST_SENSIBLE) {
        let origin = r.origin(EVERY);
        r.warn(format!(
            "{origin}: token.rotate_every is short: every key of the last 24 hours is kept and published"
        ));
    }
    (rotate_every, publish_ahead)
}

/// A span, or "off".
fn rotation_span(raw: &Raw) -> Result<Option<Duration>, Fault> {
    match raw {
        Raw::Untyped(text) | Raw::Text(text) if ["off", "0"].contains(&text.as_str()) => Ok(None),
        Raw::Integer(0) => Ok(None),
        Raw::Untyped(_) | Raw::Text(_) | Raw::Integer(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => {
            parse::duration(Duration::from_secs(5)..=Duration::from_hours(3660 * 24))(raw).map(Some)
        }
    }
}

/// Issuer and audience: a text that people and programs compare by eye and by byte.
fn name(raw: &Raw) -> Result<String, Fault> {
    parse::visible(256)(raw)
}

fn algorithm(r: &mut Reader) -> SigningAlgorithm {
    let words =
        [("EdDSA", Name::EdDsa), ("ES256", Name::Es256), ("RS256", Name::Rs256), ("HS256", Name::Hs256)];
    let name = r.value("token.algorithm", "EdDSA", parse::one_of(words));
    let secret = r.secret("token.secret");
    r.show("token.secret", if secret.is_some() { REDACTED } else { NOT_SET });
    let keyed = match name {
        Name::EdDsa => SigningAlgorithm::EdDsa,
        Name::Es256 => SigningAlgorithm::Es256,
        Name::Rs256 => SigningAlgorithm::Rs256,
        Name::Hs256 => return SigningAlgorithm::Hs256 { secret: hmac_secret(r, secret) },
    };
    if secret.is_some() {
        let origin = r.origin("token.secret");
        r.warn(format!("{origin}: token.secret is not used, because token.algorithm is not \"HS256\""));
    }
    keyed
}

#[derive(Clone, Copy)]
enum Name {
    EdDsa,
    Es256,
    Rs256,
    Hs256,
}

/// Placeholders such as `aaaa...` or 32 zero bytes. 32 random bytes hold fewer than 8 different ones about once in
/// 10^40 keys; random hexadecimal digits pass, too.
pub(super) fn is_no_secret(bytes: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in bytes {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    seen.iter().filter(|seen| **seen).count() < 8
}

fn hmac_secret(r: &mut Reader, secret: Option<SecretString>) -> SecretString {
    const REMEDY: &str =
        "generate one with `openssl rand -base64 48` and set token.secret, SECRET_KEY or SECRET_KEY_FILE";
    match &secret {
        Some(secret) if secret.expose_secret().len() < SHORTEST_SECRET => {
            r.problem("token.secret", Fault::new(format!("is shorter than {SHORTEST_SECRET} bytes"), REMEDY));
        }
        Some(secret) if is_no_secret(secret.expose_secret().as_bytes()) => {
            r.problem("token.secret", Fault::new("repeats a few bytes: nobody chose it at random", REMEDY));
        }
        Some(_) => {}
        None if r.sound(&["token.algorithm", "token.secret"]) => {
            let fault = Fault::new("is missing, and token.algorithm = \"HS256\" needs it", REMEDY);
            r.problem_at(r.origin("token.algorithm"), "token.secret", fault);
        }
        None => {}
    }
    secret.unwrap_or_default()
}

fn key_encryption_key(r: &mut Reader) -> Option<SecretString> {
    const KEY: &str = "token.key_encryption_key";
    let secret = r.secret(KEY);
    r.show(KEY, if secret.is_some() { REDACTED } else { NOT_SET });
    if let Some(text) = &secret {
        let decoded = STANDARD.decode(text.expose_secret()).map(Zeroizing::new);
        let fault = match decoded {
            Ok(key) if key.len() == 32 && is_no_secret(&key) => {
                "repeats a few bytes: nobody chose it at random"
            }
            Ok(key) if key.len() == 32 => return secret,
            Ok(_) | Err(_) => "is not base64 of 32 bytes",
        };
        r.problem(KEY, Fault::new(fault, "generate one with `openssl rand -base64 32`"));
    }
    secret
}
