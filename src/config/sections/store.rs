//! `[store]`, `[postgres]` and `[redis]`.
//!
//! With `kind = "embedded"` the URLs are not checked: `DATABASE_URL` may be there for another program.

use std::fs::File;
use std::ops::RangeInclusive;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::problem::Fault;
use crate::config::reader::Reader;
use crate::config::settings::{MigrateMode, PostgresSettings, RedisSettings, StoreKind, StoreSettings};
use crate::config::shown::{NOT_SET, REDACTED};
use crate::config::{parse, store_url};

/// Deadlines of one call to a store.
const CALL_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(1);

pub(super) fn read(r: &mut Reader) -> StoreSettings {
    let kinds = [("embedded", Kind::Embedded), ("postgres", Kind::Postgres)];
    let kind = r.value("store.kind", "embedded", parse::one_of(kinds));
    let modes = [("auto", MigrateMode::Auto), ("manual", MigrateMode::Manual)];
    let migrate = r.value("store.migrate", "auto", parse::one_of(modes));
    let postgres = PostgresSettings {
        url: url(r, "postgres.url", kind, store_url::postgres),
        max_connections: r.value("postgres.max_connections", "16", parse::number(1..=1000)),
        timeout: r.value("postgres.timeout", "250ms", parse::duration(CALL_TIMEOUT)),
        tls_ca_file: r.optional("postgres.tls_ca_file", parse::path),
    };
    let redis = RedisSettings {
        url: url(r, "redis.url", kind, store_url::redis),
        key_prefix: r.value("redis.key_prefix", "gateward:", parse::visible(64)),
        max_connections: r.value("redis.max_connections", "8", parse::number(1..=1000)),
        timeout: r.value("redis.timeout", "100ms", parse::duration(CALL_TIMEOUT)),
    };
    let kind = match kind {
        Kind::Embedded => StoreKind::Embedded,
        Kind::Postgres => {
            if let Some(path) = &postgres.tls_ca_file
                && let Err(error) = File::open(path)
            {
                let fault =
                    Fault::new(format!("cannot be read: {error}"), "name a PEM file, or leave the key out");
                r.problem("postgres.tls_ca_file", fault);
            }
            StoreKind::Postgres { postgres, redis }
        }
    };
    StoreSettings { kind, migrate }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Embedded,
    Postgres,
}

/// The URL at `key`. Empty when it is missing or not used; a missing one that is needed is a problem.
fn url(
    r: &mut Reader,
    key: &str,
    kind: Kind,
    check: fn(&SecretString) -> Result<SecretString, Fault>,
) -> SecretString {
    let given = r.secret(key);
    let checked = given.as_ref().map(check);
    let shown = match (&given, &checked) {
        (None, _) => NOT_SET.to_owned(),
        (Some(url), Some(Ok(_))) => store_url::without_password(url),
        (Some(_), _) => REDACTED.to_owned(),
    };
    r.show(key, shown);
    match (kind, checked) {
        (Kind::Postgres, Some(Ok(url))) => url,
        (Kind::Postgres, Some(Err(fault))) => {
            r.problem(key, fault);
            SecretString::default()
        }
        (Kind::Postgres, None) => {
            if r.sound(&["store.kind", key]) {
                let remedy = match key {
                    "redis.url" => "set redis.url, REDIS_URL or REDIS_URL_FILE",
                    _ => "set postgres.url, DATABASE_URL or DATABASE_URL_FILE",
                };
                let fault = Fault::new("is missing, and store.kind = \"postgres\" needs it", remedy);
                r.problem_at(r.origin("store.kind"), key, fault);
            }
            SecretString::default()
        }
        (Kind::Embedded, Some(_)) => {
            let origin = r.origin(key);
            r.warn(format!("{origin}: {key} is not used, because store.kind is \"embedded\""));
            SecretString::default()
        }
        (Kind::Embedded, None) => SecretString::default(),
    }
}
