//! Tests of the table: cases, and searches that are slow and plain.

use proptest::prelude::*;

use super::table::hex;
use super::*;

fn route(path: &str, upstream: usize) -> Route {
    Route {
        path: path.to_owned(),
        upstream,
        access: Access::Authenticated,
        forward_authorization: false,
        on_stale: OnStale::Refuse,
        on_revoke: OnRevoke::Close,
        max_body_bytes: None,
        allow_encoded_slash: false,
        merge_slashes: false,
    }
}

fn table(paths: &[&str]) -> RouteTable {
    RouteTable::new(paths.iter().enumerate().map(|(index, path)| route(path, index)).collect()).unwrap()
}

fn matched<'a>(table: &'a RouteTable, path: &str) -> Option<&'a str> {
    table.position(path).map(|at| table.routes()[at].path.as_str())
}

#[test]
fn the_most_specific_whole_segment_prefix_wins() {
    let table = table(&["/", "/api", "/api/v1/admin", "/Caf%c3%a9/", "/a!b"]);
    for (path, expected) in [
        ("/", "/"),
        ("/x", "/"),
        ("/api", "/api"),
        ("/api/", "/api"),
        ("/api/x", "/api"),
        ("/api/v1", "/api"),
        ("/api/v1/admin", "/api/v1/admin"),
        ("/api/v1/admin/x/y", "/api/v1/admin"),
        ("/api/v1/administrators", "/api"),
        ("/apis", "/"),
        ("/API", "/"),
        ("/Caf%C3%A9/menu", "/Caf%c3%a9/"),
        ("/Caf%c3%a9", "/Caf%c3%a9/"),
        ("/a%21b/c", "/a!b"),
        ("/api%2fv1/admin", "/"),
        ("/api%2Fv1%2Fadmin", "/"),
        ("/api//v1/admin", "/api"),
        ("//api", "/"),
        ("//", "/"),
    ] {
        assert_eq!(matched(&table, path), Some(expected), "{path}");
    }
}

#[test]
fn a_path_without_a_route_has_none() {
    let table = table(&["/api"]);
    for path in ["/", "/x", "/apis", "/ap", "", "api", "*"] {
        assert_eq!(matched(&table, path), None, "{path}");
    }
    assert_eq!(matched(&RouteTable::new(Vec::new()).unwrap(), "/"), None);
}

#[test]
fn broken_tables_are_refused() {
    let refused =
        |paths: &[&str]| RouteTable::new(paths.iter().map(|path| route(path, 0)).collect()).unwrap_err();
    assert_eq!(refused(&["api"]), RouteError::NotAbsolute("api".into()));
    assert_eq!(refused(&[""]), RouteError::NotAbsolute("".into()));
    assert_eq!(refused(&["/a//b"]), RouteError::EmptySegment("/a//b".into()));
    assert_eq!(refused(&["//"]), RouteError::EmptySegment("//".into()));
    assert_eq!(refused(&["/a", "/a/"]), RouteError::Duplicate("/a/".into()));
    assert_eq!(refused(&["/%C3%A9", "/%c3%a9"]), RouteError::Duplicate("/%c3%a9".into()));
}

#[test]
fn an_encoded_slash_or_percent_sign_is_a_character_of_its_segment() {
    let table = table(&["/a%2fb", "/a/b", "/p%25", "/q%252f"]);
    for (path, expected) in [
        ("/a%2Fb/c", Some("/a%2fb")),
        ("/a/b", Some("/a/b")),
        ("/%61%2fb", Some("/a%2fb")),
        ("/a%252fb", None),
        ("/p%", Some("/p%25")),
        ("/p%/x", Some("/p%25")),
        ("/p%25%", None),
        ("/q%252F", None),
        ("/q%25%32f", Some("/q%252f")),
        ("/q%2f", None),
    ] {
        assert_eq!(matched(&table, path), expected, "{path}");
    }
}

#[test]
fn many_routes_are_each_found_and_nothing_else() {
    let paths: Vec<String> = (0..5_000)
        .map(|n| format!("/t{}/s{}{}", n % 70, n / 70, if n % 3 == 0 { "/v1" } else { "" }))
        .collect();
    let routes = paths.iter().enumerate().map(|(index, path)| route(path, index)).collect();
    let table = RouteTable::new(routes).unwrap();
    for (index, path) in paths.iter().enumerate() {
        assert_eq!(table.position(path), Some(index), "{path}");
        assert_eq!(table.position(&format!("{path}/below")), Some(index), "{path}");
        assert_eq!(table.position(&format!("{path}x")), None, "{path}");
    }
}

/// The definition, word for word.
fn oracle<'a>(routes: &'a [Route], path: &str) -> Option<&'a str> {
    let takes = |route: &&Route| {
        let prefix = route.path.trim_end_matches('/');
        path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
    };
    routes.iter().filter(takes).max_by_key(|route| route.path.len()).map(|route| route.path.as_str())
}

/// Every segment by itself, as a service would decode it.
fn decoded(path: &str) -> Vec<Vec<u8>> {
    let segment = |segment: &str| {
        let (bytes, mut out, mut at) = (segment.as_bytes(), Vec::new(), 0);
        while at < bytes.len() {
            let triple = bytes.get(at + 1..at + 3).and_then(|two| Some((hex(two[0])?, hex(two[1])?)));
            let (byte, taken) = match (bytes[at], triple) {
                (b'%', Some((high, low))) => (high * 16 + low, 3),
                (byte, _) => (byte, 1),
            };
            out.push(byte);
            at += taken;
        }
        out
    };
    path.split('/').skip(1).map(segment).collect()
}

proptest! {
    #[test]
    fn the_table_agrees_with_a_linear_search(
        paths in proptest::collection::hash_set("/|(/(a|b|ab|c)){1,4}", 0..20),
        path in "/|(/(a|b|ab|c|d)){1,6}/?",
    ) {
        let routes: Vec<Route> = paths.iter().enumerate().map(|(index, path)| route(path, index)).collect();
        let table = RouteTable::new(routes.clone()).unwrap();
        prop_assert_eq!(matched(&table, &path), oracle(&routes, &path));
    }

    #[test]
    fn encoded_paths_agree_with_a_search_by_decoded_segments(
        paths in proptest::collection::vec("(/(a|%61|%2f|%25|%2|%|b|25|2F){1,3}){1,3}", 0..20),
        path in "(/(a|%61|%2F|%2f|%25|%2|%|b|25|2f|2F){0,3}){1,4}",
    ) {
        let mut seen = std::collections::HashSet::new();
        let kept = paths.iter().filter(|path| seen.insert(decoded(path)));
        let routes: Vec<Route> = kept.enumerate().map(|(index, path)| route(path, index)).collect();
        let table = RouteTable::new(routes.clone()).unwrap();
        let wanted = decoded(&path);
        let expected = routes
            .iter()
            .filter(|route| wanted.starts_with(&decoded(&route.path)))
            .max_by_key(|route| decoded(&route.path).len());
        prop_assert_eq!(matched(&table, &path), expected.map(|route| route.path.as_str()));
    }
}
