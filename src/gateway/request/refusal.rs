//! Why a head was refused: every reason, its status and its words, in one place.

use http::StatusCode;

/// A refused request head. The connection is closed after the answer: where the next request would start is
/// not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 405, 414, 417, 431 or 505.
    pub status: StatusCode,
    /// Stable reason in `snake_case`, for the log, the metric and the client.
    pub code: &'static str,
    /// A sentence for a person. Never contains anything the client sent.
    pub detail: &'static str,
}

const fn refusal(status: StatusCode, code: &'static str, detail: &'static str) -> Refusal {
    Refusal { status, code, detail }
}

macro_rules! refusals {
    ($($name:ident = $status:ident, $code:literal, $detail:literal;)*) => {
        $(pub(super) const $name: Refusal = refusal(StatusCode::$status, $code, $detail);)*
        #[cfg(test)]
        const ALL: &[Refusal] = &[$($name),*];
    };
}

refusals! {
    // Lines.
    BARE_LF = BAD_REQUEST, "bare_lf", "A line of the head ends in LF without CR.";
    BARE_CR = BAD_REQUEST, "bare_cr", "The head contains a CR that does not end a line.";
    NOT_HTTP = BAD_REQUEST, "not_http", "The first byte cannot begin an HTTP/1.1 request.";
    INCOMPLETE_HEAD = BAD_REQUEST, "incomplete_head", "The head does not end with exactly one empty line.";
    HEAD_TOO_LARGE = REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", "The request head has too many bytes.";
    TOO_MANY_HEADERS = REQUEST_HEADER_FIELDS_TOO_LARGE, "too_many_headers", "The request has too many header lines.";
    NAME_TOO_LONG = REQUEST_HEADER_FIELDS_TOO_LARGE, "header_name_too_long", "A header name has too many bytes.";
    // Request line.
    REQUEST_LINE = BAD_REQUEST, "bad_request_line",
        "The request line is not a method, a target and a version separated by single spaces.";
    METHOD = BAD_REQUEST, "bad_method", "The method is not a token of at most 20 characters.";
    METHOD_CASE = BAD_REQUEST, "method_case", "Methods are case-sensitive: write this one in upper case.";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED, "method_not_allowed", "TRACE and CONNECT are not served.";
    VERSION = HTTP_VERSION_NOT_SUPPORTED, "http_version", "Only HTTP/1.1 and HTTP/1.0 are served on this connection.";
    // Target.
    TARGET_TOO_LONG = URI_TOO_LONG, "target_too_long", "The request target has too many bytes.";
    TARGET_FORM = BAD_REQUEST, "target_form", "The request target must be a path that starts with '/'.";
    TARGET_CHARACTER = BAD_REQUEST, "target_character",
        "The request target contains a character that must be percent-encoded.";
    FRAGMENT = BAD_REQUEST, "fragment", "The request target contains a fragment ('#').";
    BACKSLASH = BAD_REQUEST, "backslash", "The path contains a backslash.";
    EMPTY_SEGMENT = BAD_REQUEST, "empty_segment", "The path contains '//'.";
    DOT_SEGMENT = BAD_REQUEST, "dot_segment", "The path contains a '.' or '..' segment.";
    PATH_PARAMETER = BAD_REQUEST, "path_parameter", "The path contains ';', which some services cut off.";
    PERCENT = BAD_REQUEST, "bad_percent_encoding", "A '%' in the path is not followed by two hexadecimal digits.";
    ENCODED_SLASH = BAD_REQUEST, "encoded_slash", "The path contains an encoded slash.";
    ENCODED_BACKSLASH = BAD_REQUEST, "encoded_backslash", "The path contains an encoded backslash.";
    ENCODED_CONTROL = BAD_REQUEST, "encoded_control", "The path contains an encoded control character.";
    ENCODED_UNRESERVED = BAD_REQUEST, "encoded_unreserved",
        "The path encodes a letter, digit, '-', '.', '_' or '~', which must stand as it is.";
    ENCODED_NOT_UTF8 = BAD_REQUEST, "encoded_not_utf8", "The percent-encoded bytes of the path are not UTF-8.";
    DOUBLE_ENCODING = BAD_REQUEST, "double_encoding", "The path is percent-encoded twice.";
    // Header lines.
    OBS_FOLD = BAD_REQUEST, "obs_fold", "A header line is folded or begins with white space.";
    NO_COLON = BAD_REQUEST, "header_without_colon", "A header line has no colon.";
    SPACE_BEFORE_COLON = BAD_REQUEST, "space_before_colon", "White space stands between a header name and its colon.";
    HEADER_NAME = BAD_REQUEST, "header_name", "A header name contains a character that is not allowed.";
    HEADER_VALUE = BAD_REQUEST, "header_value", "A header value contains a control character.";
    // Host.
    NO_HOST = BAD_REQUEST, "no_host", "The request has no Host.";
    TWO_HOSTS = BAD_REQUEST, "two_hosts", "The request has more than one Host line.";
    HOST_SYNTAX = BAD_REQUEST, "bad_host", "Host is not a name or address with an optional port.";
    HOST_USER_INFO = BAD_REQUEST, "host_user_info", "Host contains user information ('@').";
    // Framing.
    FRAMING_ALIAS = BAD_REQUEST, "framing_alias",
        "A header name differs from Content-Length or Transfer-Encoding only in its separator.";
    TWO_CONTENT_LENGTHS = BAD_REQUEST, "two_content_lengths", "The request has more than one Content-Length.";
    CONTENT_LENGTH = BAD_REQUEST, "bad_content_length", "Content-Length is not a plain decimal number.";
    CL_AND_TE = BAD_REQUEST, "cl_and_te", "The request has both Content-Length and Transfer-Encoding.";
    TWO_TRANSFER_ENCODINGS = BAD_REQUEST, "two_transfer_encodings",
        "The request has more than one Transfer-Encoding line.";
    TRANSFER_ENCODING = BAD_REQUEST, "bad_transfer_encoding", "Transfer-Encoding must be exactly 'chunked'.";
    TE_ON_HTTP10 = BAD_REQUEST, "te_on_http10", "Transfer-Encoding does not exist in HTTP/1.0.";
    // HTTP/2 (RFC 9113 section 8).
    SCHEME = BAD_REQUEST, "bad_scheme", "The scheme of the request is not that of the connection.";
    AUTHORITY_DIFFERS = BAD_REQUEST, "authority_differs", "Host differs from :authority.";
    CONNECTION_SPECIFIC = BAD_REQUEST, "connection_specific", "A header field has no place in HTTP/2.";
    TE = BAD_REQUEST, "bad_te", "TE in HTTP/2 must be 'trailers'.";
    VALUE_SPACE = BAD_REQUEST, "value_space", "A header value begins or ends with white space.";
    LENGTH_WITHOUT_BODY = BAD_REQUEST, "length_without_body", "The request announces a body and has none.";
    // Expectations, connection options, upgrades.
    EXPECT = EXPECTATION_FAILED, "expectation", "The only expectation that can be met is 100-continue.";
    CONNECTION_OPTION = BAD_REQUEST, "bad_connection_option", "Connection is not a list of at most 16 tokens.";
    CONNECTION_NOMINATES = BAD_REQUEST, "connection_nominates",
        "Connection names a header that belongs to the whole request.";
    UPGRADE = BAD_REQUEST, "bad_upgrade", "The WebSocket upgrade is not well formed (RFC 6455 section 4.1).";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_snake_case_and_details_are_sentences() {
        let mut codes: Vec<_> = ALL.iter().map(|refusal| refusal.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ALL.len());
        for refusal in ALL {
            assert!(refusal.code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert!(refusal.detail.ends_with('.'), "{}", refusal.detail);
            assert!(
                refusal.status.is_client_error() || refusal.status == StatusCode::HTTP_VERSION_NOT_SUPPORTED
            );
        }
    }
}
