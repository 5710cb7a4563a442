//! One GET over plain HTTP/1.1, for asking a gateway on this machine or network how it is.
//!
//! No TLS, no redirects, no decoding of a chunked body: the admin listener needs none of it, and an HTTP
//! client would be a dependency of every installation.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Bytes of an answer that are read at most.
const MAX_ANSWER: u64 = 64 * 1024;

/// An `http://` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `host:port`
    authority: String,
    path: String,
}

impl Target {
    pub(super) fn at(address: SocketAddr, path: &str) -> Self {
        Self { authority: address.to_string(), path: path.to_owned() }
    }

    /// Takes `http://host[:port][/path]`; the port defaults to 80, the path to `/readyz`.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or("expected http://HOST:PORT/PATH")?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a URL has no spaces, control characters or letters beyond ASCII".to_owned());
        }
        let (host, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/readyz"),
        };
        if host.is_empty() || host.contains('@') {
            return Err("expected a host without user name".to_owned());
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port { host.to_owned() } else { format!("{host}:80") };
        Ok(Self { authority, path: path.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Asks `target`; the whole of it, name look-up included, ends within `deadline`.
pub(super) fn get(target: &Target, deadline: Duration) -> io::Result<Answer> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let target = target.clone();
    // A thread, because a name look-up has no timeout. If it is late, it ends with the process.
    thread::Builder::new().name("probe".to_owned()).spawn(move || {
        let _nobody_waits_any_more = sender.send(exchange(&target, deadline));
    })?;
    receiver.recv_timeout(deadline).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn exchange(target: &Target, deadline: Duration) -> io::Result<Answer> {
    let mut stream = connect(&target.authority, deadline)?;
    stream.set_read_timeout(Some(deadline))?;
    stream.set_write_timeout(Some(deadline))?;
    let Target { authority, path } = target;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

/// The first address that answers.
fn connect(authority: &str, deadline: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, deadline) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_url_has_a_host_and_defaults() {
        for (url, shown) in [
            ("http://127.0.0.1:9090/readyz", "http://127.0.0.1:9090/readyz"),
            ("http://localhost", "http://localhost:80/readyz"),
            ("http://[::1]:9090", "http://[::1]:9090/readyz"),
            ("http://[::1]/livez", "http://[::1]:80/livez"),
        ] {
            assert_eq!(Target::parse(url).map(|target| target.to_string()), Ok(shown.to_owned()), "{url}");
        }
        for bad in
            ["https://a", "a:1", "http://", "http:///x", "http://u:p@h", "http://a/\r\nX: y", "http://a b"]
        {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    /// Answers one connection, or never.
    fn serve(answer: Option<&'static str>) -> (Target, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::at(listener.local_addr().unwrap(), "/readyz");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                None => drop(stream.read(&mut request)), // until the other side gives up
            }
            String::from_utf8_lossy(request.get(..length).unwrap_or_default()).into_owned()
        });
        (target, server)
    }

    #[test]
    fn an_answer_is_read_to_its_end() {
        let (target, server) =
            serve(Some("HTTP/1.1 503 Service Unavailable\r\nX: y\r\n\r\n{\"missing\":[]}"));
        let answer = get(&target, Duration::from_secs(5)).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "{\"missing\":[]}"));
        assert!(server.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"));
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let (target, server) = serve(None);
        assert!(get(&target, Duration::from_millis(50)).is_err());
        server.join().unwrap();
    }

    #[test]
    fn something_else_than_http_is_an_error() {
        let (target, server) = serve(Some("SSH-2.0-x\r\n\r\n"));
        assert_eq!(get(&target, Duration::from_secs(5)).unwrap_err().kind(), io::ErrorKind::InvalidData);
        server.join().unwrap();
    }
}
