//! What can be wrong with a certificate.

use crate::domain::clock::Timestamp;

/// Why a certificate cannot be used. Never repeats anything of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// The file of the chain has no PEM section that is a certificate, or a broken one.
    #[error("the certificate file holds no PEM certificate, or a broken one")]
    NoCertificate,
    /// The file of the key has no PEM section that is a private key, or one of an unknown kind.
    #[error("the key file holds no PEM private key that can be used (RSA, ECDSA or Ed25519, not encrypted)")]
    NoKey,
    /// The key is another certificate's.
    #[error("the private key does not belong to the first certificate of the file")]
    OtherKey,
    /// Clients look at subject alternative names only (RFC 9110 section 4.3.4).
    #[error("the certificate has no subject alternative name that is a host name or an address")]
    NoNames,
    /// Its time is over.
    #[error("the certificate expired at {0}")]
    Expired(Timestamp),
    /// Its time has not come.
    #[error("the certificate is not valid before {0}")]
    NotYetValid(Timestamp),
    /// The file of the authorities has no certificate that can vouch for others.
    #[error("the file holds no PEM certificate of an authority, or a broken one")]
    NoAuthority,
}
