//! What holds for every body, whatever its bytes. See `gateway::properties` for what such a module is.
#![expect(clippy::expect_used, reason = "a property that does not hold panics")]

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::accounts::RegisterBody;
use super::body::parse_json;
use super::login::{LoginBody, LoginForm};
use super::logout::{LogoutBody, ScopeWord};
use super::me::{DeleteBody, PasswordBody, RenameBody};
use super::refresh::{RefreshBody, RefreshForm};
use super::token_form::TokenForm;

/// Stands for a secret: where it is a value, no answer may repeat it.
pub const SECRET: &str = "s3cr3t-0tt3r";

/// Tries every body and every form on these bytes: see [`body_of`] and [`form_of`]. Returns how many accept them.
pub fn body_case(bytes: &[u8]) -> usize {
    [
        body_of::<RegisterBody>(bytes),
        body_of::<LoginBody>(bytes),
        body_of::<RefreshBody>(bytes),
        body_of::<LogoutBody>(bytes),
        body_of::<RenameBody>(bytes),
        body_of::<PasswordBody>(bytes),
        body_of::<DeleteBody>(bytes),
        form_of::<LoginForm>(bytes, &["username", "password"], &["grant_type", "scope"]),
        form_of::<RefreshForm>(bytes, &["refresh_token"], &["grant_type", "scope"]),
        form_of::<TokenForm>(bytes, &["token"], &["token_type_hint", "client_id", "client_secret"]),
    ]
    .into_iter()
    .filter(|accepted| *accepted)
    .count()
}

/// What a request type of the API holds.
trait Held: DeserializeOwned {
    /// Its members; null for one that may be left out and was.
    fn members(&self) -> Vec<(&'static str, Value)>;
}

/// An accepted body is one object whose members are known and there once; the type holds just their values, and what it
/// holds, written as JSON, is accepted again as the same. A refused one is a 400 or a 422 with a short reason that
/// repeats no value.
fn body_of<T: Held>(bytes: &[u8]) -> bool {
    let parsed: Result<T, _> = parse_json(bytes);
    match parsed {
        Ok(body) => {
            let Members(sent) = serde_json::from_slice(bytes).expect("an accepted body is one object");
            let held = body.members();
            for (at, (name, _)) in sent.iter().enumerate() {
                assert!(
                    held.iter().any(|(known, _)| known == name),
                    "the unknown field {name:?} was accepted"
                );
                assert!(
                    sent.iter().take(at).all(|(before, _)| before != name),
                    "{name:?} was accepted twice"
                );
            }
            for (name, value) in &held {
                let said =
                    sent.iter().find(|(sent, _)| sent == name).map_or(&Value::Null, |(_, value)| value);
                assert!(
                    said == value || *name == "scope" && said.is_null(),
                    "{name}: {said} was read as {value}"
                );
            }
            let map: Map<String, Value> =
                held.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let written = serde_json::to_vec(&map).expect("written");
            let again: Result<T, _> = parse_json(&written);
            assert_eq!(again.ok().map(|body| body.members()), Some(held), "accepted again as the same");
            true
        }
        Err(problem) => {
            let known = [(400, "malformed_json"), (422, "invalid_fields")];
            assert!(
                known.contains(&(problem.status.as_u16(), problem.code)),
                "{} {}",
                problem.status,
                problem.code
            );
            assert!(problem.detail.chars().count() <= 300, "a long reason: {}", problem.detail);
            // A name, in the library's words, though the body may be no JSON further on.
            let says_a_name = problem.detail.starts_with("unknown field");
            assert!(
                !problem.detail.contains(SECRET) || says_a_name || in_a_name(bytes),
                "a value in the reason: {}",
                problem.detail
            );
            false
        }
    }
}

/// Whether the mark stands in a name, which a reason may repeat: as it is, or spelled with escapes.
fn in_a_name(bytes: &[u8]) -> bool {
    fn named(value: &Value) -> bool {
        match value {
            Value::Object(members) => {
                members.iter().any(|(name, value)| name.contains(SECRET) || named(value))
            }
            Value::Array(items) => items.iter().any(named),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let before_a_colon = text.match_indices(SECRET).any(|(at, _)| {
        let behind = text.get(at..).and_then(|rest| rest.split_once('"')).map_or("", |(_, behind)| behind);
        behind.trim_ascii_start().starts_with(':')
    });
    before_a_colon || serde_json::from_str::<Value>(&text).is_ok_and(|value| named(&value))
}

/// An accepted form has each needed field once and each optional one at most once; others are ignored (RFC 6749
/// section 3.2).
fn form_of<T: DeserializeOwned>(bytes: &[u8], needed: &[&str], optional: &[&str]) -> bool {
    if serde_urlencoded::from_bytes::<T>(bytes).is_err() {
        return false;
    }
    let names: Vec<Vec<u8>> =
        bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(name_of).collect();
    let times = |field: &&str| names.iter().filter(|name| name.as_slice() == field.as_bytes()).count();
    assert!(needed.iter().all(|field| times(field) == 1), "a form without, or with two, of {needed:?}");
    assert!(optional.iter().all(|field| times(field) <= 1), "a form with two of {optional:?}");
    true
}

/// The name of a pair, decoded by the URL Standard's `application/x-www-form-urlencoded` parser.
fn name_of(pair: &[u8]) -> Vec<u8> {
    let digit = |at: Option<&u8>| at.and_then(|byte| char::from(*byte).to_digit(16));
    let mut name = Vec::new();
    let mut rest = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        name.push(match (byte, digit(after.first()), digit(after.get(1))) {
            (b'+', ..) => b' ',
            (b'%', Some(high), Some(low)) => {
                rest = after.get(2..).unwrap_or_default();
                u8::try_from(high * 16 + low).unwrap_or_default()
            }
            _ => *byte,
        });
    }
    name
}

/// The members of one object as they stand there, twice if they stand there twice.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsTheyStand;
        impl<'de> Visitor<'de> for AsTheyStand {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(AsTheyStand)
    }
}

fn text(secret: &SecretString) -> Value {
    Value::from(secret.expose_secret())
}

impl Held for RegisterBody {
    fn members(&self) -> Vec<(&'static str, Value)> {
        let name = Value::from(self.name.clone());
        vec![("email", Value::from(self.email.clone())), ("password", text(&self.password)), ("name", name)]
    }
}

impl Held for LoginBody {
    fn members(&self) -> Vec<(&'static str, Value)> {
        vec![("email", Value::from(self.email.clone())), ("password", text(&self.password))]
    }
}

impl Held for RefreshBody {
    fn members(&self) -> Vec<(&'static str, Value)> {
        vec![("refresh_token", text(&self.refresh_token))]
    }
}

impl Held for LogoutBody {
    fn members(&self) -> Vec<(&'static str, Value)> {
        let scope = match self.scope {
            ScopeWord::Local => "local",
            ScopeWord::Others => "others",
            ScopeWord::Global => "global",
        };
        vec![("scope", Value::from(scope))]
    }
}

impl Held for RenameBody {
    fn members(&self) -> Vec<(&'static str, Value)> {
        vec![("name", Value::from(self.name.clone()))]
    }
}

impl Held for PasswordBody {
    fn members(&self) -> Vec<(&'static str, Value)> {
        vec![("current_password", text(&self.current_password)), ("new_password", text(&self.new_password))]
    }
}

impl Held for DeleteBody {
    fn members(&self) -> Vec<(&'static str, Value)> {
        vec![("password", text(&self.password))]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::kept_corpus;

    #[test]
    fn kept_inputs_hold() {
        for seed in kept_corpus::seeds("json_bodies") {
            body_case(&seed);
        }
    }

    #[test]
    fn good_bodies_are_accepted() {
        for (body, accepting) in [
            (r#"{"email":"a","password":"b"}"#, 2),
            (r#"{"email":"a","password":"b","name":null}"#, 1),
            (r#" {"\u0070assword" : "b\ud83d\ude00"} "#, 1),
            (r#"{"refresh_token":""}"#, 1),
            ("{}", 1),
            (r#"{"scope":"global"}"#, 1),
            (r#"{"name":null}"#, 1),
            (r#"{"current_password":"a","new_password":"b"}"#, 1),
            ("username=a&password=b&other=c", 1),
            ("grant_type=refresh_token&refresh_token=a", 1),
            ("token=a&%74oken_type_hint=b", 1),
            ("password=b&username=a&pass%77ord=c", 0),
            (r#"{"scope":null}"#, 0),
            (r#"{"email":"a","password":"b","p\u0061ssword":"c"}"#, 0),
        ] {
            assert_eq!(body_case(body.as_bytes()), accepting, "{body}");
        }
    }

    /// A value of any kind, the mark among them, some of it deep.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => Just(format!("\"{SECRET}\"")),
            3 => r#""(a|é|\\u00e9|\\ud83d\\ude00|\\ud800|\\n|\\/|\\u0000){0,4}""#,
            3 => "\"(local|others|global)\"",
            2 => "null|true|0|-1|1e999|1.5|12345678901234567890123",
            1 => Just(format!("[\"{SECRET}\"]")),
            1 => Just(format!("{{\"a\":\"{SECRET}\",\"a\":1}}")),
            1 => (1_usize..400).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
            1 => (1_usize..400).prop_map(|depth| "{\"a\":".repeat(depth)),
        ]
    }

    fn body() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            12 => "email|password|name|scope|refresh_token|current_password|new_password",
            1 => "passwor\\\\u0064|Email|admin|a\\\\u0000|password ",
        ];
        let members = proptest::collection::vec((name, value()), 0..5);
        let space = "[ \t\r\n]{0,2}";
        (space, members, space, "|||||x|,|\\{\\}|\u{feff}").prop_map(|(before, members, between, after)| {
            let members: Vec<String> =
                members.into_iter().map(|(name, value)| format!("\"{name}\"{between}:{value}")).collect();
            format!("{before}{{{}}}{after}", members.join(&format!(",{between}")))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn bodies_are_accepted_as_they_stand_or_refused_without_their_values(body in body()) {
            body_case(body.as_bytes());
        }

        #[test]
        fn a_broken_body_is_refused_or_means_what_it_says(
            body in body(),
            index in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<bool>(),
        ) {
            let mut bytes = body.into_bytes();
            let at = index.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            body_case(&bytes);
        }

        #[test]
        fn forms_have_each_field_once(
            form in "((username|password|token|refresh_token|grant_type|scope|client_id|pass%77ord|user\\+name|%)=?[a-z%0-9+]{0,3}&){0,5}",
        ) {
            body_case(form.as_bytes());
        }
    }
}
