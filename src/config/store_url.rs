//! URLs of the stores: their check, and their form without the password.
//!
//! Only the shape is checked. The meaning of path and parameters belongs to the store's driver, which lives in
//! `store` and nowhere else.

use secrecy::{ExposeSecret, SecretString};

use super::problem::Fault;

/// `postgres://` or `postgresql://`. A driver as SQLAlchemy writes it (`postgresql+asyncpg://`) is dropped, so
/// that the `DATABASE_URL` of a FastAPI service works as it is.
pub(super) fn postgres(url: &SecretString) -> Result<SecretString, Fault> {
    const REMEDY: &str = "write postgres://user:password@host:5432/database";
    let text = url.expose_secret();
    let (scheme, rest) = text.split_once("://").ok_or_else(|| Fault::new("is not a URL", REMEDY))?;
    let base = scheme.split_once('+').map_or(scheme, |(base, _driver)| base);
    if base != "postgres" && base != "postgresql" {
        return Err(Fault::new("is not a URL of PostgreSQL", REMEDY));
    }
    check_authority(rest, REMEDY)?;
    Ok(SecretString::from(format!("{base}://{rest}")))
}

/// `redis://` or `rediss://`.
pub(super) fn redis(url: &SecretString) -> Result<SecretString, Fault> {
    const REMEDY: &str = "write redis://:password@host:6379/0, or rediss:// for TLS";
    let text = url.expose_secret();
    match text.split_once("://") {
        Some(("redis" | "rediss", rest)) => check_authority(rest, REMEDY)?,
        Some(_) | None => return Err(Fault::new("is not a URL of Redis", REMEDY)),
    }
    Ok(url.clone())
}

/// A host, a port that is one, and at most one `@`, in front of the host. A second one, or one after a slash,
/// means a password that is not percent-encoded: drivers would disagree on where it ends.
fn check_authority(rest: &str, remedy: &str) -> Result<(), Fault> {
    if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Fault::new("holds a space or control character", remedy));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    if rest.matches('@').count() > authority.matches('@').count().min(1) {
        return Err(Fault::new(
            "holds a reserved character in user name, password or parameters",
            "percent-encode it: @ as %40, / as %2F, ? as %3F, # as %23",
        ));
    }
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    if hosts.is_empty() {
        return Err(Fault::new("names no host", remedy));
    }
    // Several hosts with a comma are PostgreSQL's way to name a primary and its standby servers.
    for host in hosts.split(',') {
        let port = match host.strip_prefix('[') {
            Some(v6) => v6.split_once(']').map(|(_, port)| port.strip_prefix(':').unwrap_or(port)),
            None => Some(host.split_once(':').map_or("", |(_, port)| port)),
        };
        if !port.is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok_and(|port| port != 0)) {
            return Err(Fault::new("names a port that is not a number from 1 to 65535", remedy));
        }
    }
    Ok(())
}

/// The URL with its passwords replaced: between user and host, and in parameters whose names hold `pass`.
/// Expects a URL that passed its check.
pub(super) fn without_password(url: &SecretString) -> String {
    let text = url.expose_secret();
    let Some((scheme, rest)) = text.split_once("://") else {
        return super::shown::REDACTED.to_owned();
    };
    let (authority, query) = rest.split_once('?').map_or((rest, None), |(left, right)| (left, Some(right)));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _password)) => format!("{user}:***@{host}"),
            None => format!("{user}@{host}"),
        },
        None => authority.to_owned(),
    };
    let Some(query) = query else {
        return format!("{scheme}://{authority}");
    };
    let parameters: Vec<String> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}=***"),
            Some(_) | None => parameter.to_owned(),
        })
        .collect();
    format!("{scheme}://{authority}?{}", parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn postgres_urls_are_checked() {
        for (url, right) in [
            ("postgres://u:p@db:5432/app?sslmode=require", true),
            ("postgresql://db/app", true),
            ("postgres://u@[::1]:5432/app", true),
            ("postgres://u:p@one:5432,two:5433/app", true),
            ("postgres://u:p%40ss@db/app", true),
            ("", false),
            ("host=db user=u", false),
            ("mysql://u:p@db/app", false),
            ("sqlite:///./app.db", false),
            ("postgres:///app", false),
            ("postgres://u:p@/app", false),
            ("postgres://u:p@db:x/app", false),
            ("postgres://u:p@db:70000/app", false),
            ("postgres://u:p@ss@db/app", false),
            ("postgres://u:p/ss@db/app", false),
            ("postgres://u:p ss@db/app", false),
            ("postgres://u:p@db/app\n", false),
        ] {
            assert_eq!(postgres(&secret(url)).is_ok(), right, "{url}");
        }
    }

    #[test]
    fn a_driver_in_the_scheme_is_dropped() {
        let url = postgres(&secret("postgresql+asyncpg://u:p@db/app"));
        assert!(url.is_ok_and(|url| url.expose_secret() == "postgresql://u:p@db/app"));
    }

    #[test]
    fn redis_urls_are_checked() {
        for (url, right) in [
            ("redis://127.0.0.1:6379/0", true),
            ("rediss://:p@cache", true),
            ("http://cache", false),
            ("cache:6379", false),
            ("redis://", false),
            ("redis://:p@ss@cache", false),
        ] {
            assert_eq!(redis(&secret(url)).is_ok(), right, "{url}");
        }
    }

    #[test]
    fn faults_do_not_repeat_the_url() {
        for url in [
            "hunter2",
            "mysql://u:hunter2@db",
            "postgres://u:hunter2@x@db",
            "postgres://u:hunter2@db:hunter2",
        ] {
            for fault in [postgres(&secret(url)).err(), redis(&secret(url)).err()] {
                assert!(fault.is_some_and(|fault| !format!("{fault:?}").contains("hunter2")), "{url}");
            }
        }
    }

    #[test]
    fn passwords_are_left_out_and_the_rest_is_shown() {
        for (url, expected) in [
            (
                "postgres://u:hunter2@db:5432/app?sslmode=require",
                "postgres://u:***@db:5432/app?sslmode=require",
            ),
            ("redis://:hunter2@cache/0", "redis://:***@cache/0"),
            ("redis://u:hun:ter2@cache", "redis://u:***@cache"),
            ("postgres://u@db/app", "postgres://u@db/app"),
            ("postgres://db/app?user=u&password=hunter2", "postgres://db/app?user=u&password=***"),
            ("hunter2", "(redacted)"),
        ] {
            assert_eq!(without_password(&secret(url)), expected);
        }
    }
}
