//! People at many addresses, as a trusted proxy in front of a [`TestApp`] names them.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use super::app::TestApp;

/// The test is a trusted proxy; attempts are limited, and none comes back while a test runs.
pub fn limited(limits: &str) -> String {
    format!(
        "[server]\ntrusted_proxies = ['127.0.0.1']\n[limits]\naddress_refill = '1h'\nnetwork_refill = '1h'\n\
         account_refill = '1h'\nregistration_refill = '1h'\nwrong_secret_refill = '1h'\n{limits}\n"
    )
}

impl TestApp {
    /// A request from this address.
    pub fn request_from(&self, address: &str, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("x-forwarded-for", address)
    }

    /// A login from this address.
    pub fn login_from(&self, address: &str, email: &str, password: &str) -> RequestBuilder {
        let body = json!({"email": email, "password": password});
        self.request_from(address, Method::POST, "/auth/login").json(&body)
    }

    /// Logs in from there; the status.
    pub async fn status_from(&self, address: &str, email: &str, password: &str) -> u16 {
        sent(self.login_from(address, email, password)).await.status().as_u16()
    }

    /// What a counter of the metrics page stands at, with labels as they are rendered.
    ///
    /// # Panics
    /// When there is none.
    pub async fn counted(&self, series: &str) -> u64 {
        let text = self.get_admin("/metrics").await.text().await.expect("the page is complete");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("no {series} in\n{text}"));
        value.parse().expect("a count")
    }

    /// Password hashes computed so far.
    pub async fn hashes(&self) -> u64 {
        self.counted("gateward_hash_jobs_total{result=\"done\"}").await
    }
}

/// The answer.
pub async fn sent(request: RequestBuilder) -> Response {
    request.send().await.expect("the program answers")
}

/// Takes an answer for a refusal of too many attempts; the seconds to wait.
///
/// # Panics
/// When it is anything else.
pub async fn too_many(answer: Response) -> u64 {
    let wait = answer.headers().get("retry-after").cloned();
    super::problems::problem(answer, 429, "too_many_attempts").await;
    let wait = wait.expect("a Retry-After").to_str().expect("ASCII").parse().expect("whole seconds");
    assert!(wait >= 1, "{wait}");
    wait
}
