//! Taking tokens apart and making ones that nobody issued.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// The three segments of a token.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The header, encoded.
    pub header: String,
    /// The claims, encoded.
    pub payload: String,
    /// The signature, encoded.
    pub signature: String,
}

impl Parts {
    /// Takes a token apart.
    ///
    /// # Panics
    /// When it has not three segments.
    pub fn of(token: &str) -> Self {
        let segments: Vec<String> = token.split('.').map(str::to_owned).collect();
        let [header, payload, signature] = segments.try_into().expect("a token has three segments");
        Self { header, payload, signature }
    }

    /// The header as JSON.
    pub fn header(&self) -> Value {
        json_of(&self.header)
    }

    /// The claims as JSON.
    pub fn claims(&self) -> Value {
        json_of(&self.payload)
    }

    /// What is signed.
    pub fn message(&self) -> String {
        format!("{}.{}", self.header, self.payload)
    }

    /// The signature's bytes.
    pub fn signature_bytes(&self) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(&self.signature).expect("a signature is base64url")
    }
}

/// The header of a token.
pub fn header_of(token: &str) -> Value {
    Parts::of(token).header()
}

/// The claims of a token.
pub fn claims_of(token: &str) -> Value {
    Parts::of(token).claims()
}

/// base64url without padding.
pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token whose signature is HMAC-SHA256 with `secret`, whatever its header says.
pub fn signed_hs256(header_segment: &str, payload: impl AsRef<[u8]>, secret: &[u8]) -> String {
    let message = format!("{header_segment}.{}", encoded(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", encoded(mac.finalize().into_bytes()))
}

fn json_of(segment: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(segment).expect("a segment is base64url");
    serde_json::from_slice(&bytes).expect("a segment is JSON")
}
