//! The discovery documents say only what is true.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp};
use crate::support::forge::claims_of;
use crate::support::oauth::{CLIENT, CLIENT_ID, CLIENT_SECRET};
use crate::support::raw::exchange;

const DOCUMENTS: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

async fn document(app: &TestApp, path: &str) -> Value {
    let answer = app.get_anonymously(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    answer.json().await.unwrap()
}

/// A token by this grant type.
async fn granted(app: &TestApp, endpoint: &str, grant: &str, email: &str) -> Response {
    let pair = app.login_pair(email).await;
    let refresh_token = pair.refresh.as_str();
    let form: &[(&str, &str)] = match grant {
        "refresh_token" => &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)],
        "password" => &[("grant_type", "password"), ("username", email), ("password", PASSWORD)],
        other => panic!("a grant type that no test tries: {other}"),
    };
    app.client.post(endpoint).form(form).send().await.unwrap()
}

#[tokio::test]
async fn every_address_answers_and_every_grant_works() {
    let app = TestApp::embedded().config(CLIENT).start().await;
    let (email, token) = app.new_person().await;
    for path in DOCUMENTS {
        let found = document(&app, path).await;
        let at = |name: &str| found[name].as_str().unwrap_or_else(|| panic!("{name} in {found}")).to_owned();
        assert_eq!(found["issuer"], claims_of(&token)["iss"]);
        for (name, value) in found.as_object().unwrap() {
            if let Some(url) = value.as_str().filter(|_| name != "issuer") {
                assert!(url.starts_with(&app.url("/")), "{name}: {url}");
                assert_ne!(app.client.get(url).send().await.unwrap().status(), 404, "{name}: {url}");
            }
        }
        let keys: Value = app.client.get(at("jwks_uri")).send().await.unwrap().json().await.unwrap();
        assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
        let lists: Value = app
            .client
            .get(at("status_list_aggregation_endpoint"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(lists, json!({"status_lists": [claims_of(&token)["status"]["status_list"]["uri"]]}));
        for grant in found["grant_types_supported"].as_array().unwrap() {
            let answer = granted(&app, &at("token_endpoint"), grant.as_str().unwrap(), &email).await;
            assert_eq!(answer.status(), 200, "{grant}");
            assert!(answer.json::<Value>().await.unwrap()["access_token"].is_string());
        }

        let session = app.login(&email, PASSWORD).await;
        let form = [("token", session.as_str())];
        let ask = |name: &str| app.client.post(at(name)).form(&form);
        assert_eq!(
            found["introspection_endpoint_auth_methods_supported"],
            json!(["client_secret_basic", "client_secret_post"])
        );
        let introspect = ask("introspection_endpoint").basic_auth(CLIENT_ID, Some(CLIENT_SECRET));
        let introspected: Value = introspect.send().await.unwrap().json().await.unwrap();
        assert_eq!(introspected["active"], true);
        assert_eq!(found["revocation_endpoint_auth_methods_supported"][0], "none");
        assert_eq!(ask("revocation_endpoint").send().await.unwrap().status(), 200);
        assert_eq!(app.get("/private", &session).await.status(), 401);
    }
}

#[tokio::test]
async fn nothing_is_promised_that_is_not_there() {
    let app = TestApp::embedded().start().await;
    for path in DOCUMENTS {
        let found = document(&app, path).await;
        for absent in [
            "authorization_endpoint",
            "registration_endpoint",
            "userinfo_endpoint",
            "end_session_endpoint",
            "device_authorization_endpoint",
            "id_token_signing_alg_values_supported",
            "subject_types_supported",
            "code_challenge_methods_supported",
            // Nobody can use it without clients.
            "introspection_endpoint",
            "introspection_endpoint_auth_methods_supported",
        ] {
            assert!(found.get(absent).is_none(), "{absent} in {path}");
        }
        assert_eq!(found["response_types_supported"], json!([]));
        assert_eq!(found["token_endpoint_auth_methods_supported"], json!(["none"]));
        assert_eq!(found["revocation_endpoint_auth_methods_supported"], json!(["none"]));
    }
}

#[tokio::test]
async fn a_forged_host_changes_nothing() {
    let app = TestApp::embedded().start().await;
    let (_, _) = app.new_person().await;
    let documents = [DOCUMENTS[0], DOCUMENTS[1], "/auth/status-lists"];
    for path in documents {
        let good = app.get_anonymously(path).await.text().await.unwrap();
        for forged in [
            "Host: evil.example".to_owned(),
            format!("Host: {}\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https", app.address),
            format!("Host: {}\r\nForwarded: host=evil.example;proto=https", app.address),
            format!("Host: {}\r\nX-Original-URL: https://evil.example/", app.address),
        ] {
            let head = format!("GET {path} HTTP/1.1\r\n{forged}\r\n\r\n");
            let answer = exchange(app.address, head).await.unwrap();
            assert_eq!((answer.status, answer.text()), (200, good.clone()), "{forged}");
        }
    }
}

#[tokio::test]
async fn the_configured_url_stands_in_documents_and_tokens() {
    let app = TestApp::embedded()
        .config("server.public_url = 'https://gw.example:8443/'\ntoken.issuer = 'https://gw.example:8443'")
        .start()
        .await;
    let (_, token) = app.new_person().await;
    let status = &claims_of(&token)["status"]["status_list"];
    assert_eq!(status["uri"], "https://gw.example:8443/auth/status-lists/0");
    for path in DOCUMENTS {
        let found = document(&app, path).await;
        assert_eq!(found["issuer"], "https://gw.example:8443");
        assert_eq!(found["jwks_uri"], "https://gw.example:8443/.well-known/jwks.json");
        assert_eq!(found["token_endpoint"], "https://gw.example:8443/auth/token");
    }
    assert_eq!(app.request(Method::POST, DOCUMENTS[0]).send().await.unwrap().status(), 405);
}
