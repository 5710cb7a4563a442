//! The status list: which sessions were ended, as a bit each, for verifiers that ask us only now and then
//! (draft-ietf-oauth-status-list, JWT form).
//!
//! A session has a place in it, its [`StatusIndex`]. Lists have one fixed size, so a place is a list and a bit in
//! it. A set bit means ended; a clear one says nothing about expiry, which the token tells by itself.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde::Serialize;

use super::clock::Timestamp;
use super::keyring::Keyring;
use super::session::StatusIndex;

/// Sessions in one list: 16 KiB before compression.
pub const SESSIONS_PER_LIST: i64 = 1 << 17;
const BYTES_PER_LIST: usize = 1 << 14;

/// How long after it should have been asked for again a list token still says something. A verifier that cannot
/// reach us must not go on for ever; one whose clock is off by a little must not fail.
const USABLE_AFTER_TTL: Duration = Duration::from_secs(60);

/// Where the lists are published.
#[derive(Debug, Clone)]
pub struct StatusLists {
    base: String,
}

/// The `status_list` of a token: a bit in a list (section 6.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusReference {
    /// The bit, from 0.
    pub idx: i64,
    /// Where the list is; also its `sub`.
    pub uri: String,
}

impl StatusLists {
    /// Path of the lists at the gateway. The number of a list follows after a slash.
    pub const PATH: &'static str = "/auth/status-lists";

    /// Lists of a gateway that clients reach at `public_url`, without a slash at its end.
    pub fn at(public_url: &str) -> Self {
        Self { base: format!("{public_url}{}", Self::PATH) }
    }

    /// Where the list of list URIs is (section 9).
    pub fn uri_of_all(&self) -> &str {
        &self.base
    }

    /// Where a list is.
    pub fn uri(&self, list: i64) -> String {
        format!("{}/{list}", self.base)
    }

    /// Where the status of a session is found.
    pub fn reference(&self, index: StatusIndex) -> StatusReference {
        let (list, bit) = place(index);
        StatusReference { idx: bit, uri: self.uri(list) }
    }

    /// How many lists there are when so many indexes were given out.
    pub const fn count(given: i64) -> i64 {
        given.saturating_add(SESSIONS_PER_LIST - 1).div_euclid(SESSIONS_PER_LIST)
    }
}

/// List and bit.
const fn place(index: StatusIndex) -> (i64, i64) {
    (index.0.div_euclid(SESSIONS_PER_LIST), index.0.rem_euclid(SESSIONS_PER_LIST))
}

/// The bits of all lists at one moment. A list in which nothing is set takes no memory.
#[derive(Debug, Default)]
pub struct StatusBits(BTreeMap<i64, Box<[u8]>>);

impl StatusBits {
    /// Sets the bit of a session that was ended.
    pub fn set(&mut self, index: StatusIndex) {
        let (list, bit) = place(index);
        let bytes = self.0.entry(list).or_insert_with(|| vec![0; BYTES_PER_LIST].into());
        // Least significant bit first (section 4.1).
        if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| bytes.get_mut(at)) {
            *byte |= 1 << (bit % 8);
        }
    }

    /// The `lst` of a list: compressed, base64url.
    fn lst(&self, list: i64) -> std::io::Result<String> {
        let clear = [0; BYTES_PER_LIST];
        let bytes = self.0.get(&list).map_or(&clear[..], |bytes| bytes);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(bytes)?;
        Ok(URL_SAFE_NO_PAD.encode(zlib.finish()?))
    }
}

#[derive(Serialize)]
struct ListClaims<'a> {
    sub: &'a str,
    iat: i64,
    exp: i64,
    ttl: u64,
    status_list: ListClaim,
}

#[derive(Serialize)]
struct ListClaim {
    bits: u8,
    lst: String,
}

/// A list token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StatusListError {
    /// The compression failed.
    #[error("the list was not compressed: {0}")]
    Compress(#[from] std::io::Error),
    /// The claims or the signature failed.
    #[error("the list was not signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// Writes and signs the token of one list (section 5.1).
///
/// # Errors
/// When compression or the cryptographic library refuses, which neither does for what it is given here.
pub fn mint_list(
    lists: &StatusLists,
    list: i64,
    bits: &StatusBits,
    keys: &Keyring,
    now: Timestamp,
    ttl: Duration,
) -> Result<String, StatusListError> {
    let uri = lists.uri(list);
    let claims = ListClaims {
        sub: &uri,
        iat: now.unix_seconds(),
        exp: now.plus(ttl).plus(USABLE_AFTER_TTL).unix_seconds(),
        ttl: ttl.as_secs(),
        status_list: ListClaim { bits: 1, lst: bits.lst(list)? },
    };
    let payload = serde_json::to_vec(&claims).map_err(jsonwebtoken::errors::Error::from)?;
    let key = keys.signer();
    let mut token = format!("{}.{}", key.status_list_segment(), URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::keyring::SigningKey;
    use crate::domain::token::{Parties, TokenRefusal, verify};
    use flate2::read::ZlibDecoder;
    use serde_json::Value;
    use std::io::Read as _;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

    fn ring() -> Keyring {
        Keyring::new(1, SigningKey::from_secret(&[7; 32]), Vec::new())
    }

    fn bits(ended: impl IntoIterator<Item = i64>) -> StatusBits {
        let mut bits = StatusBits::default();
        ended.into_iter().for_each(|index| bits.set(StatusIndex(index)));
        bits
    }

    fn decoded(lst: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        ZlibDecoder::new(&URL_SAFE_NO_PAD.decode(lst).unwrap()[..]).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn an_index_is_a_bit_in_a_list() {
        let lists = StatusLists::at("https://gw.example");
        for (index, idx, list) in [(0, 0, 0), (131_071, 131_071, 0), (131_072, 0, 1), (400_000, 6_784, 3)] {
            let reference = lists.reference(StatusIndex(index));
            let uri = format!("https://gw.example/auth/status-lists/{list}");
            assert_eq!(reference, StatusReference { idx, uri }, "{index}");
        }
        for (given, count) in [(0, 0), (1, 1), (131_072, 1), (131_073, 2)] {
            assert_eq!(StatusLists::count(given), count, "{given}");
        }
    }

    /// The example of section 4.1, with one bit a status.
    #[test]
    fn bits_are_packed_as_in_the_draft() {
        let status = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1];
        let set = (0..).zip(status).filter(|(_, bit)| *bit == 1).map(|(index, _)| index);
        let bytes = decoded(&bits(set).lst(0).unwrap());
        assert_eq!(bytes[..2], [0xb9, 0xa3]);
        assert_eq!(bytes.len(), 16 * 1024);
        assert!(bytes[2..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_list_shows_its_own_sessions_only() {
        let bits = bits([5, SESSIONS_PER_LIST + 6]);
        assert_eq!(decoded(&bits.lst(0).unwrap())[0], 1 << 5);
        assert_eq!(decoded(&bits.lst(1).unwrap())[0], 1 << 6);
        assert!(decoded(&bits.lst(2).unwrap()).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_list_token_says_what_it_is_and_is_no_access_token() {
        let (lists, ring) = (StatusLists::at("http://gw"), ring());
        let bits = StatusBits::default();
        let token = mint_list(&lists, 0, &bits, &ring, NOW, Duration::from_secs(15)).unwrap();
        let json = |at: usize| -> Value {
            let segment = token.split('.').nth(at).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
        };
        assert_eq!(json(0)["typ"], "statuslist+jwt");
        assert_eq!(json(1)["sub"], "http://gw/auth/status-lists/0");
        assert_eq!((&json(1)["iat"], &json(1)["exp"]), (&1_800_000_000.into(), &1_800_000_075.into()));
        assert_eq!((&json(1)["ttl"], &json(1)["status_list"]["bits"]), (&15.into(), &1.into()));
        let (message, signature) = token.rsplit_once('.').unwrap();
        assert!(ring.signer().verifies(message.as_bytes(), signature));
        let parties = Parties { issuer: "gw".into(), audience: "svc".into() };
        assert_eq!(verify(&token, &parties, &ring, NOW).map(|_| ()), Err(TokenRefusal::UnknownHeader));
    }

    /// Even with the claims of an access token under it, the other header is refused.
    #[test]
    fn claims_of_an_access_token_under_the_header_of_a_list_are_refused() {
        let ring = ring();
        let payload = r#"{"iss":"gw","aud":"svc"}"#;
        let message = format!("{}.{}", ring.signer().status_list_segment(), URL_SAFE_NO_PAD.encode(payload));
        let token = format!("{message}.{}", ring.signer().sign(message.as_bytes()).unwrap());
        let parties = Parties { issuer: "gw".into(), audience: "svc".into() };
        assert_eq!(verify(&token, &parties, &ring, NOW).map(|_| ()), Err(TokenRefusal::UnknownHeader));
    }
}
