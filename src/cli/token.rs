//! `gateward token mint`

use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, Subcommand};

use super::config::load;
use super::user::role;
use super::{CliError, GlobalArgs};
use crate::app::{MintOrder, Operator};
use crate::domain::id::AccountId;
use crate::domain::token::LONGEST_LIFE;

pub(super) const EXAMPLES: &str = "\
Examples:
  gateward token mint --subject 0190a5c8-7d1e-7cc4-9a7b-3f6f3c0e8a11
  gateward token mint --subject 0190a5c8-7d1e-7cc4-9a7b-3f6f3c0e8a11 --count 1000 > tokens.txt";

const MINT_EXAMPLES: &str = "\
Examples:
  gateward token mint --subject 0190a5c8-7d1e-7cc4-9a7b-3f6f3c0e8a11
  gateward token mint --subject 0190a5c8-7d1e-7cc4-9a7b-3f6f3c0e8a11 --role admin --scope read
  gateward token mint --subject 0190a5c8-7d1e-7cc4-9a7b-3f6f3c0e8a11 --count 1000 > tokens.txt

For tests and load. Tokens are signed with the store's signing key, and each belongs to a session of its own \
that is stored like a login's, and ends with `gateward user disable` or a logout. Whoever may run this may be \
anybody: guard the configuration and the data folder. Prints one token a line.";

/// What to do with tokens.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make access tokens without a login
    #[command(after_help = MINT_EXAMPLES)]
    Mint(MintArgs),
}

/// What the tokens say.
#[derive(Debug, Clone, Args)]
pub struct MintArgs {
    /// The account: `sub`
    #[arg(long, value_name = "ID")]
    pub subject: AccountId,
    /// The address handed to services [default: the account's]
    #[arg(long)]
    pub email: Option<String>,
    /// A role; may be given several times [default: the account's]
    #[arg(long = "role", value_name = "ROLE", value_parser = role)]
    pub roles: Vec<String>,
    /// A scope; may be given several times [default: none]
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    pub scopes: Vec<String>,
    /// How long they are valid, at most 24 h
    #[arg(long, value_name = "SPAN", default_value = "15m", value_parser = lifetime)]
    pub lifetime: Duration,
    /// How many, each with a session of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
}

/// Mints tokens and prints them.
///
/// # Errors
/// The configuration is wrong, there is no such account, or the store does not answer.
pub fn run(command: &TokenCommand, global: &GlobalArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let TokenCommand::Mint(args) = command;
    let settings = load(global, Vec::new())?.settings;
    let order = MintOrder {
        subject: args.subject,
        email: args.email.clone(),
        roles: args.roles.clone(),
        scopes: args.scopes.clone(),
        lifetime: args.lifetime,
        age: Duration::ZERO,
        count: args.count,
    };
    let mut tokens = Vec::new();
    Operator::open(&settings)
        .and_then(|operator| operator.mint(&order, |token| tokens.push(token.to_owned())))
        .map_err(CliError::from_app)?;
    Ok(print_tokens(&tokens, out)?)
}

/// `scope-token` of RFC 6749, section 3.3.
fn scope(text: &str) -> Result<String, String> {
    let fits = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
        return Err("a scope is 1 to 64 visible ASCII characters without \" and \\".to_owned());
    }
    Ok(text.to_owned())
}

/// The bounds of `token.access_lifetime`.
fn lifetime(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if !(Duration::from_secs(10)..=LONGEST_LIFE).contains(&span) {
        return Err("a lifetime is 10 s to 24 h".to_owned());
    }
    Ok(span)
}

/// Prints tokens, one a line.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_tokens<T: AsRef<str>>(tokens: &[T], out: &mut dyn Write) -> io::Result<()> {
    tokens.iter().try_for_each(|token| writeln!(out, "{}", token.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_has_a_unit_and_bounds() {
        assert_eq!(lifetime("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(lifetime("24h"), Ok(Duration::from_secs(86_400)));
        for bad in ["15", "9s", "25h", "", "-1m"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_scope_is_one_token_of_the_grammar() {
        assert!(scope("orders:read").is_ok());
        for bad in ["", "a b", "a\"b", "a\\b", "\u{fc}"] {
            assert!(scope(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_are_lines() {
        let mut out = Vec::new();
        assert!(print_tokens(&["a", "b"], &mut out).is_ok());
        assert_eq!(out, b"a\nb\n");
    }
}
