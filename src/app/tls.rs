//! TLS on the listener, from the configuration: the rules, the files that are followed, the redirect.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::AppError;
use crate::config::{self, Settings, TlsSettings, TlsVersion};
use crate::gateway::{CertificateFiles, ClientAuth, OldestTls, Tls, TlsRules};
use crate::live::Clock;
use crate::telemetry::metrics::Metrics;

/// TLS as configured; none without a certificate.
///
/// # Errors
/// A file has become unreadable or wrong since the configuration was checked.
pub fn load(
    settings: &Settings,
    listen_at: SocketAddr,
    clock: Clock,
    metrics: &Arc<Metrics>,
) -> Result<Option<Arc<Tls>>, AppError> {
    if settings.tls.certificates.is_empty() {
        return Ok(None);
    }
    let public_port = public_port(settings.server.public_url.as_deref(), listen_at);
    let tls = Tls::load(rules(&settings.tls, public_port), clock, Arc::clone(metrics));
    tls.map(Some).map_err(|error| AppError::Failed(error.to_string()))
}

/// Follows the files until `stop` becomes true; SIGHUP makes changes count at once.
pub async fn follow(tls: Arc<Tls>, stop: watch::Receiver<bool>) {
    // One wish is enough: it is about all files.
    let (ask, asked) = mpsc::channel(1);
    let hang_ups = async move {
        let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
            return std::future::pending().await;
        };
        while hang_up.recv().await.is_some() {
            // Full: one is waiting already.
            let _already_asked = ask.try_send(());
        }
    };
    tokio::select! {
        () = tls.follow(asked, stop) => {}
        () = hang_ups => {}
    }
}

fn rules(tls: &TlsSettings, public_port: u16) -> TlsRules {
    let files = tls.certificates.iter().map(|certificate| CertificateFiles {
        chain: certificate.certificate_file.clone(),
        key: certificate.key_file.clone(),
    });
    TlsRules {
        certificates: files.collect(),
        client_ca: tls.client_ca_file.clone(),
        client_auth: match tls.client_auth {
            config::ClientAuth::None => ClientAuth::None,
            config::ClientAuth::Optional => ClientAuth::Optional,
            config::ClientAuth::Required => ClientAuth::Required,
        },
        oldest: match tls.min_version {
            TlsVersion::Tls12 => OldestTls::Tls12,
            TlsVersion::Tls13 => OldestTls::Tls13,
        },
        hsts: hsts(tls),
        handshake_timeout: tls.handshake_timeout,
        public_port,
    }
}

/// RFC 6797 section 6.1, whole seconds.
fn hsts(tls: &TlsSettings) -> Option<HeaderValue> {
    let below = if tls.hsts_include_subdomains { "; includeSubDomains" } else { "" };
    let text = format!("max-age={}{below}", tls.hsts?.as_secs());
    HeaderValue::try_from(text).ok()
}

/// Where clients reach the TLS listener.
fn public_port(public_url: Option<&str>, listen_at: SocketAddr) -> u16 {
    let Some(authority) = public_url.and_then(|url| url.strip_prefix("https://")) else {
        return listen_at.port();
    };
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.unwrap_or(443)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_to_the_port_that_clients_know() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8443));
        for (public_url, port) in [
            (None, 8443),
            (Some("https://gw.example"), 443),
            (Some("https://gw.example:444"), 444),
            (Some("https://[::1]"), 443),
            (Some("https://[::1]:9"), 9),
            (Some("http://gw.example"), 8443),
        ] {
            assert_eq!(public_port(public_url, listen), port, "{public_url:?}");
        }
    }
}
