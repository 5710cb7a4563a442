//! A certificate for trying TLS on one machine.
//!
//! An authority is made, signs once, and its private key is thrown away: whoever trusts it in a browser trusts one
//! certificate and nothing that somebody could make later. Files that are still good are kept, so that this trust lasts.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use time::OffsetDateTime;

use super::AppError;
use crate::domain::certificate::ServerCertificate;
use crate::domain::clock::Timestamp;

/// Browsers take no more than 398 days.
const LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Clocks of other machines may be late.
const EARLIER: Duration = Duration::from_secs(24 * 60 * 60);

/// Where everything lies.
#[derive(Debug)]
pub struct DevCertificate {
    /// To be trusted by clients.
    pub authority: PathBuf,
    /// For `certificate_file`.
    pub certificate: PathBuf,
    /// For `key_file`; readable for this user alone.
    pub key: PathBuf,
    /// The last moment of its validity.
    pub until: Timestamp,
    /// Whether the files were there already.
    pub kept: bool,
}

/// Makes a certificate for these names and addresses in `folder`, unless there is one for all of them that is valid for
/// another day. Blocks for a few small files.
///
/// # Errors
/// A name that no certificate takes, or a file cannot be written.
pub fn dev_certificate(folder: &Path, names: &[String], now: Timestamp) -> Result<DevCertificate, AppError> {
    let file = |name: &str| folder.join(name);
    let mut made = DevCertificate {
        authority: file("ca.pem"),
        certificate: file("certificate.pem"),
        key: file("key.pem"),
        until: now,
        kept: true,
    };
    if let Some(until) = still_good(&made, names, now) {
        made.until = until;
        return Ok(made);
    }
    let failed = |error: rcgen::Error| AppError::Failed(format!("no certificate can be made: {error}"));
    let authority = authority(now).map_err(failed)?;
    let (certificate, key) = signed(&authority, names, now).map_err(failed)?;
    let unwritable = |error: io::Error| AppError::Failed(format!("{}: {error}", folder.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unwritable)?;
    write(&made.authority, &authority.pem(), 0o644).map_err(unwritable)?;
    write(&made.certificate, &certificate, 0o644).map_err(unwritable)?;
    write(&made.key, &key, 0o600).map_err(unwritable)?;
    Ok(DevCertificate { until: now.plus(LIFETIME), kept: false, ..made })
}

/// Until when, if what is there will do.
fn still_good(there: &DevCertificate, names: &[String], now: Timestamp) -> Option<Timestamp> {
    let (chain, key) = (fs::read(&there.certificate).ok()?, fs::read(&there.key).ok()?);
    let certificate = ServerCertificate::parse(&chain, &key).ok()?;
    let good = there.authority.exists()
        && certificate.judge(now).is_ok()
        && now.until(certificate.not_after()) > EARLIER
        && names.iter().all(|name| certificate.names().has(name));
    good.then(|| certificate.not_after())
}

fn authority(now: Timestamp) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Gateward development authority, key thrown away");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = validity(now);
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

/// Certificate and private key, PEM.
fn signed(
    authority: &CertifiedIssuer<'static, KeyPair>,
    names: &[String],
    now: Timestamp,
) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    if let Some(first) = names.first() {
        params.distinguished_name.push(DnType::CommonName, first);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = validity(now);
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

fn validity(now: Timestamp) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::from_unix_timestamp(now.unix_seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (now - EARLIER, now + LIFETIME)
}

/// A new file with these permissions from its first moment on, whatever was there.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn it_is_made_once_and_again_for_other_names_or_near_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("tls-dev");
        let make = |wanted: &[&str], now| dev_certificate(&folder, &names(wanted), now).unwrap();
        let first = make(&["localhost", "127.0.0.1", "::1"], NOW);
        assert!(!first.kept && first.until == NOW.plus(LIFETIME));
        let second = make(&["localhost", "127.0.0.1"], NOW.plus(EARLIER));
        assert!(second.kept && second.until == first.until, "{second:?}");
        assert!(!make(&["localhost", "*.a.example"], NOW).kept);
        assert!(make(&["*.a.example"], NOW).kept);
        assert!(!make(&["b.a.example"], NOW).kept, "by its own name, so that it is there to be read");
        assert!(!make(&["b.a.example"], NOW.plus(LIFETIME)).kept, "its last day");
        fs::remove_file(&first.authority).unwrap();
        assert!(!make(&["b.a.example"], NOW.plus(LIFETIME)).kept, "nothing to trust");
    }

    #[test]
    fn nobody_else_may_read_its_key_and_the_authority_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let made = dev_certificate(folder.path(), &names(&["localhost"]), NOW).unwrap();
        assert_eq!(fs::metadata(&made.key).unwrap().permissions().mode() & 0o777, 0o600);
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let holds_key = fs::read_to_string(&path).unwrap().contains("PRIVATE KEY");
            assert_eq!(holds_key, path == made.key, "{}", path.display());
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(dev_certificate(folder.path(), &names(&["\u{e4}.example"]), NOW).is_err());
    }
}
