//! Takes keys out of the given values, one parser for each, and remembers everything worth telling: problems,
//! warnings, values in force with their origins, and which keys exist.
//!
//! A wrong value is a problem and is replaced by its default, so that reading goes on; nothing read is used once
//! there is a problem.

use std::collections::{BTreeMap, BTreeSet};

use super::given::{Given, Raw, Values};
use super::problem::{Fault, Origin, Problem};
use super::shown::{NOT_SET, Shown};
use crate::domain::clock::Timestamp;

pub(super) struct Reader {
    values: Values,
    /// Every key that was asked for, given or not.
    known: BTreeSet<String>,
    /// Keys whose values are wrong or missing: comparing them with others would lead to wrong problems.
    unsound: BTreeSet<String>,
    /// Where secrets were found in the end, directly or in a file.
    places: BTreeMap<String, Origin>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    shown: Vec<Shown>,
    judges_files_at: Option<Timestamp>,
}

impl Reader {
    pub(super) fn new(mut values: Values, judges_files_at: Option<Timestamp>) -> Reader {
        Reader {
            problems: std::mem::take(&mut values.problems),
            warnings: std::mem::take(&mut values.warnings),
            values,
            known: BTreeSet::new(),
            unsound: BTreeSet::new(),
            places: BTreeMap::new(),
            shown: Vec::new(),
            judges_files_at,
        }
    }

    /// Whether the files of certificates are judged, and as of what time. See [`super::Sources::certificates_at`].
    pub(super) fn judges_files_at(&self) -> Option<Timestamp> {
        self.judges_files_at
    }

    /// The value at `key`, or `default`, which is written as in a variable.
    #[expect(clippy::expect_used, reason = "defaults are constants; a test reads every one of them")]
    pub(super) fn value<T>(
        &mut self,
        key: &str,
        default: &str,
        parse: impl Fn(&Raw) -> Result<T, Fault>,
    ) -> T {
        let shown = self.find(key).map_or_else(|| default.to_owned(), |given| display(&given.raw));
        self.show(key, shown);
        self.parsed(key, &parse).unwrap_or_else(|| {
            parse(&Raw::Untyped(default.to_owned())).expect("a default passes its own check")
        })
    }

    /// The value at `key`, if there is one.
    pub(super) fn optional<T>(&mut self, key: &str, parse: impl Fn(&Raw) -> Result<T, Fault>) -> Option<T> {
        let shown = self.find(key).map_or_else(|| NOT_SET.to_owned(), |given| display(&given.raw));
        self.show(key, shown);
        self.parsed(key, parse)
    }

    /// The value at `key`; a missing one is a problem of the list entry at `entry`.
    pub(super) fn required<T>(
        &mut self,
        key: &str,
        entry: &Origin,
        parse: impl Fn(&Raw) -> Result<T, Fault>,
    ) -> Option<T> {
        if self.find(key).is_none() {
            self.problem_at(entry.clone(), key, Fault::new("is missing", "add it to this entry"));
            self.unsound(key);
        }
        self.optional(key, parse)
    }

    /// Like [`Reader::optional`], without an entry in what is shown.
    pub(super) fn parsed<T>(&mut self, key: &str, parse: impl Fn(&Raw) -> Result<T, Fault>) -> Option<T> {
        let given = self.find(key)?;
        match parse(&given.raw) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.problem_at(given.origin, key, fault);
                self.unsound(key);
                None
            }
        }
    }

    /// What was given for `key`, which from now on is a known one.
    pub(super) fn find(&mut self, key: &str) -> Option<Given> {
        self.known.insert(key.to_owned());
        self.values.keys.get(key).cloned()
    }

    /// Where the value in force for `key` came from.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let given = || self.values.keys.get(key).map(|given| given.origin.clone());
        self.places.get(key).cloned().or_else(given).unwrap_or(Origin::Default)
    }

    /// Notes where a secret was found.
    pub(super) fn place(&mut self, key: &str, origin: Origin) {
        self.places.insert(key.to_owned(), origin);
    }

    /// The origins of the entries of `[[list]]`.
    pub(super) fn entries(&self, list: &str) -> Vec<Origin> {
        self.values.lists.get(list).cloned().unwrap_or_default()
    }

    /// Whether these values are right each for itself and no layer is missing, so that a rule over several of
    /// them can be judged.
    pub(super) fn sound(&self, keys: &[&str]) -> bool {
        !self.values.incomplete && !keys.iter().any(|key| self.unsound.contains(*key))
    }

    pub(super) fn unsound(&mut self, key: &str) {
        self.unsound.insert(key.to_owned());
    }

    /// Notes a problem of the value in force for `key`.
    pub(super) fn problem(&mut self, key: &str, fault: Fault) {
        self.problem_at(self.origin(key), key, fault);
    }

    pub(super) fn problem_at(&mut self, origin: Origin, key: &str, fault: Fault) {
        self.problems.push(fault.at(origin, key));
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Notes the value in force for `key`; never a secret one.
    pub(super) fn show(&mut self, key: &str, value: impl Into<String>) {
        self.show_from(key, value, self.origin(key));
    }

    pub(super) fn show_from(&mut self, key: &str, value: impl Into<String>, origin: Origin) {
        self.shown.push(Shown { key: key.to_owned(), value: value.into(), origin });
    }

    /// Reports keys that nobody asked for. To be called when everything was asked for.
    pub(super) fn finish(mut self) -> (Vec<Problem>, Vec<String>, Vec<Shown>) {
        self.problems.extend(super::unknown::problems(&self.values, &self.known));
        (self.problems, self.warnings, self.shown)
    }
}

fn display(raw: &Raw) -> String {
    match raw {
        Raw::Untyped(text) | Raw::Text(text) => text.clone(),
        Raw::Integer(number) => number.to_string(),
        Raw::Boolean(value) => value.to_string(),
        Raw::List(items) => format!("[{}]", items.iter().map(display).collect::<Vec<_>>().join(", ")),
        Raw::Other(name) => (*name).to_owned(),
    }
}
