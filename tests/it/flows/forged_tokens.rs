//! Tokens that nobody issued: another algorithm, keys in the token, touched signatures, odd headers, odd sizes.
//!
//! Wrong claims under a good signature are `forged_claims`' subject.

use serde_json::{Value, json};

use crate::support::app::{TestApp, both_kinds};
use crate::support::forge::{Parts, encoded, signed_hs256};
use crate::support::problems::{problem, raw_problem};
use crate::support::raw::exchange;
use crate::support::recorder::Recorder;

/// Each token is refused everywhere, the service sees none of it, and a good token still works.
async fn assert_all_refused(app: &TestApp, good: &str, tokens: &[(String, String)]) {
    app.recorder.forget();
    for (what, token) in tokens {
        assert_ne!(token, good, "{what} changed nothing");
        for path in ["/private", "/auth/me"] {
            let answer = app.get(path, token).await;
            assert_eq!(answer.status(), 401, "{path}: {what}");
            let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
            assert!(challenge.contains("error=\"invalid_token\""), "{path}: {what}: {challenge}");
            problem(answer, 401, "invalid_token").await;
        }
    }
    assert_eq!(app.recorder.count(), 0, "the service saw a forged token");
    assert_eq!(app.get("/private", good).await.status(), 200);
}

fn with_header(parts: &Parts, header: &Value) -> String {
    format!("{}.{}.{}", encoded(header.to_string()), parts.payload, parts.signature)
}

/// The header's own text, so that the order of members and white space can be chosen too.
fn with_header_text(parts: &Parts, header: &str) -> String {
    format!("{}.{}.{}", encoded(header), parts.payload, parts.signature)
}

both_kinds!(no_other_algorithm_is_taken_from_a_token, |app| async move {
    let (_, good) = app.new_person().await;
    let parts = Parts::of(&good);
    let real = parts.header();
    let kid = real["kid"].as_str().unwrap();
    let jwks: Value = app.get_anonymously("/.well-known/jwks.json").await.json().await.unwrap();
    let key = &jwks["keys"][0];

    let mut tokens = Vec::new();
    for alg in
        ["none", "None", "NONE", "nOnE", "", "HS256", "HS512", "ES256", "RS256", "PS256", "ES256K", "EdDSA "]
    {
        let header = json!({"typ": "at+jwt", "alg": alg, "kid": kid});
        let forged = with_header(&parts, &header);
        tokens.push((
            format!("alg {alg:?} without signature"),
            format!("{}.{}.", encoded(header.to_string()), parts.payload),
        ));
        tokens.push((format!("alg {alg:?} with the old signature"), forged));
    }
    for alg in [json!(null), json!(["EdDSA"]), json!(0), json!({"alg": "EdDSA"})] {
        tokens.push((
            format!("alg {alg}"),
            with_header(&parts, &json!({"typ": "at+jwt", "alg": alg, "kid": kid})),
        ));
    }
    tokens.push(("no alg".to_owned(), with_header(&parts, &json!({"typ": "at+jwt", "kid": kid}))));

    // The public key as the secret of an HMAC, in every form that a library might have at hand.
    let public = key["x"].as_str().unwrap();
    let point = base64_url(public);
    let der =
        [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &point].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64_standard(&der));
    for (form, secret) in [
        ("bytes", point.clone()),
        ("base64url", public.as_bytes().to_vec()),
        ("DER", der.clone()),
        ("PEM", pem.clone().into_bytes()),
        ("PEM without line end", pem.trim_end().as_bytes().to_vec()),
        ("JWK", key.to_string().into_bytes()),
        ("JWKS", jwks.to_string().into_bytes()),
        ("kid", kid.as_bytes().to_vec()),
        ("nothing", Vec::new()),
    ] {
        for header in [
            json!({"typ": "at+jwt", "alg": "HS256", "kid": kid}),
            json!({"typ": "at+jwt", "alg": "HS256"}),
            real.clone(),
        ] {
            let segment = if header == real { parts.header.clone() } else { encoded(header.to_string()) };
            let token = signed_hs256(&segment, parts.claims().to_string(), &secret);
            tokens.push((format!("HMAC with the public key as {form} under {header}"), token));
        }
    }
    assert_all_refused(&app, &good, &tokens).await;
});

both_kinds!(a_key_that_a_token_brings_or_points_to_is_not_used, |app| async move {
    let (_, good) = app.new_person().await;
    let parts = Parts::of(&good);
    let kid = parts.header()["kid"].as_str().unwrap().to_owned();
    let attacker = Recorder::start();
    let url = format!("http://{}/jwks.json", attacker.address());
    let secret = b"the secret of an attacker, 32 bytes";
    let jwk = json!({"kty": "oct", "k": encoded(secret), "alg": "HS256", "kid": kid});
    let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": encoded([9; 32]), "kid": "mine"});

    let mut tokens = Vec::new();
    for (name, value) in [
        ("jwk", &jwk),
        ("jwk", &okp),
        ("jku", &json!(url)),
        ("x5u", &json!(url)),
        ("x5c", &json!(["MIIB"])),
        ("x5t", &json!("AAAA")),
    ] {
        for (alg, kid) in
            [("HS256", "mine"), ("HS256", kid.as_str()), ("EdDSA", "mine"), ("EdDSA", kid.as_str())]
        {
            let header = json!({"typ": "at+jwt", "alg": alg, "kid": kid, name: value});
            let token = signed_hs256(&encoded(header.to_string()), parts.claims().to_string(), secret);
            tokens.push((format!("signed by an attacker: {header}"), token));
            tokens.push((format!("the real signature: {header}"), with_header(&parts, &header)));
        }
    }
    for kid in [
        json!("unknown"),
        json!(""),
        json!("../../../../dev/null"),
        json!("x' OR '1'='1"),
        json!("x'; DROP TABLE signing_keys; --"),
        json!(format!("{kid}\0")),
        json!(format!("{kid} ")),
        json!("k".repeat(4096)),
        json!(7),
        json!(null),
        json!([kid]),
        json!({"kid": kid}),
    ] {
        let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": kid});
        tokens.push((format!("kid {kid}"), with_header(&parts, &header)));
        let header = json!({"typ": "at+jwt", "alg": "HS256", "kid": kid});
        tokens.push((
            format!("kid {kid} with an empty secret"),
            signed_hs256(&encoded(header.to_string()), parts.claims().to_string(), b""),
        ));
    }
    tokens.push(("no kid".to_owned(), with_header(&parts, &json!({"typ": "at+jwt", "alg": "EdDSA"}))));
    assert_all_refused(&app, &good, &tokens).await;
    assert_eq!(attacker.connection_count(), 0, "the gateway went and asked the attacker");
});

both_kinds!(a_touched_signature_is_refused, |app| async move {
    let (email, good) = app.new_person().await;
    let another = Parts::of(&app.login(&email, crate::support::app::PASSWORD).await);
    let parts = Parts::of(&good);
    let message = parts.message();
    let bytes = parts.signature_bytes();
    let with = |signature: &[u8]| format!("{message}.{}", encoded(signature));
    let mut flipped = bytes.clone();
    flipped[0] ^= 1;
    let text = |signature: String| format!("{message}.{signature}");
    let swapped = parts.signature.replace('-', "+").replace('_', "/");
    let mut tokens = vec![
        ("empty", text(String::new())),
        ("one bit", with(&flipped)),
        ("cut by a byte", with(&bytes[..63])),
        ("cut by a letter", text(parts.signature[..85].to_owned())),
        ("half", with(&bytes[..32])),
        ("extended", with(&[&bytes[..], &[0]].concat())),
        ("twice", with(&[&bytes[..], &bytes].concat())),
        ("zeros", with(&[0; 64])),
        ("another token's", text(another.signature.clone())),
        ("padding", text(format!("{}==", parts.signature))),
        ("a space after it", text(format!("{} x", parts.signature))),
        ("a space inside", text(format!("{} {}", &parts.signature[..40], &parts.signature[40..]))),
        ("a percent escape", text(format!("{}%3D", parts.signature))),
        ("DER", with(&[&[0x30, 0x44, 0x02, 0x20], &bytes[..32], &[0x02, 0x20], &bytes[32..]].concat())),
        ("other claims", format!("{}.{}.{}", parts.header, another.payload, parts.signature)),
        (
            "the payload of standard base64",
            format!("{}.{}=.{}", parts.header, parts.payload, parts.signature),
        ),
        ("the other bits of the last letter", text(loose_end(&parts.signature))),
    ];
    if swapped != parts.signature {
        tokens.push(("standard base64", text(swapped)));
    }
    let tokens: Vec<_> = tokens.into_iter().map(|(what, token)| (what.to_owned(), token)).collect();
    assert_all_refused(&app, &good, &tokens).await;
});

both_kinds!(no_header_but_the_gateways_own_is_taken, |app| async move {
    let (_, good) = app.new_person().await;
    let parts = Parts::of(&good);
    let kid = parts.header()["kid"].as_str().unwrap().to_owned();
    let with = |more: &str| format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}"{more}}}"#);
    let headers = [
        with(r#","crit":[]"#),
        with(r#","crit":["exp"]"#),
        with(r#","crit":["b64"],"b64":false"#),
        with(r#","b64":false"#),
        with(r#","zip":"DEF""#),
        with(r#","alg":"EdDSA""#),
        with(r#","alg":"none""#),
        with(r#","x":1"#),
        with(" "),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"JWT","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"rt+jwt","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":null,"alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        String::new(),
        "\u{0}".to_owned(),
    ];
    let mut tokens: Vec<_> =
        headers.iter().map(|header| (format!("header {header}"), with_header_text(&parts, header))).collect();
    for (what, token) in [
        ("no segments", "token".to_owned()),
        ("one segment", parts.header.clone()),
        ("two segments", parts.message()),
        ("four segments", format!("{good}.x")),
        ("four segments, the last empty", format!("{good}.")),
        ("five segments", format!("{good}.x.y")),
        ("a dot in front", format!(".{good}")),
        ("no payload", format!("{}..{}", parts.header, parts.signature)),
        ("dots only", "..".to_owned()),
        ("ten thousand dots", ".".repeat(10_000)),
    ] {
        tokens.push((what.to_owned(), token));
    }
    assert_all_refused(&app, &good, &tokens).await;
});

both_kinds!(a_token_of_any_size_is_refused_cheaply, |app| async move {
    let (_, good) = app.new_person().await;
    let parts = Parts::of(&good);
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let of_size = |size: usize| format!("{good}{}", "A".repeat(size - good.len()));
    app.recorder.forget();
    for (what, token, status) in [
        ("8 KiB", of_size(8 * 1024), 401),
        ("a byte more than 8 KiB", of_size(8 * 1024 + 1), 401),
        ("31 KiB", of_size(31 * 1024), 401),
        ("10 000 levels deep", format!("{}.{}.{}", parts.header, encoded(&nested), parts.signature), 401),
        ("64 KiB", of_size(64 * 1024), 431),
        (
            "a key id of 64 KiB",
            format!("{}.x.y", encoded(json!({"kid": "k".repeat(64 * 1024)}).to_string())),
            431,
        ),
        ("100 000 dots", ".".repeat(100_000), 431),
        ("1 MiB", of_size(1024 * 1024), 431),
    ] {
        for path in ["/private", "/auth/me"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
            let begun = std::time::Instant::now();
            let answer = exchange(app.address, request).await;
            let answer = answer.unwrap_or_else(|error| panic!("{path}: {what}: {error:?}"));
            assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{path}: {what}");
            assert_eq!(answer.status, status, "{path}: {what}");
            let code = answer.json()["code"].as_str().unwrap().to_owned();
            raw_problem(&answer, status, &code);
        }
        assert_eq!(app.get("/auth/me", &good).await.status(), 200, "after {what}");
    }
    assert_eq!(app.recorder.count(), 0, "the service saw one of them");
});

/// The same bytes for a decoder that ignores the unused bits of the last letter: 64 bytes leave four.
fn loose_end(signature: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = signature.as_bytes()[signature.len() - 1];
    let at = LETTERS.iter().position(|letter| *letter == last).unwrap();
    format!("{}{}", &signature[..signature.len() - 1], char::from(LETTERS[at + 1]))
}

fn base64_url(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn base64_standard(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
