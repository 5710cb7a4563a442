//! What was received, within bounds.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// More requests than any run sends.
const MOST_RECORDS: usize = 50_000;

/// Bytes kept of one request, head and body.
const MOST_BYTES_EACH: usize = 128 * 1024;

/// Bytes kept in all.
const MOST_BYTES: usize = 128 * 1024 * 1024;

/// Bytes of requests in one answer of the control listener.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// One request as it arrived, from its first byte on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Counted from 0 since the recorder started.
    pub seq: usize,
    /// The connection it came on, counted from 0.
    pub connection: usize,
    /// The first word of the request line.
    pub method: String,
    /// The second, untouched.
    pub target: String,
    /// How many of the bytes are the head; 0 while it has not ended.
    pub head_length: usize,
    /// Whether head and body have arrived whole.
    pub complete: bool,
    /// Whether bytes were not kept.
    pub truncated: bool,
    /// Head and body as they were on the wire; in JSON as base64.
    #[serde(with = "as_base64")]
    pub raw: Vec<u8>,
}

impl Record {
    /// The request line and the header lines.
    pub fn head(&self) -> &[u8] {
        let end = if self.head_length == 0 { self.raw.len() } else { self.head_length };
        self.raw.get(..end).unwrap_or(&self.raw)
    }

    /// The body without the framing of chunks, as far as it arrived; `None` when it has no such framing.
    pub fn content(&self) -> Option<Vec<u8>> {
        let head = String::from_utf8_lossy(self.head()).to_ascii_lowercase();
        let chunked =
            head.lines().any(|line| line.starts_with("transfer-encoding") && line.contains("chunked"));
        let mut rest = self.raw.get(self.head_length..).filter(|_| chunked && self.head_length > 0)?;
        let mut content = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end.saturating_add(1));
            let text = String::from_utf8_lossy(line);
            let size = text.split(';').next().unwrap_or_default().trim();
            let Ok(size) = usize::from_str_radix(size, 16) else { break };
            content.extend_from_slice(after.get(..size).unwrap_or(after));
            rest = after.get(size.saturating_add(2)..).unwrap_or_default();
            if size == 0 {
                break;
            }
        }
        Some(content)
    }
}

/// Some records: the JSON of the control listener.
#[derive(Debug, Serialize, Deserialize)]
pub struct Page {
    /// Ask with this `since` for those that come later.
    pub next: usize,
    /// Whether there are more already.
    pub more: bool,
    /// How many requests were not kept since the recorder was last emptied.
    pub dropped: usize,
    /// The records, oldest first.
    pub records: Vec<Record>,
}

/// All records; the connections write, the control listener reads.
#[derive(Default)]
pub(super) struct Log {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The number of the first of `records`.
    first: usize,
    records: Vec<Record>,
    bytes: usize,
    dropped: usize,
}

impl Log {
    /// A request begins on this connection; its number, if it is kept.
    pub(super) fn begin(&self, connection: usize) -> Option<usize> {
        let mut kept = self.kept.lock();
        if kept.records.len() >= MOST_RECORDS || kept.bytes >= MOST_BYTES {
            kept.dropped = kept.dropped.saturating_add(1);
            return None;
        }
        let seq = kept.first.saturating_add(kept.records.len());
        kept.records.push(Record {
            seq,
            connection,
            method: String::new(),
            target: String::new(),
            head_length: 0,
            complete: false,
            truncated: false,
            raw: Vec::new(),
        });
        Some(seq)
    }

    /// More bytes of a request.
    pub(super) fn append(&self, seq: Option<usize>, bytes: &[u8]) {
        let mut kept = self.kept.lock();
        let room_in_all = MOST_BYTES.saturating_sub(kept.bytes);
        let Some(record) = kept.record(seq) else { return };
        let room = MOST_BYTES_EACH.saturating_sub(record.raw.len()).min(room_in_all);
        let taken = bytes.get(..room).unwrap_or(bytes);
        record.truncated |= taken.len() < bytes.len();
        record.raw.extend_from_slice(taken);
        kept.bytes = kept.bytes.saturating_add(taken.len());
    }

    /// Its head has ended: these were its bytes.
    pub(super) fn head_ended(&self, seq: Option<usize>, head: &[u8]) {
        let mut kept = self.kept.lock();
        let Some(record) = kept.record(seq) else { return };
        record.head_length = head.len();
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
        // Everything between the first and the last space: a lenient service takes spaces in a target.
        let (method, rest) = line.split_once(' ').unwrap_or((&line, ""));
        record.method = method.to_owned();
        record.target = rest.rsplit_once(' ').map_or(rest, |(target, _)| target).to_owned();
    }

    /// It has arrived whole.
    pub(super) fn complete(&self, seq: Option<usize>) {
        if let Some(record) = self.kept.lock().record(seq) {
            record.complete = true;
        }
    }

    /// The records from `since` on, as many as fit an answer.
    pub(super) fn page(&self, since: usize) -> Page {
        let kept = self.kept.lock();
        let mut records = Vec::new();
        let mut bytes = 0_usize;
        let skip = since.saturating_sub(kept.first);
        for record in kept.records.iter().skip(skip) {
            if !records.is_empty() && bytes.saturating_add(record.raw.len()) > PAGE_BYTES {
                break;
            }
            bytes = bytes.saturating_add(record.raw.len());
            records.push(record.clone());
        }
        let end = kept.first.saturating_add(kept.records.len());
        let next = records.last().map_or(end, |record| record.seq.saturating_add(1));
        Page { next, more: next < end, dropped: kept.dropped, records }
    }

    /// Forgets all of them. Numbers go on.
    pub(super) fn reset(&self) {
        let mut kept = self.kept.lock();
        let first = kept.first.saturating_add(kept.records.len());
        *kept = Kept { first, ..Kept::default() };
    }
}

impl Kept {
    fn record(&mut self, seq: Option<usize>) -> Option<&mut Record> {
        let index = seq?.checked_sub(self.first)?;
        self.records.get_mut(index)
    }
}

/// Bytes as base64 text.
mod as_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_says_so() {
        let log = Log::default();
        let seq = log.begin(0);
        log.append(seq, &vec![b'a'; MOST_BYTES_EACH + 1]);
        let page = log.page(0);
        assert_eq!(page.records[0].raw.len(), MOST_BYTES_EACH);
        assert!(page.records[0].truncated);
        for _ in 0..MOST_RECORDS {
            log.begin(1);
        }
        assert_eq!(log.page(0).dropped, 1);
        log.reset();
        log.append(seq, b"late");
        let page = log.page(0);
        assert_eq!((page.records.len(), page.next, page.dropped), (0, MOST_RECORDS, 0));
    }

    #[test]
    fn a_long_list_comes_in_pages() {
        let log = Log::default();
        for _ in 0..100 {
            let seq = log.begin(0);
            log.append(seq, &vec![b'a'; MOST_BYTES_EACH]);
        }
        let (mut since, mut seen) = (0, 0);
        loop {
            let page = log.page(since);
            (since, seen) = (page.next, seen + page.records.len());
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, 100);
    }

    #[test]
    fn content_is_what_chunks_hold() {
        let record = |raw: &str| {
            let log = Log::default();
            let seq = log.begin(0);
            log.append(seq, raw.as_bytes());
            let (head, _) = raw.split_once("\r\n\r\n").unwrap();
            log.head_ended(seq, &raw.as_bytes()[..head.len() + 4]);
            log.page(0).records.remove(0).content()
        };
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (body, content) in
            [("2\r\nhe\r\n3;x\r\nllo\r\n0\r\n\r\n", "hello"), ("5\r\nhel", "hel"), ("x", ""), ("", "")]
        {
            assert_eq!(record(&format!("{head}{body}")), Some(content.as_bytes().to_vec()), "{body:?}");
        }
        assert_eq!(record("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na"), None);
    }

    #[test]
    fn a_target_with_spaces_is_kept_whole_and_json_keeps_every_byte() {
        let log = Log::default();
        let seq = log.begin(7);
        let head = b"GET /a b\xff HTTP/1.1\r\n\r\n";
        log.append(seq, head);
        log.head_ended(seq, head);
        let json = serde_json::to_string(&log.page(0)).unwrap();
        let page: Page = serde_json::from_str(&json).unwrap();
        assert_eq!(page.records[0].target, "/a b\u{fffd}");
        assert_eq!(page.records[0].head(), head);
    }
}
