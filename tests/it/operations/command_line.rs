//! Exit codes, help, `config`, `health`, `completions`.

use super::workplace::{Workplace, operate};
use crate::support::app::TestApp;
use crate::support::ports::free_address;

const MISTAKES: &str = r#"
[server]
listen = "localhost"
thredas = 1
[store]
kind = "postgres"
[token]
algorithm = "HS256"
secret = "hunter2-is-too-short"
access_lifetime = "1s"
[[route]]
path = "api"
upstream = "nobody"
"#;

#[test]
fn every_exit_code_is_the_documented_one() {
    let place = Workplace::new().file("bad.toml", MISTAKES);
    assert_eq!(place.gateward("config check").ok(), "configuration ok\n");
    let nobody = place.gateward("user disable nobody@example.com").failed(1);
    assert_eq!(nobody, "gateward: there is no such account\n");
    for usage in ["serve --nonsense", "token mint --subject me", "migrate", "user create", "nothing"] {
        let said = place.gateward(usage).failed(2);
        assert!(said.contains("Usage: gateward") || said.contains("try '--help'"), "{usage}: {said}");
    }
    let address = free_address();
    let said = place.gateward(&format!("health --url http://{address}/readyz")).failed(69);
    assert!(said.contains(&address.to_string()) && said.contains("refused"), "{said}");
    place.gateward("--config bad.toml user list").failed(78);
    place.gateward("--config missing.toml serve").failed(78);
}

#[test]
fn a_store_that_is_not_there_is_69_and_its_password_stays_unsaid() {
    let address = free_address();
    let place = Workplace::new()
        .env("GATEWARD__STORE__KIND", "postgres")
        .env("DATABASE_URL", &format!("postgres://gate:hunter2@{address}/main"))
        .env("REDIS_URL", &format!("redis://:hunter2@{address}/"));
    let said = place.gateward("migrate status").failed(69);
    assert!(said.contains("postgres is unavailable") && said.contains("refused"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

/// The names under "Commands:".
fn subcommands(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names =
        lines.take_while(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").collect()
}

#[test]
fn help_of_every_command_has_examples() {
    let place = Workplace::new();
    let mut commands = vec![String::new()];
    let mut seen = 0;
    while let Some(command) = commands.pop() {
        let help = place.gateward(&format!("{command} --help")).ok();
        let example = help.split_once("\nExamples:\n  gateward ");
        let piped = help.split_once("\nExamples:\n  cat ");
        assert!(example.or(piped).is_some(), "`{command}` has no examples:\n{help}");
        commands.extend(subcommands(&help).into_iter().map(|name| format!("{command} {name}")));
        seen += 1;
    }
    assert!(seen >= 17, "only {seen} commands were found");
}

#[test]
fn config_check_lists_all_mistakes_at_once_with_place_and_remedy() {
    let place = Workplace::new().file("bad.toml", MISTAKES).file(".env", "GATEWARD__LOG__LEVEL=loud\n");
    let said = place.gateward("config check --config bad.toml").failed(78);
    for (at, key) in [
        ("bad.toml:3", "server.listen"),
        ("bad.toml:4", "server.thredas"),
        ("bad.toml:6", "postgres.url"),
        ("bad.toml:6", "redis.url"),
        ("bad.toml:9", "token.secret"),
        ("bad.toml:10", "token.access_lifetime"),
        ("bad.toml:12", "route[0].path"),
        (".env", "log.level"),
    ] {
        let found = said.lines().any(|line| line.contains(at) && line.contains(&format!("{key}:")));
        assert!(found, "{at} {key} is missing in:\n{said}");
    }
    let mistakes = said.lines().filter(|line| !line.starts_with("    remedy: ")).count() - 1;
    let remedies = said.lines().filter(|line| line.starts_with("    remedy: ")).count();
    assert_eq!(mistakes, remedies, "each has its remedy:\n{said}");
    assert!(said.contains(&format!("has {mistakes} mistakes")), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn config_show_names_origins_and_redacts_secrets_of_every_source() {
    let place = Workplace::new()
        .file("my.toml", "[redis]\nurl = 'redis://:hunter2-redis@h/0'\n[token]\nissuer = 'me'\n")
        .file(".env", "SECRET_KEY=hunter2-hunter2-hunter2-hunter2-hunter2\nALGORITHM=HS256\n")
        .env("DATABASE_URL", "postgresql+asyncpg://gate:hunter2-db@db.internal/main")
        .env("GATEWARD__TOKEN__KEY_ENCRYPTION_KEY", "aHVudGVyMi1odW50ZXIyLWh1bnRlcjItaHVudGVyMi0=");
    let ran = place.gateward("config show --config my.toml --data-dir state");
    assert!(!ran.err.contains("hunter2") && !ran.err.contains("aHVudGVy"), "{}", ran.err);
    let shown = ran.ok();
    assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVy"), "{shown}");
    for (key, origin) in [
        ("postgres.url", "environment variable DATABASE_URL"),
        ("redis.url", "my.toml"),
        ("token.secret", ".env"),
        ("token.algorithm", ".env"),
        ("token.issuer", "my.toml"),
        ("token.key_encryption_key", "environment variable GATEWARD__TOKEN__KEY_ENCRYPTION_KEY"),
        ("server.data_dir", "--data-dir"),
        ("server.listen", "default"),
    ] {
        let row = shown.lines().find(|line| line.split_whitespace().next() == Some(key));
        assert!(row.is_some_and(|row| row.contains(origin)), "{key} from {origin}: {row:?}");
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    let place = Workplace::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(place.gateward(&format!("completions {shell}")).ok().contains("admin-listen"), "{shell}");
    }
    place.gateward("completions tcsh").failed(2);
}

#[tokio::test]
async fn health_is_0_while_it_runs_and_69_after() {
    let mut app = TestApp::embedded().start().await;
    assert_eq!(operate(&app, "health").ok(), "ready\n");
    let url = app.admin_url("/readyz");
    assert_eq!(operate(&app, &format!("health --url {url}")).ok(), "ready\n");
    assert!(app.stop().await.success());
    let said = operate(&app, "health").failed(69);
    assert!(said.contains(&url), "{said}");
}
