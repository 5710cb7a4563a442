//! The queue for password hashes: nobody waits in it longer than is worth it, and its threads give way to the others.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::problems::problem;
use crate::support::raw::RawClient;
use crate::support::wait::eventually;

const WRONG: &str = "velvet-Harbour-40-tundra";

#[tokio::test]
async fn whoever_would_wait_too_long_is_refused_before_a_hash() {
    let config = "password.hash_threads = 1\npassword.hash_wait = '100ms'\npassword.hash_queue = 100\n\
                  password.bcrypt_cost = 11";
    let app = TestApp::embedded().config(config).start().await;
    // Before the first nobody knows how long they take.
    problem(app.try_login("first@example.org", WRONG).await, 401, "invalid_credentials").await;
    let answers = join_all((0..40).map(|number| {
        let (app, email) = (&app, format!("person{number}@example.org"));
        async move { app.try_login(&email, WRONG).await }
    }))
    .await;
    let mut refused = 0;
    for answer in answers {
        if answer.status() == 503 {
            assert!(answer.headers().contains_key("retry-after"));
            problem(answer, 503, "busy").await;
            refused += 1;
        } else {
            problem(answer, 401, "invalid_credentials").await;
        }
    }
    assert!(refused >= 20, "{refused} of 40: the queue had room for all, and no time");
    assert_eq!(app.hashes().await, 41 - refused);
    let rejected = app.counted("gateward_hash_jobs_total{result=\"rejected\"}").await;
    assert_eq!(rejected, refused);
    problem(app.try_login("last@example.org", WRONG).await, 401, "invalid_credentials").await;
}

#[tokio::test]
async fn a_client_that_leaves_costs_no_hash() {
    const CLIENTS: usize = 8;
    let config = "password.hash_threads = 1\npassword.bcrypt_cost = 13";
    let app = TestApp::embedded().config(config).start().await;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let body = json!({"email": format!("person{number}@example.org"), "password": WRONG}).to_string();
        let length = body.len();
        let head = format!(
            "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}"
        );
        let mut client = RawClient::connect(app.address).await;
        client.send(format!("{head}\r\n\r\n{body}")).await;
        clients.push(client);
    }
    let all_wait = || async { app.counted("gateward_hash_queue_length").await >= CLIENTS as u64 - 2 };
    assert!(eventually(Duration::from_secs(10), all_wait).await);
    drop(clients);
    let empty = || async { app.counted("gateward_hash_queue_length").await == 0 };
    assert!(eventually(Duration::from_secs(20), empty).await);
    let abandoned = app.counted("gateward_hash_jobs_total{result=\"abandoned\"}").await;
    assert!(abandoned >= CLIENTS as u64 - 4, "{abandoned}; {} hashes", app.hashes().await);
    // Nothing of it lingers.
    problem(app.try_login("next@example.org", WRONG).await, 401, "invalid_credentials").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn hash_threads_give_way_to_all_others() {
    let app = TestApp::embedded().config("password.hash_threads = 2").start().await;
    let (mut hashing, mut others) = (Vec::new(), Vec::new());
    for task in std::fs::read_dir(format!("/proc/{}/task", app.pid())).unwrap() {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
        let (start, fields) = stat.rsplit_once(") ").unwrap();
        // proc_pid_stat(5): the 19th field; the third is the first behind the name.
        let nice: i32 = fields.split(' ').nth(16).unwrap().parse().unwrap();
        let is_hash = start.contains("(gateward-hash");
        if is_hash { &mut hashing } else { &mut others }.push(nice);
    }
    let usual = others[0];
    assert!(others.len() > 3 && others.iter().all(|nice| *nice == usual), "{others:?}");
    assert_eq!(hashing, [(usual + 5).min(19); 2]);
}
