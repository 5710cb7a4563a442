//! The request head in its one reading.

use std::ops::Range;

use bytes::Bytes;
use http::{Method, Version};
use memchr::memchr;

use super::connection::Upgrade;
use super::credentials::Credentials;
use super::fields::Fields;
use super::framing::Body;
use super::head::HeadLimits;
use super::oddity::{self, Oddities, Oddity};
use super::refusal::{BARE_LF, HEAD_TOO_LARGE, INCOMPLETE_HEAD, REQUEST_LINE, Refusal};
use super::request_line;
use super::target;

/// A request head that everybody on the way reads the same. Only [`CanonicalRequest::parse`] makes one
/// ([`CanonicalRequest::from_http2`] calls it, in its odd form).
///
/// Keeps one copy of the head; everything textual is a range of it. `Debug` shows no field that could carry a
/// secret: no query, no header.
#[derive(Clone)]
pub struct CanonicalRequest {
    head: Bytes,
    method: Method,
    version: Version,
    path: Range<usize>,
    query: Option<Range<usize>>,
    host: Range<usize>,
    body: Body,
    upgrade: Upgrade,
    credentials: Credentials,
    expects_continue: bool,
    keep_alive: bool,
    oddities: Oddities,
}

impl CanonicalRequest {
    /// Reads one complete head, from the method to the empty line, with nothing behind it.
    ///
    /// # Errors
    /// A [`Refusal`] for every head that is malformed, beyond `limits`, or could be read in two ways.
    pub fn parse(head: &[u8], limits: &HeadLimits) -> Result<Self, Refusal> {
        let request = Self::parse_odd(head, limits)?;
        request.oddities.refusal_unless(|_| false).map_or(Ok(request), Err)
    }

    /// The same, but leaves what a route may allow of a path to whoever knows the route: see
    /// [`CanonicalRequest::oddities`]. Runs of slashes are merged, in the path and in the head: there is one path,
    /// and whoever is handed the head sees no other.
    ///
    /// # Errors
    /// As [`CanonicalRequest::parse`], but for these oddities.
    pub fn parse_odd(head: &[u8], limits: &HeadLimits) -> Result<Self, Refusal> {
        let (line, mut at) = line_at(head, 0)?;
        let request_line = request_line::parse(line, limits.target_bytes())?;
        if head.len() > limits.max_header_bytes {
            return Err(HEAD_TOO_LARGE);
        }
        let target = request_line.target;
        let target::Path { len, oddities } = target::path(line.get(target.clone()).ok_or(REQUEST_LINE)?)?;
        let path = target.start..target.start + len;
        if oddities.has(Oddity::EmptySegment) {
            let before = head.get(..path.start).unwrap_or_default();
            let slashes = oddity::merged(head.get(path.clone()).unwrap_or_default());
            let behind = head.get(path.end..).unwrap_or_default();
            let merged = Self::parse_odd(&[before, &slashes, behind].concat(), limits)?;
            return Ok(Self { oddities, ..merged });
        }
        let query = (path.end < target.end).then(|| path.end + 1..target.end);

        let mut fields = Fields::new(limits.headers());
        loop {
            let (line, next) = line_at(head, at)?;
            if line.is_empty() {
                at = next;
                break;
            }
            fields.add_line(line, at)?;
            at = next;
        }
        if at != head.len() {
            return Err(INCOMPLETE_HEAD);
        }
        let meaning = fields.finish(&request_line.method, request_line.version)?;
        Ok(Self {
            head: Bytes::copy_from_slice(head),
            method: request_line.method,
            version: request_line.version,
            path,
            query,
            host: meaning.host,
            body: meaning.body,
            upgrade: meaning.upgrade,
            credentials: meaning.credentials,
            expects_continue: meaning.expects_continue,
            keep_alive: meaning.keep_alive,
            oddities,
        })
    }

    /// The same request, which came in another version's form.
    pub(super) fn received_as(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// The head, byte for byte, with merged slashes in its path.
    pub fn head(&self) -> &Bytes {
        &self.head
    }

    /// Never TRACE or CONNECT.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// HTTP/2, HTTP/1.1 or HTTP/1.0.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Starts with `/`; the bytes that are forwarded, nothing decoded.
    pub fn path(&self) -> &str {
        self.text(&self.path)
    }

    /// What of the path only a route may allow. Whether it does is the caller's to ask, before anything else.
    pub fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// What services may make of a path with encoded slashes; none for others.
    pub fn other_readings(&self) -> Option<[String; 2]> {
        self.oddities.has(Oddity::EncodedSlash).then(|| oddity::readings(self.path()))
    }

    /// Without its `?`. `Some("")` for a bare `?`.
    pub fn query(&self) -> Option<&str> {
        self.query.as_ref().map(|range| self.text(range))
    }

    /// `Host` as sent and forwarded: `name[:port]`.
    pub fn host(&self) -> &str {
        self.text(&self.host)
    }

    /// How the body is delimited.
    pub fn body(&self) -> Body {
        self.body
    }

    /// What protocol change is asked for.
    pub fn upgrade(&self) -> Upgrade {
        self.upgrade
    }

    /// What the `Authorization` lines amount to.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The token of [`Credentials::Bearer`].
    pub fn bearer_token(&self) -> Option<&str> {
        match &self.credentials {
            Credentials::Bearer(range) => Some(self.text(range)),
            Credentials::None | Credentials::OtherScheme | Credentials::Malformed | Credentials::Several => {
                None
            }
        }
    }

    /// Whether the client waits for `100 Continue` before it sends its body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Whether the client may send another request on this connection.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Every range kept here was judged to be ASCII; should one not be, it is empty and matches nothing.
    fn text(&self, range: &Range<usize>) -> &str {
        self.head.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl std::fmt::Debug for CanonicalRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CanonicalRequest")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("host", &self.host())
            .field("version", &self.version)
            .field("body", &self.body)
            .field("upgrade", &self.upgrade)
            .finish_non_exhaustive()
    }
}

/// The line that begins at `at`, without its CRLF, and where the next begins.
fn line_at(head: &[u8], at: usize) -> Result<(&[u8], usize), Refusal> {
    let rest = head.get(at..).unwrap_or_default();
    let lf = memchr(b'\n', rest).ok_or(INCOMPLETE_HEAD)?;
    let line = rest.get(..lf).and_then(|line| line.strip_suffix(b"\r")).ok_or(BARE_LF)?;
    Ok((line, at + lf + 1))
}
