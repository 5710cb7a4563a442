//! Clients that may ask about tokens (RFC 7662): services behind the gateway, or beside it.

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The clients of the configuration. Secrets are kept as hashes: they are at least 32 bytes long, so a plain hash
/// cannot be guessed backwards.
pub struct Clients(Vec<(String, [u8; 32])>);

impl Clients {
    /// Clients by their id, each with its secret.
    pub fn new<'a>(clients: impl IntoIterator<Item = (&'a str, &'a SecretString)>) -> Self {
        let hashed = |(id, secret): (&str, &SecretString)| (id.to_owned(), hash(secret));
        Self(clients.into_iter().map(hashed).collect())
    }

    /// Whether there is none: then nobody can authenticate.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `secret` is the secret of the client `id`. Looks at every client and compares hashes, so that the
    /// time tells neither which ids exist nor how much of a secret was right.
    pub fn knows(&self, id: &str, secret: &SecretString) -> bool {
        let presented = hash(secret);
        let right = self.0.iter().map(|(known, hash)| {
            let same_id = Sha256::digest(known).ct_eq(&Sha256::digest(id));
            same_id & hash.ct_eq(&presented)
        });
        right.fold(subtle::Choice::from(0), |any, one| any | one).into()
    }
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}

fn hash(secret: &SecretString) -> [u8; 32] {
    Sha256::digest(secret.expose_secret()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn only_the_right_secret_of_the_right_client_is_known() {
        let (a, b) = (secret("secret of a"), secret("secret of b"));
        let clients = Clients::new([("a", &a), ("b", &b)]);
        assert!(clients.knows("a", &a) && clients.knows("b", &b));
        for (id, text) in [
            ("a", "secret of b"),
            ("b", "secret of a"),
            ("c", "secret of a"),
            ("", ""),
            ("a", ""),
            ("A", "secret of a"),
        ] {
            assert!(!clients.knows(id, &secret(text)), "{id} {text}");
        }
        assert!(!Clients::new([]).knows("", &secret("")));
    }

    #[test]
    fn debug_shows_ids_and_nothing_of_a_secret() {
        let a = secret("hunter2");
        let clients = Clients::new([("a", &a)]);
        assert_eq!(format!("{clients:?}"), r#"["a"]"#);
    }
}
