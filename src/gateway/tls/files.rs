//! The files of the certificates: read whole, bounded, all together.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::domain::certificate::CertificateFault;

/// Bytes of a file at most, so that a wrong path (`/dev/zero`) is an error and not the end of the memory.
const LONGEST_FILE: u64 = 1 << 20;

/// A certificate and its key, by their PEM files.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub chain: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
}

/// Why there is no set of certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {fault}")]
    Unusable {
        /// Which; of a certificate and its key the former.
        path: PathBuf,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// rustls takes it not.
    #[error("tls: {0}")]
    Refused(String),
}

/// What a file holds, wiped when it is dropped.
type FileBytes = Zeroizing<Vec<u8>>;

/// What the files hold. No `Debug`: private keys.
pub(super) struct Contents {
    /// Chain and key of each certificate, in the order of the configuration.
    pub certificates: Vec<(FileBytes, FileBytes)>,
    /// The authorities of clients.
    pub client_ca: Option<FileBytes>,
}

impl Contents {
    /// Reads every file.
    pub(super) fn read(
        certificates: &[CertificateFiles],
        client_ca: Option<&Path>,
    ) -> Result<Self, TlsError> {
        let certificates = certificates
            .iter()
            .map(|files| Ok((read(&files.chain)?, read(&files.key)?)))
            .collect::<Result<_, _>>()?;
        Ok(Self { certificates, client_ca: client_ca.map(read).transpose()? })
    }

    /// Tells contents apart without keeping them.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let files = self.certificates.iter().flat_map(|(chain, key)| [chain, key]).chain(&self.client_ca);
        for file in files {
            hash.update(u64::try_from(file.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(file.as_slice());
        }
        hash.finalize().into()
    }
}

fn read(path: &(impl AsRef<Path> + ?Sized)) -> Result<FileBytes, TlsError> {
    let path = path.as_ref();
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    let length = File::open(path)
        .and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if u64::try_from(length).unwrap_or(u64::MAX) > LONGEST_FILE {
        return Err(unreadable(io::Error::other("it is longer than 1 MiB")));
    }
    Ok(bytes)
}
