//! Tokens that nobody issued, made from one that was.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::case::{Edit, Signer, TokenRecipe};
use super::placeholders::Words;
use super::public_key::PublicKey;

/// What tokens are made from. No `Debug`: it holds a token and perhaps the gateway's secret.
#[derive(Default)]
pub(super) struct Mint {
    /// A token that is valid now.
    pub valid: Option<String>,
    /// The gateway's HS256 secret.
    pub secret: Option<Vec<u8>>,
    /// The first key that the gateway publishes.
    pub public_key: Option<PublicKey>,
}

/// Why there is no such token; the reason that a case is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Missing {
    #[error("no token was given")]
    Token,
    #[error("the token is no JWT")]
    NoJwt,
    #[error("no secret was given")]
    Secret,
    #[error("the gateway publishes no key")]
    PublicKey,
}

impl Mint {
    /// The valid token.
    pub(super) fn valid(&self) -> Result<&str, Missing> {
        self.valid.as_deref().ok_or(Missing::Token)
    }

    /// The token of a recipe.
    pub(super) fn make(&self, recipe: &TokenRecipe, words: &Words) -> Result<String, Missing> {
        let valid = self.valid()?;
        let mut segments = valid.split('.');
        let mut next = || segments.next().ok_or(Missing::NoJwt);
        let (header, payload, signature) = (next()?, next()?, next()?);

        let mut changes = recipe.header.clone();
        changes.extend(recipe.alg.clone().map(|alg| ("alg".to_owned(), toml::Value::String(alg))));
        let header_changed = !changes.is_empty() || !recipe.without_header.is_empty();
        let header = match &recipe.header_text {
            Some(text) => encoded(words.bytes(text)),
            None if header_changed => edited(header, &changes, &recipe.without_header, words)?,
            None => header.to_owned(),
        };
        let claims_changed = !recipe.claims.is_empty() || !recipe.without_claims.is_empty();
        let payload = match &recipe.claims_text {
            Some(text) => encoded(words.bytes(text)),
            None if claims_changed => edited(payload, &recipe.claims, &recipe.without_claims, words)?,
            None => payload.to_owned(),
        };
        let message = format!("{header}.{payload}");
        let mut signature = match recipe.sign {
            Signer::Keep => signature.to_owned(),
            Signer::None => String::new(),
            Signer::Secret => signed(&message, self.secret.as_deref().ok_or(Missing::Secret)?),
            Signer::WrongSecret => {
                signed(&message, b"a secret of thirty-two bytes and more: not the gateway's")
            }
            Signer::PublicKey => signed(&message, &self.public_key()?.pem()),
            Signer::PublicKeyBytes => signed(&message, &self.public_key()?.bytes()),
            Signer::PublicKeyJson => signed(&message, &self.public_key()?.json()),
        };
        if let Some(edit) = recipe.edit {
            signature = edited_signature(&signature, edit);
        }
        let form = recipe.form.as_deref().unwrap_or("{h}.{p}.{s}");
        // First the words of the case: the segments hold no braces.
        let form = words.text(form);
        Ok(form.replace("{h}", &header).replace("{p}", &payload).replace("{s}", &signature))
    }

    fn public_key(&self) -> Result<&PublicKey, Missing> {
        self.public_key.as_ref().ok_or(Missing::PublicKey)
    }
}

/// A segment with some members changed.
fn edited(
    segment: &str,
    changes: &std::collections::BTreeMap<String, toml::Value>,
    without: &[String],
    words: &Words,
) -> Result<String, Missing> {
    let bytes = URL_SAFE_NO_PAD.decode(segment).map_err(|_| Missing::NoJwt)?;
    let mut members: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|_| Missing::NoJwt)?;
    for (name, value) in changes {
        members.insert(words.text(name), json(value, words));
    }
    for name in without {
        members.remove(name);
    }
    Ok(encoded(Value::Object(members).to_string()))
}

fn json(value: &toml::Value, words: &Words) -> Value {
    match value {
        toml::Value::String(text) => {
            let text = words.text(text);
            match text.strip_prefix("json:") {
                Some(literal) => serde_json::from_str(literal).unwrap_or(Value::String(text)),
                None => Value::String(text),
            }
        }
        toml::Value::Array(values) => values.iter().map(|value| json(value, words)).collect(),
        toml::Value::Table(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), json(value, words))).collect())
        }
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
    }
}

fn edited_signature(signature: &str, edit: Edit) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    match edit {
        Edit::CutSignature => bytes.truncate(bytes.len() / 2),
        Edit::CutByte => bytes.truncate(bytes.len().saturating_sub(1)),
        Edit::ExtendSignature => bytes.push(0),
        Edit::FlipSignature => bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1),
        Edit::ZeroSignature => bytes.fill(0),
        Edit::LooseBits => return with_loose_bits(signature),
    }
    encoded(bytes)
}

/// The last letter of base64 carries bits that no byte needs; with them set it decodes to the same bytes.
fn with_loose_bits(signature: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let loose: usize = match signature.len() % 4 {
        2 => 0b1111,
        3 => 0b11,
        _ => 0,
    };
    let mut text = signature.to_owned();
    let last = text.pop().and_then(|letter| ALPHABET.iter().position(|other| char::from(*other) == letter));
    let letter = last.and_then(|value| ALPHABET.get(value | loose));
    text.push(letter.copied().map_or('_', char::from));
    text
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// HMAC-SHA256, encoded.
fn signed(message: &str, secret: &[u8]) -> String {
    // HMAC takes keys of any length, so there is always a signature.
    let mac = Hmac::<Sha256>::new_from_slice(secret);
    mac.map(|mac| encoded(mac.chain_update(message).finalize().into_bytes())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = Words {
        public: "/public",
        protected: "/private",
        host: "h",
        scheme: "http",
        token: "",
        value: "5",
        canary: "c",
        now: 1000,
    };

    fn mint() -> Mint {
        let message = format!("{}.{}", encoded(r#"{"alg":"HS256"}"#), encoded(r#"{"sub":"a","exp":1}"#));
        let token = format!("{message}.{}", signed(&message, b"secret"));
        Mint { valid: Some(token), secret: Some(b"secret".to_vec()), public_key: None }
    }

    fn made(recipe: &str) -> Result<String, Missing> {
        mint().make(&toml::from_str(recipe).unwrap(), &WORDS)
    }

    fn decoded(segment: &str) -> String {
        String::from_utf8(URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
    }

    #[test]
    fn an_empty_recipe_is_the_valid_token_and_so_is_one_signed_again() {
        let valid = mint().valid.unwrap();
        assert_eq!(made("").unwrap(), valid);
        assert_eq!(made("sign = 'secret'").unwrap(), valid);
        assert_ne!(made("sign = 'wrong-secret'").unwrap(), valid);
    }

    #[test]
    fn claims_and_header_change_as_told() {
        let recipe = "alg = 'none'\nclaims = { exp = 'json:{v}', sub = 'b' }\nwithout_header = ['typ']";
        let token = made(recipe).unwrap();
        let segments: Vec<_> = token.split('.').collect();
        assert_eq!(decoded(segments[0]), r#"{"alg":"none"}"#);
        assert_eq!(decoded(segments[1]), r#"{"exp":5,"sub":"b"}"#);
        let token = made("claims_text = '[{v}'\nform = '{h}.{p}'").unwrap();
        assert_eq!(decoded(token.split('.').nth(1).unwrap()), "[5");
        assert_eq!(token.split('.').count(), 2);
    }

    #[test]
    fn every_edit_changes_the_signature() {
        let valid = mint().valid.unwrap();
        for edit in [
            "cut-signature",
            "cut-byte",
            "extend-signature",
            "flip-signature",
            "zero-signature",
            "loose-bits",
        ] {
            assert_ne!(made(&format!("edit = '{edit}'")).unwrap(), valid, "{edit}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(made("sign = 'public-key'"), Err(Missing::PublicKey));
        let nothing = Mint::default();
        assert_eq!(nothing.make(&TokenRecipe::default(), &WORDS), Err(Missing::Token));
        let opaque = Mint { valid: Some("opaque".to_owned()), ..Mint::default() };
        assert_eq!(opaque.make(&TokenRecipe::default(), &WORDS), Err(Missing::NoJwt));
    }
}
