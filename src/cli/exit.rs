//! Exit codes, and the error that carries one.

use std::fmt;
use std::process::ExitCode;

use crate::app::AppError;

/// Why the program ends, in the numbers of sysexits(3) where they fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 1: it did not work.
    Failure,
    /// 2: the command line makes no sense; clap exits with the same number by itself.
    Usage,
    /// 69: something it depends on does not answer (`EX_UNAVAILABLE`). Trying again later may work.
    Unavailable,
    /// 78: the configuration is wrong (`EX_CONFIG`). Trying again will not help.
    Config,
}

/// An error with the exit code it leads to. Displays the whole chain of causes in one line.
#[derive(Debug)]
pub struct CliError {
    exit: Exit,
    error: anyhow::Error,
}

impl CliError {
    /// An error that ends the program with `exit`.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// [`Exit::Usage`] with a message.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, anyhow::anyhow!("{message}"))
    }

    /// [`Exit::Unavailable`] with a message.
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::new(Exit::Unavailable, anyhow::anyhow!("{message}"))
    }

    /// Whether this is standard output having lost its reader.
    pub(super) fn is_broken_pipe(&self) -> bool {
        let io = self.error.downcast_ref::<std::io::Error>();
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl CliError {
    /// What the application says, with the code of its kind.
    pub(super) fn from_app(error: AppError) -> Self {
        match error {
            AppError::Unavailable(_) => Self::new(Exit::Unavailable, error),
            AppError::Bind { .. } | AppError::Failed(_) => Self::new(Exit::Failure, error),
        }
    }
}

/// Anything without a code of its own is a plain failure.
impl<E: Into<anyhow::Error>> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::new(Exit::Failure, error)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Unavailable => 69,
            Exit::Config => 78,
        })
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_chain_of_causes_is_shown_in_one_line() {
        let error = Err::<(), _>(anyhow::anyhow!("no such file")).context("reading config.toml");
        let error =
            error.map_err(|error| CliError::new(Exit::Config, error)).map_err(|error| error.to_string());
        assert_eq!(error, Err("reading config.toml: no such file".to_owned()));
    }

    #[test]
    fn an_error_without_a_code_is_a_failure() {
        assert_eq!(CliError::from(std::io::Error::other("x")).exit(), Exit::Failure);
    }
}
