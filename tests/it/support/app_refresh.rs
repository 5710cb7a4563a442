//! Token pairs, as a client of a [`TestApp`] handles them.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::app::TestApp;
use super::app_http::PASSWORD;

/// What a login or refresh gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// For services.
    pub access: String,
    /// For the next pair.
    pub refresh: String,
}

impl Pair {
    /// From the answer that holds it.
    ///
    /// # Panics
    /// When the answer is anything else.
    pub async fn of(answer: Response) -> Self {
        let status = answer.status();
        let cache = answer.headers().get("cache-control").cloned();
        let text = answer.text().await.expect("the answer is complete");
        assert_eq!(status, 200, "{text}");
        assert_eq!(cache.expect("a Cache-Control"), "no-store");
        let body: Value = serde_json::from_str(&text).expect("a token pair is JSON");
        let word = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{name} in {body}")).to_owned();
        assert_eq!(word("token_type"), "bearer");
        assert!(word("refresh_token").starts_with("gwr_"), "{body}");
        Self { access: word("access_token"), refresh: word("refresh_token") }
    }
}

impl TestApp {
    /// Registers a new person and logs in: address and tokens.
    ///
    /// # Panics
    /// When either is refused.
    pub async fn new_pair(&self) -> (String, Pair) {
        let (email, _) = self.new_person().await;
        let pair = self.login_pair(&email).await;
        (email, pair)
    }

    /// Logs in with [`PASSWORD`].
    ///
    /// # Panics
    /// When it is refused.
    pub async fn login_pair(&self, email: &str) -> Pair {
        Pair::of(self.try_login(email, PASSWORD).await).await
    }

    /// Presents a refresh token.
    pub async fn try_refresh(&self, token: &str) -> Response {
        self.post_json("/auth/refresh", &json!({"refresh_token": token})).await
    }

    /// Presents a refresh token as a client of this `User-Agent`.
    pub async fn try_refresh_as(&self, user_agent: &str, token: &str) -> Response {
        let request = self.request(Method::POST, "/auth/refresh").header("user-agent", user_agent);
        request.json(&json!({"refresh_token": token})).send().await.expect("the program answers")
    }

    /// Presents a refresh token that is good.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn refresh(&self, token: &str) -> Pair {
        Pair::of(self.try_refresh(token).await).await
    }
}
