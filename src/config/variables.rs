//! Variables of `.env` and of the process environment: their names, and what they set.

use std::path::Path;

use super::given::{Given, Layer, Raw, Values};
use super::problem::{Fault, Origin};
use super::secret::read_bounded;

const PREFIX: &str = "GATEWARD__";

/// Names that other programs use too. Empty, they count as not set: a composed environment often passes them on
/// empty.
const FAMILIAR: [(&str, &str); 8] = [
    ("DATABASE_URL", "postgres.url"),
    ("DATABASE_URL_FILE", "postgres.url_file"),
    ("REDIS_URL", "redis.url"),
    ("REDIS_URL_FILE", "redis.url_file"),
    ("SECRET_KEY", "token.secret"),
    ("SECRET_KEY_FILE", "token.secret_file"),
    ("ALGORITHM", "token.algorithm"),
    ("UPSTREAM", "upstream"),
];

/// Adds what the process environment sets.
pub(super) fn add_environment(values: &mut Values, environment: &[(String, String)]) {
    for (name, value) in environment {
        let origin = Origin::Environment { variable: name.clone() };
        add(values, name, value, origin, Layer::EnvironmentFamiliar, Layer::Environment);
    }
}

/// Adds what the `.env` file sets; a missing file sets nothing.
pub(super) fn add_dotenv(values: &mut Values, path: &Path) {
    if matches!(path.try_exists(), Ok(false)) {
        return;
    }
    match read_bounded(path) {
        Ok(text) => parse_dotenv(values, &text),
        Err(reason) => {
            let fault =
                Fault::new(format!("cannot be read: {reason}"), "correct its permissions or remove it");
            values.problems.push(fault.at(Origin::DotEnv { variable: None }, ""));
            values.incomplete = true;
        }
    }
}

/// The variable that sets `key`.
pub(super) fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

fn parse_dotenv(values: &mut Values, text: &str) {
    // The parser would replace `$NAME` by a variable of the process. A secret with a dollar sign would silently
    // become another one, and what we read would depend on more than the file. A character that Unicode
    // reserves for such inside use stands in for the dollar sign meanwhile.
    const DOLLAR: &str = "\u{fdd0}";
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The parser takes trailing spaces on a last line without its newline for an unfinished value.
    let text = text.replace('$', DOLLAR) + "\n";
    for item in dotenvy::from_read_iter(text.as_bytes()) {
        match item {
            Ok((name, value)) => {
                let value = value.replace(DOLLAR, "$");
                let origin = Origin::DotEnv { variable: Some(name.clone()) };
                let ours = add(values, &name, &value, origin, Layer::DotEnvFamiliar, Layer::DotEnv);
                if ours && value.contains("${") {
                    values
                        .warnings
                        .push(format!(".env variable {name}: ${{..}} is not replaced, it stands for itself"));
                }
            }
            // The error's own text repeats the line, which may hold a secret.
            Err(error) => {
                let at = match error {
                    dotenvy::Error::LineParse(line, _) => line_number(&text, &line),
                    _ => String::new(),
                };
                let fault = Fault::new(
                    format!("{at}is not NAME=value"),
                    "write NAME=value or NAME='value with spaces or $'; a backslash before $ is not needed",
                );
                values.problems.push(fault.at(Origin::DotEnv { variable: None }, ""));
                values.incomplete = true;
            }
        }
    }
}

/// The parser names the wrong text, not its line.
fn line_number(text: &str, wrong: &str) -> String {
    let first = wrong.lines().next().unwrap_or_default().trim();
    match text.lines().position(|line| !first.is_empty() && line.contains(first)) {
        Some(index) => format!("line {}: ", index + 1),
        None => String::new(),
    }
}

/// Whether the variable is one of ours.
fn add(values: &mut Values, name: &str, value: &str, origin: Origin, familiar: Layer, own: Layer) -> bool {
    let raw = Raw::Untyped(value.to_owned());
    if let Some(rest) = name.strip_prefix(PREFIX) {
        // Any other spelling stays as it is and so becomes an unknown key: `..__LISTEN` and `..__listen` must not
        // compete.
        let plain =
            rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        let key = if plain { key_of(rest) } else { rest.to_owned() };
        values.put(key, Given { layer: own, origin, raw });
        return true;
    }
    match FAMILIAR.iter().find(|(variable, _)| *variable == name) {
        Some((_, key)) if !value.is_empty() => {
            values.put((*key).to_owned(), Given { layer: familiar, origin, raw });
            true
        }
        Some(_) | None => false,
    }
}

/// `token.secret` of `TOKEN__SECRET`. Entries of lists stand in the file, but a client's secret need not:
/// `client[0].secret` of `CLIENT__0__SECRET`.
fn key_of(rest: &str) -> String {
    let key = rest.replace("__", ".").to_ascii_lowercase();
    let of_client = key.strip_prefix("client.").and_then(|rest| rest.split_once('.'));
    match of_client {
        Some((index, leaf @ ("secret" | "secret_file"))) if index.parse::<u8>().is_ok() => {
            format!("client[{index}].{leaf}")
        }
        Some(_) | None => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dotenv(text: &str) -> Values {
        let mut values = Values::default();
        parse_dotenv(&mut values, text);
        values
    }

    fn text_of(values: &Values, key: &str) -> String {
        match values.keys.get(key).map(|given| &given.raw) {
            Some(Raw::Untyped(text)) => text.clone(),
            _ => "(none)".to_owned(),
        }
    }

    #[test]
    fn every_familiar_name_sets_its_key_and_is_ignored_when_empty() {
        for (name, key) in FAMILIAR {
            for (value, expected) in [("v", "v"), ("", "(none)")] {
                let mut values = Values::default();
                add_environment(&mut values, &[(name.to_owned(), value.to_owned())]);
                assert_eq!(text_of(&values, key), expected, "{name}");
            }
        }
    }

    #[test]
    fn own_names_are_the_key_in_capitals_and_win_over_familiar_ones_in_any_order() {
        assert_eq!(variable_name("token.key_encryption_key"), "GATEWARD__TOKEN__KEY_ENCRYPTION_KEY");
        let own = ("GATEWARD__TOKEN__SECRET".to_owned(), "own".to_owned());
        let familiar = ("SECRET_KEY".to_owned(), "familiar".to_owned());
        for pair in [[own.clone(), familiar.clone()], [familiar, own]] {
            let mut values = Values::default();
            add_environment(&mut values, &pair);
            assert_eq!(text_of(&values, "token.secret"), "own");
        }
        for text in ["SECRET_KEY=f\nGATEWARD__TOKEN__SECRET=own", "GATEWARD__TOKEN__SECRET=own\nSECRET_KEY=f"]
        {
            assert_eq!(text_of(&dotenv(text), "token.secret"), "own");
        }
    }

    #[test]
    fn other_variables_are_left_alone_and_other_spellings_become_unknown_keys() {
        let mut values = Values::default();
        let names = ["PATH", "HOME", "GATEWARD__SERVER__listen", "GATEWARD__ROUTE[0]__PATH"];
        add_environment(&mut values, &names.map(|name| (name.to_owned(), "x".to_owned())));
        assert_eq!(values.keys.keys().collect::<Vec<_>>(), ["ROUTE[0]__PATH", "SERVER__listen"]);
    }

    #[test]
    fn of_lists_only_the_secrets_of_clients_are_variables() {
        for (name, key) in [
            ("CLIENT__0__SECRET", "client[0].secret"),
            ("CLIENT__12__SECRET_FILE", "client[12].secret_file"),
            ("CLIENT__0__ID", "client.0.id"),
            ("CLIENT__X__SECRET", "client.x.secret"),
            ("UPSTREAM__0__NAME", "upstream.0.name"),
        ] {
            assert_eq!(key_of(name), key);
        }
    }

    #[test]
    fn dotenv_takes_comments_quotes_and_a_byte_order_mark_and_leaves_dollars_alone() {
        for (line, expected) in [
            ("SECRET_KEY=plain", "plain"),
            ("\u{feff}SECRET_KEY=marked", "marked"),
            ("# don't\nexport SECRET_KEY = 'a # b' # c\r\n", "a # b"),
            ("SECRET_KEY=\"two\nlines\"", "two\nlines"),
            ("SECRET_KEY=a ", "a"),
            ("SECRET_KEY=a$PATH-$$", "a$PATH-$$"),
            ("SECRET_KEY='a$b'", "a$b"),
        ] {
            let values = dotenv(line);
            assert_eq!(text_of(&values, "token.secret"), expected, "{line}");
            assert!(values.problems.is_empty() && values.warnings.is_empty(), "{line}");
        }
        let values = dotenv("X=1\nDATABASE_URL=postgres://${X}@db");
        assert_eq!(text_of(&values, "postgres.url"), "postgres://${X}@db");
        assert_eq!(values.warnings.len(), 1);
    }

    #[test]
    fn wrong_lines_are_problems_with_their_numbers_and_without_their_text() {
        let values = dotenv("A=1\nSECRET_KEY hunter2\nB='hunter2\n");
        assert_eq!(values.problems.len(), 2);
        assert!(values.problems[0].message.contains("line 2"), "{}", values.problems[0]);
        assert!(values.problems.iter().all(|problem| !problem.to_string().contains("hunter2")));
        assert!(values.incomplete);
        assert_eq!(dotenv("SECRET_KEY=a\\$b").problems.len(), 1);
    }

    #[test]
    fn a_missing_dotenv_is_nothing_and_an_unreadable_one_a_problem() {
        let mut values = Values::default();
        add_dotenv(&mut values, Path::new("/nowhere/.env"));
        assert!(values.problems.is_empty());
        add_dotenv(&mut values, &std::env::temp_dir());
        assert_eq!(values.problems.len(), 1);
    }
}
