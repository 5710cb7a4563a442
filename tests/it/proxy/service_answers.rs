//! What a service may say to a client, and what only the gateway says.

use super::front::{Front, head};
use crate::support::recorder::Reply;

fn reply(lines: &[&str]) -> Reply {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    Reply::Raw(format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\nok").into_bytes())
}

#[tokio::test]
async fn service_cannot_set_our_cookies() {
    let front = Front::start().await;
    let lines = [
        "Set-Cookie: first=1; Path=/",
        "Set-Cookie: __Host-gateward_session=stolen; Path=/; Secure; HttpOnly",
        "set-cookie: __HOST-Gateward_session=stolen",
        "Set-Cookie: __Secure-gateward_x=stolen",
        "Set-Cookie: gateward_csrf=stolen",
        "Set-Cookie: =__Host-gateward_session=stolen",
        "Set-Cookie: __%48ost-gateward_session=stolen",
        "Set-Cookie: __Host-gateward_session=stolen; Max-Age=0",
        "Set-Cookie: last=gateward_session; HttpOnly",
    ];
    front.app.recorder.reply(reply(&lines));
    for request in
        [front.head("GET /private/x", &[]), head("GET /public/x", &[]), head("HEAD /public/x", &[])]
    {
        let mut client = front.connect().await;
        client.send(&request).await;
        let answer = client.read_response_to_head().await.unwrap();
        assert_eq!(
            answer.header("set-cookie"),
            ["first=1; Path=/", "last=gateward_session; HttpOnly"],
            "{request}"
        );
        assert!(!answer.head.contains("stolen"), "{request}");
    }
}

#[tokio::test]
async fn request_id_is_one_and_ours_in_both_directions() {
    let front = Front::start().await;
    front.app.recorder.reply(reply(&[
        "X-Request-Id: theirs",
        "x-request-id: theirs",
        "X_Request_ID: theirs",
    ]));
    for line in ["GET /private/x", "GET /public/x"] {
        let lines = ["X-Request-Id: mine", "X-Request-ID: mine, mine", "x_request_id: mine"];
        let (answer, request) = front.forwarded(front.head(line, &lines)).await;
        let [id] = &request.header("x-request-id")[..] else { panic!("{line}: {:?}", request.headers()) };
        assert_eq!(answer.header("x-request-id"), [id.as_str()], "{line}");
        assert!(!answer.head.contains("theirs"), "{line}: {}", answer.head);
        front.assert_never_forwarded("mine", line);
    }
}

#[tokio::test]
async fn service_says_neither_who_calls_nor_what_it_runs_on() {
    let front = Front::start().await;
    let lines = [
        "Server: evil/1.2.3",
        "X-Powered-By: evil/4",
        "X-AspNet-Version: evil",
        "X-Forwarded-User: evil",
        "x_forwarded_email: evil",
        "X-Auth-Session: evil",
        "X-Auth-Request-User: evil",
        "X-Gateward-Anything: evil",
        "Remote-User: evil",
        "Server-Timing: app;dur=1",
        "WWW-Authenticate: Basic realm=\"app\"",
        "X-Own: kept",
    ];
    front.app.recorder.reply(reply(&lines));
    let (answer, _) = front.forwarded(front.head("GET /private/x", &[])).await;
    assert!(!answer.head.contains("evil"), "{}", answer.head);
    assert_eq!(answer.header("server-timing"), ["app;dur=1"]);
    assert_eq!(answer.header("x-own"), ["kept"]);
    assert_eq!(answer.header("www-authenticate"), ["Basic realm=\"app\""]);
    assert_eq!(answer.header("date").len(), 1);
}

#[tokio::test]
async fn trace_context_passes_unchanged() {
    let front = Front::start().await;
    let lines = [
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate: rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "tracestate: third=x",
        "b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90",
        "X-B3-TraceId: 80f198ee56343ba864fe8b2a57d3eff7",
        "X-B3-SpanId: e457b5a2e4d86bd1",
        "X-B3-ParentSpanId: 05e3ac9a4f6e3b90",
        "X-B3-Sampled: 1",
        "X-B3-Flags: 1",
        "baggage: userId=alice,serverNode=DF%2028;prop=1",
    ];
    front.app.recorder.reply(reply(&lines));
    for line in ["GET /private/x", "GET /public/x"] {
        let (answer, request) = front.forwarded(front.head(line, &lines)).await;
        for name in lines.iter().filter_map(|line| line.split_once(": ")).map(|(name, _)| name) {
            let sent: Vec<&str> = lines
                .iter()
                .filter_map(|line| line.split_once(": "))
                .filter(|(n, _)| *n == name)
                .map(|(_, v)| v)
                .collect();
            assert_eq!(request.header(name), sent, "{line}: {name}");
            assert_eq!(answer.header(name), sent, "{line}: {name}");
        }
    }
}
