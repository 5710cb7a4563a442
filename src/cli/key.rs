//! `gateward key list | rotate | retire`

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::config::load;
use super::table::Table;
use super::{CliError, GlobalArgs};
use crate::actors::ListedKey;
use crate::app::Operator;
use crate::domain::clock::Timestamp;

pub(super) const EXAMPLES: &str = "\
Examples:
  gateward key list
  gateward key rotate
  gateward key retire WXc5nrtyuNHwvkmWhBmYFMgUlH1kFVBnMbAw0ZN-1s0 --rotate";

const LIST_EXAMPLES: &str = "\
Examples:
  gateward key list
  gateward key list --json

States: upcoming (published, signs later), signing, accepted (signed before, its tokens may be alive), retired (its \
tokens are refused), spent (none of its tokens is alive; about to be deleted).";

const ROTATE_EXAMPLES: &str = "\
Examples:
  gateward key rotate
  gateward key rotate --now

The next key is published at once and signs after token.publish_ahead; the present one is accepted until its last \
token has expired. With --now it signs at once: a replica or service that has not read the keys since may refuse its \
first tokens, a replica for about half a second, a service for as long as it keeps /.well-known/jwks.json.";

const RETIRE_EXAMPLES: &str = "\
Examples:
  gateward key retire WXc5nrtyuNHwvkmWhBmYFMgUlH1kFVBnMbAw0ZN-1s0
  gateward key retire WXc5nrtyuNHwvkmWhBmYFMgUlH1kFVBnMbAw0ZN-1s0 --rotate

Every replica refuses the tokens of the key, as it does those of an ended session. For a key that leaked. The one \
that signs is retired only with --rotate, which brings another that signs at once. A key id that begins with a hyphen \
is written after `--`. Services that check tokens by themselves accept the key until they read the keys again.";

/// What to do with signing keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyCommand {
    /// List the signing keys, oldest first
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Bring the next signing key before it is due
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(RotateArgs),
    /// End all tokens that a key signed
    #[command(after_help = RETIRE_EXAMPLES)]
    Retire(RetireArgs),
}

/// How to list.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Print a JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// How to rotate.
#[derive(Debug, Clone, Args)]
pub struct RotateArgs {
    /// Let it sign at once, for emergencies
    #[arg(long)]
    pub now: bool,
}

/// What to retire.
#[derive(Debug, Clone, Args)]
pub struct RetireArgs {
    /// The key's id, as `gateward key list` shows it
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    pub kid: String,
    /// If it is the one that signs, bring another that signs at once
    #[arg(long)]
    pub rotate: bool,
}

/// Works on the signing keys of the configured store.
///
/// # Errors
/// The configuration is wrong, the key cannot be rotated or retired, or the store does not answer.
pub fn run(command: &KeyCommand, global: &GlobalArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let settings = load(global, Vec::new())?.settings;
    let operator = Operator::open(&settings).map_err(CliError::from_app)?;
    match command {
        KeyCommand::List(args) => {
            print_keys(&operator.signing_keys().map_err(CliError::from_app)?, args, out)?;
        }
        KeyCommand::Rotate(args) => {
            let key = operator.rotate_key(args.now).map_err(CliError::from_app)?;
            writeln!(out, "made {} {}; signs from {}", key.kid, key.algorithm, shown(key.active_from))?;
            if args.now {
                eprintln!(
                    "gateward: warning: replicas may refuse its tokens for about half a second, services for as long as they \
                     keep the published keys"
                );
            }
        }
        KeyCommand::Retire(args) => {
            operator.retire_key(args.kid.clone(), args.rotate).map_err(CliError::from_app)?;
            writeln!(out, "retired {}; its tokens are refused", args.kid)?;
        }
    }
    Ok(())
}

/// Prints keys: the heading and rows of a table, or a JSON object a line.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_keys(keys: &[ListedKey], args: &ListArgs, out: &mut dyn Write) -> io::Result<()> {
    if args.json {
        return keys.iter().try_for_each(|key| writeln!(out, "{}", json(key)));
    }
    let mut table = Table::new(&["KID", "ALGORITHM", "STATE", "PUBLISHED", "SIGNS FROM", "RETIRED"]);
    for key in keys {
        table.row([
            key.kid.clone(),
            key.algorithm.to_owned(),
            key.state.as_str().to_owned(),
            shown(key.created_at),
            shown(key.active_from),
            shown(key.retired_at),
        ]);
    }
    table.write(out)
}

fn shown(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}

fn json(key: &ListedKey) -> serde_json::Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    serde_json::json!({
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": key.state.as_str(),
        "published_at": time(key.created_at),
        "signs_from": time(key.active_from),
        "retired_at": time(key.retired_at),
    })
}
