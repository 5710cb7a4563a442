//! What a test says to a [`TestApp`] over HTTP.

use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::app::TestApp;

/// A password that the policy takes.
pub const PASSWORD: &str = "velvet-Harbour-39-tundra";

impl TestApp {
    /// The URL of a path at the proxy.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The URL of a path at the admin listener.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin_address)
    }

    /// A request to the proxy.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// `GET` with a bearer token.
    pub async fn get(&self, path: &str, token: &str) -> Response {
        sent(self.request(Method::GET, path).bearer_auth(token)).await
    }

    /// `GET` without credentials.
    pub async fn get_anonymously(&self, path: &str) -> Response {
        sent(self.request(Method::GET, path)).await
    }

    /// `GET` at the admin listener.
    pub async fn get_admin(&self, path: &str) -> Response {
        sent(self.client.get(self.admin_url(path))).await
    }

    /// `POST` of a JSON document without credentials.
    pub async fn post_json(&self, path: &str, body: &Value) -> Response {
        sent(self.request(Method::POST, path).json(body)).await
    }

    /// Tries to register.
    pub async fn register(&self, email: &str, password: &str) -> Response {
        self.post_json("/auth/register", &json!({"email": email, "password": password})).await
    }

    /// Tries to log in.
    pub async fn try_login(&self, email: &str, password: &str) -> Response {
        self.post_json("/auth/login", &json!({"email": email, "password": password})).await
    }

    /// Logs in; the access token.
    ///
    /// # Panics
    /// When the login is refused.
    pub async fn login(&self, email: &str, password: &str) -> String {
        let answer = self.try_login(email, password).await;
        let status = answer.status();
        let body = answer.text().await.expect("the answer is complete");
        assert_eq!(status, 200, "login of {email}: {body}");
        let pair: Value = serde_json::from_str(&body).expect("a token pair is JSON");
        pair["access_token"].as_str().expect("a token pair has an access token").to_owned()
    }

    /// Registers a new person with [`PASSWORD`] and logs in: e-mail address and access token.
    ///
    /// # Panics
    /// When either is refused.
    pub async fn new_person(&self) -> (String, String) {
        let email = self.new_email();
        let answer = self.register(&email, PASSWORD).await;
        let status = answer.status();
        assert_eq!(status, 201, "registration of {email}: {:?}", answer.text().await);
        let token = self.login(&email, PASSWORD).await;
        (email, token)
    }

    /// An e-mail address that nobody else uses.
    pub fn new_email(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        format!("person{}.{}@example.com", NEXT.fetch_add(1, Ordering::Relaxed), std::process::id())
    }
}

async fn sent(request: RequestBuilder) -> Response {
    request.send().await.expect("the program answers")
}
