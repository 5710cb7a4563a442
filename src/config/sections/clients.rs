//! `[[client]]`.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};

use crate::config::given::Raw;
use crate::config::parse::{self, quoted};
use crate::config::problem::{Fault, Origin};
use crate::config::reader::Reader;
use crate::config::settings::ClientSettings;
use crate::config::shown::{NOT_SET, REDACTED};

use super::token::{SHORTEST_SECRET, is_no_secret};

pub(super) fn read(r: &mut Reader) -> Vec<ClientSettings> {
    let mut ids = BTreeSet::new();
    let mut clients = Vec::new();
    for (index, entry) in r.entries("client").iter().enumerate() {
        let key = format!("client[{index}].id");
        let id = r.required(&key, entry, client_id).unwrap_or_default();
        if r.sound(&[&key]) && !ids.insert(id.clone()) {
            let fault =
                Fault::new(format!("{} is the id of another client too", quoted(&id)), "choose another id");
            r.problem(&key, fault);
        }
        let secret = secret(r, &format!("client[{index}].secret"), entry);
        clients.push(ClientSettings { id, secret });
    }
    clients
}

fn secret(r: &mut Reader, key: &str, entry: &Origin) -> SecretString {
    const REMEDY: &str =
        "generate one with `openssl rand -hex 32` and set secret or secret_file of this entry";
    let secret = r.secret(key);
    r.show(key, if secret.is_some() { REDACTED } else { NOT_SET });
    match &secret {
        Some(secret) if secret.expose_secret().len() < SHORTEST_SECRET => {
            r.problem(key, Fault::new(format!("is shorter than {SHORTEST_SECRET} bytes"), REMEDY));
        }
        Some(secret) if is_no_secret(secret.expose_secret().as_bytes()) => {
            r.problem(key, Fault::new("repeats a few bytes: nobody chose it at random", REMEDY));
        }
        Some(_) => {}
        None if r.sound(&[key, &format!("{key}_file")]) => {
            r.problem_at(entry.clone(), key, Fault::new("is missing", REMEDY));
        }
        None => {}
    }
    secret.unwrap_or_default()
}

/// Without a colon, which ends it in HTTP Basic, and without anything that an encoding would change.
fn client_id(raw: &Raw) -> Result<String, Fault> {
    let id = parse::text(raw)?;
    let right = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !(1..=64).contains(&id.len()) || !id.bytes().all(right) {
        return Err(Fault::new(
            format!("{} is not a client id", quoted(&id)),
            "use 1 to 64 letters, digits, hyphens, underscores and dots",
        ));
    }
    Ok(id)
}
