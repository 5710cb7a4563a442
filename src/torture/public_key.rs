//! The published key of a gateway, in the forms in which careless libraries take it for a secret.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// `SubjectPublicKeyInfo` up to the key, for Ed25519 (RFC 8410) and P-256 (RFC 5480), and the algorithm
/// identifier of RSA (RFC 3279).
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
const RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// A key of a JWK set (RFC 7517).
pub(super) struct PublicKey {
    jwk: Value,
    bare: Vec<u8>,
    spki: Vec<u8>,
}

impl PublicKey {
    /// The first key of a set that has a known form.
    pub(super) fn of_set(json: &[u8]) -> Option<Self> {
        let set: Value = serde_json::from_slice(json).ok()?;
        set.get("keys")?.as_array()?.iter().find_map(Self::of)
    }

    fn of(jwk: &Value) -> Option<Self> {
        let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok();
        let (bare, spki) = match jwk.get("kty")?.as_str()? {
            "OKP" => {
                let x = member("x")?;
                let spki = [ED25519, &x].concat();
                (x, spki)
            }
            "EC" => {
                let point = [member("x")?, member("y")?].concat();
                let spki = [P256, &point].concat();
                (point, spki)
            }
            "RSA" => {
                let (n, e) = (member("n")?, member("e")?);
                let key = der(0x30, &[unsigned(&n), unsigned(&e)].concat());
                let bits = der(0x03, &[&[0], key.as_slice()].concat());
                (n, der(0x30, &[RSA, &bits].concat()))
            }
            _ => return None,
        };
        Some(Self { jwk: jwk.clone(), bare, spki })
    }

    /// `-----BEGIN PUBLIC KEY-----` and so on, with the line feed at its end.
    pub(super) fn pem(&self) -> Vec<u8> {
        let text = STANDARD.encode(&self.spki);
        let mut pem = b"-----BEGIN PUBLIC KEY-----\n".to_vec();
        for line in text.as_bytes().chunks(64) {
            pem.extend_from_slice(line);
            pem.push(b'\n');
        }
        pem.extend_from_slice(b"-----END PUBLIC KEY-----\n");
        pem
    }

    /// The key's numbers alone.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bare.clone()
    }

    /// The JSON of the key.
    pub(super) fn json(&self) -> Vec<u8> {
        self.jwk.to_string().into_bytes()
    }
}

/// An INTEGER that is not negative.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let lead: &[u8] = if bytes.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
    der(0x02, &[lead, bytes].concat())
}

/// Tag, length, content (X.690, section 8.1).
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..0x80) => bytes.push(short),
        _ => {
            let length: Vec<u8> =
                content.len().to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            bytes.push(0x80 | u8::try_from(length.len()).unwrap_or(8));
            bytes.extend(length);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_lengths_take_the_shortest_form() {
        assert_eq!(der(4, &[1, 2]), [4, 2, 1, 2]);
        assert_eq!(der(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(der(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
        assert_eq!(unsigned(&[0x80]), [2, 2, 0, 0x80]);
    }

    #[test]
    fn each_kind_of_key_is_read() {
        for (jwk, length) in [
            (r#"{"keys":[{"kty":"oct"},{"kty":"OKP","x":"AAAA"}]}"#, 3),
            (r#"{"keys":[{"kty":"EC","x":"AAAA","y":"AAAA"}]}"#, 6),
            (r#"{"keys":[{"kty":"RSA","n":"AAAA","e":"AQAB"}]}"#, 3),
        ] {
            let key = PublicKey::of_set(jwk.as_bytes()).unwrap();
            assert_eq!(key.bytes().len(), length);
            assert!(key.pem().starts_with(b"-----BEGIN PUBLIC KEY-----\nM"));
        }
        assert!(PublicKey::of_set(br#"{"keys":[]}"#).is_none());
    }
}
