//! [`Case`]: the sources of a test.

use tempfile::TempDir;

use crate::config::{Flag, Loaded, Sources, load};

pub(super) const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";
pub(super) const KEY: &str = "aHVudGVyMi1odW50ZXIyLWh1bnRlcjItaHVudGVyMi0=";

/// Sources under construction; files live as long as this.
pub(super) struct Case {
    pub(super) folder: TempDir,
    pub(super) sources: Sources,
}

impl Case {
    pub(super) fn new() -> Case {
        Case { folder: tempfile::tempdir().unwrap(), sources: Sources::default() }
    }

    pub(super) fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(super) fn file(mut self, text: &str) -> Case {
        self.sources.file = Some(self.write("gateward.toml", text));
        self
    }

    pub(super) fn dotenv(mut self, text: &str) -> Case {
        self.sources.dotenv = Some(self.write(".env", text));
        self
    }

    pub(super) fn env(mut self, name: &str, value: &str) -> Case {
        self.sources.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn flag(mut self, key: &str, value: &str, name: &str) -> Case {
        let (key, value, name) = (key.to_owned(), value.to_owned(), name.to_owned());
        self.sources.flags.push(Flag { key, value, name });
        self
    }

    pub(super) fn load(&self) -> Loaded {
        load(&self.sources).unwrap()
    }

    /// `line key: message` of every problem; `line` is the origin without the folder.
    pub(super) fn problems(&self) -> Vec<String> {
        let Err(problems) = load(&self.sources) else { return Vec::new() };
        let folder = format!("{}/", self.folder.path().display());
        problems
            .iter()
            .map(|p| format!("{} {}: {}", p.origin, p.key, p.message).replace(&folder, ""))
            .collect()
    }
}

/// The origin of `key` as shown.
pub(super) fn origin(loaded: &Loaded, key: &str) -> String {
    loaded.values.iter().find(|shown| shown.key == key).unwrap().origin.to_string()
}
