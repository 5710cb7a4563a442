//! `gateward migrate up | status`

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::config::load;
use super::table::Table;
use super::{CliError, GlobalArgs};
use crate::app;
use crate::store::MigrationStatus;

pub(super) const EXAMPLES: &str = "\
Examples:
  gateward migrate status --config config.toml
  gateward migrate up --config config.toml";

const UP_EXAMPLES: &str = "\
Examples:
  gateward migrate up
  gateward migrate up --config /etc/gateward/config.toml

Safe to run on several machines at once: a lock in the database lets one work. Needed only with \
store.migrate = \"manual\"; by default the gateway does it at start.";

const STATUS_EXAMPLES: &str = "\
Examples:
  gateward migrate status
  gateward migrate status --json

Changes nothing. Exits with 0 whether or not something is pending; read the output.";

/// What to do with the schema.
#[derive(Debug, Clone, Subcommand)]
pub enum MigrateCommand {
    /// Apply what is pending
    #[command(after_help = UP_EXAMPLES)]
    Up,
    /// Say what is applied and what is pending
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
}

/// How to say it.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Print a JSON object: {"applied": [..], "pending": [..]}
    #[arg(long)]
    pub json: bool,
}

/// Works on the schema of the configured store.
///
/// # Errors
/// The configuration is wrong, or the store does not answer.
pub fn run(command: &MigrateCommand, global: &GlobalArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let settings = load(global, Vec::new())?.settings;
    let apply = matches!(command, MigrateCommand::Up);
    let status = app::migrate(&settings, apply).map_err(CliError::from_app)?;
    match command {
        MigrateCommand::Up => print_up_to_date(&status, out)?,
        MigrateCommand::Status(args) => print_status(&status, args, out)?,
    }
    Ok(())
}

/// Prints what `migrate up` did.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_up_to_date(status: &MigrationStatus, out: &mut dyn Write) -> io::Result<()> {
    match status.applied.last() {
        Some(last) => {
            writeln!(out, "schema is up to date: {} migrations, the last is {last}", status.applied.len())
        }
        None => writeln!(out, "schema is up to date: no migrations"),
    }
}

/// Prints the status as asked.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_status(status: &MigrationStatus, args: &StatusArgs, out: &mut dyn Write) -> io::Result<()> {
    if args.json {
        return writeln!(
            out,
            "{}",
            serde_json::json!({"applied": status.applied, "pending": status.pending})
        );
    }
    let mut table = Table::new(&["MIGRATION", "STATE"]);
    let applied = status.applied.iter().map(|name| (name, "applied"));
    for (name, state) in applied.chain(status.pending.iter().map(|name| (name, "pending"))) {
        table.row([name.clone(), state.to_owned()]);
    }
    table.write(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(json: bool) -> String {
        let status = MigrationStatus {
            applied: vec!["V1__accounts".to_owned()],
            pending: vec!["V2__sessions".to_owned()],
        };
        let mut out = Vec::new();
        assert!(print_status(&status, &StatusArgs { json }, &mut out).is_ok());
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn applied_come_before_pending() {
        assert_eq!(printed(false), "MIGRATION     STATE\nV1__accounts  applied\nV2__sessions  pending\n");
    }

    #[test]
    fn json_is_one_object() {
        assert_eq!(printed(true), "{\"applied\":[\"V1__accounts\"],\"pending\":[\"V2__sessions\"]}\n");
    }
}
