//! From `[postgres]` settings to what a connection needs: address, TLS, timeouts.
//!
//! TLS always verifies the certificate and the name. `sslmode`, as libpq spells it:
//! `disable` never TLS; `allow`, `prefer` and none: TLS if the server offers it, else plain;
//! `require`, `verify-ca`, `verify-full`: TLS or nothing. There is no mode that takes any certificate:
//! a server with a certificate of its own making needs `tls_ca_file`, or `sslmode=disable` on a path
//! that is trusted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::unavailable;
use crate::config::PostgresSettings;
use crate::store::StoreError;

/// How long the server works on a statement whose caller has given up, in multiples of the call's
/// deadline. More than one, so that our own deadline speaks first and says so.
const SERVER_PATIENCE: u32 = 4;

/// The longest silence on an idle connection before the kernel asks whether the peer is alive.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

/// What the URL says, with every timeout set for calls that take `deadline`.
///
/// The server's own timeouts go into the start-up packet (`options`), which costs no round trip;
/// `options` of the URL come after ours and win.
pub(super) fn config(settings: &PostgresSettings, deadline: Duration) -> Result<Config, StoreError> {
    let url = with_known_sslmode(settings.url.expose_secret());
    // The parser's own words may quote parts of the URL, so they are not passed on.
    let mut config: Config = url
        .parse()
        .map_err(|_| unavailable("postgres.url is not a postgres:// URL that can be used".to_owned()))?;
    let patience = deadline.saturating_mul(SERVER_PATIENCE);
    let ours = format!(
        "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={}",
        millis(patience),
        millis(deadline),
        millis(patience),
    );
    let options = match config.get_options() {
        Some(theirs) => format!("{ours} {theirs}"),
        None => ours,
    };
    config
        .options(options)
        .connect_timeout(deadline)
        .tcp_user_timeout(patience)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES);
    if config.get_application_name().is_none() {
        config.application_name("gateward");
    }
    Ok(config)
}

/// At least one: to Postgres, zero means no timeout at all.
fn millis(span: Duration) -> u128 {
    span.as_millis().max(1)
}

/// Spells the `sslmode` of a URL with the three words that tokio-postgres understands.
fn with_known_sslmode(url: &str) -> String {
    // As its parser does: credentials end at the first `@`, and a password may hold a `?`.
    let host_start = url.find('@').map_or(0, |at| at.saturating_add(1));
    let (credentials, rest) = url.split_at(host_start);
    let Some((address, query)) = rest.split_once('?') else { return url.to_owned() };
    let known: Vec<&str> = query
        .split('&')
        .map(|parameter| match parameter {
            "sslmode=verify-full" | "sslmode=verify-ca" => "sslmode=require",
            "sslmode=allow" => "sslmode=prefer",
            other => other,
        })
        .collect();
    format!("{credentials}{address}?{}", known.join("&"))
}

/// The TLS side of connections made with `config`. With `sslmode=disable` it is never asked.
pub(super) fn tls(config: &Config, ca_file: Option<&Path>) -> Result<MakeRustlsConnect, StoreError> {
    let roots = match (config.get_ssl_mode(), ca_file) {
        (SslMode::Disable, _) => RootCertStore::empty(),
        (_, Some(file)) => roots_from(file)?,
        (_, None) => system_roots(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unavailable(format!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if config.get_ssl_negotiation() == SslNegotiation::Direct {
        client.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(client))
}

fn roots_from(file: &Path) -> Result<RootCertStore, StoreError> {
    let refuse = |reason: String| unavailable(format!("postgres.tls_ca_file {}: {reason}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| refuse(error.to_string()))? {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
    }
    if roots.is_empty() { Err(refuse("holds no certificate".to_owned())) } else { Ok(roots) }
}

/// The system's roots, without those that cannot be read: then a handshake fails and says why, while
/// a server that offers no TLS still works under `prefer`.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (_added, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::Host;

    use super::*;

    fn settings(url: &str) -> PostgresSettings {
        PostgresSettings {
            url: url.into(),
            max_connections: 1,
            timeout: Duration::from_millis(250),
            tls_ca_file: None,
        }
    }

    fn parsed(url: &str) -> Config {
        config(&settings(url), Duration::from_millis(250)).unwrap()
    }

    #[test]
    fn every_sslmode_of_libpq_is_understood() {
        for (mode, meaning) in [
            ("?sslmode=disable", SslMode::Disable),
            ("?sslmode=allow", SslMode::Prefer),
            ("?sslmode=prefer", SslMode::Prefer),
            ("", SslMode::Prefer),
            ("?sslmode=require", SslMode::Require),
            ("?sslmode=verify-ca", SslMode::Require),
            ("?connect_timeout=9&sslmode=verify-full", SslMode::Require),
        ] {
            let url = format!("postgres://u:p@db.example:5433/main{mode}");
            assert_eq!(parsed(&url).get_ssl_mode(), meaning, "{mode}");
        }
    }

    #[test]
    fn a_question_mark_in_the_password_does_not_hide_the_sslmode() {
        let config = parsed("postgres://u:what?sslmode=allow@db.example/main?sslmode=verify-full");
        assert_eq!(config.get_password(), Some(&b"what?sslmode=allow"[..]));
        assert_eq!(config.get_hosts(), [Host::Tcp("db.example".to_owned())]);
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn every_timeout_is_set_and_options_of_the_url_come_last() {
        let config = parsed("postgres://u@h/d?options=-c%20statement_timeout=9");
        assert_eq!(
            config.get_options(),
            Some(
                "-c statement_timeout=1000 -c lock_timeout=250 \
                 -c idle_in_transaction_session_timeout=1000 -c statement_timeout=9"
            )
        );
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_millis(250)));
        assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(1)));
        assert_eq!(config.get_application_name(), Some("gateward"));
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_quoted() {
        let error = config(&settings("postgres://u:secret@h:port/d"), Duration::from_secs(1)).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[test]
    fn a_ca_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = tls(&parsed("postgres://u@h/d"), Some(file.path())).err().unwrap();
        assert!(error.to_string().contains("tls_ca_file"), "{error}");
    }
}
