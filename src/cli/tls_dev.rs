//! `gateward tls-dev`

use std::io::Write;
use std::path::Path;

use clap::Args;

use super::{CliError, GlobalArgs};
use crate::app::{DevCertificate, dev_certificate};
use crate::live::Clock;

const EXAMPLES: &str = "\
Examples:
  gateward tls-dev
  gateward tls-dev --name gw.test --name api.gw.test

Makes an authority and a certificate for localhost, 127.0.0.1 and ::1 in the folder tls-dev of the data directory, and \
a configuration file that uses it. Run again, it keeps files that are still good. For one machine; clients elsewhere \
want a certificate from an authority that they trust already.";

/// What the certificate is to be for.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub struct TlsDevArgs {
    /// One more host name or address; may be repeated
    #[arg(long = "name", value_name = "HOST", value_parser = host)]
    pub names: Vec<String>,
}

/// What every such certificate is for.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes the files, and says how to use them.
///
/// # Errors
/// A file cannot be written.
pub fn run(args: &TlsDevArgs, global: &GlobalArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let folder = Path::new(global.data_dir.as_deref().unwrap_or(".gateward")).join("tls-dev");
    let names: Vec<String> =
        LOOPBACK.into_iter().map(str::to_owned).chain(args.names.iter().cloned()).collect();
    let made = dev_certificate(&folder, &names, Clock::System.now()).map_err(CliError::from_app)?;
    let lines = configuration(&made);
    let file = folder.join("gateward.toml");
    std::fs::write(&file, &lines)?;
    let verb = if made.kept { "is still good" } else { "was made" };
    let indented: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    write!(
        out,
        "A certificate for {} {verb}, valid until {}.\n\n\
         Put this into your configuration file:\n\n{indented}\n\
         or start with it alone, and call:\n\n  \
         gateward serve --config {}\n  \
         curl --cacert {} https://localhost:8080/.well-known/openid-configuration\n",
        names.join(", "),
        made.until,
        file.display(),
        made.authority.display(),
    )?;
    Ok(())
}

/// The entry of the configuration file.
fn configuration(made: &DevCertificate) -> String {
    let quoted = |path: &Path| toml::Value::String(path.display().to_string());
    format!(
        "[[certificate]]\ncertificate_file = {}\nkey_file = {}\n",
        quoted(&made.certificate),
        quoted(&made.key)
    )
}

fn host(text: &str) -> Result<String, String> {
    let right = |byte: u8| byte.is_ascii_alphanumeric() || b".-_*:".contains(&byte);
    if !(1..=253).contains(&text.len()) || !text.bytes().all(right) {
        return Err("expected a host name or an address".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_to_use_what_it_made() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().display().to_string();
        let global = GlobalArgs { data_dir: Some(data_dir.clone()), ..GlobalArgs::default() };
        let args = TlsDevArgs { names: vec!["gw.test".to_owned()] };
        for verb in ["was made", "is still good"] {
            let mut out = Vec::new();
            assert!(run(&args, &global, &mut out).is_ok());
            let said = String::from_utf8(out).unwrap();
            assert!(
                said.contains(verb) && said.contains("gw.test") && said.contains("curl --cacert"),
                "{said}"
            );
            assert!(
                said.contains(&format!("certificate_file = \"{data_dir}/tls-dev/certificate.pem\"")),
                "{said}"
            );
        }
    }

    #[test]
    fn hosts_are_plain() {
        for (text, right) in [
            ("gw.test", true),
            ("*.GW.test", true),
            ("::1", true),
            ("a b", false),
            ("", false),
            ("a/b", false),
        ] {
            assert_eq!(host(text).is_ok(), right, "{text}");
        }
    }
}
