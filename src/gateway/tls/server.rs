//! TLS as the edge knows it: the rules, and the certificates in force.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;

use super::entries::Entries;
use super::files::{CertificateFiles, Contents, TlsError};
use crate::domain::certificate::CertificateNames;
use crate::live::Clock;
use crate::telemetry::metrics::Metrics;

/// The oldest version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldestTls {
    /// RFC 5246, with the forward-secret AEAD suites of rustls only.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// They are asked; one that is shown must be good.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// What the configuration says about TLS.
#[derive(Debug, Clone)]
pub struct TlsRules {
    /// At least one; the first is shown to clients that name no host, or none that is known.
    pub certificates: Vec<CertificateFiles>,
    /// Authorities of clients' certificates, a PEM file; used unless `client_auth` is `None`.
    pub client_ca: Option<PathBuf>,
    /// See [`ClientAuth`].
    pub client_auth: ClientAuth,
    /// See [`OldestTls`].
    pub oldest: OldestTls,
    /// `Strict-Transport-Security` of every answer over TLS (RFC 6797).
    pub hsts: Option<HeaderValue>,
    /// From the accepted connection to the end of the handshake.
    pub handshake_timeout: Duration,
    /// Where redirects lead: the port that clients reach the listener by.
    pub public_port: u16,
}

/// What TLS means for the requests of a connection.
#[derive(Debug)]
pub struct SecuredBy {
    /// `Strict-Transport-Security` of its answers.
    pub hsts: Option<HeaderValue>,
    /// With several certificates: the only hosts that its requests may name.
    pub hosts: Option<Arc<CertificateNames>>,
}

/// TLS on the listener. Shared.
pub struct Tls {
    pub(super) rules: TlsRules,
    pub(super) entries: ArcSwap<Entries>,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    /// Of the files in force, when the program started.
    pub(super) first_digest: [u8; 32],
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One of them cannot be read or used.
    pub fn load(rules: TlsRules, clock: Clock, metrics: Arc<Metrics>) -> Result<Arc<Self>, TlsError> {
        let contents = Contents::read(&rules.certificates, rules.client_ca.as_deref())?;
        let entries = Entries::new(&contents, &rules, clock.now())?;
        let tls = Self {
            rules,
            entries: ArcSwap::from_pointee(entries),
            clock,
            metrics,
            first_digest: contents.digest(),
        };
        tls.announce();
        Ok(Arc::new(tls))
    }

    /// Tells log and metrics when the certificates in force expire.
    pub(super) fn announce(&self) {
        let entries = self.entries.load();
        entries.warn(self.clock.now());
        self.metrics.certificates(entries.ends().map(|(name, at)| (name, at.unix_seconds())));
    }
}
