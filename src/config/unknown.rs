//! Keys that do not exist, with the nearest one that does.

use std::collections::BTreeSet;

use super::given::{LISTS, Layer, Values};
use super::problem::{Fault, Origin, Problem};
use super::variables::variable_name;

/// A problem for each section and key that is not `known`. In an unknown section only the section is reported.
pub(super) fn problems(values: &Values, known: &BTreeSet<String>) -> Vec<Problem> {
    let sections: BTreeSet<String> = known.iter().map(|key| section(key).to_owned()).collect();
    let mut problems = Vec::new();
    for (name, origin) in values.sections.iter().filter(|(name, _)| !sections.contains(name)) {
        let remedy = match nearest(name, &sections) {
            Some(near) => format!("did you mean [{near}]?"),
            None => "remove it; config.toml of the project lists every key".to_owned(),
        };
        problems.push(Fault::new("is not a known section", remedy).at(origin.clone(), &printable(name)));
    }
    for (key, given) in values.keys.iter().filter(|(key, _)| !known.contains(*key)) {
        let unknown_section =
            given.layer == Layer::File && key.contains('.') && !sections.contains(section(key));
        if !unknown_section {
            let remedy = remedy(key, &given.origin, &sections, known);
            problems.push(Fault::new("is not a known key", remedy).at(given.origin.clone(), &printable(key)));
        }
    }
    problems
}

fn remedy(key: &str, origin: &Origin, sections: &BTreeSet<String>, known: &BTreeSet<String>) -> String {
    let variable = matches!(origin, Origin::Environment { .. } | Origin::DotEnv { .. });
    if sections.contains(key) && !variable {
        return format!("{key} is a section: start it with a line [{key}]");
    }
    let written = if variable { key.replace("__", ".").to_ascii_lowercase() } else { key.to_owned() };
    if variable && LISTS.contains(&section(&written)) {
        return "entries of [[client]], [[upstream]] and [[route]] are written in the file".to_owned();
    }
    match nearest(&written, known) {
        Some(near) if variable => format!("did you mean {}?", variable_name(near)),
        Some(near) => format!("did you mean {near}?"),
        None => "remove it; config.toml of the project lists every key".to_owned(),
    }
}

/// `server` of `server.listen`, `route` of `route[0].path`.
fn section(key: &str) -> &str {
    key.split(['.', '[']).next().unwrap_or(key)
}

/// The same key in another section, or else one that few slips of the hand turn into `key`.
fn nearest<'a>(key: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let leaf = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let slips = |candidate: &str| strsim::damerau_levenshtein(key, candidate);
    let same_leaf = known.iter().filter(|candidate| leaf(candidate) == leaf(key));
    let similar = known.iter().filter(|candidate| slips(candidate) <= 3.min(candidate.len() / 3));
    similar
        .min_by_key(|candidate| slips(candidate))
        .or(same_leaf.min_by_key(|candidate| slips(candidate)))
        .map(String::as_str)
}

fn printable(key: &str) -> String {
    key.escape_debug().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_suggested() {
        let known: BTreeSet<String> =
            ["server.listen", "server.admin_listen", "token.issuer", "redis.timeout", "route[0].path"]
                .map(str::to_owned)
                .into();
        for (key, expected) in [
            ("server.listn", Some("server.listen")),
            ("server.lsiten", Some("server.listen")),
            ("servr.listen", Some("server.listen")),
            ("server.admin-listen", Some("server.admin_listen")),
            ("server.issuer", Some("token.issuer")),
            ("route[0].pth", Some("route[0].path")),
            ("server.colour", None),
        ] {
            assert_eq!(nearest(key, &known), expected, "{key}");
        }
    }
}
