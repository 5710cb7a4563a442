//! `gateward migrate`, and a start with `store.migrate = "manual"`.

use serde_json::{Value, json};

use super::workplace::Workplace;
use crate::support::app::StoreKind;

fn status(place: &Workplace) -> Value {
    serde_json::from_str(&place.gateward("migrate status --json").ok()).unwrap()
}

fn on(kind: StoreKind) {
    let place = Workplace::on(kind).env("GATEWARD__STORE__MIGRATE", "manual");
    let before = status(&place);
    assert_eq!(before["applied"], json!([]));
    let all = before["pending"].as_array().unwrap().clone();
    assert!(all.len() >= 4 && all[0] == "V1__accounts", "{before}");
    assert_eq!(status(&place), before, "looking changes nothing");
    let table = place.gateward("migrate status").ok();
    assert_eq!(table.matches(" pending\n").count(), all.len(), "{table}");

    let said = place.gateward("serve").failed(1);
    assert!(
        said.contains(&format!("{} pending migration(s): run `gateward migrate up`", all.len())),
        "{said}"
    );

    let done = place.gateward("migrate up").ok();
    assert!(done.contains("schema is up to date") && done.contains(&all.len().to_string()), "{done}");
    assert_eq!(status(&place), json!({"applied": all, "pending": []}));
    place.gateward("migrate up").ok();
    assert!(!place.gateward("migrate status").ok().contains("pending"));
    place.gateward("user list").ok();
}

#[test]
fn migrations_wait_for_the_operator_embedded() {
    on(StoreKind::Embedded);
}

#[test]
fn migrations_wait_for_the_operator_postgres() {
    on(StoreKind::Postgres);
}
