//! The TOML file as a flat map from key to value, each with its line.
//!
//! Only the shape is looked at here: `[section]` holds keys, `[[upstream]]` and `[[route]]` are lists. What the
//! keys mean is the reader's business.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::given::{Given, LISTS, Layer, Raw, Values};
use super::problem::{Fault, Origin};
use super::secret::read_bounded;

/// Adds the file's values. One that cannot be read or is not TOML adds its problems and no values: keys that a
/// recovering parser guesses would lead to problems that are not there.
pub(super) fn add(values: &mut Values, path: &Path) {
    match read_bounded(path) {
        Ok(text) => File { path, text: &text, values }.read(),
        Err(reason) => {
            let fault = Fault::new(format!("cannot be read: {reason}"), "check the path and its permissions");
            values.problems.push(fault.at(Origin::File { path: path.to_owned(), line: None }, ""));
            values.incomplete = true;
        }
    }
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    values: &'a mut Values,
}

impl File<'_> {
    fn read(&mut self) {
        let (table, mut errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            for (key, value) in table.get_ref() {
                self.top_level(key.get_ref(), self.origin(key.span().start), value.get_ref());
            }
            return;
        }
        self.values.incomplete = true;
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        let mut lines_seen = Vec::new();
        for error in errors {
            let before = self.text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |start| start.chars().count()) + 1;
            // One mistake often makes several errors on its line. `Display` of the error would repeat the
            // line, and with it perhaps a secret; the message alone does not.
            if !lines_seen.contains(&line) {
                lines_seen.push(line);
                let message = format!("is not TOML at line {line}, column {column}: {}", error.message());
                let origin = Origin::File { path: self.path.to_owned(), line: Some(line) };
                self.values.problems.push(Fault::new(message, "correct the syntax (toml.io)").at(origin, ""));
            }
        }
    }

    fn top_level(&mut self, name: &str, origin: Origin, value: &DeValue<'_>) {
        let list = LISTS.into_iter().find(|list| *list == name);
        match (value, list) {
            (DeValue::Table(table), None) => {
                self.values.sections.push((name.to_owned(), origin));
                self.table(name, table);
            }
            (DeValue::Array(items), Some(list)) => {
                for (index, item) in items.iter().enumerate() {
                    let origin = self.origin(item.span().start);
                    match item.get_ref() {
                        DeValue::Table(table) => self.table(&format!("{list}[{index}]"), table),
                        _ => self.not_a_list(list, origin.clone()),
                    }
                    self.values.lists.entry(list).or_default().push(origin);
                }
            }
            (_, Some(list)) => self.not_a_list(list, origin),
            (value, None) => self.values.put(name.to_owned(), given(origin, value)),
        }
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let origin = self.origin(key.span().start);
            self.values.put(format!("{prefix}.{}", key.get_ref()), given(origin, value.get_ref()));
        }
    }

    fn not_a_list(&mut self, list: &str, origin: Origin) {
        let fault = Fault::new("is not a list of tables", format!("start each entry with a line [[{list}]]"));
        self.values.problems.push(fault.at(origin, list));
        self.values.incomplete = true;
    }

    fn origin(&self, start: usize) -> Origin {
        let before = self.text.get(..start).unwrap_or_default();
        Origin::File { path: self.path.to_owned(), line: Some(before.matches('\n').count() + 1) }
    }
}

fn given(origin: Origin, value: &DeValue<'_>) -> Given {
    Given { layer: Layer::File, origin, raw: raw(value) }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.clone().into_owned()),
        // More digits than 128 bits hold: no key takes so large a number, so its exact value does not matter.
        DeValue::Integer(integer) => {
            Raw::Integer(i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i128::MAX))
        }
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Array(items) => Raw::List(items.iter().map(Spanned::get_ref).map(raw).collect()),
        DeValue::Float(_) => Raw::Other("a number with a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date or time"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Values {
        let mut values = Values::default();
        File { path: Path::new("g.toml"), text, values: &mut values }.read();
        values
    }

    #[test]
    fn keys_are_flat_and_know_their_lines() {
        let values = read(
            "[server]\nlisten = \"a\"\nthreads = 1_0\n\n[[route]]\npath = \"/\"\n[[route]]\n\npath = \"/a\"\n",
        );
        let lines: Vec<_> =
            values.keys.iter().map(|(key, given)| format!("{key} {}", given.origin)).collect();
        assert_eq!(
            lines,
            [
                "route[0].path g.toml:6",
                "route[1].path g.toml:9",
                "server.listen g.toml:2",
                "server.threads g.toml:3"
            ]
        );
        assert!(matches!(values.keys["server.threads"].raw, Raw::Integer(10)));
        let entries: Vec<_> = values.lists["route"].iter().map(ToString::to_string).collect();
        assert_eq!(entries, ["g.toml:5", "g.toml:7"]);
    }

    #[test]
    fn syntax_errors_name_line_and_column_and_never_repeat_the_line() {
        let values = read("[server]\nlisten = \"a\"\n[token]\nsecret = \"hunter2\" hunter2\n");
        let problem = values.problems.first().unwrap();
        assert_eq!(problem.origin.to_string(), "g.toml:4");
        assert!(problem.message.contains("line 4, column 20"), "{problem}");
        assert!(values.incomplete && values.keys.is_empty());
        for text in [
            "secret = hunter2",
            "secret = \"hunter2",
            "secret = 'hunter2\n'",
            "secret = \"hunter2\\q\"",
            "secret == \"hunter2\"",
            "secret \"hunter2\"",
            "a = 1\na = \"hunter2\"",
            "[token\nsecret = \"hunter2\"",
        ] {
            let values = read(text);
            assert!(!values.problems.is_empty(), "{text}");
            for problem in values.problems {
                assert!(!problem.to_string().contains("hunter2"), "{problem}");
            }
        }
    }

    #[test]
    fn every_wrong_line_is_reported() {
        let lines: Vec<_> =
            read("a = \nb = 1\nc = [\n\nd = 2").problems.iter().map(|p| p.origin.to_string()).collect();
        assert!(lines.len() >= 2 && lines[0] == "g.toml:1", "{lines:?}");
    }

    #[test]
    fn lists_must_be_written_as_lists() {
        for text in ["[upstream]\nname = \"a\"", "route = \"/\"", "upstream = [1]"] {
            assert_eq!(read(text).problems.len(), 1, "{text}");
        }
    }

    #[test]
    fn an_unreadable_file_is_a_problem() {
        let mut values = Values::default();
        add(&mut values, Path::new("/nowhere/g.toml"));
        assert!(values.incomplete);
        assert!(values.problems[0].to_string().starts_with("/nowhere/g.toml: cannot be read"));
    }
}
