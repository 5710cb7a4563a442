//! Many who present one refresh token at once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;

use super::replicas::Shared;
use crate::support::app::{TestApp, both_kinds};
use crate::support::app_refresh::Pair;
use crate::support::wait::eventually;

/// Presents a token until it is answered by more than "try again"; also says how often.
async fn insist(app: &TestApp, token: &str) -> (u16, String, usize) {
    let (last, tries) = (RefCell::default(), Cell::new(0));
    let answered = || async {
        tries.set(tries.get() + 1);
        let answer = app.try_refresh(token).await;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        last.replace((status, body["refresh_token"].as_str().unwrap_or_default().to_owned()));
        status != 503
    };
    assert!(eventually(Duration::from_secs(30), answered).await, "{last:?}");
    let (status, successor) = last.take();
    (status, successor, tries.get())
}

/// All at once, over these replicas; the one successor that everybody got.
async fn one_successor(apps: &[&TestApp], token: &str, callers: usize) -> String {
    let mut asked = futures_util::stream::iter(0..callers)
        .map(|number| insist(apps[number % apps.len()], token))
        .buffer_unordered(callers);
    let (mut answers, mut refused_first) = (BTreeMap::new(), 0);
    while let Some((status, successor, tries)) = asked.next().await {
        *answers.entry((status, successor)).or_insert(0_usize) += 1;
        refused_first += usize::from(tries > 1);
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    let ((status, successor), count) = answers.into_iter().next().unwrap();
    assert_eq!((status, count), (200, callers));
    println!("{callers} callers, {refused_first} of them answered 503 first");
    successor
}

both_kinds!(
    a_hundred_uses_of_one_token_have_one_successor,
    |app| app.config("token.refresh_grace = '1m'"),
    |app| async move {
        let (_, first) = app.new_pair().await;
        let second = one_successor(&[&app], &first.refresh, 100).await;
        let third = one_successor(&[&app], &second, 100).await;
        let pair = app.refresh(&third).await;
        assert_eq!(app.get("/private", &pair.access).await.status(), 200);
        let metrics = app.get_admin("/metrics").await.text().await.unwrap();
        assert!(metrics.contains("gateward_refreshes_total{result=\"rotated\"} 3"), "{metrics}");
    }
);

#[tokio::test]
async fn a_thousand_refreshes_of_one_token_over_three_replicas_have_one_successor() {
    let shared = Shared::new();
    let replica = || shared.replica(7).config("token.refresh_grace = '1m'").start();
    let (one, two, three) = tokio::join!(replica(), replica(), replica());
    let apps = [&one, &two, &three];
    let (_, first) = one.new_pair().await;
    let started = std::time::Instant::now();
    let second = one_successor(&apps, &first.refresh, 1000).await;
    println!("took {:?}", started.elapsed());

    let mut rotated = 0.0;
    for app in apps {
        let metrics = app.get_admin("/metrics").await.text().await.unwrap();
        let line = metrics.lines().find(|line| line.contains("refreshes_total{result=\"rotated\"}")).unwrap();
        rotated += line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    }
    // A commit whose acknowledgement came too late is counted as an error.
    assert!(rotated <= 1.0, "rotated {rotated} times");
    let pair = Pair::of(two.try_refresh(&second).await).await;
    let admitted = || async { three.get("/private", &pair.access).await.status() == 200 };
    assert!(eventually(Duration::from_secs(2), admitted).await);
}
