//! A certificate chain with its private key.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{CertificateFault, CertificateNames};
use crate::domain::clock::Timestamp;

/// A chain and a key that belong together, and what the first certificate says. `Debug` shows names and time only.
#[derive(Clone)]
pub struct ServerCertificate {
    key: Arc<CertifiedKey>,
    names: Arc<CertificateNames>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl ServerCertificate {
    /// Reads a PEM chain, leaf first, and the PEM private key of the leaf (PKCS #8, PKCS #1 or SEC 1). Whether its time
    /// has come or is over: [`ServerCertificate::judge`].
    ///
    /// # Errors
    /// Every [`CertificateFault`] but those of time.
    pub fn parse(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, CertificateFault> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain_pem)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateFault::NoCertificate)?;
        let leaf = chain.first().ok_or(CertificateFault::NoCertificate)?;
        let (rest, parsed) = X509Certificate::from_der(leaf).map_err(|_| CertificateFault::NoCertificate)?;
        if !rest.is_empty() {
            return Err(CertificateFault::NoCertificate);
        }
        let names = CertificateNames::of(&parsed).ok_or(CertificateFault::NoNames)?;
        let seconds = |seconds: i64| Timestamp::from_unix_millis(seconds.saturating_mul(1000));
        let (not_before, not_after) = (
            seconds(parsed.validity().not_before.timestamp()),
            seconds(parsed.validity().not_after.timestamp()),
        );
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| CertificateFault::NoKey)?;
        let key = certified(chain, key)?;
        Ok(Self { key: Arc::new(key), names: Arc::new(names), not_before, not_after })
    }

    /// Whether it is valid at this time.
    ///
    /// # Errors
    /// [`CertificateFault::NotYetValid`], [`CertificateFault::Expired`].
    pub fn judge(&self, now: Timestamp) -> Result<(), CertificateFault> {
        if now < self.not_before {
            return Err(CertificateFault::NotYetValid(self.not_before));
        }
        if now > self.not_after {
            return Err(CertificateFault::Expired(self.not_after));
        }
        Ok(())
    }

    /// What a TLS connection shows and signs with.
    pub fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// The hosts that it is for.
    pub fn names(&self) -> &Arc<CertificateNames> {
        &self.names
    }

    /// The last moment of its validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, CertificateFault> {
    let key =
        ring::default_provider().key_provider.load_private_key(key).map_err(|_| CertificateFault::NoKey)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch | InconsistentKeys::Unknown)) => {
            Err(CertificateFault::OtherKey)
        }
        Err(_) => Err(CertificateFault::NoCertificate),
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate")
            .field("names", &self.names)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, date_time_ymd};

    use super::*;

    fn of(params: CertificateParams, key: &KeyPair) -> (String, String) {
        (params.self_signed(key).unwrap().pem(), key.serialize_pem())
    }

    fn usual() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        of(CertificateParams::new(["a.example".to_owned(), "127.0.0.1".to_owned()]).unwrap(), &key)
    }

    fn parse(chain: &str, key: &str) -> Result<ServerCertificate, CertificateFault> {
        ServerCertificate::parse(chain.as_bytes(), key.as_bytes())
    }

    #[test]
    fn a_chain_with_its_key_is_read() {
        let (chain, key) = usual();
        let read = parse(&chain, &key).unwrap();
        assert!(read.names().covers("a.example") && read.names().covers("127.0.0.1"));
        let (other, _) = usual();
        assert_eq!(parse(&(chain + &other), &key).unwrap().key().cert.len(), 2);
        let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let (chain, key) = of(CertificateParams::new(["b.example".to_owned()]).unwrap(), &ed25519);
        assert!(parse(&chain, &key).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (chain, key) = usual();
        let (other_chain, other_key) = usual();
        let nobody = KeyPair::generate().unwrap();
        let (nameless, nameless_key) = of(CertificateParams::default(), &nobody);
        let cut = &chain[..chain.len() / 2];
        for (chain, key, fault) in [
            ("", key.as_str(), CertificateFault::NoCertificate),
            ("hello", &key, CertificateFault::NoCertificate),
            (cut, &key, CertificateFault::NoCertificate),
            (&key, &key, CertificateFault::NoCertificate),
            (&chain, "", CertificateFault::NoKey),
            (&chain, &chain, CertificateFault::NoKey),
            (&chain, &other_key, CertificateFault::OtherKey),
            (&other_chain, &key, CertificateFault::OtherKey),
            (&nameless, &nameless_key, CertificateFault::NoNames),
        ] {
            assert_eq!(parse(chain, key).err(), Some(fault));
        }
    }

    #[test]
    fn its_time_is_judged_at_both_ends() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 2);
        params.not_after = date_time_ymd(2021, 1, 2);
        let (chain, key) = of(params, &key);
        let read = parse(&chain, &key).unwrap();
        let first = Timestamp::from_unix_millis(1_577_923_200_000);
        let last = Timestamp::from_unix_millis(1_609_545_600_000);
        assert_eq!(read.judge(first), Ok(()));
        assert_eq!(read.judge(last), Ok(()));
        let before = Timestamp::from_unix_millis(first.unix_millis() - 1);
        assert_eq!(read.judge(before), Err(CertificateFault::NotYetValid(first)));
        let after = Timestamp::from_unix_millis(last.unix_millis() + 1);
        assert_eq!(read.judge(after), Err(CertificateFault::Expired(last)));
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let (chain, key) = usual();
        let shown = format!("{:?}", parse(&chain, &key).unwrap());
        let middle = key.lines().nth(1).unwrap();
        assert!(shown.contains("a.example") && !shown.contains(middle) && !shown.contains("key"), "{shown}");
    }
}
