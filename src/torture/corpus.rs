//! The corpus inside the binary: the files of `corpus/`, read and checked.

use std::collections::BTreeSet;
use std::time::Duration;

use super::case::{Case, Class, Protocol};
use super::frames;

/// The files, by name.
const FILES: &[(&str, &str)] = &[
    ("algorithm", include_str!("corpus/algorithm.toml")),
    ("bodies", include_str!("corpus/bodies.toml")),
    ("claims", include_str!("corpus/claims.toml")),
    ("cookies", include_str!("corpus/cookies.toml")),
    ("forwarding_headers", include_str!("corpus/forwarding_headers.toml")),
    ("framing", include_str!("corpus/framing.toml")),
    ("header_lines", include_str!("corpus/header_lines.toml")),
    ("hop_by_hop", include_str!("corpus/hop_by_hop.toml")),
    ("host", include_str!("corpus/host.toml")),
    ("http2", include_str!("corpus/http2.toml")),
    ("identity_headers", include_str!("corpus/identity_headers.toml")),
    ("method", include_str!("corpus/method.toml")),
    ("path", include_str!("corpus/path.toml")),
    ("refused_body", include_str!("corpus/refused_body.toml")),
    ("request_line", include_str!("corpus/request_line.toml")),
    ("signature", include_str!("corpus/signature.toml")),
    ("slow", include_str!("corpus/slow.toml")),
    ("token_header", include_str!("corpus/token_header.toml")),
    ("token_keys", include_str!("corpus/token_keys.toml")),
    ("token_size", include_str!("corpus/token_size.toml")),
    ("two_tokens", include_str!("corpus/two_tokens.toml")),
    ("upgrade", include_str!("corpus/upgrade.toml")),
];

/// A longer pause at a `{pause}` would run into the deadline of a case.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// More than a client may send over HTTP/2 before it is granted more (RFC 9113, section 6.9.2).
const LONGEST_H2_BODY: usize = 60_000;

/// Something in the corpus that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("the corpus, {file}: {problem}")]
pub struct CorpusError {
    file: String,
    problem: String,
}

/// The whole corpus, in the order of its files.
///
/// # Errors
/// A file that does not parse or holds a case that makes no sense. A test reads it whole.
pub fn corpus() -> Result<Vec<Class>, CorpusError> {
    FILES.iter().map(|(file, text)| class(file, text)).collect()
}

/// The names of the classes.
pub fn class_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// One file.
fn class(file: &str, text: &str) -> Result<Class, CorpusError> {
    let wrong = |problem: String| CorpusError { file: format!("{file}.toml"), problem };
    let class: Class = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    if class.class != file {
        return Err(wrong(format!("its class is {:?}", class.class)));
    }
    let mut names = BTreeSet::new();
    for case in &class.cases {
        if !names.insert(&case.name) {
            return Err(wrong(format!("two cases {:?}", case.name)));
        }
        if let Some(problem) = problem(case) {
            return Err(wrong(format!("{:?}: {problem}", case.name)));
        }
    }
    Ok(class)
}

fn problem(case: &Case) -> Option<&'static str> {
    let structured = case.method.is_some()
        || case.target.is_some()
        || case.host.is_some()
        || case.authority.is_some()
        || !case.headers.is_empty()
        || !case.body.is_empty();
    let protocols = case.protocols();
    let has_h1 = protocols.contains(&Protocol::H1);
    let has_h2 = protocols.contains(&Protocol::H2);
    let problems = [
        (
            case.name.is_empty() || case.why.is_empty() || case.source.is_empty(),
            "name, why or source is empty",
        ),
        (protocols.is_empty(), "over is empty"),
        (case.raw.is_some() && case.frames.is_some(), "raw and frames exclude each other"),
        (structured && (case.raw.is_some() || case.frames.is_some()), "raw and frames say it all"),
        (case.raw.is_some() && has_h2, "raw bytes are for h1"),
        (case.frames.is_some() && has_h1, "frames are for h2"),
        (case.rounds.is_some() && case.frames.is_none(), "rounds are for frames"),
        (has_h2 && case.body.len() > LONGEST_H2_BODY, "the body is too long for h2"),
        (case.pause.is_some_and(|pause| pause > LONGEST_PAUSE), "the pause is longer than a second"),
        (case.expect.status.is_empty(), "expect.status is empty"),
    ];
    let of_case = problems.into_iter().find(|(wrong, _)| *wrong).map(|(_, problem)| problem);
    of_case.or_else(|| case.frames.iter().flatten().find_map(|frame| frames::problem(frame, &case.vary)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_makes_sense() {
        let classes = corpus().unwrap();
        assert!(classes.iter().all(|class| !class.cases.is_empty()));
        assert_eq!(classes.len(), class_names().count());
    }

    #[test]
    fn a_file_that_makes_no_sense_is_named() {
        let case = |more: &str| {
            format!(
                "class = 'x'\nabout = 'y'\n[[case]]\nname = 'a'\nwhy = 'b'\nsource = 'c'\n{more}\n\
                 [case.expect]\nstatus = [400]"
            )
        };
        assert!(class("x", &case("")).is_ok());
        for more in [
            "raw = 'a'\ntarget = '/'",
            "raw = 'a'\nover = ['h2']",
            "frames = []\nover = ['h1']",
            "raw = 'a'\npause = '2s'",
            "rounds = 2",
            "colour = 'red'",
            "over = []",
        ] {
            let error = class("x", &case(more)).expect_err(more);
            assert!(error.to_string().starts_with("the corpus, x.toml: "), "{more}: {error}");
        }
        assert!(class("z", &case("")).is_err(), "a class in another's file");
        assert!(class("x", &(case("") + "\n" + &case("")[24..])).is_err(), "two cases of one name");
    }
}
