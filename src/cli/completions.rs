//! `gateward completions`

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, CliError};

const EXAMPLES: &str = "\
Examples:
  gateward completions bash > /etc/bash_completion.d/gateward
  gateward completions zsh > ~/.zfunc/_gateward
  gateward completions fish > ~/.config/fish/completions/gateward.fish";

/// Which shell.
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell to print the script for
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &CompletionsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "gateward", &mut script);
    out.write_all(&script)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            assert!(run(&CompletionsArgs { shell: *shell }, &mut script).is_ok());
            let script = String::from_utf8_lossy(&script);
            assert!(script.contains("migrate") && script.contains("admin-listen"), "{shell}");
        }
    }
}
