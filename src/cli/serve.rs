//! `gateward serve`

use clap::Args;

use super::config::load_to_serve;
use super::sources::flag;
use super::{CliError, GlobalArgs};
use crate::app;
use crate::config::Flag;

const EXAMPLES: &str = "\
Examples:
  gateward serve
  gateward serve --upstream http://127.0.0.1:3000
  gateward serve --config /etc/gateward/config.toml
  gateward serve --listen 0.0.0.0:8080 --admin-listen 127.0.0.1:9090 --data-dir /var/lib/gateward

Without a configured or given upstream, a small built-in demo service stands behind the gateway. \
SIGTERM and Ctrl-C let requests in flight finish.";

/// The flags of `serve`. Their values are checked with the rest of the configuration.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// Where clients connect (key server.listen) [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Where operators connect: health, metrics, version (key server.admin_listen) [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<String>,
    /// The service to protect, for every path, with a token required
    #[arg(long, value_name = "http://HOST:PORT")]
    pub upstream: Option<String>,
}

impl ServeArgs {
    /// The given ones, for [`super::sources()`]. `--upstream` has the key `upstream`.
    pub fn flags(&self) -> Vec<Flag> {
        [
            flag("server.listen", "--listen", self.listen.as_ref()),
            flag("server.admin_listen", "--admin-listen", self.admin_listen.as_ref()),
            flag("upstream", "--upstream", self.upstream.as_ref()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Serves until a signal. Without a configuration file the calls to try are printed.
///
/// # Errors
/// The configuration is wrong, a dependency does not answer, or a listener cannot be opened.
pub fn run(args: &ServeArgs, global: &GlobalArgs) -> Result<(), CliError> {
    let loaded = load_to_serve(global, args.flags())?;
    app::serve(&loaded.settings, global.config.is_none()).map_err(CliError::from_app)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_given_flags_become_sources() {
        assert!(ServeArgs::default().flags().is_empty());
        let args = ServeArgs { upstream: Some("http://127.0.0.1:3000".to_owned()), ..ServeArgs::default() };
        let flags: Vec<_> = args.flags().into_iter().map(|flag| (flag.key, flag.value, flag.name)).collect();
        let wanted = ("upstream".to_owned(), "http://127.0.0.1:3000".to_owned(), "--upstream".to_owned());
        assert_eq!(flags, [wanted]);
    }
}
