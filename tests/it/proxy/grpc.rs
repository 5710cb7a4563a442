//! gRPC through the gateway: HTTP/2 on both sides, calls that stream both ways, and a status that comes last.
//!
//! What a call looks like: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>. A refusal is an ordinary
//! answer, which clients map by its status (401 is UNAUTHENTICATED, 403 PERMISSION_DENIED, 502 to 504 UNAVAILABLE):
//! <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::front::{Front, PROMPT};
use super::upstream_tls::trusting;
use crate::support::certificates::Authority;
use crate::support::h2_service::{Call, H2Service, fields};
use crate::support::tls_service::TlsService;

const CONTENT: (&str, &str) = ("content-type", "application/grpc");

/// A service in the clear or behind TLS; `/grpc.Public` for everybody, `/grpc.Own` for people.
struct Stage {
    front: Front,
    service: H2Service,
    _tls: TlsService,
    _authority: Authority,
}

impl Stage {
    async fn start(tls: bool) -> Self {
        let (authority, service) = (Authority::new(), H2Service::start().await);
        let config = authority.issue(&["api.internal"]).server(&["h2"], None);
        let tls_service = TlsService::start(config, service.address, service.address).await;
        let behind_tls = (std::net::Ipv4Addr::LOCALHOST, tls_service.port()).into();
        let (server, lines) = if tls {
            (behind_tls, format!("{}\nprotocol = 'http2'", trusting(&authority)))
        } else {
            (service.address, "protocol = 'http2'".to_owned())
        };
        let config = format!(
            "[[upstream]]\nname = 'grpc'\nservers = ['{server}']\n{lines}\n\
             [[route]]\npath = '/grpc.Public'\nupstream = 'grpc'\naccess = 'public'\n\
             [[route]]\npath = '/grpc.Own'\nupstream = 'grpc'\n"
        );
        let front = Front::with(&format!("server.h2c = true\n{config}")).await;
        Self { front, service, _tls: tls_service, _authority: authority }
    }

    async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.front.app.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Client { send, authorization: format!("Bearer {}", self.front.token), _driver: driver }
    }
}

/// As a gRPC library behaves.
struct Client {
    send: SendRequest<Bytes>,
    authorization: String,
    _driver: JoinSet<Result<(), h2::Error>>,
}

impl Client {
    async fn call(&self, path: &str, token: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let mut request = Request::builder()
            .method("POST")
            .uri(format!("http://front.example{path}"))
            .header(CONTENT.0, CONTENT.1)
            .header("te", "trailers")
            .header("grpc-timeout", "5S");
        if token {
            request = request.header("authorization", &self.authorization);
        }
        let mut send = timeout(PROMPT, self.send.clone().ready()).await.unwrap().unwrap();
        send.send_request(request.body(()).unwrap(), false).unwrap()
    }
}

async fn head(answer: ResponseFuture) -> Response<RecvStream> {
    timeout(PROMPT, answer).await.expect("an answer comes").unwrap()
}

/// The next message; none at the end of them.
async fn message(body: &mut RecvStream) -> Option<Bytes> {
    loop {
        let part = timeout(PROMPT, body.data()).await.expect("a message comes, or the end")?.unwrap();
        body.flow_control().release_capacity(part.len()).unwrap();
        if !part.is_empty() {
            return Some(part);
        }
    }
}

async fn trailers(body: &mut RecvStream) -> HeaderMap {
    timeout(PROMPT, body.trailers()).await.expect("trailers come").unwrap().expect("there are some")
}

fn framed(text: &str) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes.into()
}

fn assert_call(call: &Call, email: Option<&str>) {
    assert_eq!(call.request.method(), "POST");
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "5S")] {
        assert_eq!(call.header(name), [value], "{name}");
    }
    assert_eq!(call.header("x-forwarded-email"), [email.unwrap_or_default()]);
    assert!(call.header("authorization").is_empty());
}

#[tokio::test]
async fn one_message_each_way_and_the_status_behind() {
    for tls in [false, true] {
        let mut stage = Stage::start(tls).await;
        let client = stage.client().await;
        for (path, token) in [("/grpc.Own/Get", true), ("/grpc.Public/Get", false)] {
            let (answer, mut send) = client.call(path, token).await;
            send.send_data(framed("question"), true).unwrap();
            let mut call = stage.service.call().await;
            assert_call(&call, token.then_some(stage.front.email.as_str()));
            assert_eq!(call.request.uri().path(), path);
            assert_eq!(call.body().await, framed("question"));
            let mut stream = call.begin(200, &[CONTENT, ("grpc-encoding", "identity")]);
            stream.send_data(framed("answer"), false).unwrap();
            let status = [("grpc-status", "0"), ("grpc-message", "fine%20so"), ("x-own-bin", "AAEC")];
            stream.send_trailers(fields(&status)).unwrap();
            let answer = head(answer).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["grpc-encoding"]),
                (200, &"identity".parse().unwrap())
            );
            let mut body = answer.into_body();
            assert_eq!(message(&mut body).await, Some(framed("answer")));
            assert_eq!(message(&mut body).await, None);
            assert_eq!(trailers(&mut body).await, fields(&status), "unchanged");
        }
        assert_eq!(stage.service.connections(), 1);
    }
}

/// Each message is sent only when the one before has arrived.
#[tokio::test]
async fn messages_pass_both_ways_as_they_are_sent() {
    for tls in [false, true] {
        let mut stage = Stage::start(tls).await;
        let client = stage.client().await;
        let (answer, mut send) = client.call("/grpc.Own/Talk", true).await;
        let mut call = stage.service.call().await;
        let mut stream = call.begin(200, &[CONTENT]);
        let mut body = head(answer).await.into_body();
        for number in 0..20 {
            let (question, reply) =
                (framed(&format!("question {number}")), framed(&format!("reply {number}")));
            send.send_data(question.clone(), false).unwrap();
            assert_eq!(call.part().await, Some(question));
            stream.send_data(reply.clone(), false).unwrap();
            assert_eq!(message(&mut body).await, Some(reply));
        }
        send.send_data(Bytes::new(), true).unwrap();
        assert_eq!(call.part().await, None, "the client has said its last");
        for number in 0..5 {
            stream.send_data(framed(&number.to_string()), false).unwrap();
            assert_eq!(message(&mut body).await, Some(framed(&number.to_string())));
        }
        stream.send_trailers(fields(&[("grpc-status", "8")])).unwrap();
        assert_eq!(message(&mut body).await, None);
        assert_eq!(trailers(&mut body).await["grpc-status"], "8");
    }
}

#[tokio::test]
async fn status_without_a_message_ends_the_answer_with_its_head() {
    let mut stage = Stage::start(false).await;
    let client = stage.client().await;
    let (answer, mut send) = client.call("/grpc.Own/Get", true).await;
    send.send_data(framed("question"), true).unwrap();
    let call = stage.service.call().await;
    call.answer_head(200, &[CONTENT, ("grpc-status", "5"), ("grpc-message", "not here")]);
    let answer = head(answer).await;
    assert_eq!(answer.headers()["grpc-status"], "5");
    assert_eq!(answer.headers()["grpc-message"], "not here");
    assert!(answer.body().is_end_stream());
}

#[tokio::test]
async fn call_without_a_token_is_refused_in_the_way_of_http() {
    let mut stage = Stage::start(false).await;
    let client = stage.client().await;
    let (answer, mut send) = client.call("/grpc.Own/Get", false).await;
    // The gateway need not have waited for it.
    let _ = send.send_data(framed("question"), true);
    let answer = head(answer).await;
    assert_eq!(answer.status(), 401);
    assert!(answer.headers().contains_key("www-authenticate"));
    stage.service.assert_no_call("without a token");
    // The connection is good for the next call.
    let (answer, mut send) = client.call("/grpc.Own/Get", true).await;
    send.send_data(framed("question"), true).unwrap();
    stage.service.call().await.answer_head(200, &[CONTENT, ("grpc-status", "0")]);
    assert_eq!(head(answer).await.status(), 200);
}

#[tokio::test]
async fn cancelled_call_is_cancelled_at_the_service() {
    let mut stage = Stage::start(false).await;
    let client = stage.client().await;
    let (answer, mut send) = client.call("/grpc.Own/Watch", true).await;
    let mut call = stage.service.call().await;
    let mut stream = call.begin(200, &[CONTENT]);
    stream.send_data(framed("first"), false).unwrap();
    let mut body = head(answer).await.into_body();
    assert_eq!(message(&mut body).await, Some(framed("first")));
    send.send_reset(Reason::CANCEL);
    let reset = timeout(PROMPT, std::future::poll_fn(|cx| stream.poll_reset(cx))).await;
    assert!(reset.is_ok_and(|reset| reset.is_ok()));
}
