//! Nothing but what our keys signed under our exact headers is accepted, whatever is sent. See `gateway::properties` for
//! what such a module is.
//!
//! What a token costs is bounded by [`super::MAX_TOKEN_BYTES`]: a longer one is refused before anything is looked at (stated
//! here), and what is shorter is decoded once, verified once and parsed once.
#![expect(clippy::expect_used, clippy::panic, reason = "a property that does not hold panics")]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Grant, LEEWAY, MAX_TOKEN_BYTES, Parties, TokenRefusal, VerifiedClaims, kid_of_our_form, mint, verify,
};
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, SessionId, TokenId};
use crate::domain::keyring::{KeyAlgorithm, Keyring, SigningKey};

/// The time at which everything here is judged.
pub const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

/// A P-256 key in PKCS#8, made for this file.
const P256: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCUR5mFMC3TUS0JqQKJ+dRUYAs4y00GEXl66WNY8WwPqhRANC\
    AAT22cVWTY8KHFOHzHbeYwO3Y3lfeKkPKS1FXTYGEgmjnhRexQk20Ro4PztZn+QwTQRpakLmfGGML+Pb5U8kZUcR";

/// How many keys there are: HS256, EdDSA, ES256.
pub const KEYS: usize = 3;

static PARTIES: LazyLock<Parties> =
    LazyLock::new(|| Parties { issuer: "gw".to_owned(), audience: "svc".to_owned() });

/// For each key a ring that it signs for, and that knows the others.
static RINGS: LazyLock<Vec<Keyring>> = LazyLock::new(|| {
    // RFC 8410 section 7: the frame of an Ed25519 key, then its 32 bytes.
    let ed25519 =
        [&b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..], &[7; 32]].concat();
    let p256 = STANDARD.decode(P256).expect("base64");
    let keys = [
        Arc::new(SigningKey::from_secret(&[7; 32])),
        Arc::new(SigningKey::from_pkcs8(KeyAlgorithm::EdDsa, &ed25519).expect("a key")),
        Arc::new(SigningKey::from_pkcs8(KeyAlgorithm::Es256, &p256).expect("a key")),
    ];
    let others = |at: usize| {
        keys.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, key)| Arc::clone(key)).collect()
    };
    keys.iter().enumerate().map(|(at, key)| Keyring::new(1, Arc::clone(key), others(at))).collect()
});

/// Good tokens, one of each key.
static GOOD: LazyLock<Vec<String>> =
    LazyLock::new(|| RINGS.iter().map(|ring| mint(&grant(), &PARTIES, ring).expect("a token")).collect());

fn ring(key: usize) -> &'static Keyring {
    RINGS.get(key % KEYS).expect("a ring of each key")
}

/// A token of one of the keys that is good at [`NOW`].
pub fn good_token(key: usize) -> &'static str {
    GOOD.get(key % KEYS).expect("a token of each key")
}

/// A case as text, by its first line:
///
/// - `token`: the rest is a token; see [`only_what_we_signed_is_accepted`].
/// - `claims`: the rest is what each of our keys signs; see [`only_our_claims_are_accepted`].
/// - `change KEY INDEX BYTE`: three numbers; see [`no_changed_byte_is_accepted`].
pub fn token_case(text: &[u8]) {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    let rest = rest.strip_prefix(b"\n").unwrap_or_default();
    let first = std::str::from_utf8(first).unwrap_or_default();
    match first.split(' ').collect::<Vec<_>>()[..] {
        ["token"] => drop(only_what_we_signed_is_accepted(&String::from_utf8_lossy(rest))),
        ["claims"] => drop(only_our_claims_are_accepted(rest)),
        ["change", key, index, byte] => {
            if let (Ok(key), Ok(index), Ok(byte)) = (key.parse(), index.parse(), byte.parse()) {
                no_changed_byte_is_accepted(key, index, byte);
            }
        }
        _ => {}
    }
}

/// A text that is accepted has three parts; the first is byte for byte the header of one of our keys, the last is this
/// key's signature (ECDSA knows several for the same text) in its only spelling, the middle says what [`verify`] returns. Longer ones than
/// [`MAX_TOKEN_BYTES`] are refused for that alone. Returns the verdict.
pub fn only_what_we_signed_is_accepted(token: &str) -> Result<VerifiedClaims, TokenRefusal> {
    let ring = ring(0);
    let parts: Vec<&str> = token.split('.').collect();
    if let Some(kid) = parts.first().and_then(|header| kid_of_our_form(header)) {
        assert_eq!(kid.len(), 43, "a thumbprint");
    }
    let verdict = verify(token, &PARTIES, ring, NOW);
    if token.len() > MAX_TOKEN_BYTES {
        assert_eq!(verdict, Err(TokenRefusal::TooLong));
    }
    if let Ok(claims) = &verdict {
        let [header, payload, signature] = parts[..] else {
            panic!("a token without three parts was accepted")
        };
        let key = ring.keys().iter().find(|key| key.header_segment() == header).expect("the header of a key");
        let message = format!("{header}.{payload}");
        let raw = URL_SAFE_NO_PAD.decode(signature).expect("a signature in base64url");
        assert_eq!(URL_SAFE_NO_PAD.encode(&raw), signature, "one spelling of a signature");
        if key.kid() == self::ring(2).signer().kid() {
            // ECDSA signs with a random number: two numbers of 32 bytes, neither of them zero.
            assert_eq!(raw.len(), 64);
            assert!(raw.chunks(32).all(|number| number.iter().any(|byte| *byte != 0)));
            assert!(key.verifies(message.as_bytes(), signature));
        } else {
            assert_eq!(key.sign(message.as_bytes()).expect("signed"), signature, "what the key signs");
        }
        said(payload, claims);
    }
    verdict
}

/// The members that we look at, of whatever type.
#[derive(Deserialize)]
struct Said {
    iss: Value,
    sub: Value,
    aud: Value,
    exp: Value,
    iat: Value,
    #[serde(default)]
    nbf: Value,
    jti: Value,
    sid: Value,
    scope: Value,
    roles: Value,
    email: Value,
}

/// The claims that were accepted, against a plain reading of the payload.
fn said(payload: &str, claims: &VerifiedClaims) {
    let bytes = URL_SAFE_NO_PAD.decode(payload).expect("a payload in base64url");
    assert_eq!(URL_SAFE_NO_PAD.encode(&bytes), payload, "one spelling of a payload");
    let json = String::from_utf8(bytes).expect("a payload of UTF-8");
    assert!(json.trim_ascii_start().starts_with('{'), "claims that are no object were accepted: {json}");
    let said: Said = serde_json::from_str(&json).expect("a payload of JSON");
    let parties = (Value::from(PARTIES.issuer.as_str()), Value::from(PARTIES.audience.as_str()));
    assert_eq!((said.iss, said.aud), parties);
    assert_eq!((said.scope, said.email), (Value::from(claims.scope()), Value::from(claims.email())));
    assert_eq!(said.roles, Value::from(claims.roles().to_vec()));
    let uuid = |value: &Value| value.as_str().and_then(|text| text.parse::<uuid::Uuid>().ok());
    assert_eq!(uuid(&said.sub).as_ref(), Some(claims.bearer().account_id().as_uuid()));
    assert_eq!(uuid(&said.sid).as_ref(), Some(claims.bearer().session_id().as_uuid()));
    assert_eq!(uuid(&said.jti).as_ref(), Some(claims.token_id().as_uuid()));
    let (now, leeway) = (NOW.unix_seconds(), i64::try_from(LEEWAY.as_secs()).unwrap_or(0));
    let exp = said.exp.as_i64().expect("a time");
    assert!(exp + leeway > now && exp == claims.bearer().expires_at().unix_seconds());
    assert!(said.iat.as_i64().is_some_and(|iat| iat <= now + leeway));
    assert!(said.nbf.is_null() || said.nbf.as_i64().is_some_and(|nbf| nbf <= now + leeway));
}

/// Whatever one of our own keys signs (a shared secret may sign elsewhere, too): only claims as we mint them are accepted.
/// Returns the verdict for the first key; those for the others are the same.
pub fn only_our_claims_are_accepted(payload: &[u8]) -> Result<VerifiedClaims, TokenRefusal> {
    let mut verdicts = (0..KEYS).map(|key| {
        let key = ring(key).signer();
        let message = format!("{}.{}", key.header_segment(), URL_SAFE_NO_PAD.encode(payload));
        let signature = key.sign(message.as_bytes()).expect("signed");
        only_what_we_signed_is_accepted(&format!("{message}.{signature}"))
    });
    let first = verdicts.next().expect("a verdict for each key");
    for other in verdicts {
        // Headers differ in length, so at the bound one may be too long.
        let too_long = Err(TokenRefusal::TooLong);
        assert!(other == first || other == too_long || first == too_long, "{other:?}, {first:?}");
    }
    first
}

/// A good token of which one byte is another is refused; unchanged it is accepted.
pub fn no_changed_byte_is_accepted(key: usize, index: usize, byte: u8) {
    let good = good_token(key);
    let mut bytes = good.as_bytes().to_vec();
    let at = index % bytes.len();
    let Some(place) = bytes.get_mut(at) else { return };
    *place = byte;
    let Ok(changed) = std::str::from_utf8(&bytes) else { return };
    let verdict = only_what_we_signed_is_accepted(changed);
    assert_eq!(verdict.is_ok(), changed == good, "byte {at} as {byte:#x}");
}

/// What the good tokens say.
pub fn grant() -> Grant {
    Grant {
        account_id: AccountId::new(NOW, [1; 10]),
        session_id: SessionId::new(NOW, [2; 10]),
        token_id: TokenId::new(NOW, [3; 10]),
        scope: "read".to_owned(),
        roles: vec!["admin".to_owned()],
        email: "a@example.org".to_owned(),
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(900)),
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::kept_corpus;

    #[test]
    fn kept_inputs_hold() {
        for seed in kept_corpus::seeds("token_parsing") {
            token_case(&seed);
        }
    }

    #[test]
    fn good_tokens_are_accepted() {
        for key in 0..KEYS {
            assert!(only_what_we_signed_is_accepted(good_token(key)).is_ok());
        }
        assert!(only_our_claims_are_accepted(claims().to_string().as_bytes()).is_ok());
    }

    /// What a good token says.
    fn claims() -> Value {
        let payload = good_token(0).split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    /// Every byte of every good token, as every other byte that a header line can bring: too many for each run with
    /// all keys, so the slow ones are sampled below.
    #[test]
    fn no_byte_of_a_token_can_be_another() {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~+/= \t\0";
        for index in 0..good_token(0).len() {
            for byte in alphabet {
                no_changed_byte_is_accepted(0, index, *byte);
            }
        }
    }

    /// A claim's value, right or wrong.
    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(json!(null)),
            Just(json!([])),
            Just(json!({})),
            Just(json!("gw")),
            Just(json!("svc")),
            Just(json!(["svc"])),
            Just(json!(1e308)),
            any::<i64>().prop_map(|number| json!(number)),
            (1_799_999_990_i64..1_800_000_010).prop_map(|number| json!(number)),
            "[ -~]{0,8}".prop_map(|text| json!(text)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_changed_token_is_refused(key in 0..KEYS, index in any::<usize>(), byte in 0_u8..128) {
            no_changed_byte_is_accepted(key, index, byte);
        }

        /// Cut, spliced with another token's parts, or lengthened.
        #[test]
        fn parts_of_good_tokens_make_no_other_token(
            keys in [0..KEYS, 0..KEYS, 0..KEYS],
            cut in any::<prop::sample::Index>(),
            more in "(\\.|=|A|\\.[A-Za-z0-9_-]{0,9}| ){0,3}",
        ) {
            let part = |at: usize| good_token(keys[at]).split('.').nth(at).unwrap();
            let spliced = format!("{}.{}.{}{more}", part(0), part(1), part(2));
            let good = spliced == good_token(keys[0]);
            prop_assert_eq!(only_what_we_signed_is_accepted(&spliced).is_ok(), good);
            let at = cut.index(spliced.len());
            prop_assert!(only_what_we_signed_is_accepted(&spliced[..at]).is_err() || spliced[..at] == *good_token(keys[0]));
        }

        #[test]
        fn texts_are_judged_without_a_panic(
            token in "(([A-Za-z0-9_=+/-]{0,60}|eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0)\\.){0,4}\\PC{0,20}",
            times in prop_oneof![9 => Just(1_usize), 1 => Just(9000)],
        ) {
            prop_assert!(only_what_we_signed_is_accepted(&token.repeat(times.min(1 + 20_000 / (token.len() + 1)))).is_err());
        }

        /// Signed claims with one or two of another value, or there twice.
        #[test]
        fn signed_claims_are_accepted_only_as_we_mint_them(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), value()), 0..3),
            twice in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
            spaces in "[ \n]{0,2}",
        ) {
            let mut claims = claims();
            let members = claims.as_object_mut().unwrap();
            members.insert("nbf".to_owned(), Value::Null);
            let names: Vec<String> = members.keys().cloned().collect();
            for (index, value) in changes {
                members.insert(names[index.index(names.len())].clone(), value);
            }
            let mut payload = claims.to_string();
            if let Some(index) = twice {
                let name = &names[index.index(names.len())];
                payload = payload.replacen('{', &format!("{{{spaces}\"{name}\":{},", claims[name.as_str()]), 1);
                prop_assert!(only_our_claims_are_accepted(payload.as_bytes()).is_err(), "{} twice", name);
            } else {
                let _ = only_our_claims_are_accepted(payload.as_bytes());
            }
        }
    }
}
