//! Certificates that the gateway shows to clients: read from PEM, judged, and matched with hosts.
//!
//! Pure: whoever has read the files hands their bytes over, and says what time it is. The configuration judges with
//! it before anything starts, the listener whenever the files change, so both say the same.

mod authorities;
mod fault;
mod names;
mod server;

pub use authorities::client_authorities;
pub use fault::CertificateFault;
pub use names::{CertificateNames, host_without_port};
pub use server::ServerCertificate;
