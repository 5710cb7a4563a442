//! The key-encryption key in the data directory.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::actors::random_bytes;

/// File of the generated key-encryption key inside the data directory: base64 of 32 bytes, a line.
pub const KEY_ENCRYPTION_FILE: &str = "key-encryption.key";

/// Makes a directory that only its owner can enter, unless it is there.
///
/// # Errors
/// What the operating system says.
pub fn make_private_dir(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads the key-encryption key, or makes one that only its owner can read.
pub(super) fn read_or_make(data_dir: &Path, path: &Path) -> Result<Zeroizing<String>, String> {
    make_private_dir(data_dir).map_err(|error| format!("the data directory cannot be made: {error}"))?;
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let mode = std::fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err("others may read it; run `chmod 600` on it".to_owned());
            }
            Ok(Zeroizing::new(text))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let bytes = Zeroizing::new(random_bytes::<32>().map_err(|error| error.to_string())?);
            let text = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
            make(data_dir, path, &text)?;
            // Another process may have been quicker: what is in the file counts.
            std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Writes the whole file under another name, then links it into place, unless there is one by now.
fn make(data_dir: &Path, path: &Path, text: &str) -> Result<(), String> {
    let draft = data_dir.join(format!(".{KEY_ENCRYPTION_FILE}.{}", std::process::id()));
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            writeln!(file, "{text}")?;
            file.sync_all()
        })
        .and_then(|()| match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        })
        .and_then(|()| std::fs::File::open(data_dir)?.sync_all());
    // The draft holds a secret: it goes, whatever happened.
    let removed = std::fs::remove_file(&draft);
    written.and(removed).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_encryption_key_is_made_once_with_owner_only_rights() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let path = data.join(KEY_ENCRYPTION_FILE);
        let first = read_or_make(&data, &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(read_or_make(&data, &path).unwrap(), first);
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "no draft stays behind");
    }

    #[test]
    fn a_key_encryption_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_ENCRYPTION_FILE);
        read_or_make(dir.path(), &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read_or_make(dir.path(), &path).unwrap_err().contains("chmod 600"));
    }
}
