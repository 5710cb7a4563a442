//! The audit trail comes back in order, and goes when it is old.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gateward::domain::audit::AuditNote;
use gateward::domain::id::AuditEventId;
use gateward::domain::refresh::{
    ClientFingerprint, RefreshRules, RefreshToken, RefreshTokenState, RefreshTokenText, SuccessorNonce,
};
use gateward::store::{DurableStore, Presentation, Refreshed};

use super::fixtures::{DAY, NOW, session_of, stored_account};

super::on_both_durable_kinds!(events_come_in_order_by_the_page_and_are_pruned_by_age);

/// Makes an event, `number` milliseconds from now: a token is rotated, and used again without any grace.
async fn event(store: &dyn DurableStore, number: u8) {
    let account = stored_account(store, &format!("person{number}@example.com")).await;
    let session = session_of(account.id);
    let text = RefreshTokenText::from_random([number; 32]);
    let (hash, state) = (text.hash(), RefreshTokenState::Live);
    let first =
        RefreshToken { hash, session_id: session.id, issued_at: NOW, expires_at: session.expires_at, state };
    assert!(store.create_session_with_refresh(&session, &first, None).await.unwrap());
    let now = NOW.plus(Duration::from_millis(number.into()));
    let nonce = SuccessorNonce::from_bytes([number; 32]);
    let presented = Presentation {
        hash,
        client: ClientFingerprint::of(IpAddr::from([192, 0, 2, 1]), None),
        now,
        rules: RefreshRules { idle_lifetime: DAY, grace: Duration::ZERO },
        nonce,
        successor: text.successor(&nonce).hash(),
        note: AuditNote { id: AuditEventId::new(now, [number; 10]), address: None, user_agent: None },
    };
    assert!(matches!(store.refresh(&presented).await.unwrap(), Refreshed::Granted { .. }));
    assert!(matches!(store.refresh(&presented).await.unwrap(), Refreshed::Reused { .. }), "no grace at all");
}

async fn events_come_in_order_by_the_page_and_are_pruned_by_age(store: Arc<dyn DurableStore>) {
    for number in [3, 1, 5, 2, 4] {
        event(&*store, number).await;
    }
    let at = |number: u64| NOW.plus(Duration::from_millis(number));
    let all = store.audit_events(None, 100).await.unwrap();
    assert_eq!(all.iter().map(|event| event.at).collect::<Vec<_>>(), [at(1), at(2), at(3), at(4), at(5)]);
    assert_eq!(store.audit_events(None, 2).await.unwrap(), all[..2]);
    assert_eq!(store.audit_events(Some(all[1].id), 2).await.unwrap(), all[2..4]);
    assert!(store.audit_events(Some(all[4].id), 2).await.unwrap().is_empty());

    assert_eq!(store.prune_audit(at(4), 2).await.unwrap(), 2);
    assert_eq!(store.prune_audit(at(4), 2).await.unwrap(), 1);
    assert_eq!(store.prune_audit(at(4), 2).await.unwrap(), 0);
    assert_eq!(store.audit_events(None, 100).await.unwrap(), all[3..]);
}
