//! Bodies: strict JSON and OAuth2 forms.
//!
//! The bridge has already bounded the body. Here: the media type must be the stated one, there must be no
//! content coding, every field must be known, of its type, and there once. Answers name the field, never
//! the value: it may be a password.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Request, StatusCode};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// More than any bound that the configuration allows.
const HARD_LIMIT: usize = 2 * 1024 * 1024;

/// What a body says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json`, UTF-8.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// Judges the headers that describe a body.
///
/// # Errors
/// 415 for any other media type, several of them, or a content coding.
pub fn media_type(headers: &HeaderMap) -> Result<MediaType, Problem> {
    let unsupported =
        |detail: &str| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail);
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| value != "identity") {
        return Err(unsupported("the body must not be compressed"));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return Err(unsupported("name one Content-Type"));
    };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let (essence, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let utf8 = match parameters.trim() {
        "" => true,
        other => matches!(other, "charset=utf-8" | "charset=\"utf-8\""),
    };
    match essence.trim() {
        "application/json" if utf8 => Ok(MediaType::Json),
        "application/x-www-form-urlencoded" if utf8 => Ok(MediaType::Form),
        _ => Err(unsupported("expected application/json (UTF-8)")),
    }
}

/// The whole body.
///
/// # Errors
/// 400 when it cannot be read.
pub async fn bytes(request: Request<Body>) -> Result<Bytes, Problem> {
    to_bytes(request.into_body(), HARD_LIMIT)
        .await
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad_body", "the body could not be read"))
}

/// A JSON body of one type.
///
/// # Errors
/// 415, 400 for what is no JSON, 422 for JSON of another shape.
pub async fn json<T: DeserializeOwned>(request: Request<Body>) -> Result<T, Problem> {
    match media_type(request.headers())? {
        MediaType::Json => parse_json(&bytes(request).await?),
        MediaType::Form => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "expected application/json (UTF-8)",
        )),
    }
}

/// JSON text of one type; the other half of [`json`].
///
/// # Errors
/// 400 for what is no JSON, 422 for JSON of another shape.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // serde takes `["a", "b"]` for a struct of two fields; ours are objects.
    if body.trim_ascii_start().first() != Some(&b'{') && is_json(body) {
        return Err(wrong_shape(".", ""));
    }
    let mut parser = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        // The library calls a number where it wants a word of a list a mistake of syntax.
        if inner.is_data() || is_json(body) {
            wrong_shape(&path, &inner.to_string())
        } else {
            not_json(&inner)
        }
    })?;
    parser.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

/// Whether the text is one JSON value, of whatever shape.
fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn not_json(error: &serde_json::Error) -> Problem {
    let detail = format!("not JSON at line {}, column {}", error.line(), error.column());
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
}

/// Says which field, and of serde's words only those that hold field names and no values.
fn wrong_shape(path: &str, words: &str) -> Problem {
    let names_only = ["unknown field", "missing field", "duplicate field"];
    let detail = if names_only.iter().any(|start| words.starts_with(start)) {
        let words = words.rsplit_once(" at line ").map_or(words, |(words, _)| words);
        words.chars().take(200).collect()
    } else if path == "." {
        "expected an object".to_owned()
    } else {
        format!("field `{}` has the wrong type", path.chars().take(100).collect::<String>())
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", detail)
}

/// The body of a call that takes JSON or a form: which it is, and its bytes.
///
/// # Errors
/// 415 for another media type; else as [`bytes()`].
pub async fn json_or_form(request: Request<Body>) -> Result<(MediaType, Bytes), Problem> {
    let media = media_type(request.headers())?;
    Ok((media, bytes(request).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Ask {
        email: String,
        password: String,
    }

    fn problem(body: &[u8]) -> (u16, &'static str, String) {
        let problem = parse_json::<Ask>(body).unwrap_err();
        (problem.status.as_u16(), problem.code, problem.detail.into())
    }

    #[test]
    fn what_is_no_json_is_a_400() {
        for body in [&b""[..], b"{", b"nope", b"{\"email\":\"\xff\"}", b"{} {}", &b"[".repeat(10_000)] {
            let (status, code, _) = problem(body);
            assert!(status == 400 && code == "malformed_json" || status == 422, "{body:?}");
        }
        assert_eq!(problem(br#"{"email":"a","password":"b"} x"#).0, 400);
    }

    #[test]
    fn json_of_another_shape_is_a_422_that_names_the_field() {
        for (body, word) in [
            (r#"{"email":"a"}"#, "missing field `password`"),
            (r#"{"email":"a","password":"b","admin":true}"#, "unknown field `admin`"),
            (r#"{"email":"a","email":"a","password":"b"}"#, "duplicate field `email`"),
            (r#"{"email":7,"password":"b"}"#, "field `email`"),
            ("[]", "expected an object"),
            (r#"["a", "b"]"#, "expected an object"),
            (r#" [{"email":"a","password":"b"}]"#, "expected an object"),
            ("null", "expected an object"),
        ] {
            let (status, code, detail) = problem(body.as_bytes());
            assert_eq!((status, code), (422, "invalid_fields"), "{body}");
            assert!(detail.contains(word), "{body}: {detail}");
        }
    }

    #[test]
    fn a_value_of_another_type_for_a_word_of_a_list_is_a_422() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        struct Choice {
            scope: Scope,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Scope {
            Local,
        }
        for value in ["1", "null", "true", "[]", r#"{"local":null,"x":1}"#, r#""other""#] {
            let body = format!(r#"{{"scope":{value}}}"#);
            let problem = parse_json::<Choice>(body.as_bytes()).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.code), (422, "invalid_fields"), "{body}");
            assert!(problem.detail.contains("`scope`"), "{body}: {}", problem.detail);
        }
        assert_eq!(parse_json::<Choice>(br#"{"scope":}"#).unwrap_err().status.as_u16(), 400);
    }

    #[test]
    fn a_wrong_value_is_not_repeated() {
        let (_, _, detail) = problem(br#"{"email":"a","password":12345678}"#);
        assert!(!detail.contains("12345678"), "{detail}");
    }

    #[test]
    fn only_the_two_media_types_are_taken() {
        let judge = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, http::HeaderValue::from_static(value));
            }
            media_type(&headers).map_err(|problem| problem.status.as_u16())
        };
        assert_eq!(judge(&[("content-type", "application/json")]), Ok(MediaType::Json));
        assert_eq!(judge(&[("content-type", "Application/JSON; charset=UTF-8")]), Ok(MediaType::Json));
        assert_eq!(judge(&[("content-type", "application/x-www-form-urlencoded")]), Ok(MediaType::Form));
        for pairs in [
            &[][..],
            &[("content-type", "text/plain")],
            &[("content-type", "application/json; charset=latin1")],
            &[("content-type", "application/json"), ("content-type", "text/plain")],
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
        ] {
            assert_eq!(judge(pairs), Err(415), "{pairs:?}");
        }
    }
}
