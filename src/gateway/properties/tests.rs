//! The readings are those of the services, the property of routes on random tables and paths, and the kept corpus.

use proptest::prelude::*;

use super::readings::READINGS;
use super::*;
use crate::domain::kept_corpus;
use crate::domain::route::Access;

/// Which services find `/admin` behind a target.
#[test]
fn readings_are_those_of_the_services() {
    let all = "nginx whatwg-url node-path python-normpath wsgi-asgi go-clean go-mux tomcat java-cut-late rfc-3986 \
               decoded-twice";
    for (target, who) in [
        ("/admin/x", all),
        ("/admin?a=/b", all),
        ("/%61dmin", all),
        ("/Admin", ""),
        (
            "/a/../admin",
            "nginx whatwg-url node-path python-normpath go-clean go-mux tomcat java-cut-late rfc-3986 decoded-twice",
        ),
        (
            "/a/%2e%2E/admin",
            "nginx whatwg-url node-path python-normpath go-clean tomcat java-cut-late rfc-3986 decoded-twice",
        ),
        ("/a%2f../admin", "nginx node-path python-normpath go-clean tomcat java-cut-late decoded-twice"),
        ("/a/..%2fadmin", "nginx node-path python-normpath go-clean tomcat java-cut-late decoded-twice"),
        ("/a/.%2e%2fadmin", "nginx node-path python-normpath go-clean tomcat java-cut-late decoded-twice"),
        (
            "//admin",
            "nginx node-path python-normpath go-clean go-mux tomcat java-cut-late rfc-3986 decoded-twice",
        ),
        ("//a/admin", "whatwg-url"),
        ("/\\a/admin", "whatwg-url"),
        ("/a\\..\\admin", "whatwg-url node-path tomcat java-cut-late decoded-twice"),
        ("/a/.\t./admin", "whatwg-url"),
        ("/a/..;x/admin", "tomcat java-cut-late decoded-twice"),
        ("/a/..%3bx/admin", "java-cut-late decoded-twice"),
        ("/admin;x", "tomcat java-cut-late decoded-twice"),
        ("/admin%3bx", "java-cut-late decoded-twice"),
        ("/%2561dmin", "decoded-twice"),
        ("/a/%252e%252e/admin", "decoded-twice"),
        ("/admin#x", "nginx whatwg-url node-path python-normpath rfc-3986 decoded-twice"),
    ] {
        let found = READINGS.iter().filter(|(_, read)| {
            read(target.as_bytes()).is_some_and(|path| path.first().is_some_and(|first| first == b"admin"))
        });
        assert_eq!(found.map(|(service, _)| *service).collect::<Vec<_>>().join(" "), who, "{target}");
    }
}

/// The property sees an attack: with a gateway that refuses nothing, each of these would be found.
#[test]
fn what_leads_elsewhere_is_refused() {
    let rules = [rule("/", Access::Public), rule("/admin", Access::Authenticated)];
    for target in [
        "/a/../admin",
        "/a/%2e%2E/admin",
        "/a%2f../admin",
        "//admin",
        "//a/admin",
        "/%61dmin",
        "/%2561dmin",
        "/a/..;x/admin",
        "/a/..%3bx/admin",
        "/a\\..\\admin",
        "/a/.\t./admin",
        "/admin#x",
    ] {
        assert_eq!(no_service_finds_another_route(&rules, target.as_bytes()), None, "{target}");
    }
    assert_eq!(no_service_finds_another_route(&rules, b"/admin"), Some(Access::Authenticated));
    assert_eq!(no_service_finds_another_route(&rules, b"/x%20y"), Some(Access::Public));
}

fn rule(path: &str, access: Access) -> Rule {
    Rule { path: path.to_owned(), access }
}

/// Public below protected below public, and beside each other.
fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let paths = proptest::collection::btree_set("/|(/(a|b|ab|admin|\\.x|%C3%A9|%20)){1,4}/?", 1..8);
    (paths, any::<[bool; 8]>()).prop_map(|(paths, public)| {
        let access = |public| if public { Access::Public } else { Access::Authenticated };
        paths.into_iter().zip(public).map(|(path, public)| Rule { path, access: access(public) }).collect()
    })
}

/// Mostly plain, with one or two pieces that somebody somewhere reads as something else.
fn target() -> impl Strategy<Value = String> {
    let plain = || "/(a|b|ab|admin|\\.x|%C3%A9|%c3%a9|%20|c|x\\.y|\\.\\.\\.)";
    let nasty = prop_oneof![
        "/|//|/\\.|/\\.\\.|/%2e|/%2E%2e|/\\.%2e|%2f|%2F|%5c|%5C|\\\\|;|/;|;a=b|%3b|/\\.\\.;|/\\.\\.%3bx|%00|%0a|%09|\t|#|\\?",
        "%25|%252f|%252e|%252e%252e|%25252f|%2561|%61|%61dmin|%41|%2|%|%zz|%u002f|%u2215|%c0%af|%c0%ae|%e0%80%af|%ff|%C3|%A9",
        "%ef%bc%8f|%ef%bc%8e|\\+|:|@|\\*|,|'|!|~|\\.|Admin|ADMIN|%2a|%2A|%7e|%2d|\\[|\\]|&|=|\\||\\^|\\{|http:|//h|@h|a/",
        "[ -~]{1,4}",
    ];
    let piece = prop_oneof![7 => plain().boxed(), 2 => nasty.boxed()];
    proptest::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat())
}

/// The path of a rule, with some of its characters written as somebody somewhere takes them for the same, behind a
/// detour or none.
fn disguised(path: &str, detour: &str, tricks: &[(prop::sample::Index, usize)]) -> String {
    const SLASHES: [&str; 12] =
        ["%2f", "%2F", "%5c", "\\", "//", "/./", "/x/../", "/%2e/", "/x/..;/", "%252f", "%c0%af", ";/"];
    let mut pieces: Vec<String> = path.chars().map(String::from).collect();
    for (index, trick) in tricks {
        let piece = index.get_mut(&mut pieces);
        *piece = match (piece.bytes().next(), trick % 4) {
            (Some(b'/'), _) => SLASHES[trick % SLASHES.len()].to_owned(),
            (Some(byte), 0) => format!("%{byte:02x}"),
            (Some(byte), 1) => format!("%25{byte:02X}"),
            (Some(byte), 2) => format!("{};x", char::from(byte)),
            _ => piece.clone(),
        };
    }
    format!("{detour}{}", pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Ten paths a table: at least one of them is accepted and has a route in nearly every case.
    #[test]
    fn no_path_judged_public_leads_to_something_protected(
        rules in rules(),
        targets in proptest::collection::vec(target(), 10),
    ) {
        for target in &targets {
            no_service_finds_another_route(&rules, target.as_bytes());
        }
    }

    #[test]
    fn no_disguise_of_a_protected_path_is_judged_public(
        rules in rules(),
        attempts in proptest::collection::vec(
            (
                any::<prop::sample::Index>(),
                "|||/x|/x/\\.\\.|/x%2f\\.\\.|/%2e%2e|/\\.|/",
                proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..12), 1..3),
            ),
            10,
        ),
    ) {
        let mut rules = rules;
        if rules.iter().all(|rule| rule.path != "/") {
            rules.push(rule("/", Access::Public));
        }
        for (index, detour, tricks) in &attempts {
            let target = disguised(&index.get(&rules).path, detour, tricks);
            no_service_finds_another_route(&rules, target.as_bytes());
        }
    }

    #[test]
    fn no_bytes_lead_to_another_route(
        rules in rules(),
        targets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 10),
    ) {
        for target in &targets {
            no_service_finds_another_route(&rules, &[b"/", target.as_slice()].concat());
        }
    }
}

/// A strategy whose cases are all refused would prove nothing.
#[test]
fn random_targets_are_often_accepted() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let every = [rule("/", Access::Public), rule("/a", Access::Authenticated)];
    let accepted = (0..1000)
        .filter(|_| {
            let target = target().new_tree(&mut runner).unwrap().current();
            no_service_finds_another_route(&every, target.as_bytes()).is_some()
        })
        .count();
    assert!((200..800).contains(&accepted), "{accepted} of 1000");
}

#[test]
fn kept_inputs_hold() {
    for seed in kept_corpus::seeds("canonical_request") {
        decided_is_forwarded(&seed);
    }
    for seed in kept_corpus::seeds("route_matching") {
        routing_case(&seed);
    }
    for seed in kept_corpus::seeds("header_policy") {
        one_value_each(&seed);
    }
}
