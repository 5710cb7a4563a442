//! The fault proxy does what its modes say, and the cluster's edges are separate.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::cluster::Cluster;
use crate::support::fault_proxy::{FaultProxy, Mode};
use crate::support::ports::free_address;
use crate::support::raw::{NoResponse, RawClient, exchange};
use crate::support::recorder::{Recorder, Reply};
use crate::support::wait::eventually;

const SOON: Duration = Duration::from_secs(10);
/// Long enough to see that nothing comes.
const SILENCE: Duration = Duration::from_millis(200);
const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// A server behind a proxy.
fn edge() -> (Recorder, FaultProxy) {
    let server = Recorder::start();
    let proxy = FaultProxy::start(server.address());
    (server, proxy)
}

/// A connection through the proxy that has carried a request and its reply.
async fn used_connection(proxy: &FaultProxy) -> RawClient {
    let mut client = RawClient::connect(proxy.address()).await;
    assert!(works(&mut client).await);
    client
}

async fn works(client: &mut RawClient) -> bool {
    client.send(GET).await && client.read_response().await.is_ok_and(|answer| answer.status == 200)
}

/// A new connection is reset, be it while it is made or right after.
async fn is_refused(proxy: &FaultProxy) {
    let Ok(mut stream) = TcpStream::connect(proxy.address()).await else { return };
    let read = tokio::time::timeout(SOON, stream.read_u8()).await.expect("it is soon");
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn pass_carries_bytes_both_ways_and_the_ends_of_connections() {
    let (server, proxy) = edge();
    server.reply_at("/big", Reply::Big(3_000_000));
    let answer = exchange(proxy.address(), "GET /big HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(answer.body.len(), 3_000_000);
    let body = vec![b'x'; 2_000_000];
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    exchange(proxy.address(), [head.into_bytes(), body.clone()].concat()).await.unwrap();
    assert_eq!(server.last().body, body);

    let mut client = used_connection(&proxy).await;
    client.finish_sending().await;
    assert!(client.closes_within(SOON).await, "the server answers the goodbye with its own");
    server.reply(Reply::Close);
    assert!(matches!(exchange(proxy.address(), GET).await, Err(NoResponse::Closed)));
}

#[tokio::test]
async fn refuse_resets_old_and_new_connections_until_it_ends() {
    let (server, proxy) = edge();
    let mut old = used_connection(&proxy).await;
    proxy.set(Mode::Refuse);
    assert!(old.closes_within(SOON).await);
    for _ in 0..20 {
        is_refused(&proxy).await;
    }
    assert_eq!(server.count(), 1, "nothing reached the server");
    proxy.set(Mode::Pass);
    used_connection(&proxy).await;
}

#[tokio::test]
async fn delay_holds_each_direction_back_and_keeps_the_order() {
    let (server, proxy) = edge();
    let mut client = used_connection(&proxy).await;
    let delay = Duration::from_millis(150);
    proxy.set(Mode::Delay(delay));
    let begun = Instant::now();
    assert!(client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n").await);
    assert!(eventually(SOON, || async { server.count() > 1 }).await);
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
    assert_eq!(client.read_response().await.unwrap().json()["target"], "/1");
    assert!(begun.elapsed() >= 2 * delay, "{:?}", begun.elapsed());
    // What is under way comes before what is sent later without a delay.
    proxy.set(Mode::Pass);
    assert!(client.send("GET /3 HTTP/1.1\r\nHost: x\r\n\r\n").await);
    assert_eq!(client.read_response().await.unwrap().json()["target"], "/2");
    assert_eq!(client.read_response().await.unwrap().json()["target"], "/3");
}

#[tokio::test]
async fn blackhole_swallows_everything_and_its_end_resets_what_it_touched() {
    let (server, proxy) = edge();
    let mut old = used_connection(&proxy).await;
    proxy.set(Mode::Blackhole);
    let mut new = RawClient::connect(proxy.address()).await;
    for client in [&mut old, &mut new] {
        assert!(client.send(GET).await, "the bytes are taken");
        assert!(!client.closes_within(SILENCE).await, "and nothing comes");
    }
    let mut closing = RawClient::connect(proxy.address()).await;
    closing.finish_sending().await;
    assert_eq!(server.count(), 1);
    assert_eq!(server.connection_count(), 1);
    proxy.set(Mode::Pass);
    assert!(old.closes_within(SOON).await);
    assert!(new.closes_within(SOON).await);
    used_connection(&proxy).await;
    assert_eq!(server.count(), 2, "what was swallowed stays lost");
}

#[tokio::test]
async fn blackhole_swallows_bytes_that_were_delayed() {
    let (server, proxy) = edge();
    let mut client = used_connection(&proxy).await;
    proxy.set(Mode::Delay(SILENCE / 2));
    assert!(client.send(GET).await);
    proxy.set(Mode::Blackhole);
    assert!(!client.closes_within(SILENCE).await);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn cut_resets_what_exists_and_lets_new_connections_pass() {
    let (_server, proxy) = edge();
    let mut old = used_connection(&proxy).await;
    proxy.set(Mode::Cut);
    assert!(old.closes_within(SOON).await);
    let mut new = used_connection(&proxy).await;
    assert!(works(&mut new).await, "it cuts once");
}

#[tokio::test]
async fn the_reply_to_a_chosen_request_is_lost_after_the_server_carried_it_out() {
    let (server, proxy) = edge();
    let mut spared = used_connection(&proxy).await;
    proxy.lose_reply_to(b"/commit");
    assert!(works(&mut spared).await, "other requests are answered");
    assert!(proxy.is_armed());
    let mut hit = RawClient::connect(proxy.address()).await;
    assert!(hit.send("POST /commit HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await);
    assert!(matches!(hit.read_response().await, Err(NoResponse::Closed)));
    assert_eq!(server.last().target, "/commit");
    assert!(!proxy.is_armed());
    assert!(works(&mut spared).await);
    exchange(proxy.address(), "POST /commit HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
}

#[tokio::test]
async fn a_proxy_without_server_resets_and_a_dropped_one_is_gone() {
    let proxy = FaultProxy::start(free_address());
    is_refused(&proxy).await;
    drop(proxy);

    let (_server, proxy) = edge();
    let mut client = used_connection(&proxy).await;
    let address = proxy.address();
    drop(proxy);
    assert!(client.closes_within(SOON).await);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_fault_hits_one_edge_of_one_replica_of_a_cluster() {
    let cluster = Cluster::start(2).await;
    let ready = async |at: usize| {
        let answer = cluster.replicas[at].app.get_admin("/readyz").await;
        answer.json::<serde_json::Value>().await.unwrap()
    };
    let is_whole = |ready: &serde_json::Value| {
        let nothing = serde_json::json!([]);
        ready["ready"] == true && ready["missing"] == nothing && ready["degraded"] == nothing
    };
    for mode in [Mode::Refuse, Mode::Blackhole, Mode::Delay(Duration::from_secs(1))] {
        cluster.replicas[0].redis.set(mode);
        cluster.replicas[1].postgres.set(mode);
        assert!(eventually(SOON, || async { ready(0).await["degraded"][0] == "redis" }).await, "{mode:?}");
        assert!(eventually(SOON, || async { ready(1).await["missing"][0] == "postgres" }).await, "{mode:?}");
        assert_eq!(ready(0).await["missing"], serde_json::json!([]), "{mode:?}");
        cluster.heal_edges();
        for at in [0, 1] {
            assert!(eventually(SOON, || async { is_whole(&ready(at).await) }).await, "{mode:?} at {at}");
        }
    }
}
