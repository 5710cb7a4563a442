//! The certificates in force, each with the rustls configuration that shows it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{RootCertStore, ServerConfig, version};

use super::files::{Contents, TlsError};
use super::protocol::Protocol;
use super::server::{ClientAuth, OldestTls, SecuredBy, TlsRules};
use crate::domain::certificate::{CertificateNames, ServerCertificate, client_authorities};
use crate::domain::clock::Timestamp;

/// A warning is due when less is left.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// One certificate in force.
pub(super) struct Entry {
    pub config: Arc<ServerConfig>,
    pub names: Arc<CertificateNames>,
    pub by: Arc<SecuredBy>,
    pub not_after: Timestamp,
}

/// All of them; at least one. A connection keeps the entry that it began with.
pub(super) struct Entries(Vec<Entry>);

impl Entries {
    /// Judges what was read, all or nothing.
    pub(super) fn new(contents: &Contents, rules: &TlsRules, now: Timestamp) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let client = client_verifier(contents, rules, &provider)?;
        // One key for the tickets of this set: those of an earlier one, with other authorities perhaps, end with it.
        let ticketer = ring::Ticketer::new().map_err(refused)?;
        let files = rules.certificates.iter().map(|files| files.chain.as_path());
        let several = rules.certificates.len() > 1;
        let mut entries = Vec::new();
        for ((chain, key), path) in contents.certificates.iter().zip(files) {
            let unusable = |fault| TlsError::Unusable { path: path.to_owned(), fault };
            let certificate = ServerCertificate::parse(chain, key).map_err(unusable)?;
            certificate.judge(now).map_err(unusable)?;
            let versions: &[_] = match rules.oldest {
                OldestTls::Tls12 => &[&version::TLS13, &version::TLS12],
                OldestTls::Tls13 => &[&version::TLS13],
            };
            let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(versions)
                .map_err(refused)?
                .with_client_cert_verifier(Arc::clone(&client))
                .with_cert_resolver(Arc::new(SingleCertAndKey::from((**certificate.key()).clone())));
            config.alpn_protocols = Protocol::names();
            match rules.client_auth {
                ClientAuth::None => config.ticketer = Arc::clone(&ticketer),
                // A ticket would stand for a certificate that has expired meanwhile.
                ClientAuth::Optional | ClientAuth::Required => config.send_tls13_tickets = 0,
            }
            config.session_storage = Arc::new(NoServerSessionStorage {});
            entries.push(Entry {
                config: Arc::new(config),
                names: Arc::clone(certificate.names()),
                by: Arc::new(SecuredBy {
                    hsts: rules.hsts.clone(),
                    hosts: several.then(|| Arc::clone(certificate.names())),
                }),
                not_after: certificate.not_after(),
            });
        }
        if entries.is_empty() { Err(refused("no certificate")) } else { Ok(Self(entries)) }
    }

    /// The certificate for this server name: the first that has it exactly, the first with a wildcard for it, or else
    /// the first of all, as for a client that names none. A client that insists on its name refuses that one by itself.
    pub(super) fn choose(&self, server_name: Option<&str>) -> Option<&Entry> {
        let named = server_name.and_then(|name| {
            let exactly = self.0.iter().find(|entry| entry.names.names_exactly(name));
            exactly.or_else(|| self.0.iter().find(|entry| entry.names.covers(name)))
        });
        named.or_else(|| self.0.first())
    }

    /// Whether any of them is for this host.
    pub(super) fn cover(&self, host: &str) -> bool {
        self.0.iter().any(|entry| entry.names.covers(host))
    }

    /// The first name of each, and when it expires.
    pub(super) fn ends(&self) -> impl Iterator<Item = (String, Timestamp)> {
        self.0.iter().map(|entry| (entry.names.first(), entry.not_after))
    }

    /// Warns of those that will expire soon.
    pub(super) fn warn(&self, now: Timestamp) {
        for (name, not_after) in self.ends().filter(|(_, not_after)| now.until(*not_after) < SOON) {
            tracing::warn!(certificate = %name, expires = %not_after, "a certificate expires soon");
        }
    }
}

fn client_verifier(
    contents: &Contents,
    rules: &TlsRules,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = || -> Result<Arc<RootCertStore>, TlsError> {
        let path = rules.client_ca.as_deref().unwrap_or(Path::new("tls.client_ca_file"));
        let pem = contents.client_ca.as_ref().map_or(&[][..], |pem| pem.as_slice());
        let roots = client_authorities(pem);
        Ok(Arc::new(roots.map_err(|fault| TlsError::Unusable { path: path.to_owned(), fault })?))
    };
    let builder = |roots| WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    match rules.client_auth {
        ClientAuth::None => Ok(WebPkiClientVerifier::no_client_auth()),
        ClientAuth::Optional => builder(roots()?).allow_unauthenticated().build().map_err(refused),
        ClientAuth::Required => builder(roots()?).build().map_err(refused),
    }
}

fn refused(error: impl std::fmt::Display) -> TlsError {
    TlsError::Refused(error.to_string())
}
