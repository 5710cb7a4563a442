//! From the parsed command line to the command.

use std::io::{self, Write};

use super::{
    Cli, CliError, Command, audit, completions, config, health, key, loadtest, migrate, record, serve,
    session, tls_dev, token, torture, user,
};

/// Runs the command; what it prints goes to standard output.
///
/// A reader that goes away (`gateward config show | head -1`) is no error.
///
/// # Errors
/// What the command says, with its exit code.
pub fn run(cli: Cli) -> Result<(), CliError> {
    // Not locked: a running gateway has other threads that print.
    let mut out = io::stdout();
    let global = &cli.global;
    let result = match cli.command {
        Command::Config(command) => config::run(&command, global, &mut out),
        Command::Health(args) => health::run(&args, global, &mut out),
        Command::Torture(args) => torture::run(&args, &mut out),
        Command::Loadtest(args) => loadtest::run(&args, global, &mut out),
        Command::Record(args) => record::run(&args, &mut out),
        Command::TlsDev(args) => tls_dev::run(&args, global, &mut out),
        Command::Completions(args) => completions::run(&args, &mut out),
        Command::Serve(args) => serve::run(&args, global),
        Command::Migrate(command) => migrate::run(&command, global, &mut out),
        Command::User(command) => user::run(&command, global, &mut out),
        Command::Audit(command) => audit::run(&command, global, &mut out),
        Command::Session(command) => session::run(&command, global, &mut out),
        Command::Key(command) => key::run(&command, global, &mut out),
        Command::Token(command) => token::run(&command, global, &mut out),
    };
    match result.and_then(|()| Ok(out.flush()?)) {
        Err(error) if error.is_broken_pipe() => Ok(()),
        result => result,
    }
}
