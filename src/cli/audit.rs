//! `gateward audit list`

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::config::load;
use super::table::Table;
use super::{CliError, GlobalArgs};
use crate::app::Operator;
use crate::domain::audit::AuditEvent;

pub(super) const EXAMPLES: &str = "\
Examples:
  gateward audit list
  gateward audit list --json";

const LIST_EXAMPLES: &str = "\
Examples:
  gateward audit list
  gateward audit list --json > audit.json

Oldest first. Events are kept for `audit.retention`.";

/// What to do with the audit trail.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// List the events, oldest first
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
}

/// How to list.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Print a JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Reads the events of the configured store and prints them.
///
/// # Errors
/// The configuration is wrong, or the store does not answer.
pub fn run(command: &AuditCommand, global: &GlobalArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let AuditCommand::List(args) = command;
    let settings = load(global, Vec::new())?.settings;
    let events =
        Operator::open(&settings).and_then(|operator| operator.audit()).map_err(CliError::from_app)?;
    Ok(print_events(&events, args, out)?)
}

/// Prints events.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_events(events: &[AuditEvent], args: &ListArgs, out: &mut dyn Write) -> io::Result<()> {
    if args.json {
        return events.iter().try_for_each(|event| writeln!(out, "{}", json(event)));
    }
    let mut table = Table::new(&["AT", "EVENT", "ACCOUNT", "SESSION", "ADDRESS", "USER AGENT"]);
    for event in events {
        table.row([
            event.at.to_string(),
            event.kind.as_str().to_owned(),
            event.account_id.to_string(),
            event.session_id.map(|id| id.to_string()).unwrap_or_default(),
            event.address.clone().unwrap_or_default(),
            event.user_agent.clone().unwrap_or_default(),
        ]);
    }
    table.write(out)
}

fn json(event: &AuditEvent) -> serde_json::Value {
    serde_json::json!({
        "id": event.id.to_string(),
        "at": event.at.to_string(),
        "event": event.kind.as_str(),
        "account_id": event.account_id.to_string(),
        "session_id": event.session_id.map(|id| id.to_string()),
        "address": event.address,
        "user_agent": event.user_agent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::AuditKind;
    use crate::domain::clock::Timestamp;
    use crate::domain::id::{AccountId, AuditEventId, SessionId};

    fn event() -> AuditEvent {
        let at = Timestamp::from_unix_millis(1_700_000_000_123);
        AuditEvent {
            id: AuditEventId::new(at, [1; 10]),
            at,
            kind: AuditKind::RefreshTokenReused,
            account_id: AccountId::new(at, [2; 10]),
            session_id: Some(SessionId::new(at, [3; 10])),
            address: Some("192.0.2.1".to_owned()),
            user_agent: Some("curl\u{1b}[31m".to_owned()),
        }
    }

    #[test]
    fn a_table_shows_no_control_characters_and_json_is_an_object_a_line() {
        let mut out = Vec::new();
        print_events(&[event()], &ListArgs { json: false }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("2023-11-14T22:13:20.123Z  refresh_token_reused"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let mut out = Vec::new();
        print_events(&[event(), event()], &ListArgs { json: true }, &mut out).unwrap();
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 2);
    }
}
