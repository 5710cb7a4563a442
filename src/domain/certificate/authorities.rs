//! Who vouches for the certificates of clients.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::CertificateFault;

/// Reads the authorities of a PEM file: at least one, each usable.
///
/// # Errors
/// [`CertificateFault::NoAuthority`].
pub fn client_authorities(pem: &[u8]) -> Result<RootCertStore, CertificateFault> {
    let mut authorities = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| CertificateFault::NoAuthority)?;
        authorities.add(certificate).map_err(|_| CertificateFault::NoAuthority)?;
    }
    if authorities.is_empty() { Err(CertificateFault::NoAuthority) } else { Ok(authorities) }
}
