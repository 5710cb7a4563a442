//! Which route a path takes.

use super::front::{Front, head};
use crate::support::app::TestApp;
use crate::support::recorder::Recorder;

#[tokio::test]
async fn most_specific_route_of_whole_segments_decides() {
    let other = Recorder::start();
    let builder = TestApp::embedded().without_routes().config(&format!(
        "[[upstream]]\nname = 'other'\nservers = ['{}']\n\
         [[route]]\npath = '/api'\nupstream = 'recorder'\n\
         [[route]]\npath = '/api/open'\nupstream = 'recorder'\naccess = 'public'\n\
         [[route]]\npath = '/api/open/closed'\nupstream = 'recorder'\n\
         [[route]]\npath = '/public'\nupstream = 'recorder'\naccess = 'public'\n\
         [[route]]\npath = '/other'\nupstream = 'other'\naccess = 'public'",
        other.address()
    ));
    let front = Front::of(builder).await;
    let garbage = ["Authorization: Bearer garbage"];
    let twice = ["Authorization: Bearer a", "Authorization: Bearer b"];
    for (target, nobody, person) in [
        ("/api", 401, 200),
        ("/api/", 401, 200),
        ("/api?/api/open", 401, 200),
        ("/api/x", 401, 200),
        ("/api/open", 200, 200),
        ("/api/open/", 200, 200),
        ("/api/open/x", 200, 200),
        ("/api/openx", 401, 200),
        ("/api/open.json", 401, 200),
        ("/api/open/closed", 401, 200),
        ("/api/open/closed/x", 401, 200),
        ("/api/open/closedx", 200, 200),
        ("/apis", 404, 404),
        ("/api.json", 404, 404),
        ("/", 404, 404),
        ("/nowhere", 404, 404),
        // Not the routes of these names: another case or another character is another path.
        ("/API", 404, 404),
        ("/Api/open", 404, 404),
        ("/api/OPEN", 401, 200),
        ("/api/open/CLOSED", 200, 200),
        ("/Public", 404, 404),
        ("/api%20/open", 404, 404),
        ("/api/open%20", 401, 200),
        ("/authx", 404, 404),
        ("/Auth/me", 404, 404),
    ] {
        let line = format!("GET {target}");
        for (request, expected) in
            [(head(&line, &[]), nobody), (head(&line, &garbage), nobody), (front.head(&line, &[]), person)]
        {
            front.app.recorder.forget();
            let answer = front.send(&request).await;
            assert_eq!(answer.status, expected, "{request}: {}", answer.text());
            assert_eq!(front.app.recorder.count(), usize::from(expected == 200), "{request}");
        }
        if nobody == 200 {
            assert_eq!(
                front.send(head(&line, &twice)).await.status,
                200,
                "{target}: tokens are not looked at"
            );
        }
    }
    assert_eq!(other.count(), 0);
    front.app.recorder.forget();
    assert_eq!(front.send(head("GET /other/x", &[])).await.status, 200);
    assert_eq!((other.count(), front.app.recorder.count()), (1, 0), "each route has its own service");
}

/// The same character in another encoding is the same segment, for the rule as for the service.
#[tokio::test]
async fn encoding_does_not_lead_around_a_rule() {
    let builder = TestApp::embedded().without_routes();
    let builder = builder.route("/", "public").route("/a b".replace(' ', "+").as_str(), "authenticated");
    let front = Front::of(builder.route("/a:b", "authenticated").route("/secret", "authenticated")).await;
    for (target, status) in [
        ("/a+b", 401),
        ("/a%2Bb", 401),
        ("/a%2bb/x", 401),
        ("/a:b", 401),
        ("/a%3Ab", 401),
        ("/a%3ab", 401),
        ("/secret", 401),
        ("/%73ecret", 400),
        ("/secret%2fx", 400),
        ("/secret%00", 400),
        ("/secret;x", 400),
        ("/./secret", 400),
        ("//secret", 400),
        ("/x/../secret", 400),
    ] {
        front.app.recorder.forget();
        let answer = front.send(head(&format!("GET {target}"), &[])).await;
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        front.assert_nothing_forwarded(target);
    }
    front.forwarded(front.head("GET /a%2bb", &[])).await;
}

#[tokio::test]
async fn our_own_paths_never_reach_a_service() {
    let front = Front::of(TestApp::embedded().without_routes().route("/", "public")).await;
    for (target, status) in [
        ("/auth", 404),
        ("/auth/", 404),
        ("/auth/me", 401),
        ("/auth/nothing", 404),
        ("/.well-known/jwks.json", 200),
        ("/auth/openapi.json", 200),
    ] {
        front.app.recorder.forget();
        assert_eq!(front.send(head(&format!("GET {target}"), &[])).await.status, status, "{target}");
        front.assert_nothing_forwarded(target);
    }
    for target in ["/authx", "/x/auth/me", "/.well-known/acme"] {
        front.forwarded(head(&format!("GET {target}"), &[])).await;
    }
}
