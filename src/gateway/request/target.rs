//! The request target: origin form only, and a path that can be read in one way (RFC 9112 section 3.2,
//! RFC 3986 section 3.3).
//!
//! Rules match on the raw path, services on what they make of it: decoded once or twice, dot segments
//! removed, slashes merged, parameters cut off. A path on which these differ is refused, but for what a route
//! may allow, which is recorded ([`Oddities`]). Dot segments are looked for between encoded slashes, too.

use super::byte_class::{PATH, QUERY, UNRESERVED};
use super::oddity::{Oddities, Oddity};
use super::refusal::{
    BACKSLASH, DOT_SEGMENT, DOUBLE_ENCODING, ENCODED_BACKSLASH, ENCODED_CONTROL, ENCODED_NOT_UTF8,
    ENCODED_UNRESERVED, FRAGMENT, PATH_PARAMETER, PERCENT, Refusal, TARGET_CHARACTER, TARGET_FORM,
};

/// The path of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    /// Its length; the rest, if any, is `?` and the query.
    pub len: usize,
    /// What of it a route must allow.
    pub oddities: Oddities,
}

/// Judges a target.
///
/// Absolute form is refused although RFC 9112 lets servers accept it: it names a second host, and
/// only proxies are sent it. `*` has no route.
pub(super) fn path(target: &[u8]) -> Result<Path, Refusal> {
    if target.first() != Some(&b'/') {
        return Err(if target.first() == Some(&b'\\') { BACKSLASH } else { TARGET_FORM });
    }
    let mut segment = Segment::default();
    let mut utf8 = Utf8::default();
    let mut oddities = Oddities::default();
    let mut at = 1;
    while let Some(byte) = target.get(at).copied() {
        match byte {
            b'?' => break,
            b'%' => {
                let decoded = encoded(target.get(at + 1..).unwrap_or_default(), &mut segment)?;
                if decoded == b'/' {
                    oddities.record(Oddity::EncodedSlash);
                }
                utf8.take(decoded)?;
                at += 3;
                continue;
            }
            b'/' if target.get(at - 1) == Some(&b'/') => oddities.record(Oddity::EmptySegment),
            b'/' => segment.end()?,
            _ if PATH.has(byte) => segment.take(byte == b'.'),
            _ => return Err(character(byte)),
        }
        utf8.boundary()?;
        at += 1;
    }
    utf8.boundary()?;
    segment.end()?;
    let query = target.get(at + 1..).unwrap_or_default();
    match query.iter().find(|byte| !QUERY.has(**byte)) {
        Some(b'#') => Err(FRAGMENT),
        Some(_) => Err(TARGET_CHARACTER),
        None => Ok(Path { len: at, oddities }),
    }
}

/// Why a raw byte may not stand in a path.
fn character(byte: u8) -> Refusal {
    match byte {
        b'#' => FRAGMENT,
        b'\\' => BACKSLASH,
        // `/admin;x` is `/admin` to a service that knows path parameters, and `..;` is `..`.
        b';' => PATH_PARAMETER,
        _ => TARGET_CHARACTER,
    }
}

/// The byte behind the two digits after a `%`.
fn encoded(after: &[u8], segment: &mut Segment) -> Result<u8, Refusal> {
    let decoded = triple(after).ok_or(PERCENT)?;
    match decoded {
        b'/' => segment.end().map(|()| decoded),
        b'\\' => Err(ENCODED_BACKSLASH),
        b';' => Err(PATH_PARAMETER),
        0..=0x1f | 0x7f => Err(ENCODED_CONTROL),
        b'%' if after.get(2..).and_then(triple).is_some() => Err(DOUBLE_ENCODING),
        b'.' => {
            // The more telling reason, if the segment is nothing but dots so far.
            Err(if segment.is_dots() { DOT_SEGMENT } else { ENCODED_UNRESERVED })
        }
        _ if UNRESERVED.has(decoded) => Err(ENCODED_UNRESERVED),
        // For a service that decodes first and then cuts off query, fragment or white space, the dots are all that is left.
        b'?' | b'#' | b' ' if segment.is_dots() && segment.len > 0 => Err(DOT_SEGMENT),
        _ => {
            segment.take(false);
            Ok(decoded)
        }
    }
}

fn triple(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| digits.get(at).and_then(|d| char::from(*d).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// The segment being read: how long, and how many of its first bytes are dots.
#[derive(Default)]
struct Segment {
    len: usize,
    dots: usize,
}

impl Segment {
    fn is_dots(&self) -> bool {
        self.len == self.dots
    }

    fn take(&mut self, dot: bool) {
        self.len += 1;
        self.dots += usize::from(dot);
    }

    /// At `/`, encoded or not, or the end of the path. Three dots and more are names.
    fn end(&mut self) -> Result<(), Refusal> {
        if self.is_dots() && (1..=2).contains(&self.len) {
            return Err(DOT_SEGMENT);
        }
        *self = Self::default();
        Ok(())
    }
}

/// One character of percent-encoded UTF-8. Overlong forms of `/` and `.` (`%c0%af`) are the reason: lenient
/// decoders take them for the real ones.
#[derive(Default)]
struct Utf8 {
    bytes: [u8; 4],
    len: usize,
}

impl Utf8 {
    fn take(&mut self, byte: u8) -> Result<(), Refusal> {
        if byte.is_ascii() {
            return self.boundary();
        }
        *self.bytes.get_mut(self.len).ok_or(ENCODED_NOT_UTF8)? = byte;
        self.len += 1;
        match std::str::from_utf8(self.bytes.get(..self.len).unwrap_or_default()) {
            Ok(character) if character.chars().any(char::is_control) => Err(ENCODED_CONTROL),
            Ok(_) => {
                self.len = 0;
                Ok(())
            }
            // Good so far, unfinished.
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(ENCODED_NOT_UTF8),
        }
    }

    fn boundary(&self) -> Result<(), Refusal> {
        if self.len == 0 { Ok(()) } else { Err(ENCODED_NOT_UTF8) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::refusal::{EMPTY_SEGMENT, ENCODED_SLASH};
    use super::*;

    /// Without a route that allows anything.
    fn path_len(target: &[u8]) -> Result<usize, Refusal> {
        let path = path(target)?;
        path.oddities.refusal_unless(|_| false).map_or(Ok(path.len), Err)
    }

    #[test]
    fn what_a_route_may_allow_is_recorded_and_hides_nothing_else() {
        let seen = |target: &str| path(target.as_bytes()).map(|path| path.oddities.as_str());
        for (target, oddities) in [
            ("/a%2fb", "encoded_slash"),
            ("/%2F", "encoded_slash"),
            ("/a%2f%2Fb/%2f/", "encoded_slash"),
            ("/a%2f...%2fb", "encoded_slash"),
            ("//", "merged_slashes"),
            ("//a///b//?c", "merged_slashes"),
            ("//a%2fb", "encoded_slash,merged_slashes"),
        ] {
            assert_eq!(seen(target), Ok(Some(oddities)), "{target}");
        }
        for (target, expected) in [
            ("/a/..%3fb", DOT_SEGMENT),
            ("/a/.%23b", DOT_SEGMENT),
            ("/a/..%20", DOT_SEGMENT),
            ("/a/..%2fb", DOT_SEGMENT),
            ("/%2f..", DOT_SEGMENT),
            ("/a%2f.", DOT_SEGMENT),
            ("/a%2f.%2fb", DOT_SEGMENT),
            ("/a%2f..?b", DOT_SEGMENT),
            ("/a%2f%2e%2e", DOT_SEGMENT),
            ("/a//../b", DOT_SEGMENT),
            ("/..//b", DOT_SEGMENT),
            ("//..", DOT_SEGMENT),
            ("//a%5cb", ENCODED_BACKSLASH),
            ("/a%2fb%5cc", ENCODED_BACKSLASH),
            ("//a%252fb", DOUBLE_ENCODING),
            ("/a%2fb%252f", DOUBLE_ENCODING),
            ("/a%2f%c0%af", ENCODED_NOT_UTF8),
            ("/a%c3%2f", ENCODED_NOT_UTF8),
            ("//a;b", PATH_PARAMETER),
            ("//a\\b", BACKSLASH),
            ("//a b", TARGET_CHARACTER),
            ("//a%00", ENCODED_CONTROL),
        ] {
            assert_eq!(seen(target), Err(expected), "{target}");
        }
    }

    #[test]
    fn plain_targets_are_accepted() {
        for (target, path) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("/a/b.c?d=e", "/a/b.c"),
            ("/?", "/"),
            ("/?//../%2f\\{|}^`;%zz", "/"),
            ("/.well-known/jwks.json", "/.well-known/jwks.json"),
            ("/...", "/..."),
            ("/a..b/..c/d..", "/a..b/..c/d.."),
            ("/caf%C3%A9/%e2%82%ac", "/caf%C3%A9/%e2%82%ac"),
            ("/100%25/x%20y", "/100%25/x%20y"),
            ("/%25zz", "/%25zz"),
            ("/a:b@c!$&'()*+,=-_~[x]", "/a:b@c!$&'()*+,=-_~[x]"),
        ] {
            assert_eq!(path_len(target.as_bytes()), Ok(path.len()), "{target}");
        }
    }

    #[test]
    fn ambiguous_targets_are_refused() {
        for (target, expected) in [
            ("", TARGET_FORM),
            ("*", TARGET_FORM),
            ("?a", TARGET_FORM),
            ("a", TARGET_FORM),
            ("http://example.org/", TARGET_FORM),
            ("example.org:80", TARGET_FORM),
            ("\\a", BACKSLASH),
            ("/a\\b", BACKSLASH),
            ("//", EMPTY_SEGMENT),
            ("//evil/a", EMPTY_SEGMENT),
            ("/a//b", EMPTY_SEGMENT),
            ("/a//", EMPTY_SEGMENT),
            ("/.", DOT_SEGMENT),
            ("/..", DOT_SEGMENT),
            ("/./a", DOT_SEGMENT),
            ("/a/../b", DOT_SEGMENT),
            ("/a/..?b", DOT_SEGMENT),
            ("/%2e%2e/a", DOT_SEGMENT),
            ("/%2E%2e", DOT_SEGMENT),
            ("/.%2e/a", DOT_SEGMENT),
            ("/a/%2e", DOT_SEGMENT),
            ("/a%2eb", ENCODED_UNRESERVED),
            ("/%61dmin", ENCODED_UNRESERVED),
            ("/a%5F", ENCODED_UNRESERVED),
            ("/a%7e", ENCODED_UNRESERVED),
            ("/..;/a", PATH_PARAMETER),
            ("/admin;x", PATH_PARAMETER),
            ("/admin%3bx", PATH_PARAMETER),
            ("/;", PATH_PARAMETER),
            ("/a%2fb", ENCODED_SLASH),
            ("/a%2Fb", ENCODED_SLASH),
            ("/a%5cb", ENCODED_BACKSLASH),
            ("/a%00", ENCODED_CONTROL),
            ("/a%0d%0a", ENCODED_CONTROL),
            ("/a%7f", ENCODED_CONTROL),
            ("/a%c2%85", ENCODED_CONTROL),
            ("/a%252fb", DOUBLE_ENCODING),
            ("/%252e%252e/", DOUBLE_ENCODING),
            ("/%", PERCENT),
            ("/%4", PERCENT),
            ("/%4/1", PERCENT),
            ("/%zz", PERCENT),
            ("/%u002f", PERCENT),
            ("/%+1", PERCENT),
            ("/%c0%ae%c0%ae/", ENCODED_NOT_UTF8),
            ("/%c0%af", ENCODED_NOT_UTF8),
            ("/%e0%80%af", ENCODED_NOT_UTF8),
            ("/%ff", ENCODED_NOT_UTF8),
            ("/%c3", ENCODED_NOT_UTF8),
            ("/%c3a", ENCODED_NOT_UTF8),
            ("/%c3/%a9", ENCODED_NOT_UTF8),
            ("/%c3%20%a9", ENCODED_NOT_UTF8),
            ("/%c3?x", ENCODED_NOT_UTF8),
            ("/%ed%a0%80", ENCODED_NOT_UTF8),
            ("/a#b", FRAGMENT),
            ("/a?b#c", FRAGMENT),
            ("/a b", TARGET_CHARACTER),
            ("/a\tb", TARGET_CHARACTER),
            ("/a\0", TARGET_CHARACTER),
            ("/a\x7f", TARGET_CHARACTER),
            ("/é", TARGET_CHARACTER),
            ("/a\"", TARGET_CHARACTER),
            ("/<a>", TARGET_CHARACTER),
            ("/a^", TARGET_CHARACTER),
            ("/a`", TARGET_CHARACTER),
            ("/{a}", TARGET_CHARACTER),
            ("/a|b", TARGET_CHARACTER),
            ("/?a b", TARGET_CHARACTER),
            ("/?a\r", TARGET_CHARACTER),
            ("/?\u{e9}", TARGET_CHARACTER),
            ("/?<a>", TARGET_CHARACTER),
        ] {
            assert_eq!(path_len(target.as_bytes()), Err(expected), "{target:?}");
        }
    }

    /// What lenient services do: decode (twice), cut parameters, turn backslashes, merge and resolve.
    fn as_a_lenient_service(path: &str) -> String {
        let mut decoded = path.as_bytes().to_vec();
        for _ in 0..2 {
            let mut next = Vec::new();
            let mut at = 0;
            while at < decoded.len() {
                match (decoded[at], triple(&decoded[at + 1..])) {
                    (b'%', Some(byte)) => {
                        next.push(byte);
                        at += 3;
                    }
                    (byte, _) => {
                        next.push(byte);
                        at += 1;
                    }
                }
            }
            decoded = next;
        }
        let text = String::from_utf8_lossy(&decoded).replace('\\', "/");
        let mut segments: Vec<&str> = Vec::new();
        for segment in text.split('/') {
            match segment.split(';').next().unwrap_or_default() {
                "" | "." => {}
                ".." => {
                    segments.pop();
                }
                name => segments.push(name),
            }
        }
        segments.join("/")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// An accepted path has the same segments for everybody: nothing a service does to it moves a
        /// boundary.
        #[test]
        fn an_accepted_path_means_the_same_to_a_lenient_service(
            path in "/(a|b|/|\\.|%2e|%2F|%5c|%25|2f|%61|%C3|%A9|%20|;|\\\\|%c0|%af){0,8}",
        ) {
            if path_len(path.as_bytes()).is_ok() {
                let kept = path.split('/').filter(|segment| !segment.is_empty()).count();
                let seen = as_a_lenient_service(&path);
                prop_assert_eq!(seen.split('/').filter(|segment| !segment.is_empty()).count(), kept, "{}", seen);
                for (raw, seen) in path.split('/').filter(|s| !s.is_empty()).zip(seen.split('/')) {
                    // An unreserved text is only itself.
                    if UNRESERVED.all(seen.as_bytes()) {
                        prop_assert_eq!(raw, seen);
                    }
                }
            }
        }

        #[test]
        fn any_bytes_are_judged_without_a_panic(target in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(len) = path_len(&target) {
                prop_assert!(len >= 1 && len <= target.len());
            }
        }
    }
}
