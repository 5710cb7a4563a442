//! How long a service's answer is, said in one way (RFC 9112 section 6, RFC 9110 section 8.6): whoever reads it next,
//! the client or a proxy in front, must not find another end than we did.

use http::{StatusCode, Version, header};
use pingora::http::ResponseHeader;

/// Takes away what answers without content may not say, and tells whether the rest can be read in one way.
pub fn settle_framing(answer: &mut ResponseHeader) -> bool {
    if answer.status == StatusCode::SWITCHING_PROTOCOLS {
        return true;
    }
    if answer.status.is_informational() || answer.status == StatusCode::NO_CONTENT {
        answer.remove_header(&header::CONTENT_LENGTH);
        answer.remove_header(&header::TRANSFER_ENCODING);
        return true;
    }
    let mut encodings = answer.headers.get_all(header::TRANSFER_ENCODING).iter();
    let mut lengths = answer.headers.get_all(header::CONTENT_LENGTH).iter();
    match (encodings.next(), encodings.next(), lengths.next(), lengths.next()) {
        (None, _, None, _) => true,
        // Chunks are none of HTTP/1.0 (RFC 9112 section 6.1).
        (Some(encoding), None, None, _) => {
            answer.version != Version::HTTP_10 && encoding.as_bytes().eq_ignore_ascii_case(b"chunked")
        }
        (None, _, Some(length), None) => {
            !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_one_end() {
        for (status, version, fields, good, left) in [
            (200, Version::HTTP_11, &[][..], true, 0),
            (200, Version::HTTP_11, &[("content-length", "5")], true, 1),
            (200, Version::HTTP_11, &[("transfer-encoding", "Chunked")], true, 1),
            (200, Version::HTTP_10, &[("content-length", "5")], true, 1),
            (304, Version::HTTP_11, &[("content-length", "5")], true, 1),
            (204, Version::HTTP_11, &[("content-length", "60")], true, 0),
            (204, Version::HTTP_11, &[("transfer-encoding", "chunked")], true, 0),
            (103, Version::HTTP_11, &[("content-length", "60"), ("transfer-encoding", "chunked")], true, 0),
            (200, Version::HTTP_10, &[("transfer-encoding", "chunked")], false, 1),
            (200, Version::HTTP_11, &[("transfer-encoding", "identity")], false, 1),
            (200, Version::HTTP_11, &[("transfer-encoding", "chunked, chunked")], false, 1),
            (200, Version::HTTP_11, &[("transfer-encoding", "gzip, chunked")], false, 1),
            (200, Version::HTTP_11, &[("transfer-encoding", "chunked"), ("content-length", "5")], false, 2),
            (200, Version::HTTP_11, &[("content-length", "5, 5")], false, 1),
            (200, Version::HTTP_11, &[("content-length", "5"), ("content-length", "5")], false, 2),
            (200, Version::HTTP_11, &[("content-length", "+5")], false, 1),
            (200, Version::HTTP_11, &[("content-length", "")], false, 1),
        ] {
            let mut answer = ResponseHeader::build(status, None).unwrap();
            answer.set_version(version);
            for (name, value) in fields {
                answer.append_header(*name, *value).unwrap();
            }
            assert_eq!(settle_framing(&mut answer), good, "{status} {version:?} {fields:?}");
            assert_eq!(answer.headers.len(), left, "{status} {version:?} {fields:?}");
        }
    }
}
