//! Reads all layers and checks everything: [`load`].

use std::path::PathBuf;

use super::given::{Given, Layer, Raw, Values};
use super::problem::{Origin, Problems};
use super::reader::Reader;
use super::settings::Settings;
use super::shown::Shown;
use crate::domain::clock::Timestamp;

use super::{sections, toml_layer, variables};

/// A value from the command line.
pub struct Flag {
    /// For example `server.listen`; `upstream` for the short form `http://host:port`.
    pub key: String,
    /// As typed. Secrets are not taken from the command line, where other users of the machine see them.
    pub value: String,
    /// With its dashes, for messages, for example `--listen`.
    pub name: String,
}

/// Where to read. Has no `Debug`: the environment holds secrets.
#[derive(Default)]
pub struct Sources {
    /// The TOML file; it must exist.
    pub file: Option<PathBuf>,
    /// The `.env` file; it may be missing.
    pub dotenv: Option<PathBuf>,
    /// The process environment, names and values.
    pub environment: Vec<(String, String)>,
    /// Values from the command line.
    pub flags: Vec<Flag>,
    /// The files of certificates are read and judged as of this time. None: only their paths are; a command that ends a
    /// session must not fail because a certificate has expired.
    pub certificates_at: Option<Timestamp>,
}

/// A configuration without a mistake.
#[derive(Debug)]
pub struct Loaded {
    /// The checked values.
    pub settings: Settings,
    /// Every key with its value (no secret) and origin, by section.
    pub values: Vec<Shown>,
    /// What is allowed and yet probably not meant, a line each.
    pub warnings: Vec<String>,
}

/// Reads all sources, later layers over earlier ones, and checks the result. Relative paths (data directory,
/// secret files) count from the working directory.
///
/// # Errors
///
/// Every mistake that was found, at once. If a file cannot be read or parsed, rules over several values are not
/// judged, because the missing values might satisfy them.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let mut values = Values::default();
    if let Some(path) = &sources.file {
        toml_layer::add(&mut values, path);
    }
    if let Some(path) = &sources.dotenv {
        variables::add_dotenv(&mut values, path);
    }
    variables::add_environment(&mut values, &sources.environment);
    for flag in &sources.flags {
        let origin = Origin::Flag { name: flag.name.clone() };
        let given = Given { layer: Layer::Flag, origin, raw: Raw::Untyped(flag.value.clone()) };
        values.put(flag.key.clone(), given);
    }

    let mut reader = Reader::new(values, sources.certificates_at);
    let settings = sections::read(&mut reader);
    let (problems, warnings, values) = reader.finish();
    if problems.is_empty() { Ok(Loaded { settings, values, warnings }) } else { Err(Problems(problems)) }
}
