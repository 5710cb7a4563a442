//! The `tls` keys of an `[[upstream]]`. Files are read and checked here, at the start: a certificate that cannot be
//! used is a mistake of the configuration and not of the first request.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use crate::config::given::Raw;
use crate::config::parse::{self, quoted};
use crate::config::problem::{Fault, Origin};
use crate::config::reader::Reader;
use crate::config::secret::read_bounded;
use crate::config::upstream::{ClientCertificate, UpstreamTls};

/// The keys that mean nothing without TLS, and look as if there were some.
const ONLY_WITH_TLS: [&str; 4] =
    ["tls_ca_file", "tls_server_name", "tls_client_certificate_file", "tls_client_key_file"];

/// `scheme`: what a short form says about TLS, and where.
pub(super) fn read(
    r: &mut Reader,
    index: usize,
    servers: &[String],
    scheme: Option<(bool, Origin)>,
) -> Option<UpstreamTls> {
    let key = |leaf: &str| format!("upstream[{index}].{leaf}");
    let tls = match scheme {
        Some((tls, origin)) => {
            r.show_from(&key("tls"), tls.to_string(), origin);
            tls
        }
        None => r.value(&key("tls"), "false", parse::boolean),
    };
    let server_name = r.optional(&key("tls_server_name"), server_name);
    let roots = r.optional(&key("tls_ca_file"), roots);
    let chain = r.optional(&key("tls_client_certificate_file"), chain);
    let private = r.optional(&key("tls_client_key_file"), private_key);
    if !tls {
        for leaf in ONLY_WITH_TLS.map(key) {
            if r.sound(&[&key("tls"), &leaf]) && r.find(&leaf).is_some() {
                r.problem(&leaf, Fault::new("is given without TLS", "add tls = true, or leave the key out"));
            }
        }
        return None;
    }
    if server_name.is_none() && r.sound(&[&key("tls_server_name"), &key("servers")]) {
        for server in servers {
            if name_of(server).is_none() {
                let fault = Fault::new(
                    format!("{} is not a name that a certificate can have", quoted(server)),
                    "set tls_server_name to the name in the service's certificate",
                );
                r.problem(&key("servers"), fault);
            }
        }
    }
    let client = client_certificate(r, &key, chain, private);
    Some(UpstreamTls { server_name, roots, client })
}

fn client_certificate(
    r: &mut Reader,
    key: &impl Fn(&str) -> String,
    chain: Option<Vec<CertificateDer<'static>>>,
    private: Option<PrivateKeyDer<'static>>,
) -> Option<ClientCertificate> {
    let (chain_key, private_key) = (key("tls_client_certificate_file"), key("tls_client_key_file"));
    if !r.sound(&[&chain_key, &private_key]) {
        return None;
    }
    match (chain, private) {
        (None, None) => None,
        (Some(chain), Some(private)) => {
            let provider = rustls::crypto::ring::default_provider();
            if CertifiedKey::from_der(chain.clone(), private.clone_key(), &provider).is_err() {
                let remedy = "name the files of one certificate and its key";
                r.problem(&private_key, Fault::new("is not the key of tls_client_certificate_file", remedy));
            }
            Some(ClientCertificate { chain, key: Arc::new(private) })
        }
        (Some(_), None) => {
            r.problem(&chain_key, Fault::new("is given without tls_client_key_file", "give both"));
            None
        }
        (None, Some(_)) => {
            r.problem(&private_key, Fault::new("is given without tls_client_certificate_file", "give both"));
            None
        }
    }
}

/// The host of `host:port` as a certificate has it.
fn name_of(server: &str) -> Option<&str> {
    let (host, _) = server.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    is_name(host).then_some(host)
}

/// Without underscores: no certificate has them (RFC 5280 section 4.2.1.6), and the proxy library would look for
/// hyphens in their place.
fn is_name(name: &str) -> bool {
    !name.contains('_') && ServerName::try_from(name).is_ok()
}

fn server_name(raw: &Raw) -> Result<String, Fault> {
    let name = parse::text(raw)?;
    if is_name(&name) {
        return Ok(name);
    }
    Err(Fault::new(
        format!("{} is not a host name or an IP address", quoted(&name)),
        "write the name in the service's certificate, for example \"api.internal\"",
    ))
}

fn roots(raw: &Raw) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let roots = certificates(&pem(raw)?)?;
    parsable(&roots)?;
    Ok(roots)
}

fn chain(raw: &Raw) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let chain = certificates(&pem(raw)?)?;
    parsable(&chain)?;
    Ok(chain)
}

/// In the forms that the proxy library takes: it finds out by itself which of them it has.
fn private_key(raw: &Raw) -> Result<PrivateKeyDer<'static>, Fault> {
    const REMEDY: &str = "name a PEM file with an unencrypted private key (RSA, ECDSA or Ed25519)";
    let refuse = |reason: &str| Fault::new(reason.to_owned(), REMEDY);
    let key = PrivateKeyDer::from_pem_slice(pem(raw)?.as_bytes())
        .map_err(|_| refuse("names a file without a private key in PEM"))?;
    let known = rustls::crypto::ring::sign::any_supported_type(&key).is_ok()
        && PrivateKeyDer::try_from(key.secret_der()).is_ok();
    if known { Ok(key) } else { Err(refuse("names a file with a private key of an unknown kind")) }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(unusable("no certificate")),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(unusable("a certificate that is not PEM")),
    }
}

fn parsable(certificates: &[CertificateDer<'static>]) -> Result<(), Fault> {
    let mut scratch = RootCertStore::empty();
    match certificates.iter().any(|certificate| scratch.add(certificate.clone()).is_err()) {
        true => Err(unusable("something else in place of a certificate")),
        false => Ok(()),
    }
}

fn unusable(what: &str) -> Fault {
    Fault::new(format!("names a file with {what}"), "name a PEM file of certificates")
}

fn pem(raw: &Raw) -> Result<String, Fault> {
    let path = parse::path(raw)?;
    read_bounded(Path::new(&path)).map_err(|reason| {
        Fault::new(
            format!("names a file that cannot be read: {reason}"),
            "name a PEM file that the gateway's user may read",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_to_check_are_those_that_certificates_have() {
        for (server, name) in [
            ("api.internal:443", Some("api.internal")),
            ("127.0.0.1:443", Some("127.0.0.1")),
            ("[::1]:443", Some("::1")),
            ("api_1.internal:443", None),
            ("a_b:443", None),
        ] {
            assert_eq!(name_of(server), name, "{server}");
        }
        assert!(server_name(&Raw::Text("api.internal".to_owned())).is_ok());
        for wrong in ["", "a b", "api_1.internal", "https://a", "a:1", "[::1]"] {
            assert!(server_name(&Raw::Text(wrong.to_owned())).is_err(), "{wrong}");
        }
    }
}
