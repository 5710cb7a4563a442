//! Why a token is refused.

/// Why a token is refused. For logs and metrics; a client only ever reads `invalid_token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenRefusal {
    /// Longer than [`super::MAX_TOKEN_BYTES`].
    #[error("too_long")]
    TooLong,
    /// Not three segments.
    #[error("not_a_jwt")]
    NotAJwt,
    /// No key of ours makes such a header.
    #[error("unknown_header")]
    UnknownHeader,
    /// The signature is not the key's.
    #[error("bad_signature")]
    BadSignature,
    /// Signed, yet not claims as we mint them.
    #[error("bad_claims")]
    BadClaims,
    /// Another `iss`.
    #[error("wrong_issuer")]
    WrongIssuer,
    /// Another `aud`.
    #[error("wrong_audience")]
    WrongAudience,
    /// `exp` has passed.
    #[error("expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("not_yet_valid")]
    NotYetValid,
    /// The session was ended.
    #[error("session_ended")]
    SessionEnded,
    /// The key was retired, and all its tokens with it.
    #[error("key_retired")]
    KeyRetired,
    /// It may be of a key that this process has not heard of yet: our fault, not the token's.
    #[error("keys_stale")]
    KeysStale,
    /// It was not looked at: its sender has sent too many forged ones. It may be good.
    #[error("too_many_forged")]
    TooManyForged,
}

impl TokenRefusal {
    /// Every refusal, for metrics that want all labels from the start.
    pub const ALL: [Self; 13] = [
        Self::TooLong,
        Self::NotAJwt,
        Self::UnknownHeader,
        Self::BadSignature,
        Self::BadClaims,
        Self::WrongIssuer,
        Self::WrongAudience,
        Self::Expired,
        Self::NotYetValid,
        Self::SessionEnded,
        Self::KeyRetired,
        Self::KeysStale,
        Self::TooManyForged,
    ];

    /// Stable word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotAJwt => "not_a_jwt",
            Self::UnknownHeader => "unknown_header",
            Self::BadSignature => "bad_signature",
            Self::BadClaims => "bad_claims",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::SessionEnded => "session_ended",
            Self::KeyRetired => "key_retired",
            Self::KeysStale => "keys_stale",
            Self::TooManyForged => "too_many_forged",
        }
    }

    /// Whether nothing is known against the token, and it is we who cannot judge it.
    pub const fn is_our_fault(self) -> bool {
        matches!(self, Self::KeysStale)
    }
}
