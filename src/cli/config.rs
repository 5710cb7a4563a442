//! `gateward config check | show`

use std::io::Write;

use clap::Subcommand;

use super::table::Table;
use super::{CliError, Exit, GlobalArgs, sources};
use crate::config::{self, Flag, Loaded, Shown, Sources};
use crate::live::Clock;

pub(super) const EXAMPLES: &str = "\
Examples:
  gateward config check --config config.toml
  gateward config show";

const CHECK_EXAMPLES: &str = "\
Examples:
  gateward config check
  gateward --config /etc/gateward/config.toml config check

Lists every mistake at once and exits with 78. Starts nothing and connects to nothing.";

const SHOW_EXAMPLES: &str = "\
Examples:
  gateward config show
  gateward config show --config config.toml --data-dir /var/lib/gateward

Secrets are shown as such, never with their value.";

/// What to look at.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration from all its sources
    #[command(after_help = CHECK_EXAMPLES)]
    Check,
    /// Print every value with its origin, secrets redacted
    #[command(after_help = SHOW_EXAMPLES)]
    Show,
}

/// Loads the configuration as `serve` would, and says what came of it.
///
/// # Errors
/// [`Exit::Config`] with all problems, or standard output cannot be written.
pub fn run(command: &ConfigCommand, global: &GlobalArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let loaded = load_to_serve(global, Vec::new())?;
    match command {
        ConfigCommand::Check => writeln!(out, "configuration ok")?,
        ConfigCommand::Show => show(&loaded.values).write(out)?,
    }
    Ok(())
}

/// Loads from the sources of a command with `flags` of its own; warnings go to standard error.
pub(super) fn load(global: &GlobalArgs, flags: Vec<Flag>) -> Result<Loaded, CliError> {
    load_from(&sources(global, flags)?)
}

/// The same for whoever serves with the certificates: their files are judged too.
pub(super) fn load_to_serve(global: &GlobalArgs, flags: Vec<Flag>) -> Result<Loaded, CliError> {
    load_from(&Sources { certificates_at: Some(Clock::System.now()), ..sources(global, flags)? })
}

fn load_from(sources: &Sources) -> Result<Loaded, CliError> {
    let loaded = config::load(sources).map_err(|problems| CliError::new(Exit::Config, problems))?;
    for warning in &loaded.warnings {
        eprintln!("gateward: warning: {warning}");
    }
    Ok(loaded)
}

fn show(values: &[Shown]) -> Table {
    let mut table = Table::new(&["KEY", "VALUE", "ORIGIN"]);
    for Shown { key, value, origin } in values {
        table.row([key.to_string(), value.to_string(), origin.to_string()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_shown_with_its_origin() {
        let value = Shown {
            key: "server.listen".to_owned(),
            value: "127.0.0.1:8080".to_owned(),
            origin: crate::config::Origin::Default,
        };
        let text = show(&[value]).to_string();
        assert_eq!(text, "KEY            VALUE           ORIGIN\nserver.listen  127.0.0.1:8080  default\n");
    }
}
