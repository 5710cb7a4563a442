//! Secrets and URLs: taken as they are, shown redacted, never printed.
use std::fmt::Write as _;

use secrecy::ExposeSecret;

use super::case::{Case, KEY, SECRET, origin};
use crate::config::{StoreKind, load, variables};

#[test]
fn postgres_with_both_urls_is_taken_and_shown_without_passwords() {
    let loaded = Case::new()
        .file("[store]\nkind = \"postgres\"\nmigrate = \"manual\"\n[redis]\nurl = \"redis://:hunter2@cache\"")
        .env("DATABASE_URL", "postgresql+asyncpg://u:hunter2@db/app")
        .load();
    let StoreKind::Postgres { postgres, redis } = &loaded.settings.store.kind else { panic!("embedded") };
    assert_eq!(postgres.url.expose_secret(), "postgresql://u:hunter2@db/app");
    assert_eq!(redis.url.expose_secret(), "redis://:hunter2@cache");
    assert_eq!(origin(&loaded, "postgres.url"), "environment variable DATABASE_URL");
    let urls: Vec<_> =
        loaded.values.iter().filter(|s| s.key.ends_with(".url")).map(|s| s.value.as_str()).collect();
    assert_eq!(urls, ["postgresql+asyncpg://u:***@db/app", "redis://:***@cache"]);
}

#[test]
fn unused_secrets_are_warnings() {
    for (name, value) in [("SECRET_KEY", "short"), ("DATABASE_URL", "sqlite:///./app.db"), ("REDIS_URL", "x")]
    {
        let loaded = Case::new().env(name, value).load();
        assert_eq!(loaded.warnings.len(), 1, "{name}");
        assert!(loaded.warnings[0].contains(name) && loaded.warnings[0].contains("is not used"));
        assert!(loaded.values.iter().all(|shown| shown.value != value));
    }
}

#[test]
fn the_secret_of_a_client_is_taken_from_file_and_environment_and_shown_redacted() {
    let file = "[[client]]\nid = \"orders\"\n";
    let own = Case::new().file(&format!("{file}secret = \"{SECRET}\""));
    let by_variable = Case::new().file(file).env("GATEWARD__CLIENT__0__SECRET", SECRET);
    let mut in_file = Case::new().file(file);
    let path = in_file.write("secret", &format!("{SECRET}\n"));
    in_file = in_file.env("GATEWARD__CLIENT__0__SECRET_FILE", path.to_str().unwrap());
    for case in [own, by_variable, in_file] {
        let loaded = case.load();
        assert_eq!(loaded.settings.clients[0].secret.expose_secret(), SECRET);
        assert!(
            loaded.values.iter().any(|shown| shown.key == "client[0].secret" && shown.value == "(redacted)")
        );
        assert!(!everything_printed(&case).contains("hunter2"));
    }
    let nobody = Case::new().env("GATEWARD__CLIENT__0__SECRET", SECRET);
    assert!(
        nobody.problems()[0].contains("is not a known key")
            && !everything_printed(&nobody).contains("hunter2")
    );
    let short = Case::new().file(&format!("{file}secret = \"hunter2\""));
    assert!(!short.problems().is_empty() && !everything_printed(&short).contains("hunter2"));
}

/// Both faces of the result, as text.
fn everything_printed(case: &Case) -> String {
    let mut text = String::new();
    match load(&case.sources) {
        Ok(loaded) => write!(text, "{loaded:?} {:?} {:?}", loaded.values, loaded.warnings).unwrap(),
        Err(problems) => write!(text, "{problems} {problems:?}").unwrap(),
    }
    text
}

#[test]
fn no_secret_is_ever_printed() {
    let secrets = ["token.secret", "token.key_encryption_key", "postgres.url", "redis.url"];
    // Right, too short, of another URL kind, with a misplaced `@`.
    let values = [
        SECRET,
        KEY,
        "hunter2",
        "postgres://u:hunter2@db",
        "redis://:hunter2@db",
        "postgres://u:hun@hunter2@db",
    ];
    for key in secrets {
        for value in values {
            for base in ["[store]\nkind = \"postgres\"\n[token]\nalgorithm = \"HS256\"\n", ""] {
                let own = variables::variable_name(key);
                let by_variable = |name: &str| Case::new().file(base).env(name, value);
                for case in [
                    by_variable(&own),
                    by_variable(&format!("{own}_FILE")),
                    by_variable(&format!("{own}_FILE")).env(&own, value),
                    by_variable(&format!("{own}X")),
                    Case::new().file(base).dotenv(&format!("{own}='{value}'")),
                    Case::new().file(base).dotenv(&format!("{own} '{value}'")),
                ] {
                    let printed = everything_printed(&case);
                    assert!(!printed.contains("hunter2") && !printed.contains(KEY), "{key}: {printed}");
                }
            }
        }
    }
    let file =
        format!("[token]\nalgorithm = \"HS256\"\nsecret = \"{SECRET}\"\nkey_encryption_key = \"{KEY}\"\n");
    let case = Case::new()
        .file(&format!("{file}[store]\nkind = \"postgres\"\n[postgres]\nurl = \"postgres://u:hunter2@db\"\n"))
        .env("REDIS_URL", "redis://:hunter2@db");
    assert!(load(&case.sources).is_ok());
    let printed = everything_printed(&case);
    assert!(!printed.contains("hunter2") && !printed.contains(KEY), "{printed}");
    assert!(printed.contains("(redacted)"));
}
