//! How a client proves who it is (RFC 6749 2.3.1): HTTP Basic, or `client_id` and `client_secret` in the form, and
//! not both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode};
use secrecy::SecretString;

use axum::response::Response;

use super::bearer::Presented;
use super::login::{oauth_answer, oauth_error};
use super::state::{ApiState, RequestFacts};
use crate::domain::client::Clients;

/// What follows `Basic` in the one `Authorization` line of a request.
#[derive(Clone)]
pub struct BasicCredentials(String);

impl BasicCredentials {
    /// Of a whole field value; `None` for another scheme.
    pub fn of(authorization: &[u8]) -> Option<Self> {
        let (scheme, rest) = std::str::from_utf8(authorization).ok()?.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then(|| Self(rest.trim_start_matches(' ').to_owned()))
    }

    /// Id and secret as they stand there, still encoded.
    fn parts(&self) -> Option<(String, String)> {
        let text = String::from_utf8(STANDARD.decode(&self.0).ok()?).ok()?;
        text.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
    }
}

impl std::fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BasicCredentials(redacted)")
    }
}

/// The client credentials of a form.
#[derive(Debug)]
pub struct FormCredentials {
    /// `client_id`.
    pub id: Option<String>,
    /// `client_secret`.
    pub secret: Option<SecretString>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A client whose secret was right.
    Client,
    /// Somebody who showed no credentials of a client; a `client_id` alone is a name and proves nothing.
    Anybody,
}

/// Judges the client credentials of a request. Those that are there must be right.
///
/// # Errors
/// The answer: 400 for two ways at once or half of one, 401 for wrong ones, 429 for too many wrong ones.
#[expect(clippy::result_large_err, reason = "the answer is made once and sent")]
pub fn authenticate_client(
    state: &ApiState,
    facts: &RequestFacts,
    form: FormCredentials,
) -> Result<Asker, Response> {
    let judged = judge_client(&state.issuer.clients, facts, form);
    if judged.as_ref().is_err_and(|answer| answer.status() == StatusCode::UNAUTHORIZED) {
        // Only wrong ones are charged, and refused: they are too long to be guessed, and a client of ours is not to
        // suffer from somebody behind its address.
        state.auth.charge_secret(facts.client).map_err(|error| oauth_error(&error.into()))?;
    }
    judged
}

#[expect(clippy::result_large_err, reason = "the answer is made once and sent")]
fn judge_client(clients: &Clients, facts: &RequestFacts, form: FormCredentials) -> Result<Asker, Response> {
    let named = form.id.clone();
    let of_form = match (form.id, form.secret) {
        (Some(id), Some(secret)) => Some((id, secret)),
        (None, Some(_)) => return Err(invalid_request("client_secret needs client_id")),
        (_, None) => None,
    };
    let right = match (&facts.basic, of_form, &facts.presented) {
        (Some(_), Some(_), _)
        | (None, Some(_), Presented::Bearer(_) | Presented::Malformed | Presented::Several) => {
            return Err(invalid_request("authenticate in one way"));
        }
        (Some(basic), None, _) => basic.parts().is_some_and(|(id, secret)| {
            named.as_ref().is_none_or(|named| *named == id || form_decoded(&id).as_ref() == Some(named))
                && knows(clients, id, secret)
        }),
        (None, Some((id, secret)), Presented::Nothing) => clients.knows(&id, &secret),
        // A scheme that no client of ours uses, or several lines: credentials, and none that we can check.
        (None, None, Presented::Malformed | Presented::Several) => false,
        (None, None, Presented::Nothing | Presented::Bearer(_)) => return Ok(Asker::Anybody),
    };
    if right { Ok(Asker::Client) } else { Err(invalid_client()) }
}

/// The standard has both parts form-urlencoded before they are joined, and most clients do not do it. A secret is
/// right in either form.
fn knows(clients: &Clients, id: String, secret: String) -> bool {
    let decoded = form_decoded(&id).zip(form_decoded(&secret));
    let decoded = decoded.is_some_and(|(id, secret)| clients.knows(&id, &SecretString::from(secret)));
    let plain = clients.knows(&id, &SecretString::from(secret));
    decoded | plain
}

/// One value of `application/x-www-form-urlencoded`.
fn form_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}

/// 401, the same for every reason (RFC 6749 5.2).
pub fn invalid_client() -> Response {
    let detail = "the client is unknown, or its credentials are wrong or missing".to_owned();
    let mut answer = oauth_answer(StatusCode::UNAUTHORIZED, "invalid_client", detail, "invalid_client");
    let challenge = HeaderValue::from_static(r#"Basic realm="gateward""#);
    answer.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
    answer
}

/// 400: the request itself is wrong.
pub fn invalid_request(detail: &str) -> Response {
    oauth_answer(StatusCode::BAD_REQUEST, "invalid_request", detail.to_owned(), "invalid_request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_decoded_as_the_standard_and_as_most_clients_write_them() {
        let secret = SecretString::from("a+b/c=d:e %&");
        let clients = Clients::new([("orders", &secret)]);
        let judge = |text: &str| {
            let basic = BasicCredentials::of(format!("basic  {}", STANDARD.encode(text)).as_bytes());
            basic.and_then(|basic| basic.parts()).is_some_and(|(id, secret)| knows(&clients, id, secret))
        };
        assert!(judge("orders:a%2Bb%2Fc%3Dd%3Ae+%25%26"));
        assert!(judge("orders:a+b/c=d:e %&"));
        for wrong in ["", ":", "orders", "orders:", "orders:a b/c=d:e %&", "other:a+b/c=d:e %&", "orders:%"] {
            assert!(!judge(wrong), "{wrong}");
        }
        assert!(BasicCredentials::of(b"Digest abc").is_none());
        assert!(BasicCredentials::of(b"Basic ?").is_some_and(|basic| basic.parts().is_none()));
    }

    #[test]
    fn debug_shows_no_credentials() {
        let basic = BasicCredentials::of(b"Basic Og==").unwrap();
        assert_eq!(format!("{basic:?}"), "BasicCredentials(redacted)");
    }
}
