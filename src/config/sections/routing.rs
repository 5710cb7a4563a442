//! `[[upstream]]` and `[[route]]`, and the short form `UPSTREAM=http://host:port`, or `https://`.

use std::collections::BTreeSet;

use crate::config::address;
use crate::config::given::Raw;
use crate::config::parse::{self, quoted};
use crate::config::problem::{Fault, Origin};
use crate::config::reader::Reader;
use crate::config::settings::{RouteAccess, RouteOnRevoke, RouteOnStale, RouteSettings, UpstreamSettings};
use crate::config::upstream::UpstreamProtocol;

use super::all::NETWORK_TIMEOUT;
use super::server::or_any;
use super::upstream_tls;

/// Paths of the gateway's own, with everything below them.
const OWN_PATHS: [&str; 4] = [
    "/auth",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

const ON_STALE: [(&str, RouteOnStale); 2] =
    [("refuse", RouteOnStale::Refuse), ("check", RouteOnStale::Check)];

/// 100 MiB: most uploads, and not yet what fills a disk.
const MAX_BODY_BYTES: u64 = 104_857_600;
const MAX_BODY: &str = "104857600";
const PROTOCOLS: [(&str, UpstreamProtocol); 3] = [
    ("auto", UpstreamProtocol::Auto),
    ("http1", UpstreamProtocol::Http1),
    ("http2", UpstreamProtocol::Http2),
];

/// The name of the upstream that the short form makes.
const SHORT_FORM_NAME: &str = "default";

pub(super) fn read(r: &mut Reader) -> (Vec<UpstreamSettings>, Vec<RouteSettings>) {
    let mut upstreams = upstreams(r);
    let mut routes = routes(r);
    short_form(r, &mut upstreams, &mut routes);
    if upstreams.is_empty()
        && r.sound(&["upstream"])
        && let Some(origin) = r.entries("route").first()
    {
        let fault =
            Fault::new("needs an upstream, and there is none", "add an [[upstream]], or set UPSTREAM");
        r.problem_at(origin.clone(), "route", fault);
    } else {
        check_references(r, &upstreams, &routes);
    }
    (upstreams, routes)
}

fn upstreams(r: &mut Reader) -> Vec<UpstreamSettings> {
    let mut names = BTreeSet::new();
    let mut upstreams = Vec::new();
    for (index, entry) in r.entries("upstream").iter().enumerate() {
        let key = |leaf: &str| format!("upstream[{index}].{leaf}");
        let name = r.required(&key("name"), entry, upstream_name).unwrap_or_default();
        if r.sound(&[&key("name")]) && !names.insert(name.clone()) {
            let fault =
                Fault::new(format!("{} names another upstream too", quoted(&name)), "choose another name");
            r.problem(&key("name"), fault);
        }
        let servers = r.required(&key("servers"), entry, address::servers).unwrap_or_default();
        upstreams.push(upstream(r, index, name, servers, None));
    }
    upstreams
}

/// `scheme`: what a short form says about TLS, and where.
fn upstream(
    r: &mut Reader,
    index: usize,
    name: String,
    servers: Vec<String>,
    scheme: Option<(bool, Origin)>,
) -> UpstreamSettings {
    let key = |leaf: &str| format!("upstream[{index}].{leaf}");
    UpstreamSettings {
        name,
        connect_timeout: r.value(&key("connect_timeout"), "2s", parse::duration(NETWORK_TIMEOUT)),
        read_timeout: r.value(&key("read_timeout"), "60s", parse::duration(NETWORK_TIMEOUT)),
        protocol: r.value(&key("protocol"), "auto", parse::one_of(PROTOCOLS)),
        tls: upstream_tls::read(r, index, &servers, scheme),
        servers,
    }
}

fn routes(r: &mut Reader) -> Vec<RouteSettings> {
    let mut paths = BTreeSet::new();
    let mut routes = Vec::new();
    for (index, entry) in r.entries("route").iter().enumerate() {
        let key = |leaf: &str| format!("route[{index}].{leaf}");
        let path = r.required(&key("path"), entry, route_path).unwrap_or_default();
        if r.sound(&[&key("path")]) && !paths.insert(path.clone()) {
            let fault = Fault::new(format!("{} has another route too", quoted(&path)), "keep one of the two");
            r.problem(&key("path"), fault);
        }
        let words = [("public", RouteAccess::Public), ("authenticated", RouteAccess::Authenticated)];
        let ends = [("close", RouteOnRevoke::Close), ("finish", RouteOnRevoke::Finish)];
        routes.push(RouteSettings {
            path,
            upstream: r.required(&key("upstream"), entry, upstream_name).unwrap_or_default(),
            access: r.value(&key("access"), "authenticated", parse::one_of(words)),
            forward_authorization: r.value(&key("forward_authorization"), "false", parse::boolean),
            on_stale: r.value(&key("on_stale"), "refuse", parse::one_of(ON_STALE)),
            on_revoke: r.value(&key("on_revoke"), "close", parse::one_of(ends)),
            max_body_bytes: or_any(r.value(&key("max_body_bytes"), MAX_BODY, parse::number(0..=1 << 50))),
            allow_encoded_slash: r.value(&key("allow_encoded_slash"), "false", parse::boolean),
            merge_slashes: r.value(&key("merge_slashes"), "false", parse::boolean),
        });
    }
    routes
}

/// Without an `[[upstream]]`, the short form makes one, and without a `[[route]]` one for every path.
fn short_form(r: &mut Reader, upstreams: &mut Vec<UpstreamSettings>, routes: &mut Vec<RouteSettings>) {
    let Some((tls, server)) = r.parsed("upstream", address::upstream_url) else { return };
    let origin = r.origin("upstream");
    if !upstreams.is_empty() {
        match origin {
            Origin::Flag { .. } => {
                let fault = Fault::new("competes with [[upstream]] of the file", "give one of the two");
                r.problem_at(origin, "upstream", fault);
            }
            Origin::Default | Origin::File { .. } | Origin::DotEnv { .. } | Origin::Environment { .. } => {
                r.warn(format!("{origin}: is not used, because the file has [[upstream]]"));
            }
        }
        return;
    }
    r.show_from("upstream[0].name", SHORT_FORM_NAME, origin.clone());
    r.show_from("upstream[0].servers", format!("[{server}]"), origin.clone());
    let scheme = Some((tls, origin.clone()));
    upstreams.push(upstream(r, 0, SHORT_FORM_NAME.to_owned(), vec![server], scheme));
    if r.entries("route").is_empty() {
        let whole = [
            ("path", "/"),
            ("upstream", SHORT_FORM_NAME),
            ("access", "authenticated"),
            ("forward_authorization", "false"),
            ("on_stale", "refuse"),
            ("on_revoke", "close"),
            ("max_body_bytes", MAX_BODY),
            ("allow_encoded_slash", "false"),
            ("merge_slashes", "false"),
        ];
        for (leaf, value) in whole {
            r.show_from(&format!("route[0].{leaf}"), value, origin.clone());
        }
        routes.push(RouteSettings {
            path: "/".to_owned(),
            upstream: SHORT_FORM_NAME.to_owned(),
            access: RouteAccess::Authenticated,
            forward_authorization: false,
            on_stale: RouteOnStale::Refuse,
            on_revoke: RouteOnRevoke::Close,
            max_body_bytes: Some(MAX_BODY_BYTES),
            allow_encoded_slash: false,
            merge_slashes: false,
        });
    }
}

fn check_references(r: &mut Reader, upstreams: &[UpstreamSettings], routes: &[RouteSettings]) {
    let names: Vec<String> = (0..upstreams.len()).map(|index| format!("upstream[{index}].name")).collect();
    let mut keys: Vec<&str> = names.iter().map(String::as_str).collect();
    keys.push("upstream");
    if !r.sound(&keys) {
        return;
    }
    for (index, route) in routes.iter().enumerate() {
        let key = format!("route[{index}].upstream");
        if r.sound(&[&key]) && !upstreams.iter().any(|upstream| upstream.name == route.upstream) {
            let known: Vec<String> = upstreams.iter().map(|upstream| quoted(&upstream.name)).collect();
            let fault = Fault::new(
                format!("{} is not the name of an upstream", quoted(&route.upstream)),
                format!("write one of {}", known.join(", ")),
            );
            r.problem(&key, fault);
        }
    }
}

fn upstream_name(raw: &Raw) -> Result<String, Fault> {
    let name = parse::text(raw)?;
    let right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(right) {
        return Err(Fault::new(
            format!("{} is not a name", quoted(&name)),
            "use 1 to 64 letters, digits, hyphens and underscores",
        ));
    }
    Ok(name)
}

/// Only the form that a request has when it is matched: another one would never match, or, worse, leave a path
/// open that looks closed.
fn route_path(raw: &Raw) -> Result<String, Fault> {
    let path = parse::text(raw)?;
    let refuse = |reason: &str, remedy: &str| Err(Fault::new(format!("{} {reason}", quoted(&path)), remedy));
    let Some(rest) = path.strip_prefix('/') else {
        return refuse("does not start with a slash", "write for example \"/api\"");
    };
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) || path.contains(['?', '#', '%', '\\', ';']) {
        return refuse(
            "holds a character that paths here cannot",
            "use visible ASCII without ? # % ; and \\",
        );
    }
    if rest.is_empty() {
        return Ok(path);
    }
    if rest.ends_with('/') {
        return refuse("ends with a slash", "leave it out: \"/api\" takes \"/api\" and all below it");
    }
    if rest.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return refuse("has an empty or dot segment", "write the path without //, /. and /..");
    }
    let own =
        |own: &&str| path.strip_prefix(*own).is_some_and(|below| below.is_empty() || below.starts_with('/'));
    if OWN_PATHS.iter().any(own) {
        return refuse("belongs to the gateway itself", "choose another path");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_paths_are_canonical_and_not_the_gateways_own() {
        for right in
            ["/", "/api", "/api/v1.0", "/authors", "/.well-known", "/.well-known/acme", "/...", "/a@b"]
        {
            assert!(route_path(&Raw::Text(right.to_owned())).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "api",
            "//",
            "/api/",
            "/a//b",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a b",
            "/a\n",
            "/\u{e4}",
            "/a?b",
            "/a#b",
            "/a%20b",
            "/a;b",
            "/a\\b",
            "/auth",
            "/auth/login",
            "/.well-known/jwks.json",
            "/.well-known/jwks.json/x",
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
        ] {
            assert!(route_path(&Raw::Text(wrong.to_owned())).is_err(), "{wrong}");
        }
        assert!(route_path(&Raw::Integer(1)).is_err());
    }

    #[test]
    fn upstream_names_are_short_and_plain() {
        for (name, right) in [
            ("a", true),
            ("Api-2_x", true),
            ("", false),
            ("a b", false),
            ("a.b", false),
            ("\u{e4}", false),
            (&"x".repeat(64), true),
            (&"x".repeat(65), false),
        ] {
            assert_eq!(upstream_name(&Raw::Text(name.to_owned())).is_ok(), right, "{name}");
        }
    }
}
