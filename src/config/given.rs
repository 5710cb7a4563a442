//! Values as the layers gave them, before any check.
//!
//! No type here has `Debug`: a value may be a secret.

use std::collections::BTreeMap;

use super::problem::{Origin, Problem};

/// Keys of `[[..]]` sections: their entries are read as `upstream[0].name`.
pub(super) const LISTS: [&str; 4] = ["certificate", "client", "upstream", "route"];

/// The sublayers, weakest first. In `.env` and in the environment the familiar names (`SECRET_KEY`) are weaker
/// than `GATEWARD__..`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    File,
    DotEnvFamiliar,
    DotEnv,
    EnvironmentFamiliar,
    Environment,
    Flag,
}

/// A value of one of TOML's types, or a text whose type is only known by its reader.
#[derive(Clone)]
pub(super) enum Raw {
    /// From a default, a variable or a flag.
    Untyped(String),
    Text(String),
    Integer(i128),
    Boolean(bool),
    List(Vec<Raw>),
    /// A type that no key has, by its name.
    Other(&'static str),
}

impl Raw {
    /// With an article, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Raw::Untyped(_) | Raw::Text(_) => "a text",
            Raw::Integer(_) => "a whole number",
            Raw::Boolean(_) => "a boolean",
            Raw::List(_) => "a list",
            Raw::Other(name) => name,
        }
    }
}

/// One value and where it came from.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) layer: Layer,
    pub(super) origin: Origin,
    pub(super) raw: Raw,
}

/// Everything given, the strongest value for each key.
#[derive(Default)]
pub(super) struct Values {
    pub(super) keys: BTreeMap<String, Given>,
    /// `[section]` headers of the file, so that a misspelt one is found even when it is empty.
    pub(super) sections: Vec<(String, Origin)>,
    /// For each of [`LISTS`], the origins of its entries.
    pub(super) lists: BTreeMap<&'static str, Vec<Origin>>,
    /// What was wrong with a layer as such: syntax, unreadable files.
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    /// Whether a layer is missing because it could not be read. Then only single values can be checked:
    /// "needs a URL" could be wrong.
    pub(super) incomplete: bool,
}

impl Values {
    /// Keeps the value unless a stronger layer has given one.
    pub(super) fn put(&mut self, key: String, given: Given) {
        match self.keys.get(&key) {
            Some(present) if present.layer > given.layer => {}
            Some(_) | None => {
                self.keys.insert(key, given);
            }
        }
    }
}
