//! No service reads a path as one of another route: in particular, none that was judged public leads to something
//! protected.
//!
//! Not promised: services that ignore letter case, or drop what Windows' file names drop (dots and spaces at the end,
//! `::$DATA`, short names), know more names for a file than a URL has. Behind such a service, protect a whole tree.
#![expect(clippy::expect_used, reason = "a property that does not hold panics")]

use super::readings::{READINGS, Segments};
use crate::domain::route::{Access, OnRevoke, OnStale, Route, RouteTable};
use crate::gateway::request::{CanonicalRequest, HeadLimits};

const LIMITS: HeadLimits = HeadLimits { max_header_bytes: 32 * 1024, max_headers: 8, max_target_bytes: 8192 };

/// More rules than this make a case slower and no better.
const MOST_RULES: usize = 16;

/// A line of a route table.
#[derive(Debug, Clone)]
pub struct Rule {
    /// A path prefix.
    pub path: String,
    /// What it asks.
    pub access: Access,
}

/// A case as text: lines `public PATH` or `protected PATH`, an empty line, a request target.
pub fn routing_case(text: &[u8]) {
    let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") else { return };
    let (lines, target) = text.split_at(end);
    let target = target.strip_prefix(b"\n\n").unwrap_or_default();
    let Ok(lines) = std::str::from_utf8(lines) else { return };
    let rules: Vec<Rule> = lines.lines().take(MOST_RULES).filter_map(rule).collect();
    no_service_finds_another_route(&rules, target.strip_suffix(b"\n").unwrap_or(target));
}

fn rule(line: &str) -> Option<Rule> {
    let (word, path) = line.split_once(' ')?;
    let access = match word {
        "public" => Access::Public,
        "protected" => Access::Authenticated,
        _ => return None,
    };
    Some(Rule { path: path.to_owned(), access })
}

/// If the target is accepted and has a route, then every reading of it ([`READINGS`]) has the same route, by an
/// independent look-up. Returns what the route asks; none for a target that is refused, without a route or without a
/// table.
pub fn no_service_finds_another_route(rules: &[Rule], target: &[u8]) -> Option<Access> {
    let routes: Vec<Route> = rules.iter().map(route).collect();
    let table = RouteTable::new(routes).ok()?;
    let head = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let request = CanonicalRequest::parse(&head, &LIMITS).ok()?;
    let decided = table.position(request.path())?;

    for (service, read) in READINGS {
        // A service that refuses it itself leads nowhere.
        let Some(segments) = read(target) else { continue };
        assert_eq!(
            found(rules, &segments),
            Some(decided),
            "{service} reads {:?} as {segments:?}, another route",
            request.path()
        );
    }
    Some(rules.get(decided).expect("a place in the table is a place in the rules").access)
}

/// The rule with the most segments among those whose segments begin the path.
fn found(rules: &[Rule], path: &Segments) -> Option<usize> {
    let segments = |rule: &Rule| -> Segments {
        let below = rule.path.trim_matches('/');
        below
            .split('/')
            .filter(|_| !below.is_empty())
            .map(|segment| super::readings::decoded(segment.as_bytes()))
            .collect()
    };
    let all = rules.iter().enumerate().map(|(at, rule)| (at, segments(rule)));
    all.filter(|(_, prefix)| path.starts_with(prefix))
        .max_by_key(|(_, prefix)| prefix.len())
        .map(|(at, _)| at)
}

fn route(rule: &Rule) -> Route {
    Route {
        path: rule.path.clone(),
        upstream: 0,
        access: rule.access,
        forward_authorization: false,
        on_stale: OnStale::Refuse,
        on_revoke: OnRevoke::Close,
        max_body_bytes: None,
        allow_encoded_slash: false,
        merge_slashes: false,
    }
}
