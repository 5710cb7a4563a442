//! Who this replica is, across a crash.
//!
//! A registration outlives a `kill -9`, and while Redis is out every end waits for it until it is void. A process
//! that starts again in the same place is the same replica: it takes the registration of the dead one over. Its id
//! is kept in the data directory, with the host and its boot, and locked while the process lives. Whoever finds
//! the file locked, copied, or from before a reboot is somebody else: two replicas of one id would hide
//! behind each other. Without a data directory, which a replica with everything in its configuration does not
//! need, and where the kernel does not tell host and boot, every start is a new replica.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::domain::id::ReplicaId;

/// The file inside the data directory: the id, a space, the place, a line.
const FILE: &str = "replica-id";

/// The id of this replica, and what keeps others from using it.
#[derive(Debug)]
pub struct ReplicaFile {
    /// The id.
    pub id: ReplicaId,
    /// Locked until the process ends, however it ends.
    _locked: Option<File>,
}

impl ReplicaFile {
    /// The id of the last process in this place, if that is certain; else `fresh`.
    pub fn take(data_dir: &Path, fresh: ReplicaId) -> Self {
        match place().ok_or_else(|| std::io::Error::other("host and boot are not known here")) {
            Ok(place) => Self::take_at(data_dir, fresh, &place),
            Err(error) => Err(error),
        }
        .unwrap_or_else(|error| {
            tracing::debug!(%error, "this start is a new replica");
            Self::of(fresh)
        })
    }

    /// An id that is kept nowhere.
    pub const fn of(id: ReplicaId) -> Self {
        Self { id, _locked: None }
    }

    fn take_at(data_dir: &Path, fresh: ReplicaId, place: &str) -> std::io::Result<Self> {
        let path = data_dir.join(FILE);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.try_lock()?;
        // A copy on the same host is another file.
        let found = file.metadata()?;
        let place = format!("{place} {}:{}", found.dev(), found.ino());
        let mut text = String::new();
        (&file).take(1024).read_to_string(&mut text)?;
        let known = text.trim_end().split_once(' ').filter(|(_, known)| *known == place.as_str());
        let id = match known.and_then(|(id, _)| id.parse().ok()) {
            Some(id) => id,
            None => {
                file.set_len(0)?;
                file.rewind()?;
                writeln!(file, "{fresh} {place}")?;
                file.sync_all()?;
                fresh
            }
        };
        Ok(Self { id, _locked: Some(file) })
    }
}

/// This host, in this boot. A copy of the data directory elsewhere is another place.
fn place() -> Option<String> {
    let read = |path| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let (host, boot) = (read("/proc/sys/kernel/hostname")?, read("/proc/sys/kernel/random/boot_id")?);
    (!host.is_empty() && !boot.is_empty()).then(|| format!("{host} {boot}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;

    fn id(number: u8) -> ReplicaId {
        ReplicaId::new(Timestamp::from_unix_millis(0), [number; 10])
    }

    #[test]
    fn the_next_process_in_the_same_place_is_the_same_replica() {
        let dir = tempfile::tempdir().unwrap();
        let first = ReplicaFile::take_at(dir.path(), id(1), "host boot").unwrap();
        assert_eq!(first.id, id(1));
        drop(first);
        assert_eq!(ReplicaFile::take_at(dir.path(), id(2), "host boot").unwrap().id, id(1));
    }

    #[test]
    fn another_host_another_boot_or_a_damaged_file_is_another_replica() {
        let dir = tempfile::tempdir().unwrap();
        drop(ReplicaFile::take_at(dir.path(), id(1), "host boot").unwrap());
        assert_eq!(ReplicaFile::take_at(dir.path(), id(2), "other boot").unwrap().id, id(2));
        assert_eq!(ReplicaFile::take_at(dir.path(), id(3), "other boot2").unwrap().id, id(3));
        for damaged in ["", "x", "no-id other boot2\n"] {
            std::fs::write(dir.path().join(FILE), damaged).unwrap();
            assert_eq!(ReplicaFile::take_at(dir.path(), id(4), "other boot2").unwrap().id, id(4));
        }
    }

    #[test]
    fn a_copy_of_the_data_directory_is_another_replica() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        drop(ReplicaFile::take_at(dir.path(), id(1), "host boot").unwrap());
        std::fs::copy(dir.path().join(FILE), copy.path().join(FILE)).unwrap();
        assert_eq!(ReplicaFile::take_at(copy.path(), id(2), "host boot").unwrap().id, id(2));
        assert_eq!(ReplicaFile::take_at(dir.path(), id(3), "host boot").unwrap().id, id(1));
    }

    #[test]
    fn two_processes_are_never_one_replica() {
        let dir = tempfile::tempdir().unwrap();
        let first = ReplicaFile::take(dir.path(), id(1));
        let second = ReplicaFile::take(dir.path(), id(2));
        assert_ne!(first.id, second.id);
        drop(first);
        if place().is_some() {
            assert_eq!(ReplicaFile::take(dir.path(), id(3)).id, id(1));
        }
    }
}
