//! The status lists, for verifiers that check tokens offline (draft-ietf-oauth-status-list).
//!
//! Made from memory, away from the hot path, and bounded: all waiting requests share one sweep over the revocations
//! and one signature a list, and what was made is good for a second or, with very many revocations, a few. With HS256
//! only holders of the secret can check a list, the same who can check the tokens.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemBody};
use super::state::{ApiState, RequestFacts};
use crate::domain::clock::Timestamp;
use crate::domain::status_list::{StatusBits, StatusListError, StatusLists, mint_list};
use crate::live::{LiveRevocations, Moment, TokenCheck};

/// How long a list that was made is served, at least.
const KEEP: Duration = Duration::from_secs(1);
/// And at least so many times as long as the sweep took: with a million revocations that is some tenths of a second,
/// and asking again and again must not cost more than a tenth of a core.
const KEEP_PER_SWEEP: u32 = 10;

/// What others read of the revocations, as made last.
pub struct StatusListCache {
    lists: StatusLists,
    ttl: Duration,
    revocations: LiveRevocations,
    check: Arc<TokenCheck>,
    made: Arc<Mutex<Made>>,
    /// Places in the lists that were taken, as known last. It only grows.
    taken: AtomicI64,
    asked: Mutex<Asked>,
}

impl Made {
    fn is_good(&self) -> bool {
        let keep = KEEP.max(self.took * KEEP_PER_SWEEP);
        self.at.is_some_and(|(at, _)| at.elapsed() < keep)
    }
}

/// When the store was last asked how many places were taken.
#[derive(Default)]
struct Asked {
    at: Option<Instant>,
    answered: bool,
}

/// One sweep, and the list tokens that were asked for since.
#[derive(Default)]
struct Made {
    at: Option<(Instant, Timestamp)>,
    took: Duration,
    bits: StatusBits,
    tokens: HashMap<i64, Bytes>,
}

/// The URIs of all lists (section 9.2).
#[derive(Serialize, ToSchema)]
pub struct StatusListsBody {
    status_lists: Vec<String>,
}

impl StatusListCache {
    /// Nothing made yet.
    pub fn new(
        lists: StatusLists,
        ttl: Duration,
        revocations: LiveRevocations,
        check: Arc<TokenCheck>,
    ) -> Self {
        let (made, asked) = (Arc::default(), Mutex::default());
        Self { lists, ttl, revocations, check, made, taken: AtomicI64::new(0), asked }
    }

    /// Where the list of lists is.
    pub fn uri_of_all(&self) -> &str {
        self.lists.uri_of_all()
    }

    /// Whether this process knows of every revocation.
    ///
    /// # Errors
    /// 503: it cannot be sure.
    pub fn fresh(&self) -> Result<(), Problem> {
        let fresh = self.revocations.is_fresh(Moment::now());
        if fresh { Ok(()) } else { Err(Problem::revocations_stale()) }
    }

    /// How many lists there are. What is known is enough when it is more than `wanted`; else the store is asked, once
    /// a [`KEEP`] at most.
    async fn count(&self, state: &ApiState, wanted: i64) -> Result<i64, Problem> {
        let known = || StatusLists::count(self.taken.load(Ordering::Relaxed));
        if known() > wanted {
            return Ok(known());
        }
        let mut asked = self.asked.lock().await;
        if asked.at.is_none_or(|at| at.elapsed() >= KEEP) {
            // Before the call: while the store is down, one request a while waits for it and not all of them.
            *asked = Asked { at: Some(Instant::now()), answered: false };
            let taken = state.auth.status_indexes_taken().await?;
            asked.answered = true;
            self.taken.fetch_max(taken, Ordering::Relaxed);
        }
        if asked.answered { Ok(known()) } else { Err(Problem::unavailable()) }
    }

    /// The token of a list.
    async fn token(&self, list: i64) -> Result<Bytes, Problem> {
        // Goes into the work with it: an asker that leaves meanwhile must not let the next one begin again.
        let mut made = Arc::clone(&self.made).lock_owned().await;
        if let Some(token) = made.tokens.get(&list).filter(|_| made.is_good()) {
            return Ok(token.clone());
        }
        let work = (self.lists.clone(), self.ttl, self.revocations.clone(), Arc::clone(&self.check));
        let token = tokio::task::spawn_blocking(move || {
            let (lists, ttl, revocations, check) = work;
            if !made.is_good() {
                let begun = Instant::now();
                let at = Some((begun, check.clock().now()));
                let mut bits = StatusBits::default();
                revocations.each_status_index(|index| bits.set(index));
                *made = Made { at, took: begun.elapsed(), bits, tokens: HashMap::new() };
            }
            let now = made.at.map_or_else(|| check.clock().now(), |(_, now)| now);
            let token = Bytes::from(mint_list(&lists, list, &made.bits, &check.keys().load(), now, ttl)?);
            made.tokens.insert(list, token.clone());
            Ok::<_, StatusListError>(token)
        });
        token.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }

    fn headers(&self, media_type: &'static str) -> [(HeaderName, HeaderValue); 3] {
        let kept = HeaderValue::from_str(&format!("public, max-age={}", self.ttl.as_secs()));
        [
            (CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (CACHE_CONTROL, kept.unwrap_or_else(|_| HeaderValue::from_static("no-store"))),
            // Nothing in it is a secret, and verifiers may be web pages (section 8.1 wants it).
            (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        ]
    }
}

impl std::fmt::Debug for StatusListCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusListCache").field("lists", &self.lists).field("ttl", &self.ttl).finish()
    }
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a status list was not made");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the gateway failed at this")
}

/// A status list.
///
/// A bit for every session that has a place in it (`status` of its access tokens): 1 means ended.
#[utoipa::path(
    get, path = "/auth/status-lists/{list}", tag = "standards",
    params(("list" = i64, Path, description = "Its number, from 0")),
    responses(
        (status = 200, description = "A status list token", body = String, content_type = "application/statuslist+jwt"),
        (status = 404, description = "There is no such list yet", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`: what ended elsewhere is not known at the moment", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn status_list(
    State(state): State<ApiState>,
    facts: RequestFacts,
    Path(list): Path<String>,
) -> Response {
    let cache = &state.issuer.status_lists;
    let found = async {
        let list = number(&list).ok_or_else(Problem::not_found)?;
        cache.fresh()?;
        if cache.count(&state, list).await? <= list {
            return Err(Problem::not_found());
        }
        cache.token(list).await
    };
    match found.await {
        Ok(token) => (cache.headers("application/statuslist+jwt"), token).into_response(),
        Err(problem) => problem.response(facts.request_id),
    }
}

/// One spelling a list: digits without a sign or leading zeros.
fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| *number >= 0 && number.to_string() == text)
}

/// All status lists.
#[utoipa::path(
    get, path = "/auth/status-lists", tag = "standards",
    responses(
        (status = 200, description = "Where the lists are", body = StatusListsBody),
        (status = 503, description = "`busy`, `unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn status_lists(State(state): State<ApiState>, facts: RequestFacts) -> Response {
    let cache = &state.issuer.status_lists;
    match cache.count(&state, i64::MAX).await {
        Ok(count) => {
            let status_lists = (0..count).map(|list| cache.lists.uri(list)).collect();
            (cache.headers("application/json"), Json(StatusListsBody { status_lists })).into_response()
        }
        Err(problem) => problem.response(facts.request_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_one_spelling() {
        assert_eq!((number("0"), number("17")), (Some(0), Some(17)));
        for wrong in ["", "-1", "+1", "01", "1.0", "a", "9223372036854775808", "{list}"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }
}
