//! `[tls]` and `[[certificate]]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::all::NETWORK_TIMEOUT;
use crate::config::given::Raw;
use crate::config::problem::Fault;
use crate::config::reader::Reader;
use crate::config::secret::read_bounded;
use crate::config::settings::{CertificateSettings, ClientAuth, ServerSettings, TlsSettings, TlsVersion};
use crate::config::{address, parse};
use crate::domain::certificate::{CertificateFault, ServerCertificate, client_authorities};
use crate::domain::clock::Timestamp;

/// Longest promise of HSTS, ten years: a mistake in it cannot be taken back from browsers.
const LONGEST_HSTS: Duration = Duration::from_secs(3660 * 24 * 60 * 60);

/// Reads both; `server` learns whether its listener speaks TLS.
pub(super) fn read(r: &mut Reader, server: &mut ServerSettings) -> TlsSettings {
    let tls = TlsSettings {
        min_version: r.value("tls.min_version", "1.2", parse::one_of(VERSIONS)),
        client_auth: r.value("tls.client_auth", "none", parse::one_of(CLIENT_AUTH)),
        client_ca_file: r.optional("tls.client_ca_file", file_path),
        hsts: r.value("tls.hsts", "off", hsts),
        hsts_include_subdomains: r.value("tls.hsts_include_subdomains", "false", parse::boolean),
        redirect_listen: r.optional("tls.redirect_listen", address::socket),
        handshake_timeout: r.value("tls.handshake_timeout", "10s", parse::duration(NETWORK_TIMEOUT)),
        certificates: certificates(r),
    };
    server.over_tls = !tls.certificates.is_empty();
    client_certificates(r, &tls);
    redirect(r, &tls, server);
    without_certificate(r, &tls);
    if tls.hsts_include_subdomains && tls.hsts.is_none() && r.sound(&["tls.hsts"]) {
        r.warn("tls.hsts_include_subdomains has no effect, because tls.hsts is off");
    }
    if server.over_tls && server.public_url.as_ref().is_some_and(|url| url.starts_with("http:")) {
        r.warn("server.public_url begins with http: although the gateway speaks TLS");
    }
    tls
}

const VERSIONS: [(&str, TlsVersion); 2] = [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];

const CLIENT_AUTH: [(&str, ClientAuth); 3] =
    [("none", ClientAuth::None), ("optional", ClientAuth::Optional), ("required", ClientAuth::Required)];

fn certificates(r: &mut Reader) -> Vec<CertificateSettings> {
    let mut certificates = Vec::new();
    for (index, entry) in r.entries("certificate").iter().enumerate() {
        let key = |leaf: &str| format!("certificate[{index}].{leaf}");
        let chain_key = key("certificate_file");
        let certificate_file = r.required(&chain_key, entry, file_path).unwrap_or_default();
        let key_file = r.required(&key("key_file"), entry, file_path).unwrap_or_default();
        if let Some(now) = r.judges_files_at()
            && r.sound(&[&chain_key, &key("key_file")])
        {
            let chain = contents(r, &chain_key, &certificate_file);
            let private = contents(r, &key("key_file"), &key_file);
            if let (Some(chain), Some(private)) = (chain, private)
                && let Err(fault) = judge(&chain, &private, now)
            {
                r.problem(&chain_key, certificate_fault(&fault));
            }
        }
        certificates.push(CertificateSettings { certificate_file, key_file });
    }
    certificates
}

fn judge(chain: &str, key: &str, now: Timestamp) -> Result<(), CertificateFault> {
    ServerCertificate::parse(chain.as_bytes(), key.as_bytes())?.judge(now)
}

fn certificate_fault(fault: &CertificateFault) -> Fault {
    let remedy = match fault {
        CertificateFault::NoCertificate | CertificateFault::NoAuthority => {
            "name a PEM file: -----BEGIN CERTIFICATE-----, the server's own first"
        }
        CertificateFault::NoKey => "let key_file name a PEM file with the private key, without a passphrase",
        CertificateFault::OtherKey => "name certificate and key of one pair",
        CertificateFault::NoNames => "have it issued for the names that clients use",
        CertificateFault::Expired(_) => "renew it",
        CertificateFault::NotYetValid(_) => "wait until then, or correct the clock of this machine",
    };
    Fault::new(fault.to_string(), remedy)
}

/// The text of a file, or a problem that does not repeat its path: it may be the key itself, put into the wrong place.
fn contents(r: &mut Reader, key: &str, path: &Path) -> Option<Zeroizing<String>> {
    match read_bounded(path) {
        Ok(text) => Some(Zeroizing::new(text)),
        Err(reason) => {
            let remedy = "name a PEM file that the gateway's user may read";
            r.problem(key, Fault::new(format!("names a file that cannot be read: {reason}"), remedy));
            r.unsound(key);
            None
        }
    }
}

fn client_certificates(r: &mut Reader, tls: &TlsSettings) {
    if !r.sound(&["tls.client_auth", "tls.client_ca_file"]) {
        return;
    }
    match (tls.client_auth, &tls.client_ca_file) {
        (ClientAuth::Optional | ClientAuth::Required, None) => {
            let remedy = "set tls.client_ca_file to the PEM file of the authorities that you trust";
            r.problem("tls.client_auth", Fault::new("needs tls.client_ca_file", remedy));
        }
        (ClientAuth::None, Some(_)) => {
            let remedy = "set tls.client_auth to \"optional\" or \"required\", or remove it";
            r.problem(
                "tls.client_ca_file",
                Fault::new("has no effect while tls.client_auth is none", remedy),
            );
        }
        (ClientAuth::Optional | ClientAuth::Required, Some(path)) if r.judges_files_at().is_some() => {
            if let Some(pem) = contents(r, "tls.client_ca_file", path)
                && let Err(fault) = client_authorities(pem.as_bytes())
            {
                r.problem("tls.client_ca_file", certificate_fault(&fault));
            }
        }
        (ClientAuth::Optional | ClientAuth::Required, Some(_)) | (ClientAuth::None, None) => {}
    }
}

fn redirect(r: &mut Reader, tls: &TlsSettings, server: &ServerSettings) {
    let Some(redirect) = tls.redirect_listen else { return };
    for (key, other) in [("server.listen", server.listen), ("server.admin_listen", server.admin_listen)] {
        if r.sound(&["tls.redirect_listen", key]) && address::collide(redirect, other) {
            let fault =
                Fault::new(format!("takes the same port as {key}"), "give each listener a port of its own");
            r.problem("tls.redirect_listen", fault);
        }
    }
}

/// Silence would leave somebody in the belief that connections are protected.
fn without_certificate(r: &mut Reader, tls: &TlsSettings) {
    if !tls.certificates.is_empty() || !r.sound(&[]) {
        return;
    }
    let asked = [
        ("tls.client_auth", tls.client_auth != ClientAuth::None),
        ("tls.hsts", tls.hsts.is_some()),
        ("tls.redirect_listen", tls.redirect_listen.is_some()),
    ];
    for (key, _) in asked.into_iter().filter(|(_, asked)| *asked) {
        let remedy = "add a [[certificate]] with certificate_file and key_file, or remove this";
        r.problem(key, Fault::new("needs a certificate, and there is none", remedy));
    }
}

fn hsts(raw: &Raw) -> Result<Option<Duration>, Fault> {
    match raw {
        Raw::Untyped(text) | Raw::Text(text) if text == "off" => Ok(None),
        raw => parse::duration(Duration::from_secs(1)..=LONGEST_HSTS)(raw).map(Some),
    }
}

/// A path; the contents of a PEM file in its place are refused and not repeated.
fn file_path(raw: &Raw) -> Result<PathBuf, Fault> {
    let path = parse::path(raw)?;
    if path.to_string_lossy().contains(['\n', '\r']) || path.to_string_lossy().contains("-----BEGIN") {
        return Err(Fault::new("is not a path", "write the path of a PEM file, not what is in it"));
    }
    Ok(path)
}
