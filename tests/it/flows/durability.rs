//! What was acknowledged is there after a power cut.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::app::{PASSWORD, both_kinds};
use crate::support::wait::eventually;

both_kinds!(an_acknowledged_registration_survives_kill_9, |mut app| async move {
    let email = app.new_email();
    assert_eq!(app.register(&email, PASSWORD).await.status(), 201);
    app.kill9();
    app.restart().await;
    app.login(&email, PASSWORD).await;

    // And in the middle of many: whoever has got the answer is there.
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let request = app.client.post(app.url("/auth/register"));
        let (email, acknowledged) = (app.new_email(), Arc::clone(&acknowledged));
        asking.spawn(async move {
            let body = serde_json::json!({"email": email, "password": PASSWORD});
            if request.json(&body).send().await.is_ok_and(|answer| answer.status() == 201) {
                acknowledged.lock().unwrap().push(email);
            }
        });
    }
    let some = || std::future::ready(acknowledged.lock().unwrap().len() >= 3);
    assert!(eventually(Duration::from_secs(20), some).await);
    app.kill9();
    asking.join_all().await;
    app.restart().await;
    let acknowledged = acknowledged.lock().unwrap().clone();
    for email in acknowledged {
        app.login(&email, PASSWORD).await;
    }
});
