//! What a client of the OAuth endpoints says.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use super::app::TestApp;

/// A client in the configuration.
pub const CLIENT: &str =
    "[[client]]\nid = 'orders'\nsecret = 'client+Secret/of=the orders %26 service, 0123456789'";
/// Its id.
pub const CLIENT_ID: &str = "orders";
/// Its secret, with every character that an encoding changes.
pub const CLIENT_SECRET: &str = "client+Secret/of=the orders %26 service, 0123456789";

impl TestApp {
    /// A form, without credentials.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.request(Method::POST, path).form(fields)
    }

    /// Asks about a token, as the client of [`CLIENT`].
    pub async fn introspect(&self, token: &str) -> Response {
        let request = self.form("/auth/introspect", &[("token", token)]);
        request.basic_auth(CLIENT_ID, Some(CLIENT_SECRET)).send().await.expect("the program answers")
    }

    /// Revokes a token, as nobody in particular.
    pub async fn revoke(&self, token: &str) -> Response {
        self.form("/auth/revoke", &[("token", token)]).send().await.expect("the program answers")
    }
}

/// Takes an answer for an error of RFC 6749 5.2.
///
/// # Panics
/// When it is anything else.
pub async fn oauth_error(answer: Response, status: u16, error: &str) {
    let (found, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.expect("the answer is complete");
    assert_eq!(found, status, "{text}");
    assert_eq!(headers["content-type"], "application/json", "{text}");
    assert_eq!(headers["cache-control"], "no-store", "{text}");
    let body: Value = serde_json::from_str(&text).expect("an error is JSON");
    assert_eq!(body["error"], error, "{text}");
    assert!(body["error_description"].is_string() && body.as_object().unwrap().len() == 2, "{text}");
    let challenge = headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let expected = (status == 401).then(|| "Basic realm=\"gateward\"".to_owned());
    assert_eq!(challenge, expected, "{text}");
    assert_eq!(headers.contains_key("retry-after"), status == 503, "{text}");
}
