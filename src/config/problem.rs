//! What is wrong with a configuration: [`Problem`], and [`Problems`] for all of them at once.
//!
//! A problem never holds the value of a secret; whoever words one for a secret or a URL says what is wrong
//! without repeating it.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// The TOML file.
    File {
        /// As given to `--config`.
        path: PathBuf,
        /// From 1; none when the file as a whole is meant.
        line: Option<usize>,
    },
    /// The `.env` file.
    DotEnv {
        /// The variable; none when the file as a whole is meant.
        variable: Option<String>,
    },
    /// The process environment.
    Environment {
        /// The variable.
        variable: String,
    },
    /// The command line.
    Flag {
        /// With its dashes, for example `--listen`.
        name: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Origin::File { path, line: None } => write!(f, "{}", path.display()),
            Origin::DotEnv { variable: Some(variable) } => write!(f, ".env variable {variable}"),
            Origin::DotEnv { variable: None } => f.write_str(".env"),
            Origin::Environment { variable } => write!(f, "environment variable {variable}"),
            Origin::Flag { name } => write!(f, "flag {name}"),
        }
    }
}

/// One mistake. Displayed as a line and, indented below it, the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the wrong value came from, or the value that asks for a missing one.
    pub origin: Origin,
    /// For example `server.listen` or `route[0].path`. Empty when a file as a whole is meant.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}\n    remedy: {}", self.message, self.remedy)
    }
}

/// Every mistake that was found; at least one.
#[derive(Debug)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// Each mistake, in the order of the sections.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a mistake:")?,
            count => write!(f, "the configuration has {count} mistakes:")?,
        }
        for problem in &self.0 {
            write!(f, "\n{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What a parser found wrong with a value; a [`Problem`] once origin and key are known.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { message: message.into(), remedy: remedy.into() }
    }

    pub(super) fn at(self, origin: Origin, key: &str) -> Problem {
        Problem { origin, key: key.to_owned(), message: self.message, remedy: self.remedy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_say_where_to_look() {
        let file = |line| Origin::File { path: "gateward.toml".into(), line };
        let variable = || "SECRET_KEY".to_owned();
        for (origin, expected) in [
            (Origin::Default, "default"),
            (file(Some(7)), "gateward.toml:7"),
            (file(None), "gateward.toml"),
            (Origin::DotEnv { variable: Some(variable()) }, ".env variable SECRET_KEY"),
            (Origin::DotEnv { variable: None }, ".env"),
            (Origin::Environment { variable: variable() }, "environment variable SECRET_KEY"),
            (Origin::Flag { name: "--listen".to_owned() }, "flag --listen"),
        ] {
            assert_eq!(origin.to_string(), expected);
        }
    }

    #[test]
    fn all_problems_are_displayed_each_with_its_remedy() {
        let problem = |key: &str| Fault::new("is wrong", "write it right").at(Origin::Default, key);
        assert_eq!(
            Problems(vec![problem("server.listen"), problem("")]).to_string(),
            "the configuration has 2 mistakes:\n\
             default: server.listen: is wrong\n    remedy: write it right\n\
             default: is wrong\n    remedy: write it right"
        );
    }
}
