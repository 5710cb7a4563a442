//! `gateward user create | list | disable | enable | delete`

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::config::load;
use super::table::{Table, printable};
use super::{CliError, GlobalArgs, read_new_password};
use crate::app::Operator;
use crate::domain::account::Account;
use crate::domain::id::AccountId;

pub(super) const EXAMPLES: &str = "\
Examples:
  gateward user create ann@example.com
  gateward user list
  gateward user disable ann@example.com";

const CREATE_EXAMPLES: &str = "\
Examples:
  gateward user create ann@example.com --name Ann --role admin --role staff
  cat password.txt | gateward user create ann@example.com

On a terminal the password is asked for twice; else it is the first line of standard input. It is never an \
argument: those are visible to everybody on the machine.";

const LIST_EXAMPLES: &str = "\
Examples:
  gateward user list
  gateward user list --json";

const DISABLE_EXAMPLES: &str = "\
Examples:
  gateward user disable ann@example.com
  gateward user disable 0190a5c8-7d1e-7cc4-9a7b-3f6f3c0e8a11

Ends every session of the account. A running gateway refuses its tokens within about a quarter of a second.";

const ENABLE_EXAMPLES: &str = "\
Examples:
  gateward user enable ann@example.com

Ended sessions stay ended: the person logs in again.";

const DELETE_EXAMPLES: &str = "\
Examples:
  gateward user delete ann@example.com
  gateward user delete 0190a5c8-7d1e-7cc4-9a7b-3f6f3c0e8a11

Ends every session of the account and removes it; the address is free again. There is no way back.";

/// What to do with accounts.
#[derive(Debug, Clone, Subcommand)]
pub enum UserCommand {
    /// Create an account, also while registration is closed
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// List the accounts, oldest first
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Lock an account out and end its sessions
    #[command(after_help = DISABLE_EXAMPLES)]
    Disable(WhoArgs),
    /// Let a disabled account log in again
    #[command(after_help = ENABLE_EXAMPLES)]
    Enable(WhoArgs),
    /// Remove an account and end its sessions
    #[command(after_help = DELETE_EXAMPLES)]
    Delete(WhoArgs),
}

/// Whom to create. The address and the password are judged by the rules of registration.
#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// E-mail address
    pub email: String,
    /// What they call themselves
    #[arg(long)]
    pub name: Option<String>,
    /// A role that services may decide on; may be given several times
    #[arg(long = "role", value_name = "ROLE", value_parser = role)]
    pub roles: Vec<String>,
}

/// How to list.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Print a JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Works on the accounts of the configured store.
///
/// # Errors
/// The configuration or an argument is wrong, there is no such account, or the store does not answer.
pub fn run(command: &UserCommand, global: &GlobalArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let settings = load(global, Vec::new())?.settings;
    let open = || Operator::open(&settings).map_err(CliError::from_app);
    match command {
        UserCommand::Create(args) => {
            let password = read_new_password()?;
            let account = open()?
                .create(&args.email, &password, args.name.as_deref(), args.roles.clone())
                .map_err(CliError::from_app)?;
            print_created(&account, out)?;
        }
        UserCommand::List(args) => {
            print_accounts(&open()?.list().map_err(CliError::from_app)?, args, out)?;
        }
        UserCommand::Disable(args) => {
            let operator = open()?;
            let account = resolve(&operator, &args.who)?;
            let ended = operator.disable(account).map_err(CliError::from_app)?;
            writeln!(out, "disabled {account}; sessions ended: {ended}")?;
        }
        UserCommand::Enable(args) => {
            let operator = open()?;
            let account = resolve(&operator, &args.who)?;
            operator.enable(account).map_err(CliError::from_app)?;
            writeln!(out, "enabled {account}")?;
        }
        UserCommand::Delete(args) => {
            let operator = open()?;
            let account = resolve(&operator, &args.who)?;
            let ended = operator.delete(account).map_err(CliError::from_app)?;
            writeln!(out, "deleted {account}; sessions ended: {ended}")?;
        }
    }
    Ok(())
}

fn resolve(operator: &Operator, who: &Who) -> Result<AccountId, CliError> {
    match who {
        Who::Id(id) => Ok(*id),
        Who::Email(email) => operator.by_email(email).map_err(CliError::from_app),
    }
}

/// Which account.
#[derive(Debug, Clone, Args)]
pub struct WhoArgs {
    /// E-mail address or account id
    #[arg(value_name = "EMAIL|ID", value_parser = Who::parse)]
    pub who: Who,
}

/// An account as an operator names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// By its id.
    Id(AccountId),
    /// By an address that has not been judged yet.
    Email(String),
}

impl Who {
    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) if text.contains('@') => Ok(Self::Email(text.to_owned())),
            Err(error) => Err(format!("neither an e-mail address nor an account id ({error})")),
        }
    }
}

/// A role travels to services in one comma-separated header value, and in scripts: so a short word.
pub(super) fn role(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
        return Err("a role is 1 to 64 letters, digits, or - _ . :".to_owned());
    }
    Ok(text.to_owned())
}

/// Prints the account that `user create` made.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_created(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "created {} {}", account.id, printable(account.email.as_shown()))
}

/// Prints the heading and rows of a list; JSON has no heading, so pages may be printed one by one.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_accounts(accounts: &[Account], args: &ListArgs, out: &mut dyn Write) -> io::Result<()> {
    if args.json {
        return accounts.iter().try_for_each(|account| writeln!(out, "{}", json(account)));
    }
    let mut table = Table::new(&["ID", "EMAIL", "STATUS", "ROLES", "CREATED", "NAME"]);
    for account in accounts {
        table.row([
            account.id.to_string(),
            account.email.as_shown().to_owned(),
            account.status.as_str().to_owned(),
            account.roles.join(","),
            account.created_at.to_string(),
            account.name.clone().unwrap_or_default(),
        ]);
    }
    table.write(out)
}

/// The API's account, and its status.
fn json(account: &Account) -> serde_json::Value {
    serde_json::json!({
        "id": account.id.to_string(),
        "email": account.email.as_shown(),
        "email_verified": account.email_verified,
        "name": account.name,
        "roles": account.roles,
        "status": account.status.as_str(),
        "created_at": account.created_at.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::AccountStatus;
    use crate::domain::clock::Timestamp;
    use crate::domain::email::EmailAddress;

    const ID: &str = "018bcfe5-687b-7fff-bfff-ffffffffffff";

    fn ann() -> Account {
        let created_at = Timestamp::from_unix_millis(1_700_000_000_123);
        Account {
            id: AccountId::new(created_at, [0xff; 10]),
            email: EmailAddress::from_stored("Ann@example.com".to_owned(), "ann@example.com".to_owned()),
            email_verified: false,
            name: Some("Ann\u{1b}[2J".to_owned()),
            roles: vec!["admin".to_owned(), "staff".to_owned()],
            status: AccountStatus::Disabled,
            created_at,
        }
    }

    fn printed(json: bool) -> String {
        let mut out = Vec::new();
        assert!(print_accounts(&[ann()], &ListArgs { json }, &mut out).is_ok());
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn an_account_is_a_row_that_cannot_paint_the_terminal() {
        let text = printed(false);
        let row = text.lines().nth(1).unwrap_or_default();
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(
            cells,
            [ID, "Ann@example.com", "disabled", "admin,staff", "2023-11-14T22:13:20.123Z", "Ann\\u{1b}[2J"]
        );
    }

    #[test]
    fn json_has_the_fields_of_the_api_and_the_status() {
        let value: serde_json::Value = serde_json::from_str(&printed(true)).unwrap_or_default();
        assert_eq!(value, json(&ann()));
        assert_eq!(value.get("status"), Some(&"disabled".into()));
        assert_eq!(value.get("created_at"), Some(&"2023-11-14T22:13:20.123Z".into()));
    }

    #[test]
    fn an_account_is_named_by_address_or_id() {
        assert!(matches!(Who::parse(ID), Ok(Who::Id(id)) if id == ann().id));
        assert_eq!(Who::parse("ann@example.com"), Ok(Who::Email("ann@example.com".to_owned())));
        assert!(Who::parse("ann").is_err());
        assert!(Who::parse(&ID.to_uppercase()).is_err());
    }

    #[test]
    fn a_role_is_a_short_word() {
        for good in ["admin", "a", "team:blue-1_x.y"] {
            assert!(role(good).is_ok(), "{good}");
        }
        for bad in ["", "a,b", "a b", "a\n", "\u{fc}", &"a".repeat(65)] {
            assert!(role(bad).is_err(), "{bad}");
        }
    }
}
