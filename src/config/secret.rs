//! Secrets: given as they are, or as the name of a file that holds them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use secrecy::SecretString;

use super::given::{Given, Raw};
use super::parse;
use super::problem::{Fault, Origin};
use super::reader::Reader;

/// Bytes of a configuration or secret file at most, so that a wrong path (`/dev/zero`) is an error and not the end
/// of the memory.
const LONGEST_FILE: u64 = 1 << 20;

/// The text of a file of at most 1 MiB, or in words why not.
pub(super) fn read_bounded(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_FILE + 1).read_to_string(&mut text));
    match read {
        Ok(length) if length as u64 > LONGEST_FILE => Err("it is longer than 1 MiB".to_owned()),
        Ok(_) => Ok(text),
        Err(error) => Err(error.to_string()),
    }
}

impl Reader {
    /// The secret at `key`, or in the file that `<key>_file` names (line ends at its end do not count). The
    /// form of the later layer wins; both in one layer is a problem.
    pub(super) fn secret(&mut self, key: &str) -> Option<SecretString> {
        let file_key = format!("{key}_file");
        let (plain, file) = (self.find(key), self.find(&file_key));
        let read = match (plain, file) {
            (Some(plain), Some(file)) if plain.layer == file.layer => {
                let fault = Fault::new(format!("is given together with {key}"), "give one of the two");
                self.problem_at(file.origin, &file_key, fault);
                self.unsound(key);
                return None;
            }
            (Some(plain), Some(file)) if plain.layer > file.layer => self.plain(key, plain),
            (_, Some(file)) => self.in_file(key, &file_key, file),
            (Some(plain), None) => self.plain(key, plain),
            (None, None) => None,
        };
        read.map(|(secret, origin)| {
            self.place(key, origin);
            secret
        })
    }

    fn plain(&mut self, key: &str, given: Given) -> Option<(SecretString, Origin)> {
        match given.raw {
            Raw::Untyped(text) | Raw::Text(text) => Some((SecretString::from(text), given.origin)),
            raw @ (Raw::Integer(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Other(_)) => {
                let fault = Fault::new(format!("is {}, not a text", raw.type_name()), "put it in quotes");
                self.problem_at(given.origin, key, fault);
                self.unsound(key);
                None
            }
        }
    }

    /// Messages leave the path out: it may be the secret, put into the wrong variable.
    fn in_file(&mut self, key: &str, file_key: &str, given: Given) -> Option<(SecretString, Origin)> {
        let read = parse::path(&given.raw).and_then(|path| {
            read_bounded(&path).map_err(|reason| {
                Fault::new(
                    format!("names a file that cannot be read: {reason}"),
                    "name a text file that the gateway's user may read",
                )
            })
        });
        match read {
            Ok(text) => Some((SecretString::from(text.trim_end_matches(['\r', '\n'])), given.origin)),
            Err(fault) => {
                self.problem_at(given.origin, file_key, fault);
                self.unsound(key);
                None
            }
        }
    }
}
