//! Routes: which service a path belongs to, and what it asks of a request.
//!
//! The most specific route wins, by whole segments; a path without a route is refused by the caller. Paths
//! are compared as a service would see them: `%C3%A9` and `%c3%a9` are the same character, so they are the
//! same segment. What makes a path ambiguous beyond that (dot segments, encoded slashes) was refused before;
//! this module does not look for it.

use std::borrow::Cow;
use std::collections::HashMap;

/// What a route asks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// A token that is valid now.
    Authenticated,
}

/// What happens to a request that would pass while it is not known which sessions have ended lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStale {
    /// It is refused, as a fault of ours.
    Refuse,
    /// The durable store is asked about its session and key.
    Check,
}

/// What becomes of a request that is open when the session or the token that admitted it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRevoke {
    /// It is closed.
    Close,
    /// It may finish.
    Finish,
}

/// A path prefix and what happens below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Starts with `/`. `/api` takes `/api`, `/api/` and `/api/x`, not `/apis`; `/` takes everything.
    /// Case-sensitive. A `/` at the end makes no difference.
    pub path: String,
    /// Index of the upstream in the caller's list.
    pub upstream: usize,
    /// What is asked.
    pub access: Access,
    /// Whether the service receives `Authorization`.
    pub forward_authorization: bool,
    /// When revocations are stale.
    pub on_stale: OnStale,
    /// What the end of a session means to what is open. Nothing to public routes.
    pub on_revoke: OnRevoke,
    /// Bytes of a request body. None: any number.
    pub max_body_bytes: Option<u64>,
    /// Whether paths may have encoded slashes, as long as every reading of them leads here.
    pub allow_encoded_slash: bool,
    /// Whether paths may have runs of slashes, each of which counts as one.
    pub merge_slashes: bool,
}

/// Why routes make no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// A path without its first `/`.
    #[error("route path {0:?} does not start with '/'")]
    NotAbsolute(String),
    /// `//` somewhere in a path: no request has one.
    #[error("route path {0:?} has an empty segment")]
    EmptySegment(String),
    /// Two routes take the same paths.
    #[error("route path {0:?} is there twice")]
    Duplicate(String),
}

/// All routes, as a tree of segments: a look-up costs one hash of each segment it follows, whatever the
/// number of routes, and stops where no route goes further.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Route>,
    /// The first is `/`.
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// Index of the route that ends here.
    route: Option<usize>,
    /// By decoded segment; indexes of nodes.
    children: HashMap<Box<[u8]>, usize>,
}

impl RouteTable {
    /// # Errors
    /// The first path that is not absolute, has an empty segment, or is there twice.
    pub fn new(routes: Vec<Route>) -> Result<Self, RouteError> {
        let mut nodes = vec![Node::default()];
        for (index, route) in routes.iter().enumerate() {
            let below =
                route.path.strip_prefix('/').ok_or_else(|| RouteError::NotAbsolute(route.path.clone()))?;
            if below.starts_with('/') {
                return Err(RouteError::EmptySegment(route.path.clone()));
            }
            let below = below.strip_suffix('/').unwrap_or(below);
            let mut at = 0;
            // "/" has no segments; splitting "" would give one.
            for segment in below.split('/').filter(|_| !below.is_empty()) {
                if segment.is_empty() {
                    return Err(RouteError::EmptySegment(route.path.clone()));
                }
                at = child(&mut nodes, at, &decoded(segment));
            }
            match nodes.get_mut(at) {
                Some(node) if node.route.is_none() => node.route = Some(index),
                _ => return Err(RouteError::Duplicate(route.path.clone())),
            }
        }
        Ok(Self { routes, nodes })
    }

    /// The most specific route for a canonical path, which starts with `/`, as its place in
    /// [`RouteTable::routes`]. Allocates nothing for a path without percent-encoding.
    pub fn position(&self, path: &str) -> Option<usize> {
        let below = path.strip_prefix('/')?;
        let mut node = self.nodes.first()?;
        let mut best = node.route;
        for segment in below.split('/') {
            match node.children.get(decoded(segment).as_ref()).and_then(|next| self.nodes.get(*next)) {
                Some(next) => node = next,
                None => break,
            }
            best = node.route.or(best);
        }
        best
    }

    /// Every route, in the order given.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }
}

/// The node below `at` for a segment, made if there is none.
fn child(nodes: &mut Vec<Node>, at: usize, segment: &[u8]) -> usize {
    let fresh = nodes.len();
    let Some(node) = nodes.get_mut(at) else { return at };
    let next = *node.children.entry(segment.into()).or_insert(fresh);
    if next == fresh {
        nodes.push(Node::default());
    }
    next
}

/// A segment's bytes with every `%` triple replaced by its byte; anything else that starts with `%` stays.
fn decoded(segment: &str) -> Cow<'_, [u8]> {
    let bytes = segment.as_bytes();
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let (next, byte) = match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (after, high * 16 + low),
                _ => (tail, b'%'),
            },
            _ => (tail, *first),
        };
        out.push(byte);
        rest = next;
    }
    Cow::Owned(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// The definition, word for word.
    fn oracle<'a>(routes: &'a [Route], path: &str) -> Option<&'a str> {
        let takes = |route: &&Route| {
            let prefix = route.path.trim_end_matches('/');
            path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
        };
        routes.iter().filter(takes).max_by_key(|route| route.path.len()).map(|route| route.path.as_str())
    }

    proptest! {
        #[test]
        fn the_tree_agrees_with_a_linear_search(
            paths in proptest::collection::hash_set("/|(/(a|b|ab|c)){1,4}", 0..20),
            path in "/|(/(a|b|ab|c|d)){1,6}/?",
        ) {
            let routes: Vec<Route> = paths.iter().enumerate().map(|(index, path)| route(path, index)).collect();
            let table = RouteTable::new(routes.clone()).unwrap();
            prop_assert_eq!(matched(&table, &path), oracle(&routes, &path));
        }
    }
}
