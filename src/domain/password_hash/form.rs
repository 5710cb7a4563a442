//! The forms of a hash: their text, and what each does to a password before bcrypt.

use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, NO_PAD, STANDARD};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::domain::password::Password;

/// Lowest cost (binary logarithm of the rounds): bcrypt's own minimum. What is wise, the configuration says.
pub const MIN_COST: u32 = 4;
/// Highest cost, about four seconds: a damaged or planted hash must not occupy a thread for minutes.
pub const MAX_COST: u32 = 16;

pub(super) const SALT_BYTES: usize = 16;
const SALT_CHARS: usize = 22;
pub(super) const DIGEST_BYTES: usize = 23;
/// What bcrypt takes into account of its input.
const BCRYPT_BYTES: usize = 72;

/// bcrypt's base64. Strict: the unused bits of the last character are zero.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);
/// The same for plain bcrypt hashes: some programs left the unused bits as they came, all ignore them.
const BCRYPT_BASE64_LOOSE: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A stored hash cannot be verified: the login fails, and somebody has to look at the row. Never quotes the
/// hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoredHashError {
    /// It starts like no form that is known.
    #[error("the stored password hash has an unknown form")]
    UnknownForm,
    /// The form is known, but the text does not follow it to the letter.
    #[error("the stored password hash is malformed")]
    Malformed,
    /// The cost is outside [`MIN_COST`] to [`MAX_COST`].
    #[error("the stored password hash has cost {0}, outside {MIN_COST} to {MAX_COST}")]
    Cost(u32),
}

/// What happens to a password before bcrypt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// passlib version 2, ours.
    HmacSha256,
    /// passlib version 1.
    Sha256,
    /// Nothing.
    Bcrypt,
}

impl Form {
    /// `cost` has been checked by whoever calls.
    pub(super) fn digest(self, cost: u32, salt: [u8; SALT_BYTES], password: &Password) -> [u8; DIGEST_BYTES] {
        let password = password.expose().as_bytes();
        match self {
            Self::HmacSha256 => {
                #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
                let mut mac = Hmac::<Sha256>::new_from_slice(BCRYPT_BASE64.encode(salt).as_bytes())
                    .expect("HMAC takes keys of every length");
                mac.update(password);
                let key = Zeroizing::new(
                    STANDARD.encode(Zeroizing::<[u8; 32]>::new(mac.finalize().into_bytes().into())),
                );
                bcrypt_digest(cost, salt, key.as_bytes())
            }
            Self::Sha256 => {
                let key = Zeroizing::new(
                    STANDARD.encode(Zeroizing::<[u8; 32]>::new(Sha256::digest(password).into())),
                );
                bcrypt_digest(cost, salt, key.as_bytes())
            }
            Self::Bcrypt => bcrypt_digest(cost, salt, password),
        }
    }
}

/// The text of a hash in our form.
pub(super) fn our_text(cost: u32, salt: [u8; SALT_BYTES], digest: &[u8; DIGEST_BYTES]) -> String {
    format!(
        "$bcrypt-sha256$v=2,t=2b,r={cost}${}${}",
        BCRYPT_BASE64.encode(salt),
        BCRYPT_BASE64.encode(digest)
    )
}

/// bcrypt of `key` and the NUL that ends it, cut at 72 bytes.
fn bcrypt_digest(cost: u32, salt: [u8; SALT_BYTES], key: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut input = Zeroizing::new(Vec::with_capacity(BCRYPT_BYTES));
    input.extend(key.iter().copied().chain([0]).take(BCRYPT_BYTES));
    let [digest @ .., _] = bcrypt::bcrypt(cost, salt, &input);
    digest
}

/// A stored hash taken apart.
pub(super) struct Parts {
    pub(super) form: Form,
    pub(super) cost: u32,
    pub(super) salt: [u8; SALT_BYTES],
    pub(super) digest: [u8; DIGEST_BYTES],
}

impl Parts {
    /// Takes the exact lengths and alphabet only.
    pub(super) fn parse(text: &str) -> Result<Self, StoredHashError> {
        let (form, rest) = if let Some(rest) = text.strip_prefix("$bcrypt-sha256$v=2,t=2b,r=") {
            (Form::HmacSha256, rest)
        } else if let Some(rest) = strip_any(text, ["$bcrypt-sha256$2b,", "$bcrypt-sha256$2a,"]) {
            (Form::Sha256, rest)
        } else if let Some(rest) = strip_any(text, ["$2b$", "$2a$", "$2y$"]) {
            (Form::Bcrypt, rest)
        } else {
            return Err(StoredHashError::UnknownForm);
        };
        let (cost, rest) = rest.split_once('$').ok_or(StoredHashError::Malformed)?;
        let (salt, digest) = match form {
            Form::Bcrypt => rest.split_at_checked(SALT_CHARS),
            Form::HmacSha256 | Form::Sha256 => rest.split_once('$'),
        }
        .ok_or(StoredHashError::Malformed)?;
        let base64 = match form {
            Form::Bcrypt => &BCRYPT_BASE64_LOOSE,
            Form::HmacSha256 | Form::Sha256 => &BCRYPT_BASE64,
        };
        Ok(Self {
            form,
            cost: parse_cost(form, cost)?,
            salt: decode(base64, salt)?,
            digest: decode(base64, digest)?,
        })
    }
}

fn strip_any<'a, const N: usize>(text: &'a str, prefixes: [&str; N]) -> Option<&'a str> {
    prefixes.into_iter().find_map(|prefix| text.strip_prefix(prefix))
}

/// Two digits in bcrypt, no leading zero in passlib.
fn parse_cost(form: Form, text: &str) -> Result<u32, StoredHashError> {
    let cost = match text.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] if form == Form::Bcrypt || *tens != b'0' => {
            u32::from(tens - b'0') * 10 + u32::from(ones - b'0')
        }
        [ones @ b'0'..=b'9'] if form != Form::Bcrypt => u32::from(ones - b'0'),
        _ => return Err(StoredHashError::Malformed),
    };
    if (MIN_COST..=MAX_COST).contains(&cost) { Ok(cost) } else { Err(StoredHashError::Cost(cost)) }
}

/// Text of any other length decodes to other than `N` bytes, or not at all.
fn decode<const N: usize>(base64: &GeneralPurpose, text: &str) -> Result<[u8; N], StoredHashError> {
    let bytes = base64.decode(text).map_err(|_| StoredHashError::Malformed)?;
    bytes.try_into().map_err(|_| StoredHashError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::StoredHashError::{Cost, Malformed, UnknownForm};
    use super::*;

    fn cost(text: &str) -> Result<u32, StoredHashError> {
        Parts::parse(text).map(|parts| parts.cost)
    }

    fn ours(cost: &str) -> String {
        format!("$bcrypt-sha256$v=2,t=2b,r={cost}$abcdefghijklmnopqrstuu$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaae")
    }

    fn version_1(cost: &str) -> String {
        format!("$bcrypt-sha256$2b,{cost}$abcdefghijklmnopqrstuu$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaae")
    }

    fn plain(start: &str) -> String {
        format!("${start}$abcdefghijklmnopqrstuuaaaaaaaaaaaaaaaaaaaaaaaaaaaaaae")
    }

    #[test]
    fn well_formed_text_parses_with_its_cost() {
        for (text, expected) in [
            (ours("4"), 4),
            (ours("16"), 16),
            (version_1("4"), 4),
            (version_1("12"), 12),
            (plain("2a$04"), 4),
            (plain("2b$16"), 16),
            (plain("2y$10"), 10),
            // Unused bits of the salt's last character, ignored by every bcrypt.
            (plain("2b$04").replace("stuu", "stuv"), 4),
        ] {
            assert_eq!(cost(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn unknown_forms_are_refused() {
        for text in [
            String::new(),
            "!".into(),
            "plain text".into(),
            plain("2x$04"),
            plain("2$04"),
            plain("2c$04"),
            " ".to_owned() + &ours("4"),
            ours("4").replace("v=2", "v=3"),
            ours("4").replace("t=2b", "t=2a"),
            version_1("4").replace("2b", "2y"),
        ] {
            assert_eq!(cost(&text), Err(UnknownForm), "{text}");
        }
    }

    #[test]
    fn costs_outside_the_bounds_are_refused() {
        for (text, refused) in [("3", 3), ("17", 17), ("31", 31), ("0", 0), ("99", 99)] {
            assert_eq!(cost(&ours(text)), Err(Cost(refused)));
            assert_eq!(cost(&version_1(text)), Err(Cost(refused)));
            assert_eq!(cost(&plain(&format!("2b${text:0>2}"))), Err(Cost(refused)));
        }
    }

    #[test]
    fn text_that_strays_from_its_form_is_refused() {
        for text in ["04", "+4", "", "-4", "100", " 4", "4 ", "a", "\u{664}"] {
            assert_eq!(cost(&ours(text)), Err(Malformed), "{text}");
            assert_eq!(cost(&version_1(text)), Err(Malformed), "{text}");
        }
        for text in ["4", "004", "+4", "", "4a", " 4"] {
            assert_eq!(cost(&plain(&format!("2b${text}"))), Err(Malformed), "{text}");
        }
        for full in [ours("4"), version_1("4"), plain("2b$04")] {
            for tail in ["a", ".", "\n", "$", "=", "\0"] {
                assert_eq!(cost(&format!("{full}{tail}")), Err(Malformed), "{full}{tail:?}");
            }
            for (from, to) in
                [("abc", "ab="), ("abc", "ab+"), ("abc", "a\u{e9}"), ("stuu", "stu\u{e9}"), ("aae", "aa-")]
            {
                assert_eq!(cost(&full.replace(from, to)), Err(Malformed), "{full}: {from} -> {to}");
            }
            for cut in
                full.get(..full.len() - 1).into_iter().flat_map(|text| (0..text.len()).map(|at| &text[..=at]))
            {
                assert!(cost(cut).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn unused_bits_are_zero_in_the_passlib_forms() {
        for full in [ours("4"), version_1("4")] {
            assert_eq!(cost(&full.replace("stuu", "stuv")), Err(Malformed));
            assert_eq!(cost(&full.replace("aae", "aaf")), Err(Malformed));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in "(\\$(bcrypt-sha256|2b)\\$)?(v=2,t=2b,r=4|04)?\\$?\\PC{0,70}") {
            let _ = Parts::parse(&text);
        }
    }
}
