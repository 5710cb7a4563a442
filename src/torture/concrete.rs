//! From a case to the requests that are sent.

use std::time::Duration;

use super::case::{BodyFraming, Case, Expect, Protocol};
use super::client::{Bytes, Frames};
use super::frames;
use super::placeholders::Words;
use super::token::{Mint, Missing};

/// The header line that tells a structured request that has no canary of its own.
const CANARY_HEADER: &str = "X-Torture-Canary";

/// How long to stay after the answer to raw bytes: what follows the first request may be taken for another.
const LINGER_RAW: Duration = Duration::from_millis(80);

/// How long a connection may take to close, or must stay open.
const LINGER_CLOSED: Duration = Duration::from_secs(1);
const LINGER_OPEN: Duration = Duration::from_millis(150);

const DEFAULT_PAUSE: Duration = Duration::from_millis(100);

/// What is sent.
#[derive(Debug, Clone)]
pub(super) enum Send {
    /// Over HTTP/1.
    H1(Bytes),
    /// Over HTTP/2.
    H2(Frames),
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Concrete {
    /// What is sent.
    pub send: Send,
    /// Whether the canary is in it. Without, it is sent alone.
    pub marked: bool,
    /// What is left of it for the verdict.
    pub sent: Sent,
}

/// What a verdict needs to know of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    /// The target on the wire.
    pub target: Vec<u8>,
    /// One line about what is sent.
    pub line: Vec<u8>,
    /// What all requests at the upstream hold.
    pub has: Vec<Vec<u8>>,
    /// What none holds.
    pub lacks: Vec<Vec<u8>>,
}

impl Sent {
    fn new(target: &[u8], line: Vec<u8>) -> Self {
        Self { target: target.to_vec(), line, ..Self::default() }
    }
}

impl Concrete {
    /// The request of a case over a protocol; `words.token` is not looked at.
    ///
    /// # Errors
    /// What its token cannot be made of.
    pub(super) fn of(case: &Case, over: Protocol, words: &Words, mint: &Mint) -> Result<Self, Missing> {
        let token = match &case.token {
            Some(recipe) => mint.make(recipe, words)?,
            None if mentions_token(case) => mint.valid()?.to_owned(),
            None => String::new(),
        };
        let words = &Words { token: &token, ..*words };
        let mut concrete = match (&case.raw, &case.frames, over) {
            (Some(raw), _, _) => raw_bytes(case, raw, words),
            (None, Some(frames), _) => written_frames(case, frames, words),
            (None, None, Protocol::H1) => structured_h1(case, words),
            (None, None, Protocol::H2) => structured_h2(case, words),
        };
        concrete.sent.has = case.expect.upstream_has.iter().map(|text| words.bytes(text)).collect();
        concrete.sent.lacks = case.expect.upstream_lacks.iter().map(|text| words.bytes(text)).collect();
        Ok(concrete)
    }
}

/// Whether any text of the case holds `{token}`.
fn mentions_token(case: &Case) -> bool {
    let texts = [&case.raw, &case.method, &case.target, &case.authority, &case.scheme];
    let in_texts = texts.into_iter().flatten().chain([&case.body]).chain(&case.vary);
    let frames = case.frames.iter().flatten();
    let in_frames = frames.clone().filter_map(|frame| frame.headers.as_ref()).flatten();
    let in_pairs = case.headers.iter().chain(in_frames).flat_map(|(name, value)| [name, value]);
    let in_lists = case.host.iter().flatten().chain(frames.filter_map(|frame| frame.text.as_ref()));
    in_texts.chain(in_pairs).chain(in_lists).any(|text| text.contains("{token}"))
}

fn linger(expect: &Expect, otherwise: Duration) -> Duration {
    match expect.closed {
        Some(true) => LINGER_CLOSED,
        Some(false) => LINGER_OPEN,
        None => otherwise,
    }
}

fn raw_bytes(case: &Case, raw: &str, words: &Words) -> Concrete {
    let parts = words.parts(raw);
    let all = parts.concat();
    let line = all.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let first = line.iter().position(|byte| *byte == b' ').map_or(0, |at| at.saturating_add(1));
    let last = line.iter().rposition(|byte| *byte == b' ').unwrap_or(line.len());
    Concrete {
        sent: Sent::new(line.get(first..last).unwrap_or_default(), line.to_vec()),
        marked: holds(&all, words.canary),
        send: Send::H1(Bytes {
            to_head: all.starts_with(b"HEAD "),
            parts,
            pause: case.pause.unwrap_or(DEFAULT_PAUSE),
            linger: linger(&case.expect, LINGER_RAW),
        }),
    }
}

fn written_frames(case: &Case, list: &[super::case::Frame], words: &Words) -> Concrete {
    let sent = frames::written(list, case.rounds.unwrap_or(1), words);
    let fields = list.iter().filter_map(|frame| frame.headers.as_ref()).flatten();
    let value = |wanted: &str| {
        fields
            .clone()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| words.bytes(value))
            .unwrap_or_default()
    };
    let (method, target) = (value(":method"), value(":path"));
    let count = format!(" ({} frames)", list.len());
    Concrete {
        sent: Sent::new(&target, [&method, b" ".as_slice(), &target, count.as_bytes()].concat()),
        marked: holds(&sent.bytes, words.canary),
        send: Send::H2(sent),
    }
}

/// What both protocols say.
struct Parts {
    method: Vec<u8>,
    target: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    chunked: bool,
}

impl Parts {
    fn of(case: &Case, words: &Words) -> Self {
        let method = words.bytes(case.method.as_deref().unwrap_or("GET"));
        let target = words.bytes(case.target.as_deref().unwrap_or("{public}/x"));
        let mut headers: Vec<_> =
            case.headers.iter().map(|(name, value)| (words.bytes(name), words.bytes(value))).collect();
        let body = words.bytes(&case.body);
        let hosts = case.host.iter().flatten().map(|host| words.bytes(host)).collect::<Vec<_>>();
        let marked = [&method, &target, &body]
            .into_iter()
            .chain(headers.iter().flat_map(|(name, value)| [name, value]))
            .chain(&hosts)
            .any(|bytes| holds(bytes, words.canary));
        if !marked {
            headers.push((CANARY_HEADER.into(), words.canary.into()));
        }
        let framed = headers.iter().any(|(name, _)| {
            let name = name.trim_ascii();
            name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
        });
        let chunked = case.framing == BodyFraming::Chunked;
        if !body.is_empty() && !chunked && !framed {
            headers.push((b"Content-Length".to_vec(), body.len().to_string().into_bytes()));
        }
        Self { method, target, headers, body, chunked }
    }
}

fn structured_h1(case: &Case, words: &Words) -> Concrete {
    let Parts { method, target, mut headers, mut body, chunked } = Parts::of(case, words);
    if chunked {
        headers.push((b"Transfer-Encoding".to_vec(), b"chunked".to_vec()));
        let size = format!("{:x}\r\n", body.len()).into_bytes();
        body = if body.is_empty() {
            b"0\r\n\r\n".to_vec()
        } else {
            [&size, &body, b"\r\n0\r\n\r\n".as_slice()].concat()
        };
    }
    let default = ["{host}".to_owned()];
    let hosts = case.host.as_deref().unwrap_or(&default);
    let line = [&method, b" ".as_slice(), &target, b" HTTP/1.1"].concat();
    let mut bytes = [&line, b"\r\n".as_slice()].concat();
    let host_lines = hosts.iter().map(|host| (b"Host".to_vec(), words.bytes(host)));
    for (name, value) in host_lines.chain(headers) {
        bytes.extend([&name, b": ".as_slice(), &value, b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend(body);
    Concrete {
        sent: Sent::new(&target, line),
        marked: true,
        send: Send::H1(Bytes {
            parts: vec![bytes],
            pause: Duration::ZERO,
            to_head: method == b"HEAD",
            linger: linger(&case.expect, Duration::ZERO),
        }),
    }
}

fn structured_h2(case: &Case, words: &Words) -> Concrete {
    let Parts { method, target, headers, body, .. } = Parts::of(case, words);
    let line = [&method, b" ".as_slice(), &target].concat();
    let mut fields = vec![(b":method".to_vec(), method)];
    for (name, given, otherwise) in
        [(":scheme", &case.scheme, "{scheme}"), (":authority", &case.authority, "{host}")]
    {
        let value = words.bytes(given.as_deref().unwrap_or(otherwise));
        if !value.is_empty() {
            fields.push((name.into(), value));
        }
    }
    fields.push((b":path".to_vec(), target.clone()));
    fields.extend(case.host.iter().flatten().map(|host| (b"host".to_vec(), words.bytes(host))));
    fields.extend(headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)));
    let send = Send::H2(frames::request(&fields, &body));
    Concrete { sent: Sent::new(&target, line), marked: true, send }
}

fn holds(bytes: &[u8], word: &str) -> bool {
    memchr::memmem::find(bytes, word.as_bytes()).is_some()
}
