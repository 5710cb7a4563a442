//! Password hashes that were not made here.

use std::time::{Duration, Instant};

use crate::support::app::{PASSWORD, both_kinds};
use crate::support::problems::problem;

/// As other programs store it.
fn foreign_hash(password: &str, version: bcrypt::Version) -> String {
    bcrypt::hash_with_result(password, 10).unwrap().format_for_version(version)
}

both_kinds!(a_foreign_bcrypt_hash_logs_in_and_is_renewed, |app| async move {
    let (email, _) = app.new_person().await;
    let other = "crimson-Falcon-58-meadow";
    for version in [bcrypt::Version::TwoA, bcrypt::Version::TwoY, bcrypt::Version::TwoB] {
        app.set_stored_hash(&email, &foreign_hash(other, version)).await;
        app.login(&email, other).await;
        let renewed = app.stored_hash(&email).await;
        assert!(renewed.starts_with("$bcrypt-sha256$v=2,t=2b,r=10$"), "{renewed}");
    }
    let renewed = app.stored_hash(&email).await;
    app.login(&email, other).await;
    assert_eq!(app.stored_hash(&email).await, renewed, "a good hash stays");

    let foreign = foreign_hash(other, bcrypt::Version::TwoB);
    app.set_stored_hash(&email, &foreign).await;
    problem(app.try_login(&email, PASSWORD).await, 401, "invalid_credentials").await;
    assert_eq!(app.stored_hash(&email).await, foreign, "a wrong password changes nothing");
});

both_kinds!(a_hash_of_another_cost_is_renewed_with_the_configured_one, |mut app| async move {
    let (email, _) = app.new_person().await;
    app.stop().await;
    app.reconfigure("password.bcrypt_cost = 11");
    app.restart().await;
    app.login(&email, PASSWORD).await;
    let renewed = app.stored_hash(&email).await;
    assert!(renewed.starts_with("$bcrypt-sha256$v=2,t=2b,r=11$"), "{renewed}");
    app.login(&email, PASSWORD).await;
});

both_kinds!(a_damaged_stored_hash_is_a_failed_login_and_an_error_in_the_log, |app| async move {
    let (email, token) = app.new_person().await;
    let good = app.stored_hash(&email).await;
    let (cut, absurd) = (&good[..good.len() - 1], foreign_hash(PASSWORD, bcrypt::Version::TwoB));
    let absurd = absurd.replace("$10$", "$31$"); // more than a day of work
    let errors = || app.log_lines().iter().filter(|line| line.contains("ERROR")).count();
    for damaged in ["", "x", "$2b$10$short", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA", cut, &absurd] {
        app.set_stored_hash(&email, damaged).await;
        let before = errors();
        let begun = Instant::now();
        problem(app.try_login(&email, PASSWORD).await, 401, "invalid_credentials").await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{damaged} kept a thread busy");
        let logged = crate::support::wait::eventually(Duration::from_secs(10), || {
            std::future::ready(errors() > before)
        });
        assert!(logged.await, "{damaged}:\n{}", app.log_lines().join("\n"));
        assert!(damaged.len() < 8 || !app.log_lines().join("\n").contains(damaged), "a hash is in the log");
    }
    assert_eq!(app.get("/private", &token).await.status(), 200);
    app.set_stored_hash(&email, &good).await;
    app.login(&email, PASSWORD).await;
});
