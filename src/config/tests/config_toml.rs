//! Tests of `config.toml` at the root, which is the documentation of the keys.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::case::{KEY, SECRET};
use crate::config::given::Values;
use crate::config::shown::NOT_SET;
use crate::config::{Origin, Sources, load, toml_layer};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml")
}

/// The file with its example lines (`#key = ..`, `#[[list]]`) made live.
const SECRET_PLACEHOLDER: &str = "<openssl rand -base64 48>";
const KEY_PLACEHOLDER: &str = "<openssl rand -base64 32>";

fn with_examples() -> String {
    let text = std::fs::read_to_string(path()).unwrap();
    let live =
        |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned();
    text.lines().map(live).collect::<Vec<_>>().join("\n")
}

#[test]
fn it_equals_the_defaults_and_sets_every_key_that_has_one() {
    let file = load(&Sources { file: Some(path()), ..Sources::default() }).unwrap();
    let defaults = load(&Sources::default()).unwrap();
    assert_eq!(format!("{:?}", file.settings), format!("{:?}", defaults.settings));
    assert_eq!(file.warnings, Vec::<String>::new());
    for (shown, default) in file.values.iter().zip(&defaults.values) {
        assert_eq!((&shown.key, &shown.value), (&default.key, &default.value));
        assert_eq!(default.origin, Origin::Default);
        let live = matches!(shown.origin, Origin::File { .. });
        assert_eq!(live, shown.value != NOT_SET, "{} is live when it has a default", shown.key);
    }
}

#[test]
fn it_names_every_key_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("examples.toml");
    std::fs::write(&file, with_examples()).unwrap();
    let mut values = Values::default();
    toml_layer::add(&mut values, &file);
    let named: BTreeSet<String> = values.keys.into_keys().collect();

    let short_form = vec![("UPSTREAM".to_owned(), "http://a:1".to_owned())];
    let all = load(&Sources { environment: short_form, ..Sources::default() }).unwrap().values;
    let mut known: BTreeSet<String> = all.into_iter().map(|shown| shown.key).collect();
    known.extend(["client[0].id".to_owned(), "client[0].secret".to_owned()]);
    known.extend(["certificate[0].certificate_file".to_owned(), "certificate[0].key_file".to_owned()]);
    for secret in
        ["postgres.url", "redis.url", "token.secret", "token.key_encryption_key", "client[0].secret"]
    {
        known.insert(format!("{secret}_file"));
    }
    assert_eq!(named, known);
}

#[test]
fn its_examples_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("examples.toml");
    // Forms that exclude each other, and a file that exists only on the reader's machine; the files of a certificate are
    // not looked at.
    let needed = ["certificate_file = ", "key_file = "];
    let kept = |line: &&str| !line.contains("_file = ") || needed.iter().any(|key| line.starts_with(key));
    let text: Vec<String> = with_examples().lines().filter(kept).map(str::to_owned).collect();
    let text = text.join("\n").replace("\"embedded\"", "\"postgres\"").replace("\"EdDSA\"", "\"HS256\"");
    // As they stand in the file, the placeholders of secrets are refused.
    assert!(text.contains(SECRET_PLACEHOLDER) && text.contains(KEY_PLACEHOLDER));
    let text = text.replace(SECRET_PLACEHOLDER, SECRET).replace(KEY_PLACEHOLDER, KEY);
    std::fs::write(&file, text.replace("# \"postgres\"", "# x")).unwrap();
    let loaded = load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
    assert_eq!(loaded.settings.routes.len(), 1);
    assert_eq!(loaded.warnings, Vec::<String>::new());
}
