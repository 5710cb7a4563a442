//! Tests of [`load`] as a whole, and of `config.toml`. Here: [`Case`], the sources of a test.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

mod config_toml;
mod layers;
mod rules;
mod secrecy;

use tempfile::TempDir;

use super::{Flag, Loaded, Sources, load};

const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";
const KEY: &str = "aHVudGVyMi1odW50ZXIyLWh1bnRlcjItaHVudGVyMi0=";

/// Sources under construction; files live as long as this.
struct Case {
    folder: TempDir,
    sources: Sources,
}

impl Case {
    fn new() -> Case {
        Case { folder: tempfile::tempdir().unwrap(), sources: Sources::default() }
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn file(mut self, text: &str) -> Case {
        self.sources.file = Some(self.write("gateward.toml", text));
        self
    }

    fn dotenv(mut self, text: &str) -> Case {
        self.sources.dotenv = Some(self.write(".env", text));
        self
    }

    fn env(mut self, name: &str, value: &str) -> Case {
        self.sources.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn flag(mut self, key: &str, value: &str, name: &str) -> Case {
        let (key, value, name) = (key.to_owned(), value.to_owned(), name.to_owned());
        self.sources.flags.push(Flag { key, value, name });
        self
    }

    fn load(&self) -> Loaded {
        load(&self.sources).unwrap()
    }

    /// `line key: message` of every problem; `line` is the origin without the folder.
    fn problems(&self) -> Vec<String> {
        let Err(problems) = load(&self.sources) else { return Vec::new() };
        let folder = format!("{}/", self.folder.path().display());
        problems
            .iter()
            .map(|p| format!("{} {}: {}", p.origin, p.key, p.message).replace(&folder, ""))
            .collect()
    }
}

/// The origin of `key` as shown.
fn origin(loaded: &Loaded, key: &str) -> String {
    loaded.values.iter().find(|shown| shown.key == key).unwrap().origin.to_string()
}
