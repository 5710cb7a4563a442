//! The top of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{
    audit, completions, config, health, key, loadtest, migrate, record, serve, session, tls_dev, token,
    torture, user,
};

/// An authentication gateway: registers people, logs them in, and lets only requests with a token that is
/// valid now reach the services behind it.
#[derive(Debug, Parser)]
#[command(name = "gateward", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    /// Flags that every command takes.
    pub global: GlobalArgs,
    #[command(subcommand)]
    /// What to do.
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  gateward serve --upstream http://127.0.0.1:3000
  gateward --config config.toml config check
  gateward user create ann@example.com --role admin

Exit codes: 0 ok, 1 failure, 2 usage, 69 something it depends on is unavailable, 78 configuration.";

/// Flags that every command takes, before or after its name.
#[derive(Debug, Clone, Default, Args)]
pub struct GlobalArgs {
    /// Configuration file (TOML). Without it: defaults, .env, environment and flags
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the embedded database and the generated keys (key server.data_dir) [default: .gateward]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway until a signal stops it
    Serve(serve::ServeArgs),
    /// Look at the configuration without starting anything
    #[command(subcommand, after_help = config::EXAMPLES)]
    Config(config::ConfigCommand),
    /// Bring the database schema up to date, or say what is missing
    #[command(subcommand, after_help = migrate::EXAMPLES)]
    Migrate(migrate::MigrateCommand),
    /// Create, list, disable, enable and delete accounts
    #[command(subcommand, after_help = user::EXAMPLES)]
    User(user::UserCommand),
    /// List and end sessions
    #[command(subcommand, after_help = session::EXAMPLES)]
    Session(session::SessionCommand),
    /// List, rotate and retire signing keys
    #[command(subcommand, after_help = key::EXAMPLES)]
    Key(key::KeyCommand),
    /// Make tokens for tests and load
    #[command(subcommand, after_help = token::EXAMPLES)]
    Token(token::TokenCommand),
    /// Read the audit trail
    #[command(subcommand, after_help = audit::EXAMPLES)]
    Audit(audit::AuditCommand),
    /// Ask a running gateway whether it is ready
    Health(health::HealthArgs),
    /// Attack a gateway and print a score card
    Torture(torture::TortureArgs),
    /// Measure a gateway under load and check every answer
    Loadtest(loadtest::LoadtestArgs),
    /// Run the recording upstream that `torture` asks
    Record(record::RecordArgs),
    /// Make a certificate for trying TLS on this machine
    TlsDev(tls_dev::TlsDevArgs),
    /// Print the completion script of a shell
    Completions(completions::CompletionsArgs),
}

/// Reads the process's arguments; prints help, version or the usage error and exits by itself.
pub fn parse() -> Cli {
    Cli::parse()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn each(command: &mut clap::Command, path: &str, see: &mut impl FnMut(&str, &str)) {
        let path = format!("{path} {}", command.get_name());
        see(&path, &command.render_long_help().to_string());
        for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
            each(sub, &path, see);
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_with_examples_that_parse() {
        let mut command = Cli::command().term_width(0); // unwrapped
        command.build();
        let mut seen = 0;
        each(&mut command, "", &mut |path, help| {
            seen += 1;
            let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
            let lines: Vec<_> = examples.lines().take_while(|line| line.starts_with("  ")).collect();
            assert!(!lines.is_empty(), "{path} has no examples:\n{help}");
            for line in lines {
                // What follows `|` is a gateward command, what follows `>` or `#` is not for clap.
                let typed = line.rsplit('|').next().unwrap_or_default();
                let typed = typed.split(['>', '#']).next().unwrap_or_default();
                let parsed = Cli::try_parse_from(typed.split_whitespace());
                assert!(parsed.is_ok(), "{path}: {line}: {parsed:?}");
            }
        });
        assert!(seen > 1, "the walk saw no commands");
    }

    #[test]
    fn no_flag_takes_a_password_or_secret() {
        fn flags(command: &clap::Command) {
            for arg in command.get_arguments() {
                let name = arg.get_id().as_str();
                // The name of a file that holds one is no secret.
                let name = name.strip_suffix("secret_file").unwrap_or(name);
                assert!(!name.contains("password") && !name.contains("secret"), "{name}");
            }
            command.get_subcommands().for_each(flags);
        }
        flags(&Cli::command());
    }

    #[test]
    fn global_flags_work_before_and_after_the_command() {
        for line in ["gateward --config a.toml config check", "gateward config check --config a.toml"] {
            let cli = Cli::try_parse_from(line.split(' '));
            let config = cli.map(|cli| cli.global.config);
            assert_eq!(config.ok().flatten(), Some(PathBuf::from("a.toml")), "{line}");
        }
    }
}
