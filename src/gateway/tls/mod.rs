//! TLS on the listener: certificates, handshakes, reload, the redirect from plain HTTP.
//!
//! In the order of a connection: [`handshake`](Tls) looks at the first byte and the client's greeting, picks the
//! certificate (`entries`) and makes a stream of it (`socket`) that the proxy takes like any other; `secured` serves it.
//! [`Tls::follow`] re-reads the files. [`redirect`] answers on the plain listener.
//!
//! Session tickets are those of rustls, whose key changes every six hours and with every reload; nothing is kept on our
//! side. Where clients show certificates there are none, so that each connection is judged anew. Early data (0-RTT), which
//! can be replayed, is never offered. What this module does not do: ACME, OCSP
//! stapling, certificate revocation lists.

mod entries;
mod failure;
mod files;
mod follow;
mod handshake;
mod protocol;
mod redirect;
mod secured;
mod server;
mod socket;

pub use files::{CertificateFiles, TlsError};
pub use server::{ClientAuth, OldestTls, SecuredBy, Tls, TlsRules};
pub use socket::TlsSocket;
