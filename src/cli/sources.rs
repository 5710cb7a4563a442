//! Where this run's configuration comes from.
//!
//! The one place of the program that reads the process environment.

use std::path::PathBuf;

use super::{CliError, Exit, GlobalArgs};
use crate::config::{Flag, Sources};

/// Read when it is there.
const DOTENV: &str = ".env";

/// The sources for a command with these global flags and `flags` of its own, later ones winning: the file
/// of `--config`, `.env` in the working folder, the environment, flags.
///
/// # Errors
/// A configuration variable is not UTF-8 ([`Exit::Config`]).
pub fn sources(global: &GlobalArgs, flags: Vec<Flag>) -> Result<Sources, CliError> {
    let dotenv = PathBuf::from(DOTENV);
    let data_dir = flag("server.data_dir", "--data-dir", global.data_dir.as_ref());
    Ok(Sources {
        file: global.config.clone(),
        dotenv: dotenv.exists().then_some(dotenv),
        environment: environment()?,
        flags: data_dir.into_iter().chain(flags).collect(),
        certificates_at: None,
    })
}

/// A flag that was given.
pub(super) fn flag(key: &str, name: &str, value: Option<&String>) -> Option<Flag> {
    value.map(|value| Flag { key: key.to_owned(), value: value.clone(), name: name.to_owned() })
}

/// All of the environment that is UTF-8. Of our own variables every one has to be: silence would start the
/// gateway with a default in its place.
#[expect(
    clippy::disallowed_methods,
    reason = "everything else takes its settings from `config`, which takes the environment from here"
)]
fn environment() -> Result<Vec<(String, String)>, CliError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) if is_ours(&name) => {
                return Err(CliError::new(
                    Exit::Config,
                    anyhow::anyhow!("environment variable {name} is not UTF-8"),
                ));
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}

fn is_ours(name: &str) -> bool {
    let familiar = ["DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ALGORITHM", "UPSTREAM"];
    let name = name.strip_suffix("_FILE").unwrap_or(name);
    name.starts_with("GATEWARD__") || familiar.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_name_their_key_and_themselves() {
        let global = GlobalArgs { config: Some("a.toml".into()), data_dir: Some("state".to_owned()) };
        let listen = flag("server.listen", "--listen", Some(&"127.0.0.1:1".to_owned())).unwrap();
        let sources = sources(&global, vec![listen]).unwrap();
        assert_eq!(sources.file, Some("a.toml".into()));
        let flags: Vec<_> = sources
            .flags
            .iter()
            .map(|flag| (flag.key.as_str(), flag.value.as_str(), flag.name.as_str()))
            .collect();
        let data_dir = ("server.data_dir", "state", "--data-dir");
        assert_eq!(flags, [data_dir, ("server.listen", "127.0.0.1:1", "--listen")]);
        assert!(sources.environment.iter().any(|(name, _)| name == "PATH"));
    }

    #[test]
    fn our_variables_are_known_by_name() {
        for (name, ours) in [
            ("GATEWARD__SERVER__LISTEN", true),
            ("SECRET_KEY", true),
            ("SECRET_KEY_FILE", true),
            ("UPSTREAM", true),
            ("LS_COLORS", false),
            ("GATEWARD", false),
        ] {
            assert_eq!(is_ours(name), ours, "{name}");
        }
    }
}
