//! Parsers of single values: from [`Raw`] to a checked type, or a [`Fault`] that says what to write instead.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::given::Raw;
use super::problem::Fault;

/// The value between backquotes, printable and not endless. A value with an `@` is not repeated: it may be a
/// URL with a password, pasted into the wrong key.
pub(super) fn quoted(text: &str) -> String {
    if text.contains('@') {
        return "the value".to_owned();
    }
    let mut quoted: String = text.escape_debug().take(60).collect();
    if text.chars().nth(60).is_some() {
        quoted.push_str("..");
    }
    format!("`{quoted}`")
}

fn wrong_type(raw: &Raw, wanted: &str, example: &str) -> Fault {
    Fault::new(
        format!("is {}, not {wanted}", raw.type_name()),
        format!("write {wanted}, for example {example}"),
    )
}

/// Any text.
pub(super) fn text(raw: &Raw) -> Result<String, Fault> {
    match raw {
        Raw::Untyped(text) | Raw::Text(text) => Ok(text.clone()),
        Raw::Integer(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => {
            Err(wrong_type(raw, "a text", "\"text\""))
        }
    }
}

/// A text of 1 to `longest` bytes, visible ASCII only.
pub(super) fn visible(longest: usize) -> impl Fn(&Raw) -> Result<String, Fault> {
    move |raw| {
        let text = text(raw)?;
        if text.is_empty() || text.len() > longest || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::new(
                format!("{} is not 1 to {longest} visible ASCII characters", quoted(&text)),
                "use letters, digits and punctuation, no spaces",
            ));
        }
        Ok(text)
    }
}

/// A path that is not empty.
pub(super) fn path(raw: &Raw) -> Result<PathBuf, Fault> {
    let text = text(raw)?;
    if text.trim().is_empty() || text.contains('\0') {
        return Err(Fault::new(
            "is not a path",
            "write the path of a file or folder, for example \".gateward\"",
        ));
    }
    Ok(PathBuf::from(text))
}

/// A whole number within `range`.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&Raw) -> Result<T, Fault>
where
    T: TryFrom<i128> + PartialOrd + Display,
{
    move |raw| {
        let (start, end) = (range.start(), range.end());
        let remedy = || format!("write a whole number from {start} to {end}");
        let number = match raw {
            Raw::Integer(number) => *number,
            Raw::Untyped(text) => text
                .trim()
                .parse()
                .map_err(|_| Fault::new(format!("{} is not a whole number", quoted(text)), remedy()))?,
            Raw::Text(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => {
                return Err(Fault::new(format!("is {}, not a whole number", raw.type_name()), remedy()));
            }
        };
        T::try_from(number)
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| Fault::new(format!("{number} is not from {start} to {end}"), remedy()))
    }
}

/// A span of time within `range`, as `10s`, `250ms`, `15m`, `30d`.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Raw) -> Result<Duration, Fault> {
    move |raw| {
        let shown = |duration: &Duration| humantime::format_duration(*duration).to_string();
        let (start, end) = (shown(range.start()), shown(range.end()));
        let remedy =
            || format!("write a number with a unit, from \"{start}\" to \"{end}\", for example \"30s\"");
        let text = match raw {
            Raw::Untyped(text) | Raw::Text(text) => text,
            Raw::Integer(_) => return Err(Fault::new("is a number without a unit of time", remedy())),
            Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => {
                return Err(Fault::new(format!("is {}, not a span of time", raw.type_name()), remedy()));
            }
        };
        let duration = humantime::parse_duration(text.trim()).map_err(|error| {
            Fault::new(format!("{} is not a span of time: {error}", quoted(text)), remedy())
        })?;
        if !range.contains(&duration) {
            return Err(Fault::new(format!("{} is not from {start} to {end}", quoted(text)), remedy()));
        }
        Ok(duration)
    }
}

/// One of a few words.
pub(super) fn one_of<T: Copy, const N: usize>(
    words: [(&'static str, T); N],
) -> impl Fn(&Raw) -> Result<T, Fault> {
    move |raw| {
        let text = text(raw)?;
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            Fault::new(format!("{} is not known", quoted(&text)), format!("write one of {}", all.join(", ")))
        })
    }
}

/// `true` or `false`.
pub(super) fn boolean(raw: &Raw) -> Result<bool, Fault> {
    match raw {
        Raw::Boolean(value) => Ok(*value),
        Raw::Untyped(text) if text == "true" => Ok(true),
        Raw::Untyped(text) if text == "false" => Ok(false),
        Raw::Untyped(_) | Raw::Text(_) | Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => {
            Err(Fault::new("is neither true nor false", "write true or false, without quotes"))
        }
    }
}

/// A `tracing` filter. A part without `=` must be a level: the filter's own syntax takes `inof` for the name of a
/// module and would log nothing else. The same rule as `telemetry::init`, which may not be imported here, so that
/// `config check` passes what `serve` takes and nothing more.
pub(super) fn log_filter(raw: &Raw) -> Result<String, Fault> {
    let text = text(raw)?;
    let parts: Vec<_> = text.split(',').map(str::trim).collect();
    let is_pair = |part: &str| part.contains(['=', '[']);
    let level = |part: &&str| !part.is_empty() && (is_pair(part) || part.parse::<LevelFilter>().is_ok());
    if !parts.iter().all(level) || EnvFilter::try_new(parts.join(",")).is_err() {
        return Err(Fault::new(
            format!("{} is not a log filter", quoted(&text)),
            "write off, error, warn, info, debug or trace, or pairs such as \"warn,gateward=debug\"",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn untyped(text: &str) -> Raw {
        Raw::Untyped(text.to_owned())
    }

    fn toml_text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn numbers_are_whole_and_within_their_range() {
        let parse = number(1_usize..=10);
        for (raw, expected) in [
            (Raw::Integer(1), Some(1)),
            (Raw::Integer(10), Some(10)),
            (untyped(" 7 "), Some(7)),
            (Raw::Integer(0), None),
            (Raw::Integer(11), None),
            (Raw::Integer(-1), None),
            (Raw::Integer(i128::MAX), None),
            (untyped("7.5"), None),
            (untyped(""), None),
            (toml_text("7"), None),
            (Raw::Boolean(true), None),
        ] {
            assert_eq!(parse(&raw).ok(), expected, "{}", raw.type_name());
        }
        assert!(number(0_u8..=4)(&Raw::Integer(256)).is_err(), "a narrow type does not wrap round");
    }

    #[test]
    fn durations_have_a_unit_and_are_within_their_range() {
        let parse = duration(Duration::from_secs(1)..=Duration::from_hours(1));
        for (raw, expected) in [
            (toml_text("1s"), Some(1)),
            (toml_text("1h"), Some(3600)),
            (untyped("15m"), Some(900)),
            (toml_text("999ms"), None),
            (toml_text("61m"), None),
            (toml_text("10"), None),
            (toml_text("-1s"), None),
            (toml_text(""), None),
            (Raw::Integer(10), None),
        ] {
            assert_eq!(parse(&raw).ok(), expected.map(Duration::from_secs), "{}", raw.type_name());
        }
    }

    #[test]
    fn texts_booleans_paths_and_words_are_checked() {
        let word = one_of([("text", 1), ("json", 2)]);
        assert_eq!(word(&toml_text("json")).ok(), Some(2));
        assert!(word(&toml_text("JSON")).is_err_and(|fault| fault.remedy.contains("\"text\", \"json\"")));
        assert!(text(&Raw::Integer(3)).is_err());
        assert_eq!(boolean(&Raw::Boolean(true)).ok(), Some(true));
        assert_eq!(boolean(&untyped("false")).ok(), Some(false));
        assert!(boolean(&toml_text("true")).is_err());
        assert!(
            path(&toml_text("")).is_err()
                && path(&toml_text(" ")).is_err()
                && path(&toml_text("a\0")).is_err()
        );
        assert!(path(&toml_text(".gateward")).is_ok());
        let visible = visible(4);
        assert!(visible(&toml_text("ab:1")).is_ok());
        for wrong in ["", "abcde", "a b", "\u{e9}", "a\n"] {
            assert!(visible(&toml_text(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn log_filters_parse_and_a_misspelt_level_is_refused() {
        for right in
            ["info", "off", "WARN", "warn, gateward=debug", "gateward::gateway=trace", "info,pingora=off"]
        {
            assert!(log_filter(&toml_text(right)).is_ok(), "{right}");
        }
        for wrong in [
            "",
            " ",
            "inof",
            "gateward",
            "gateward::gateway",
            "inof,gateward=debug",
            "info,",
            "gateward=loud",
            "info,=",
            "[a",
            "info,gateward=verbose",
        ] {
            assert!(log_filter(&toml_text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn quoted_values_are_printable_short_and_without_credentials() {
        assert_eq!(quoted("a\u{1b}[2J"), "`a\\u{1b}[2J`");
        assert!(quoted(&"x".repeat(1000)).len() < 70);
        assert_eq!(quoted("http://user:hunter2@host"), "the value");
    }
}
