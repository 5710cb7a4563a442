//! Where an HTTP/1 answer ends, in bytes that may be wrong in any way.

/// An answer at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its status.
    pub status: u16,
    /// The length of its head, with the empty line.
    pub head: usize,
    /// Its length.
    pub length: usize,
}

/// The answer that the bytes begin with; `None` when it is not whole, or none.
///
/// `closed`: no more bytes come, so an answer without a length is whole.
pub(super) fn answer(bytes: &[u8], to_head: bool, closed: bool) -> Option<Answer> {
    let text = bytes.strip_prefix(b"HTTP/")?;
    let word = text.split(|byte| *byte == b' ').nth(1)?.get(..3)?;
    let status: u16 = std::str::from_utf8(word).ok()?.parse().ok()?;
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?.checked_add(4)?;
    let lines = String::from_utf8_lossy(bytes.get(..head)?).to_ascii_lowercase();
    let field = |name: &str| {
        let values = lines.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut values = values.filter(|(found, _)| *found == name).map(|(_, value)| value.trim());
        values.next()
    };
    let rest = bytes.get(head..)?;
    let body = if to_head || matches!(status, 100..200 | 204 | 304) {
        0
    } else if field("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        chunked(rest)?
    } else if let Some(length) = field("content-length") {
        let length = length.parse().ok()?;
        if rest.len() < length {
            return None;
        }
        length
    } else if closed {
        rest.len()
    } else {
        return None;
    };
    Some(Answer { status, head, length: head.checked_add(body)? })
}

/// The length of a chunked body.
fn chunked(bytes: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let line = line(bytes.get(at..)?)?;
        let text = std::str::from_utf8(line).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(text, 16).ok()?;
        at = at.checked_add(line.len())?;
        if size == 0 {
            break;
        }
        at = at.checked_add(size)?.checked_add(2)?;
    }
    loop {
        let line = line(bytes.get(at..)?)?;
        at = at.checked_add(line.len())?;
        if line.trim_ascii().is_empty() {
            return Some(at);
        }
    }
}

/// Up to the line feed.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    bytes.get(..=end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_framing_says() {
        for (bytes, to_head, closed, found) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP", false, false, Some((200, 40))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", false, false, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true, false, Some((200, 38))),
            ("HTTP/1.1 204 No\r\n\r\nx", false, false, Some((204, 19))),
            ("HTTP/1.0 400 Bad\r\n\r\nxyz", false, false, None),
            ("HTTP/1.0 400 Bad\r\n\r\nxyz", false, true, Some((400, 23))),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                false,
                false,
                Some((200, 58)),
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", false, false, None),
            ("<html>", false, true, None),
            ("HTTP/1.1", false, true, None),
        ] {
            let answer = answer(bytes.as_bytes(), to_head, closed);
            assert_eq!(answer.map(|answer| (answer.status, answer.length)), found, "{bytes:?}");
        }
    }
}
