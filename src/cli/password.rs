//! Reading a new password: never from an argument, which every user of the machine could see.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{Context, bail};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Bytes of a line that are read at most; the policy allows 256 code points of at most 4 bytes.
const MAX_LINE: u64 = 4096;

/// Reads a new password: on a terminal from a prompt, twice and without echo; else the first line of
/// standard input. Whether it is good enough is for the password policy to say.
///
/// # Errors
/// The two differ; the line is empty, too long or not UTF-8; or reading failed.
pub fn read_new_password() -> anyhow::Result<SecretString> {
    if io::stdin().is_terminal() {
        let ask = |prompt: &str| rpassword::prompt_password(prompt).context("reading the password");
        let first = Zeroizing::new(ask("Password: ")?);
        let second = Zeroizing::new(ask("Password again: ")?);
        confirmed(&first, &second)
    } else {
        first_line(io::stdin().lock())
    }
}

fn confirmed(first: &str, second: &str) -> anyhow::Result<SecretString> {
    if first != second {
        bail!("the two passwords differ");
    }
    not_empty(first)
}

/// The line without its end (`\n` or `\r\n`); spaces belong to the password.
fn first_line(input: impl BufRead) -> anyhow::Result<SecretString> {
    let mut line = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_LINE)?));
    input.take(MAX_LINE).read_until(b'\n', &mut line).context("reading the password from standard input")?;
    if u64::try_from(line.len())? == MAX_LINE && line.last() != Some(&b'\n') {
        bail!("the password on standard input is longer than {MAX_LINE} bytes");
    }
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    not_empty(str::from_utf8(line).context("the password on standard input is not UTF-8")?)
}

fn not_empty(password: &str) -> anyhow::Result<SecretString> {
    if password.is_empty() {
        bail!("no password given: type one at the prompt, or write it to standard input");
    }
    Ok(SecretString::from(password))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(input: &[u8]) -> Option<String> {
        first_line(input).ok().map(|password| password.expose_secret().to_owned())
    }

    #[test]
    fn standard_input_gives_its_first_line_unchanged() {
        for (input, password) in [
            (&b"correct horse\nsecond line\n"[..], Some("correct horse")),
            (b"correct horse\r\n", Some("correct horse")),
            (b"no end", Some("no end")),
            (b"  spaces count  \n", Some("  spaces count  ")),
            ("\u{fc}\n".as_bytes(), Some("\u{fc}")),
            (b"\n", None),
            (b"", None),
            (b"\xff\n", None),
        ] {
            assert_eq!(read(input).as_deref(), password, "{input:?}");
        }
    }

    #[test]
    fn an_endless_line_is_refused_not_cut() {
        assert_eq!(read(&[b'a'; 10_000]), None);
        assert_eq!(read(&[b'a'; 4096]), None);
        assert!(read(&[b'a'; 4095]).is_some());
    }

    #[test]
    fn two_different_passwords_are_refused() {
        assert!(confirmed("a", "b").is_err());
        assert!(confirmed("", "").is_err());
        assert!(confirmed("a", "a").is_ok());
    }
}
