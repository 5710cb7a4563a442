//! The service behind the gateway and the clients before it, in this process, which nobody counts.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Nothing takes so long, not even under valgrind on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A service that answers everything with 100 bytes, and keeps its connections.
pub fn start_service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n\
         Content-Length: 100\r\n\r\n{}",
        "x".repeat(100)
    );
    stream.set_nodelay(true).unwrap();
    while read_until(&mut stream, |bytes| bytes.ends_with(b"\r\n\r\n")).is_some() {
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads until that holds for all that was read. None: the connection ended before.
fn read_until(stream: &mut TcpStream, enough: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let (mut read, mut part) = (Vec::new(), [0; 4096]);
    while !enough(&read) {
        match stream.read(&mut part) {
            Ok(size @ 1..) => read.extend_from_slice(&part[..size]),
            Ok(0) | Err(_) => return None,
        }
    }
    Some(read)
}

/// Kept connections that each send the same request again and again.
pub struct Clients {
    connections: Vec<TcpStream>,
    request: Vec<u8>,
}

impl Clients {
    /// Connects so many.
    pub fn connect(gateway: SocketAddr, number: usize, request: Vec<u8>) -> Self {
        let connect = |_| {
            let stream = TcpStream::connect(gateway).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            stream
        };
        Self { connections: (0..number).map(connect).collect(), request }
    }

    /// So many requests, over all connections in turn: each sends one, then each reads its answer. Every answer must be the
    /// service's.
    pub fn send(&mut self, requests: usize) {
        let rounds = requests / self.connections.len();
        for _ in 0..rounds {
            for stream in &mut self.connections {
                stream.write_all(&self.request).unwrap();
            }
            for stream in &mut self.connections {
                let answer = read_until(stream, whole).expect("an answer");
                assert!(
                    answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(&[b'x'; 100]),
                    "{}",
                    String::from_utf8_lossy(&answer)
                );
            }
        }
    }
}

/// Whether an answer with `Content-Length` is there to its end.
fn whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().filter_map(|line| line.split_once(": ")).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
    });
    body.len() >= length.expect("a Content-Length")
}
