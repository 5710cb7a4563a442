//! `gateward session list | revoke`

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::config::load;
use super::table::Table;
use super::{CliError, GlobalArgs};
use crate::app::Operator;
use crate::domain::id::{AccountId, SessionId};
use crate::domain::session::Session;

pub(super) const EXAMPLES: &str = "\
Examples:
  gateward session list --email ann@example.com
  gateward session revoke 0190a5c8-7d1e-7cc4-9a7b-3f6f3c0e8a11
  gateward session revoke --email ann@example.com --all";

const LIST_EXAMPLES: &str = "\
Examples:
  gateward session list --email ann@example.com
  gateward session list --account 0190a5c8-7d1e-7cc4-9a7b-3f6f3c0e8a11 --json";

const REVOKE_EXAMPLES: &str = "\
Examples:
  gateward session revoke 0190a5c8-7d1e-7cc4-9a7b-3f6f3c0e8a11
  gateward session revoke --email ann@example.com --all

A running gateway refuses the tokens of ended sessions within about a quarter of a second. If one of several ids \
is unknown, nothing is ended.";

/// What to do with sessions.
#[derive(Debug, Clone, Subcommand)]
pub enum SessionCommand {
    /// List the live sessions of an account, newest first
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// End sessions: by id, or all of an account
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke(RevokeArgs),
}

/// Whose, and how to list.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// The account with this e-mail address
    #[arg(long, required_unless_present = "account", conflicts_with = "account")]
    pub email: Option<String>,
    /// The account with this id
    #[arg(long, value_name = "ID")]
    pub account: Option<AccountId>,
    /// Print a JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Which.
#[derive(Debug, Clone, Args)]
pub struct RevokeArgs {
    /// Sessions, by id
    #[arg(value_name = "SESSION", required_unless_present = "all", conflicts_with = "all")]
    pub sessions: Vec<SessionId>,
    /// All sessions of the account
    #[arg(long, requires = "whose")]
    pub all: bool,
    /// The account with this e-mail address
    #[arg(long, group = "whose", requires = "all", conflicts_with = "sessions")]
    pub email: Option<String>,
    /// The account with this id
    #[arg(long, value_name = "ID", group = "whose", requires = "all", conflicts_with = "sessions")]
    pub account: Option<AccountId>,
}

/// Works on the sessions of the configured store.
///
/// # Errors
/// The configuration or an argument is wrong, there is no such account or session, or the store does not answer.
pub fn run(command: &SessionCommand, global: &GlobalArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let settings = load(global, Vec::new())?.settings;
    let operator = Operator::open(&settings).map_err(CliError::from_app)?;
    match command {
        SessionCommand::List(args) => {
            let account = resolve(&operator, args.email.as_deref(), args.account)?;
            print_sessions(&operator.sessions(account).map_err(CliError::from_app)?, args.json, out)?;
        }
        SessionCommand::Revoke(args) if args.all => {
            let account = resolve(&operator, args.email.as_deref(), args.account)?;
            let ended = operator.revoke_all(account).map_err(CliError::from_app)?;
            writeln!(out, "account {account}; sessions ended: {ended}")?;
        }
        SessionCommand::Revoke(args) => {
            for (id, was_live) in operator.revoke(&args.sessions).map_err(CliError::from_app)? {
                writeln!(out, "{} {id}", if was_live { "ended" } else { "had ended" })?;
            }
        }
    }
    Ok(())
}

fn resolve(
    operator: &Operator,
    email: Option<&str>,
    account: Option<AccountId>,
) -> Result<AccountId, CliError> {
    let found = match (email, account) {
        (Some(email), _) => operator.by_email(email),
        (None, Some(account)) => operator.existing(account),
        // The parser asks for one of them.
        (None, None) => return Err(CliError::usage("name the account with --email or --account")),
    };
    found.map_err(CliError::from_app)
}

/// Prints the heading and rows of a list; JSON has no heading.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_sessions(sessions: &[Session], as_json: bool, out: &mut dyn Write) -> io::Result<()> {
    if as_json {
        return sessions.iter().try_for_each(|session| writeln!(out, "{}", json(session)));
    }
    let mut table = Table::new(&["ID", "CREATED", "LAST USED", "EXPIRES", "ADDRESS", "USER AGENT"]);
    for session in sessions {
        table.row([
            session.id.to_string(),
            session.created_at.to_string(),
            session.last_used_at.to_string(),
            session.expires_at.to_string(),
            session.address.clone().unwrap_or_default(),
            session.user_agent.clone().unwrap_or_default(),
        ]);
    }
    table.write(out)
}

/// The API's session, and its account.
fn json(session: &Session) -> serde_json::Value {
    serde_json::json!({
        "id": session.id.to_string(),
        "account": session.account_id.to_string(),
        "created_at": session.created_at.to_string(),
        "last_used_at": session.last_used_at.to_string(),
        "expires_at": session.expires_at.to_string(),
        "address": session.address,
        "user_agent": session.user_agent,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::session::SessionState;

    const ID: &str = "018bcfe5-687b-7fff-bfff-ffffffffffff";

    fn parses(line: &str) -> bool {
        let typed = ["gateward", "session"].into_iter().chain(line.split_whitespace());
        crate::cli::Cli::try_parse_from(typed).is_ok()
    }

    #[test]
    fn sessions_are_named_by_id_or_by_account_and_never_all_by_accident() {
        for good in [
            "list --email a@b.org".to_owned(),
            format!("list --account {ID} --json"),
            format!("revoke {ID} {ID}"),
            "revoke --email a@b.org --all".to_owned(),
            format!("revoke --all --account {ID}"),
        ] {
            assert!(parses(&good), "{good}");
        }
        for bad in [
            "list".to_owned(),
            format!("list --email a@b.org --account {ID}"),
            "list --account nobody".to_owned(),
            "revoke".to_owned(),
            "revoke --all".to_owned(),
            "revoke --email a@b.org".to_owned(),
            format!("revoke {ID} --all --email a@b.org"),
            format!("revoke {ID} --email a@b.org"),
            format!("revoke --all --email a@b.org --account {ID}"),
        ] {
            assert!(!parses(&bad), "{bad}");
        }
    }

    #[test]
    fn a_session_is_a_row_that_cannot_paint_the_terminal() {
        let at = Timestamp::from_unix_millis(1_700_000_000_123);
        let session = Session {
            id: SessionId::new(at, [0xff; 10]),
            account_id: AccountId::new(at, [0xff; 10]),
            created_at: at,
            last_used_at: at,
            expires_at: at,
            address: Some("::1".to_owned()),
            user_agent: Some("curl\u{1b}[2J".to_owned()),
            status_index: None,
            state: SessionState::Active,
        };
        let printed = |as_json| {
            let mut out = Vec::new();
            assert!(print_sessions(std::slice::from_ref(&session), as_json, &mut out).is_ok());
            String::from_utf8_lossy(&out).into_owned()
        };
        assert!(printed(false).ends_with("::1      curl\\u{1b}[2J\n"), "{}", printed(false));
        let value: serde_json::Value = serde_json::from_str(&printed(true)).unwrap();
        assert_eq!(value["id"], ID);
        assert_eq!(value["user_agent"], "curl\u{1b}[2J");
    }
}
