//! Where values may come from, shown by what the program then does.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::workplace::{Workplace, repository};
use crate::support::app::{AppBuilder, TestApp};
use crate::support::recorder::Recorder;
use crate::support::services::services;

const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";

/// Value and origin of a key in `gateward config show`.
fn shown(place: &Workplace, arguments: &str, key: &str) -> (String, String) {
    let table = place.gateward(&format!("config show {arguments}")).ok();
    let row = table.lines().find(|line| line.split_whitespace().next() == Some(key)).unwrap();
    let mut cells = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).skip(1);
    (cells.next().unwrap().to_owned(), cells.next().unwrap().to_owned())
}

#[test]
fn later_layers_win() {
    let key = "server.max_headers";
    let place = Workplace::new();
    assert_eq!(shown(&place, "", key).1, "default");
    let place = place.file("my.toml", "server.max_headers = 11\nserver.listen = '127.0.0.1:1'");
    assert_eq!(shown(&place, "--config my.toml", key).0, "11");
    let place = place.file(".env", "# ours\nexport GATEWARD__SERVER__MAX_HEADERS=\"12\"\n");
    assert_eq!(shown(&place, "--config my.toml", key).0, "12");
    let place = place.env("GATEWARD__SERVER__MAX_HEADERS", "13");
    assert_eq!(shown(&place, "--config my.toml", key).0, "13");
    let (value, origin) = shown(&place, "--config my.toml --data-dir elsewhere", "server.data_dir");
    assert_eq!((value.as_str(), origin.contains("--data-dir")), ("elsewhere", true));
}

#[test]
fn the_documented_configuration_is_accepted() {
    let file = repository().join("config.toml");
    let checked = Workplace::new().gateward(&format!("config check --config {}", file.display()));
    assert_eq!(checked.ok(), "configuration ok\n");
}

/// The header of a token.
fn header(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

async fn signs_with_the_secret(app: &TestApp) {
    let (_, token) = app.new_person().await;
    assert_eq!(header(&token)["alg"], "HS256");
    assert_eq!(app.get("/hello", &token).await.status(), 200);
    let keys: Value = app.get_anonymously("/.well-known/jwks.json").await.json().await.unwrap();
    assert_eq!(keys, json!({"keys": []}), "a shared secret is not published");
    assert!(!app.working_dir().join(".gateward").exists(), "nothing is kept on this machine");
}

#[tokio::test]
async fn the_variables_of_a_fastapi_service_are_enough() {
    let app = AppBuilder::unconfigured()
        .env("GATEWARD__STORE__KIND", "postgres")
        .env("DATABASE_URL", &services().new_database().replace("postgres://", "postgresql+asyncpg://"))
        .env("REDIS_URL", &services().redis_url())
        .env("GATEWARD__REDIS__KEY_PREFIX", &services().new_key_prefix())
        .env("SECRET_KEY", SECRET)
        .env("ALGORITHM", "HS256")
        .start()
        .await;
    signs_with_the_secret(&app).await;
}

#[tokio::test]
async fn secrets_may_stand_in_files() {
    let place = Workplace::new()
        .file("database", &format!("{}\n", services().new_database()))
        .file("redis", &services().redis_url())
        .file("secret", &format!("{SECRET}\n"));
    let path = |name: &str| place.path(name).display().to_string();
    let app = AppBuilder::unconfigured()
        .env("GATEWARD__STORE__KIND", "postgres")
        .env("DATABASE_URL_FILE", &path("database"))
        .env("GATEWARD__REDIS__URL_FILE", &path("redis"))
        .env("GATEWARD__REDIS__KEY_PREFIX", &services().new_key_prefix())
        .env("SECRET_KEY_FILE", &path("secret"))
        .env("ALGORITHM", "HS256")
        .start()
        .await;
    signs_with_the_secret(&app).await;
}

#[tokio::test]
async fn upstream_is_all_that_a_service_needs() {
    let service = Recorder::start();
    let app = AppBuilder::unconfigured()
        .env("UPSTREAM", &format!("http://{}", service.address()))
        .env("GATEWARD__PASSWORD__BCRYPT_COST", "10")
        .start()
        .await;
    assert_eq!(app.get_anonymously("/any/path").await.status(), 401);
    assert_eq!(service.count(), 0);
    let (email, token) = app.new_person().await;
    assert_eq!(app.get("/any/path", &token).await.status(), 200);
    assert_eq!(service.last().header("x-forwarded-email"), [email.as_str()]);
}

#[tokio::test]
async fn without_configuration_the_calls_to_try_are_printed() {
    let app = AppBuilder::unconfigured().start().await;
    let address = app.address.to_string();
    for words in ["is ready on", "/auth/register", "/auth/login", "Authorization: Bearer", "Ctrl-C"] {
        app.wait_for_log(|line| line.contains(words)).await;
    }
    let calls = app.log_lines().into_iter().filter(|line| line.contains("curl ") && line.contains(&address));
    assert_eq!(calls.count(), 3);
}
