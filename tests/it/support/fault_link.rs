//! The inside of a [`FaultProxy`](super::fault_proxy::FaultProxy): its connections and their bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::fault_proxy::{Command, Link, Mode};

/// Connections at once; more wait in the backlog of the port.
const MOST_CONNECTIONS: usize = 256;
/// Read at once.
const CHUNK: usize = 16 * 1024;
/// Chunks under way in one direction; then its sender is held back.
const MOST_CHUNKS: usize = 64;

/// How a connection came to its end.
enum End {
    /// Both sides said goodbye.
    Closed,
    /// To be reset on both sides.
    Reset,
}

/// Until the sender of commands is dropped, and all connections with it.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    link: Arc<Link>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    listener.set_nonblocking(true).expect("a listener can be non-blocking");
    let listener = TcpListener::from_std(listener).expect("inside a runtime");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => {
                let Some((mode, done)) = command else { return };
                if link.change_to(mode) {
                    link.cuts.send_modify(|cuts| *cuts += 1);
                    while connections.join_next().await.is_some() {}
                }
                let _ = done.send(());
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                let (client, _) = accepted.expect("a connection is accepted");
                connections.spawn(carry(client, Arc::clone(&link)));
            }
        }
    }
}

/// One connection from its beginning to its end.
async fn carry(mut client: TcpStream, link: Arc<Link>) {
    let mut cuts = link.cuts.subscribe();
    client.set_nodelay(true).expect("a fresh socket takes the option");
    match link.mode() {
        Mode::Refuse => return reset(&client),
        Mode::Blackhole => {
            tokio::select! {
                _ = cuts.changed() => {}
                () = swallow(&mut client) => {}
            }
            return reset(&client);
        }
        Mode::Pass | Mode::Delay(_) | Mode::Cut => {}
    }
    let Ok(mut server) = TcpStream::connect(link.server).await else { return reset(&client) };
    server.set_nodelay(true).expect("a fresh socket takes the option");
    if let End::Reset = relay(&mut client, &mut server, &link, cuts).await {
        reset(&client);
        reset(&server);
    }
}

/// What follows is no polite goodbye: whatever is dropped next tells its peer so.
fn reset(stream: &TcpStream) {
    // An error means that the peer was faster.
    let _ = stream.set_zero_linger();
}

async fn swallow(client: &mut TcpStream) {
    let mut buffer = vec![0; CHUNK];
    while client.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

async fn relay(
    client: &mut TcpStream,
    server: &mut TcpStream,
    link: &Link,
    mut cuts: watch::Receiver<u64>,
) -> End {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let loses_reply = AtomicBool::new(false);
    let requests = pump(from_client, to_server, link, |bytes| {
        if link.is_fatal(bytes) {
            loses_reply.store(true, Ordering::Relaxed);
        }
        true
    });
    let replies = pump(from_server, to_client, link, |_| !loses_reply.load(Ordering::Relaxed));
    tokio::select! {
        biased;
        _ = cuts.changed() => End::Reset,
        both = async { tokio::try_join!(requests, replies) } => match both {
            Ok(_) => End::Closed,
            Err(Broken) => End::Reset,
        },
    }
}

/// A side was reset, or is to be.
struct Broken;

/// Carries one direction to its end. `may_pass` sees every chunk as it comes and decides over the
/// connection.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    link: &Link,
    may_pass: impl Fn(&[u8]) -> bool,
) -> Result<(), Broken> {
    let (queue, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(MOST_CHUNKS);
    let reading = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = from.read(&mut buffer).await.map_err(|_| Broken)?;
            let bytes = &buffer[..count];
            if !may_pass(bytes) {
                return Err(Broken);
            }
            let delay = match link.mode() {
                Mode::Delay(delay) => delay,
                _ => std::time::Duration::ZERO,
            };
            // An empty chunk is the end of the stream; it waits for its turn, and is swallowed, like any other.
            let sent = queue.send((Instant::now() + delay, bytes.to_vec())).await;
            if count == 0 || sent.is_err() {
                return Ok(());
            }
        }
    };
    let writing = async {
        while let Some((at, bytes)) = due.recv().await {
            sleep_until(at).await;
            match (link.mode(), bytes.is_empty()) {
                // The end of the hole resets this connection.
                (Mode::Blackhole, true) => std::future::pending().await,
                (Mode::Blackhole, false) => {}
                (_, true) => to.shutdown().await.map_err(|_| Broken)?,
                (_, false) => to.write_all(&bytes).await.map_err(|_| Broken)?,
            }
        }
        Ok(())
    };
    tokio::try_join!(reading, writing).map(|_| ())
}
