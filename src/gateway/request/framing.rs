//! Where the body ends (RFC 9112 section 6), read so that no two recipients can differ.

use http::Version;

use super::refusal::{
    CL_AND_TE, CONTENT_LENGTH, Refusal, TE_ON_HTTP10, TRANSFER_ENCODING, TWO_CONTENT_LENGTHS,
    TWO_TRANSFER_ENCODINGS,
};

/// How the body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Neither `Content-Length` nor `Transfer-Encoding`: no body.
    None,
    /// That many bytes, at most `i64::MAX`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The framing lines seen so far.
#[derive(Default)]
pub(super) struct FramingLines {
    length: Option<u64>,
    chunked: bool,
}

impl FramingLines {
    /// A `Content-Length` line. RFC 9112 lets equal repetitions pass; somebody on the way would take the
    /// first and somebody the list, so they do not.
    pub(super) fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() || value.contains(&b',') {
            return Err(TWO_CONTENT_LENGTHS);
        }
        self.length = Some(decimal(value).ok_or(CONTENT_LENGTH)?);
        Ok(())
    }

    /// A `Transfer-Encoding` line.
    pub(super) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked {
            return Err(TWO_TRANSFER_ENCODINGS);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(TRANSFER_ENCODING);
        }
        self.chunked = true;
        Ok(())
    }

    /// After the last line.
    pub(super) fn body(&self, version: Version) -> Result<Body, Refusal> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(CL_AND_TE),
            (None, true) if version == Version::HTTP_10 => Err(TE_ON_HTTP10),
            (None, true) => Ok(Body::Chunked),
            (Some(length), false) => Ok(Body::Length(length)),
            (None, false) => Ok(Body::None),
        }
    }
}

/// Digits only, no leading zero (some read octal), and a number that a signed 64-bit integer holds.
fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = (1..=19).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits.first() != Some(&b'0'));
    let number = std::str::from_utf8(digits).ok().filter(|_| plain)?.parse::<i64>().ok()?;
    u64::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: Version, lengths: &[&str], encodings: &[&str]) -> Result<Body, Refusal> {
        let mut lines = FramingLines::default();
        for value in lengths {
            lines.content_length(value.as_bytes())?;
        }
        for value in encodings {
            lines.transfer_encoding(value.as_bytes())?;
        }
        lines.body(version)
    }

    #[test]
    fn one_unambiguous_framing_is_accepted() {
        for (lengths, encodings, expected) in [
            (&[][..], &[][..], Body::None),
            (&["0"], &[], Body::Length(0)),
            (&["5"], &[], Body::Length(5)),
            (&["9223372036854775807"], &[], Body::Length(9_223_372_036_854_775_807)),
            (&[], &["chunked"], Body::Chunked),
            (&[], &["Chunked"], Body::Chunked),
        ] {
            assert_eq!(read(Version::HTTP_11, lengths, encodings), Ok(expected));
        }
    }

    #[test]
    fn every_other_framing_is_refused() {
        for (lengths, encodings, expected) in [
            (&["5"][..], &["chunked"][..], CL_AND_TE),
            (&["5", "5"], &[], TWO_CONTENT_LENGTHS),
            (&["5", "6"], &[], TWO_CONTENT_LENGTHS),
            (&["5, 5"], &[], TWO_CONTENT_LENGTHS),
            (&["+5"], &[], CONTENT_LENGTH),
            (&["-5"], &[], CONTENT_LENGTH),
            (&[""], &[], CONTENT_LENGTH),
            (&["5 5"], &[], CONTENT_LENGTH),
            (&["05"], &[], CONTENT_LENGTH),
            (&["0x5"], &[], CONTENT_LENGTH),
            (&["5.0"], &[], CONTENT_LENGTH),
            (&["1e3"], &[], CONTENT_LENGTH),
            (&["9223372036854775808"], &[], CONTENT_LENGTH),
            (&["99999999999999999999"], &[], CONTENT_LENGTH),
            (&[], &["chunked, chunked"], TRANSFER_ENCODING),
            (&[], &["gzip, chunked"], TRANSFER_ENCODING),
            (&[], &["identity"], TRANSFER_ENCODING),
            (&[], &["xchunked"], TRANSFER_ENCODING),
            (&[], &["chunked;q=1"], TRANSFER_ENCODING),
            (&[], &["\"chunked\""], TRANSFER_ENCODING),
            (&[], &[""], TRANSFER_ENCODING),
            (&[], &["chunked", "chunked"], TWO_TRANSFER_ENCODINGS),
        ] {
            assert_eq!(
                read(Version::HTTP_11, lengths, encodings),
                Err(expected),
                "{lengths:?} {encodings:?}"
            );
        }
        assert_eq!(read(Version::HTTP_10, &[], &["chunked"]), Err(TE_ON_HTTP10));
    }
}
