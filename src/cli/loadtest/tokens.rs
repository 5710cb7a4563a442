//! Where the tokens of a load test come from: a file, or the store of the configuration.

use std::fs::File;
use std::io::{BufReader, BufWriter, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

use super::args::{LoadtestArgs, MIX};
use crate::app::{MintOrder, Operator};
use crate::cli::config::load;
use crate::cli::{CliError, GlobalArgs};
use crate::domain::id::AccountId;
use crate::domain::token::LONGEST_LIFE;
use crate::loadtest::{Kind, Mix, PerKind, TokenFault, TokenList, TokenWriter, Tokens};

/// Whose sessions are alive. Nobody knows its password.
const ACCOUNT: &str = "loadtest@example.com";
/// Whose sessions are ended.
const ENDED_ACCOUNT: &str = "loadtest-ended@example.com";
/// How long tokens outlive the run at least.
const SPARE: Duration = Duration::from_secs(15 * 60);
/// Of expired tokens: how long they lived, and how long ago that ended, which is more than clocks differ.
const EXPIRED: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(3600));
/// Cold tokens are minted for so many requests a second of a closed loop, unless it is said how many.
const CLOSED_RATE: f64 = 50_000.0;
/// Without being asked for more, so many cold tokens at most.
const MOST_COLD: u32 = 1_000_000;
/// Expired tokens: they are refused one like the other.
const EXPIRED_COUNT: u32 = 1_000;

/// The tokens, and the mix that can be made of them.
///
/// # Errors
/// The file cannot be read, the store does not answer, or the mix wants what is not there.
pub(super) fn tokens(args: &LoadtestArgs, global: &GlobalArgs) -> Result<(Tokens, Mix), CliError> {
    let mut mix: Mix = match &args.mix {
        Some(mix) => mix.clone(),
        None => MIX.parse()?,
    };
    let mut tokens = match (&args.tokens, args.sessions) {
        (Some(path), _) => {
            let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
            Tokens::read(BufReader::new(file)).with_context(|| path.display().to_string())?
        }
        (None, Some(sessions)) => mint(args, global, &mix, sessions)?,
        (None, None) => Tokens::default(),
    };
    tokens.complete(&mix);
    for kind in tokens.missing(&mix) {
        // What nobody asked for is left out.
        let less = if args.mix.is_none() { mix.without(kind) } else { None };
        mix =
            less.ok_or_else(|| CliError::usage(format!("the mix wants {kind} tokens, and there are none")))?;
    }
    if let Some(path) = &args.write_tokens {
        write(&tokens, path).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok((tokens, mix))
}

/// How many of each kind are minted.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    valid: u32,
    cold: u32,
    expired: u32,
    revoked: u32,
}

impl Counts {
    fn new(args: &LoadtestArgs, mix: &Mix, sessions: u32) -> Self {
        let wanted = |kind: Kind| mix.share(kind) > 0;
        let revoked = args.revoked_sessions.unwrap_or((sessions / 100).clamp(10, 10_000));
        Self {
            valid: sessions,
            cold: if wanted(Kind::Cold) { args.cold_tokens.unwrap_or_else(|| cold(args, mix)) } else { 0 },
            expired: if wanted(Kind::Expired) { EXPIRED_COUNT.min(sessions) } else { 0 },
            // Asked for by number, they are ended even if they are not sent: a gateway has to keep them.
            revoked: if wanted(Kind::Revoked) || args.revoked_sessions.is_some() { revoked } else { 0 },
        }
    }
}

/// As many cold tokens as the run needs.
fn cold(args: &LoadtestArgs, mix: &Mix) -> u32 {
    let sum: u32 = mix.named().map(|(_, share)| share).sum();
    let share = f64::from(mix.share(Kind::Cold)) / f64::from(sum.max(1));
    // With nothing else in the mix, they are sent in the warm-up too.
    let only = mix.without(Kind::Cold).is_none();
    let span = args.duration + if only { args.warm_up } else { Duration::ZERO };
    let wanted = span.as_secs_f64() * args.rate.unwrap_or(CLOSED_RATE) * share;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and cut to the bound in the line before"
    )]
    let wanted = (wanted * 1.05 + 100.0).min(f64::from(MOST_COLD)) as u32;
    wanted
}

fn mint(args: &LoadtestArgs, global: &GlobalArgs, mix: &Mix, sessions: u32) -> Result<Tokens, CliError> {
    let settings = load(global, Vec::new())?.settings;
    let operator = Operator::open(&settings).map_err(CliError::from_app)?;
    let counts = Counts::new(args, mix, sessions);
    let run = args.warm_up.saturating_add(args.duration);
    let life = args.token_life.unwrap_or_else(|| run.saturating_add(SPARE)).min(LONGEST_LIFE);
    if life <= run {
        return Err(CliError::usage("tokens live 24 h at most: they would expire before the run is over"));
    }
    let account = account(&operator, ACCOUNT)?;
    let order = |subject, kind, count, lifetime, age| Order { subject, kind, count, lifetime, age };
    let (expired_life, ago) = EXPIRED;
    let mut lists = PerKind::<TokenList>::default();
    if counts.revoked > 0 {
        let ended = self::account(&operator, ENDED_ACCOUNT)?;
        lists.revoked = make(&operator, &order(ended, Kind::Revoked, counts.revoked, life, Duration::ZERO))?;
        // All that are alive, also those that an interrupted run has left.
        operator.revoke_all(ended).map_err(CliError::from_app)?;
    }
    lists.expired =
        make(&operator, &order(account, Kind::Expired, counts.expired, expired_life, expired_life + ago))?;
    lists.valid = make(&operator, &order(account, Kind::Valid, counts.valid, life, Duration::ZERO))?;
    lists.cold = make(&operator, &order(account, Kind::Cold, counts.cold, life, Duration::ZERO))?;
    Ok(Tokens::new(lists))
}

struct Order {
    subject: AccountId,
    kind: Kind,
    count: u32,
    lifetime: Duration,
    age: Duration,
}

fn make(operator: &Operator, order: &Order) -> Result<TokenList, CliError> {
    let Order { subject, kind, count, lifetime, age } = *order;
    let (email, roles, scopes) = (None, Vec::new(), Vec::new());
    let mint = MintOrder { subject, email, roles, scopes, lifetime, age, count };
    let (mut writer, mut fault) = (TokenWriter::default(), None::<TokenFault>);
    let (mut made, shown) = (0_u32, std::io::stderr().is_terminal());
    let minted = operator.mint(&mint, |token| {
        fault = fault.or(writer.push(token.as_bytes()).err());
        made = made.saturating_add(1);
        if shown && made.is_multiple_of(1000) {
            eprint!("\r\x1b[Kminting {kind} tokens {made}/{count}");
        }
    });
    if shown {
        eprint!("\r\x1b[K");
    }
    minted.map_err(CliError::from_app)?;
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok(writer.finish()),
    }
}

/// The account with this address, made when there is none, with a password that nobody learns.
fn account(operator: &Operator, email: &str) -> Result<AccountId, CliError> {
    if let Ok(known) = operator.by_email(email) {
        return Ok(known);
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let password = SecretString::from(URL_SAFE_NO_PAD.encode(random));
    let made = operator.create(email, &password, None, Vec::new()).map_err(CliError::from_app)?;
    Ok(made.id)
}

/// Writes a token file that only its owner may read: tokens are credentials.
fn write(tokens: &Tokens, path: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    // The mode above is that of a new file.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let mut file = BufWriter::new(file);
    tokens.write(&mut file)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn counts(line: &str) -> Counts {
        let line = format!("gateward loadtest --url http://a/ {line}");
        let Ok(Cli { command: Command::Loadtest(args), .. }) = Cli::try_parse_from(line.split(' ')) else {
            panic!("{line}");
        };
        let mix = args.mix.clone().unwrap_or_else(|| MIX.parse().unwrap());
        Counts::new(&args, &mix, args.sessions.unwrap())
    }

    #[test]
    fn so_many_tokens_are_minted_as_the_run_needs() {
        let default = counts("--sessions 100000 --rate 1000");
        assert_eq!(default, Counts { valid: 100_000, cold: 310, expired: 1_000, revoked: 1_000 });
        let closed = counts("--sessions 50");
        assert_eq!(closed, Counts { valid: 50, cold: 10_600, expired: 50, revoked: 10 });
        let cold = counts("--sessions 10 --mix cold=1 --rate 100 --duration 10s --warm-up 10s");
        assert_eq!(cold, Counts { valid: 10, cold: 2_200, expired: 0, revoked: 0 });
        let kept = counts("--sessions 10 --mix valid=1 --revoked-sessions 7 --cold-tokens 3");
        assert_eq!(kept, Counts { valid: 10, cold: 0, expired: 0, revoked: 7 });
    }
}
