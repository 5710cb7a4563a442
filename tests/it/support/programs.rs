//! Where the server programs of the tests are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest PostgreSQL that the project supports.
const POSTGRES_MAJOR: u32 = 15;
const REMEDY: &str = "run `make test`: it installs what the tests need";

/// The folder that holds `initdb` and `postgres`, of the highest version.
///
/// Debian keeps them out of `PATH`, in a folder per version; Homebrew in a folder per formula.
///
/// # Panics
/// When no such folder is found.
pub fn postgres_programs() -> PathBuf {
    let mut folders = Vec::new();
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
        ("/usr", "pgsql-"),
    ] {
        let Ok(entries) = Path::new(parent).read_dir() else { continue };
        folders.extend(
            entries
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
                .map(|entry| entry.path().join("bin")),
        );
    }
    // Last: a link in PATH may point at the programs without their neighbours (`share`, `lib`).
    folders.extend(path_folders());
    let versions = folders.into_iter().filter_map(|folder| Some((postgres_version(&folder)?, folder)));
    // `max_by_key` keeps the last of equals; the folders above are to win over PATH.
    let best = versions.reduce(|best, next| if next.0 > best.0 { next } else { best });
    match best {
        Some((version, folder)) if version >= POSTGRES_MAJOR => folder,
        Some((version, folder)) => {
            panic!("PostgreSQL {version} in {} is older than {POSTGRES_MAJOR}: {REMEDY}", folder.display())
        }
        None => panic!("no PostgreSQL server programs (initdb, postgres) found: {REMEDY}"),
    }
}

/// `redis-server`.
///
/// # Panics
/// When it is not found.
pub fn redis_program() -> PathBuf {
    path_folders()
        .into_iter()
        .chain(["/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/usr/sbin"].map(PathBuf::from))
        .map(|folder| folder.join("redis-server"))
        .find(|program| version_line(program).is_some())
        .unwrap_or_else(|| panic!("no redis-server found: {REMEDY}"))
}

fn path_folders() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// The major version of the programs in a folder, if all are there and work.
fn postgres_version(folder: &Path) -> Option<u32> {
    for program in ["initdb", "pg_ctl"] {
        folder.join(program).is_file().then_some(())?;
    }
    major_version(&version_line(&folder.join("postgres"))?)
}

/// `postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)`, `postgres (PostgreSQL) 18beta1`
pub fn major_version(line: &str) -> Option<u32> {
    let version = line.split_once("(PostgreSQL) ")?.1;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn version_line(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
