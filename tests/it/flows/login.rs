//! Logging in, and the token it gives.

use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::forge::{claims_of, header_of};

async fn login_form(app: &TestApp, fields: &[(&str, &str)]) -> reqwest::Response {
    app.client.post(app.url("/auth/login")).form(fields).send().await.unwrap()
}

/// Takes an answer for a token answer (RFC 6749, section 5.1); the access token.
async fn token_of(answer: reqwest::Response) -> String {
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["pragma"], "no-cache");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(body["expires_in"], 900, "in seconds");
    assert_eq!(body["scope"], "");
    body["access_token"].as_str().unwrap().to_owned()
}

both_kinds!(a_login_as_json_and_as_an_oauth2_form_gives_a_token_that_works, |app| async move {
    let (email, _) = app.new_person().await;
    let (user, password) = (("username", email.as_str()), ("password", PASSWORD));
    let json = app.post_json("/auth/login", &json!({"email": email, "password": PASSWORD})).await;
    // As FastAPI's documentation page sends it, as OAuth2PasswordRequestForm takes it, and by the RFC.
    let swagger = [("grant_type", "password"), user, password, ("scope", ""), ("client_id", "")];
    let all = [
        json,
        login_form(&app, &swagger).await,
        login_form(&app, &[user, password]).await,
        login_form(&app, &[("grant_type", "password"), user, password, ("scope", "read write")]).await,
        login_form(&app, &[("grant_type", ""), user, password, ("unknown", "is ignored")]).await,
    ];
    for answer in all {
        let token = token_of(answer).await;
        assert_eq!(app.get("/private", &token).await.status(), 200);
        assert_eq!(app.get("/auth/me", &token).await.status(), 200);
        assert_eq!(app.recorder.last().header("x-forwarded-email"), [email.as_str()]);
    }
});

both_kinds!(
    an_access_token_has_the_shape_of_rfc_9068,
    |app| app.config("token.issuer = 'https://id.example.com'\ntoken.audience = 'api://default'"),
    |app| async move {
        let (email, first) = app.new_person().await;
        let second = app.login(&email, PASSWORD).await;

        let header = header_of(&first);
        let jwks: Value = app.get_anonymously("/.well-known/jwks.json").await.json().await.unwrap();
        assert_eq!(header, json!({"typ": "at+jwt", "alg": "EdDSA", "kid": jwks["keys"][0]["kid"]}));

        let me: Value = app.get("/auth/me", &first).await.json().await.unwrap();
        let (claims, other) = (claims_of(&first), claims_of(&second));
        for name in ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "client_id", "scope", "roles"] {
            assert!(claims.get(name).is_some(), "{name} is missing in {claims}");
        }
        assert_eq!(claims["iss"], "https://id.example.com");
        assert_eq!(claims["aud"], "api://default");
        assert_eq!(claims["sub"], me["id"]);
        assert_eq!(claims["client_id"], "gateward");
        assert_eq!(claims["scope"], "");
        assert_eq!(claims["roles"], json!([]));
        let time = |name: &str| claims[name].as_i64().unwrap();
        assert_eq!(time("exp") - time("iat"), 900);
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        assert!((now - 60..=now + 1).contains(&time("iat")), "{claims} at {now}");
        for name in ["jti", "sid"] {
            let id: uuid::Uuid = claims[name].as_str().unwrap().parse().unwrap();
            assert_eq!(id.get_version_num(), 7);
            assert_ne!(claims[name], other[name], "each login has its own {name}");
        }
        assert_eq!(claims["sub"], other["sub"]);
    }
);
