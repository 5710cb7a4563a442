//! Who may import whom: the house rules of the crate's documentation, read from its sources.
//!
//! ```text
//! main -> cli -> app -> everything
//! gateway -> api (as a tower service), live, domain, telemetry, actors::AuthHandle
//! api     -> actors::AuthHandle, live, domain, telemetry
//! actors  -> store, live, config, domain, telemetry
//! store, live, config -> domain          telemetry -> nothing of ours          domain -> nothing
//! ```
//!
//! The first line is read downwards: what is left of an arrow may use all that is right of it, and only
//! `cli` may use `app`. One rule is wider than that plan: `store` may import `config`, because each store
//! takes its own checked section of the settings.
//!
//! Third-party crates have fences too ([`FENCES`]), a `mod.rs` is a table of contents, and `main.rs` is
//! short. The checker judges what a file writes; unit tests below plant violations to see it bite.

use std::path::Path;

use crate::support::rust_source::{NamedPath, Token, paths, tokens};

/// A part of the crate and the parts that it may import besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "app",
            "gateway",
            "api",
            "actors",
            "store",
            "live",
            "config",
            "telemetry",
            "domain",
            "torture",
            "loadtest",
        ],
    ),
    ("app", &["gateway", "api", "actors", "store", "live", "config", "telemetry", "domain"]),
    ("gateway", &["api", "actors", "live", "domain", "telemetry"]),
    ("api", &["actors", "live", "domain", "telemetry"]),
    ("actors", &["store", "live", "config", "domain", "telemetry"]),
    ("store", &["config", "domain"]),
    ("live", &["domain"]),
    ("config", &["domain"]),
    ("telemetry", &[]),
    ("torture", &["domain"]),
    ("loadtest", &["domain"]),
    ("domain", &[]),
];

/// The only names of `actors` that `gateway` and `api` may use.
const DOOR_OF_ACTORS: &[&str] = &[
    "AuthHandle",
    // What is asked through it, and what it answers.
    "AccountDeletion",
    "AuthError",
    "ClientFacts",
    "Login",
    "Logout",
    "LogoutScope",
    "PasswordChange",
    "Principal",
    "Refresh",
    "RefreshTokenFacts",
    "Registration",
    "Renaming",
    "Revoke",
    "SessionPage",
    "TokenGrant",
    "TokenPair",
];

/// Third-party crates (also those whose name goes on after `_`) and where they may be used: path
/// prefixes below `src/`.
const FENCES: &[(&[&str], &[&str])] = &[
    (
        &["tokio_postgres", "deadpool_postgres", "deadpool", "postgres_types", "rusqlite", "refinery"],
        &["store/"],
    ),
    (&["redis", "bb8_redis", "bb8"], &["store/"]),
    (&["ractor"], &["actors/"]),
    (&["pingora"], &["gateway/", "app.rs", "app/"]),
    (&["axum", "utoipa_axum"], &["api/", "gateway/bridge"]),
    (&["clap"], &["cli/"]),
];

const MAIN_LINES: usize = 49;

/// One source file.
struct Source<'a> {
    /// Below `src/`.
    path: &'a str,
    text: &'a str,
}

impl Source<'_> {
    /// The first part of its module path; `main` and `lib` are the two roots.
    fn layer(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Its module path: `["store", "postgres"]` for `store/postgres/mod.rs`.
    fn module(&self) -> Vec<String> {
        let path = self.path.strip_suffix(".rs").unwrap_or(self.path);
        let path = path.strip_suffix("/mod").unwrap_or(path);
        let root = path == "main" || path == "lib";
        if root { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
    }

    fn problem(&self, line: usize, rule: &str) -> String {
        format!("src/{}:{line}: {rule}", self.path)
    }

    /// Everything that is wrong with it.
    fn problems(&self) -> Vec<String> {
        let tokens = tokens(self.text);
        let layer = self.layer();
        let mut problems = Vec::new();
        let allowed = LAYERS.iter().find(|(name, _)| *name == layer).map(|(_, allowed)| *allowed);
        if allowed.is_none() && layer != "lib" {
            problems.push(self.problem(1, &format!("`{layer}` is no part of the plan: give it its rules")));
        }
        for path in paths(&tokens) {
            let rule = match (self.inside_crate(&path), allowed) {
                (Some(inside), Some(allowed)) => import_rule(layer, allowed, &inside),
                (Some(_), None) => None,
                (None, _) => self.fence_rule(&path),
            };
            problems.extend(rule.map(|rule| self.problem(path.line, &rule)));
        }
        if self.path.ends_with("/mod.rs") {
            let line = first_code_line(&tokens);
            problems.extend(line.map(|line| {
                self.problem(line, "a mod.rs holds documentation, `mod` lines and re-exports only")
            }));
        }
        let lines = self.text.lines().count();
        if self.path == "main.rs" && lines > MAIN_LINES {
            problems.push(self.problem(lines, &format!("main.rs has more than {MAIN_LINES} lines")));
        }
        problems.dedup();
        problems
    }

    /// The path from the root of our crate; `None` for another crate's (or a local name's).
    fn inside_crate(&self, path: &NamedPath) -> Option<Vec<String>> {
        let mut segments = path.segments.iter();
        let mut module = self.module();
        module.extend(path.inside.iter().cloned());
        match segments.next()?.as_str() {
            "crate" | "gateward" => module.clear(),
            "self" => {}
            "super" => {
                module.pop();
            }
            _ => return None,
        }
        for segment in segments {
            match segment.as_str() {
                "super" => {
                    module.pop();
                }
                "self" => {} // `use crate::store::{self}`
                name => module.push(name.to_owned()),
            }
        }
        Some(module)
    }

    fn fence_rule(&self, path: &NamedPath) -> Option<String> {
        let name = path.segments.first()?.as_str();
        let matches = |family: &&str| {
            name.strip_prefix(*family).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        let (_, places) = FENCES.iter().find(|(families, _)| families.iter().any(matches))?;
        let inside = places.iter().any(|place| self.path.starts_with(place));
        (!inside).then(|| format!("`{name}` may be used in {} only", places.join(", ")))
    }
}

/// The broken rule, if any, when `layer` names `path` (from the crate's root).
fn import_rule(layer: &str, allowed: &[&str], path: &[String]) -> Option<String> {
    // Nothing is left of `self` or `super` in the root itself.
    let target = path.first()?.as_str();
    let written = path.join("::");
    if target == layer {
        return None;
    }
    if !LAYERS.iter().any(|(name, _)| *name == target) {
        return Some(format!("`crate::{written}` names no part of the plan: import from the part itself"));
    }
    if !allowed.contains(&target) {
        return Some(format!("`{layer}` may not import `{target}` (crate::{written})"));
    }
    let through_door = path.get(1).is_some_and(|name| DOOR_OF_ACTORS.contains(&name.as_str()));
    let needs_door = target == "actors" && matches!(layer, "gateway" | "api");
    (needs_door && !through_door)
        .then(|| format!("`{layer}` may use `actors::AuthHandle` only (crate::{written})"))
}

/// The line of the first thing in a `mod.rs` that is no attribute, `mod` line or re-export.
fn first_code_line(tokens: &[(usize, Token)]) -> Option<usize> {
    let mut rest = tokens.iter().peekable();
    while let Some((line, token)) = rest.next() {
        let mut word = token.clone();
        if token == &Token::Sign('#') {
            let mut depth = 0;
            for (_, token) in rest.by_ref() {
                match token {
                    Token::Sign('[') => depth += 1,
                    Token::Sign(']') => depth -= 1,
                    _ => continue,
                }
                if depth == 0 {
                    break;
                }
            }
            continue;
        }
        let public = word == Token::Word("pub".to_owned());
        if public {
            if rest.peek().is_some_and(|(_, token)| *token == Token::Sign('(')) {
                rest.by_ref().find(|(_, token)| *token == Token::Sign(')'));
            }
            word = rest.next().map_or(word, |(_, token)| token.clone());
        }
        let ends_well = match &word {
            Token::Word(word) if word == "mod" => {
                rest.next();
                rest.next().is_some_and(|(_, token)| *token == Token::Sign(';'))
            }
            Token::Word(word) if word == "use" && public => {
                rest.by_ref().any(|(_, token)| *token == Token::Sign(';'))
            }
            _ => false,
        };
        if !ends_well {
            return Some(*line);
        }
    }
    None
}

fn rust_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in folder.read_dir().unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn sources_keep_the_house_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut problems = Vec::new();
    for file in rust_files(&root) {
        let text = std::fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        problems.extend(Source { path: &path, text: &text }.problems());
    }
    assert!(problems.is_empty(), "{} broken rules:\n{}", problems.len(), problems.join("\n"));
}

/// The problems of one planted line in a file.
fn planted(path: &str, text: &str) -> Vec<String> {
    Source { path, text }.problems()
}

#[test]
fn a_forbidden_import_is_found_however_it_is_written() {
    for (path, text) in [
        ("api/login.rs", "use crate::store::DurableStore;"),
        ("api/login.rs", "use crate::{domain::id::AccountId, store::{contract::{DurableStore as D}}};"),
        ("api/login.rs", "use crate::store as kept;"),
        ("api/login.rs", "use crate::store::*;"),
        ("api/login.rs", "use crate::*;"),
        ("api/login.rs", "use super::super::store::StoreError;"),
        ("api/mod.rs", "pub use super::store::StoreError;"),
        ("api/login.rs", "mod inner { use super::super::super::store::StoreError; }"),
        ("api/login.rs", "fn f() -> crate::store::StoreError { todo() }"),
        ("api/login.rs", "fn f() { if 'a' == '\\'' { g::<crate::store::StoreError>(); } }"),
        ("api/login.rs", "const A: &str = \"//\"; use crate::store::StoreError;"),
        ("api/login.rs", "const A: &str = r#\" \"quoted\" \"#; use crate::store::StoreError;"),
        ("api/login.rs", "fn f<'a>(x: &'a str) { let _ = '\"'; } use crate::store::StoreError;"),
        ("api/login.rs", "/* /* */ */ use crate::store::StoreError;"),
        ("api/login.rs", "use crate::gateway::proxy;"),
        ("api/login.rs", "use crate::app::run;"),
        ("api/login.rs", "use crate::actors::hasher::Hasher;"),
        ("api/login.rs", "use crate::actors;"),
        ("gateway/proxy.rs", "use crate::actors::{AuthHandle, supervisor};"),
        ("gateway/proxy.rs", "pub(in crate::gateway) use crate::store::SharedStore;"),
        ("gateway/proxy.rs", "use crate::config::RouteSettings;"),
        ("store/contract.rs", "use crate::actors::AuthHandle;"),
        ("live.rs", "use crate::telemetry::Metrics;"),
        ("live.rs", "use super::store::StoreError;"),
        ("config/file.rs", "use crate::live::Rules;"),
        ("telemetry/mod.rs", "pub use crate::domain::id;"),
        ("domain/token.rs", "use crate::config::TokenSettings;"),
        ("main.rs", "fn main() { gateward::app::run() }"),
        ("helpers/mod.rs", "//! Helpers."),
    ] {
        assert_eq!(planted(path, text).len(), 1, "{path}: {text}: {:?}", planted(path, text));
    }
}

#[test]
fn a_crate_outside_its_fence_is_found() {
    for (path, text) in [
        ("api/login.rs", "use redis::AsyncCommands;"),
        ("api/login.rs", "fn f() { ::redis::cmd(\"GET\"); }"),
        ("actors/accounts.rs", "use deadpool_postgres::Pool;"),
        ("domain/id.rs", "impl tokio_postgres::types::ToSql for Id {}"),
        ("app.rs", "use rusqlite as db;"),
        ("app.rs", "extern crate refinery;"),
        ("api/login.rs", "use ractor::{Actor, ActorRef};"),
        ("api/login.rs", "use pingora_proxy::ProxyHttp;"),
        ("gateway/proxy.rs", "use axum::Router;"),
        ("app.rs", "#[derive(clap::Parser)] struct Cli;"),
    ] {
        assert_eq!(planted(path, text).len(), 1, "{path}: {text}: {:?}", planted(path, text));
    }
}

#[test]
fn what_is_allowed_passes() {
    for (path, text) in [
        ("api/login.rs", "use crate::actors::AuthHandle; use axum::Json; use super::errors::Problem;"),
        ("api/login.rs", "// use crate::store::StoreError;\n/* use redis::cmd; */"),
        ("api/login.rs", "const A: &str = \"use crate::store::StoreError;\";"),
        ("api/login.rs", "//! See [`crate::store::StoreError`].\nuse crate::live::{self, Rules};"),
        ("gateway/bridge.rs", "use axum::body::Body; use crate::api::Api;"),
        ("gateway/proxy.rs", "pub(crate) fn f() -> impl Sized + use<'_> { self::g::<u8>() }"),
        ("gateway/request/path.rs", "mod tests { use super::*; use super::super::head::Head; }"),
        ("store/redis/mod.rs", "mod codes;\npub use codes::RedisStore;\npub(crate) use self::codes::Key;"),
        ("store/postgres/pool.rs", "use crate::config::PostgresSettings; use deadpool_postgres::Pool;"),
        ("actors/mod.rs", "#![doc = \"x\"]\n#[cfg(test)]\nmod tests;\npub use handle::AuthHandle;"),
        ("cli/config.rs", "use clap::Args; use crate::config::load; use crate::app;"),
        ("app.rs", "use pingora::server::Server; use crate::{actors, store, gateway};"),
        ("main.rs", "fn main() { std::process::exit(gateward::cli::run()) }"),
        ("lib.rs", "pub mod app; pub mod store;"),
    ] {
        assert_eq!(planted(path, text), [""; 0], "{path}: {text}");
    }
}

#[test]
fn code_in_a_mod_file_is_found() {
    for text in [
        "use self::inner::Thing;",
        "mod inner { fn f() {} }",
        "pub fn f() {}",
        "mod a;\n#[derive(Debug)]\npub struct S;",
        "#[cfg(test)]\nmod tests {\n}",
    ] {
        assert_eq!(planted("domain/mod.rs", text).len(), 1, "{text}");
    }
}

#[test]
fn a_long_main_is_found() {
    let text = "\n".repeat(MAIN_LINES + 1);
    assert_eq!(planted("main.rs", &text).len(), 1);
    assert!(planted("main.rs", &text[1..]).is_empty());
}

#[test]
fn a_problem_names_file_line_and_rule() {
    let text = "\n\nuse crate::{\n    domain,\n    store,\n};";
    let problems = planted("api/login.rs", text);
    assert_eq!(problems, ["src/api/login.rs:5: `api` may not import `store` (crate::store)"]);
}
