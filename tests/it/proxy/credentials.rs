//! Credentials: one token, in one place, for the gateway and nobody behind it.

use super::front::{Front, head};

#[tokio::test]
async fn only_one_good_token_opens_a_protected_route() {
    let front = Front::start().await;
    let token = front.token.as_str();
    let bearer = format!("Authorization: Bearer {token}");
    let cut = format!("Authorization: Bearer {}", &token[..token.len() - 2]);
    let extended = format!("Authorization: Bearer {token}A");
    let padded = format!("Authorization: Bearer {token}=");
    let bare = format!("Authorization: {token}");
    let twice = format!("Authorization: Bearer {token}, Bearer {token}");
    let proxy = format!("Proxy-Authorization: Bearer {token}");
    let alias = format!("X-Authorization: Bearer {token}");
    let spaced = format!("Authorization: Bearer  {token}");
    for (lines, status, error) in [
        (vec![], 401, None),
        (vec![cut.as_str()], 401, Some("invalid_token")),
        (vec![extended.as_str()], 401, Some("invalid_token")),
        (vec![padded.as_str()], 401, Some("invalid_token")),
        (vec![bare.as_str()], 401, Some("invalid_token")),
        (vec![spaced.as_str()], 401, Some("invalid_token")),
        (vec![twice.as_str()], 401, Some("invalid_token")),
        (vec!["Authorization: Basic YTpi"], 401, Some("invalid_token")),
        (vec!["Authorization: Bearer"], 401, Some("invalid_token")),
        (vec!["Authorization:"], 401, Some("invalid_token")),
        (vec!["Authorization: Bearer .."], 401, Some("invalid_token")),
        (vec![proxy.as_str()], 401, None),
        (vec![alias.as_str()], 401, None),
        (vec![bearer.as_str(), bearer.as_str()], 400, Some("invalid_request")),
        (vec![bearer.as_str(), "authorization: Basic YTpi"], 400, Some("invalid_request")),
        (vec!["Authorization: Bearer x", bearer.as_str()], 400, Some("invalid_request")),
    ] {
        for line in
            ["GET /private/x", "HEAD /private/x", "OPTIONS /private/x", "POST /private/x", "X-own /private/x"]
        {
            front.app.recorder.forget();
            let case = format!("{line} with {lines:?}");
            let mut client = front.connect().await;
            client.send(head(line, &lines)).await;
            let answer = if line.starts_with("HEAD") {
                client.read_response_to_head().await
            } else {
                client.read_response().await
            };
            let answer = answer.unwrap_or_else(|none| panic!("{case}: {none:?}"));
            assert_eq!(answer.status, status, "{case}: {}", answer.text());
            let challenge = answer.header("www-authenticate").concat();
            match error {
                None => assert_eq!(challenge, "Bearer realm=\"gateward\"", "{case}"),
                Some(error) => {
                    assert!(challenge.ends_with(&format!("error=\"{error}\"")), "{case}: {challenge}")
                }
            }
            front.assert_nothing_forwarded(&case);
        }
    }
    for good in [bearer, format!("authorization: \t bEARER {token} \t")] {
        front.forwarded(head("GET /private/x", &[&good])).await;
    }
}

#[tokio::test]
async fn token_in_the_query_or_a_cookie_of_another_name_opens_nothing() {
    let front = Front::start().await;
    let target = format!("GET /private/x?access_token={}", front.token);
    let cookie = format!("Cookie: session={}", front.token);
    for bytes in [head(&target, &[]), head("GET /private/x", &[&cookie])] {
        assert_eq!(front.send(&bytes).await.status, 401, "{bytes}");
    }
    front.assert_nothing_forwarded("neither");
}

#[tokio::test]
async fn token_reaches_only_a_service_that_is_to_have_it() {
    let front = Front::with(
        "[[route]]\npath = '/trusted'\nupstream = 'recorder'\nforward_authorization = true\n\
         [[route]]\npath = '/open'\nupstream = 'recorder'\naccess = 'public'\nforward_authorization = true",
    )
    .await;
    for (target, arrives) in
        [("/private", false), ("/public", false), ("/trusted", true), ("/open", true), ("/trusted2", false)]
    {
        let (_, request) = front.forwarded(front.head(&format!("GET {target}"), &[])).await;
        let expected = if arrives { vec![format!("Bearer {}", front.token)] } else { vec![] };
        assert_eq!(request.header("authorization"), expected, "{target}");
        if !arrives {
            front.assert_never_forwarded(&front.token, target);
        }
    }
}

#[tokio::test]
async fn our_cookie_ends_here_and_others_go_on() {
    let front = Front::start().await;
    for (lines, expected) in [
        (vec!["Cookie: a=b; __Host-gateward_session=secret; c=d"], vec!["a=b; c=d"]),
        (vec!["Cookie: __Host-gateward_session=secret"], vec![]),
        (vec!["Cookie: a=b", "Cookie: __Host-gateward_session=secret;e=f"], vec!["a=b", "e=f"]),
        (vec!["Cookie: a=b;c=d"], vec!["a=b;c=d"]),
        (
            vec!["Cookie: __HOST-Gateward_Session=secret", "cookie: a=b", "COOKIE: gateward_x=secret"],
            vec!["a=b"],
        ),
        (vec!["Cookie: __Secure-gateward_csrf=secret;a=b;__Host-gateward_session=secret"], vec!["a=b"]),
        (vec!["Cookie: \"__Host-gateward_session\"=secret; a=b"], vec!["a=b"]),
        (vec!["Cookie: =__Host-gateward_session=secret; a=b"], vec!["a=b"]),
        (vec!["Cookie: __Host-gateward%5Fsession=secret; a=b"], vec!["a=b"]),
        (vec!["Cookie: a=b;; ;__Host-gateward_session = secret;"], vec!["a=b; ; ;"]),
        (vec!["Cookie: my_gateward=b"], vec!["my_gateward=b"]),
    ] {
        for line in ["GET /private", "GET /public"] {
            let (_, request) = front.forwarded(front.head(line, &lines)).await;
            assert_eq!(request.header("cookie"), expected, "{line} {lines:?}");
            front.assert_never_forwarded("secret", line);
        }
    }
}
