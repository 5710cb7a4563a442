//! Where a run takes place: the folder, the programs that are there, the cores, and what the user asked for.

use std::path::{Path, PathBuf};

use super::load::Tool;

/// The templates of the configurations, beside this file.
const TEMPLATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");

const OWN: &str = env!("CARGO_BIN_EXE_gateward");

/// A folder that goes when the run ends, and how to find things.
pub struct Place {
    folder: tempfile::TempDir,
    /// The gateway's program: the one built with this, unless another is named.
    pub gateward: PathBuf,
    /// Whether it is the one built with this.
    pub own_build: bool,
    pub tool: Tool,
    pub proxy_cores: String,
    pub load_cores: String,
    pub rounds: usize,
    /// Seconds of load for each row.
    pub span: u64,
    pub only: Option<Vec<String>>,
    /// Whether the page is written: not after a run of some set-ups only.
    pub write: bool,
}

impl Place {
    pub fn new() -> Self {
        let said = |name: &str, default: &str| {
            std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
        };
        let only = said("ONLY", "");
        let write = only.is_empty() && said("WRITE", "yes") != "no";
        Self {
            folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
            own_build: said("GATEWARD", OWN) == OWN,
            gateward: PathBuf::from(said("GATEWARD", OWN)),
            tool: if said("LOAD", "loadtest") == "wrk" { Tool::Wrk } else { Tool::Loadtest },
            proxy_cores: said("PROXY_CORES", "0"),
            load_cores: said("LOAD_CORES", "1"),
            rounds: said("ROUNDS", "5").parse().expect("ROUNDS is a number"),
            span: said("SPAN", "4").parse().expect("SPAN is a number of seconds"),
            only: (!only.is_empty()).then(|| only.split(',').map(str::to_owned).collect()),
            write,
        }
    }

    /// A file of this run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the template `template` as `name`, with the `values` put in where their names stand between @.
    pub fn fill(&self, template: &str, name: &str, values: &[(&str, &str)]) -> PathBuf {
        let mut text = std::fs::read_to_string(Path::new(TEMPLATES).join(template)).unwrap();
        let folder = self.folder.path().to_str().unwrap();
        for (key, value) in values.iter().chain(&[("FOLDER", folder)]) {
            text = text.replace(&format!("@{key}@"), value);
        }
        assert!(!text.contains('@'), "{template}: a value is missing:\n{text}");
        let file = self.file(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// Where a program is, if it is installed. Debian keeps servers in /usr/sbin, which is not in everybody's PATH.
    pub fn program(name: &str) -> Option<PathBuf> {
        let path = std::env::var("PATH").unwrap_or_default();
        let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
        folders.map(|folder| Path::new(folder).join(name)).find(|file| file.is_file())
    }
}

/// The server of the checker, in a Python environment that scripts/setup.sh makes.
pub fn uvicorn() -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../peers-python/bin/uvicorn");
    file.canonicalize().ok()
}
