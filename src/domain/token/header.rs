//! Headers of tokens that no key of ours made, looked at only to say why they are refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::domain::keyring::{KeyAlgorithm, access_token_header};

/// Longer ones are not ours. With a thumbprint of 43 letters they have about 115.
const LONGEST: usize = 160;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

/// The `kid` of an encoded header that is byte for byte as we write it, whether there is such a key or not. Nothing
/// is decided on it but whose fault a refusal is: the token was not verified.
pub fn kid_of_our_form(segment: &str) -> Option<String> {
    if segment.len() > LONGEST {
        return None;
    }
    let Header { alg, kid } = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()?;
    let is_thumbprint = kid.len() == 43 && URL_SAFE_NO_PAD.decode(&kid).is_ok_and(|hash| hash.len() == 32);
    let is_ours =
        is_thumbprint && KeyAlgorithm::parse(&alg).is_ok() && access_token_header(&alg, &kid) == segment;
    is_ours.then_some(kid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_header_as_we_write_it_names_a_key() {
        let kid = URL_SAFE_NO_PAD.encode([7; 32]);
        for alg in ["EdDSA", "ES256", "RS256"] {
            assert_eq!(kid_of_our_form(&access_token_header(alg, &kid)), Some(kid.clone()));
        }
        for other in [
            access_token_header("HS256", &kid),
            access_token_header("none", &kid),
            access_token_header("EdDSA", "short"),
            access_token_header("EdDSA", &"x".repeat(4096)),
            URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#)),
            URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}","crit":[]}}"#)),
            String::new(),
            "?".to_owned(),
        ] {
            assert_eq!(kid_of_our_form(&other), None, "{other}");
        }
    }
}
