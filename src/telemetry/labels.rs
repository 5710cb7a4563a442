//! The closed sets of words that log fields and metric labels take.
//!
//! A label value is one of these, a reason code written in the source (`&'static str`), or the name of a
//! configured route. Never anything a client sent: each value is a series that lives until the end.

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

labels! {
    /// How a request ended.
    Outcome {
        /// The service behind the gateway answered it.
        Forwarded = "forwarded",
        /// The gateway's own endpoints answered it.
        Answered = "answered",
        /// Turned away: ambiguous, unknown route, no valid token, not allowed, too much.
        Refused = "refused",
        /// Something on our side or behind us was at fault, or the client left before the answer.
        Failed = "failed",
        /// Admitted, then closed by us before its end: its session or its token had ended.
        Closed = "closed",
    }
}

labels! {
    /// Why a request that was open is closed.
    RequestClosed {
        /// Its session was ended.
        SessionEnded = "session_ended",
        /// The token that admitted it has expired.
        TokenExpired = "token_expired",
        /// The key that signed its token was retired.
        KeyRetired = "key_retired",
    }
}

labels! {
    /// What the check of a request's token came to.
    AuthResult {
        /// The token is valid now and the route's rule is met.
        Ok = "ok",
        /// The request was at fault.
        Refused = "refused",
        /// It could not be decided: our fault.
        Error = "error",
    }
}

labels! {
    /// What became of a password hash job.
    HashResult {
        /// Computed.
        Done = "done",
        /// Not taken: the queue was full.
        Rejected = "rejected",
        /// Dropped before it ran: its deadline had passed or nobody waited any more.
        Abandoned = "abandoned",
        /// Could not be computed.
        Failed = "failed",
    }
}

labels! {
    /// What a login came to.
    LoginResult {
        /// A session was made.
        Ok = "ok",
        /// Unknown address, wrong password or disabled account.
        InvalidCredentials = "invalid_credentials",
        /// Tried too often; no password was looked at.
        TooMany = "too_many",
        /// Too much to do at the moment.
        Busy = "busy",
        /// Our fault.
        Error = "error",
    }
}

labels! {
    /// What a refresh came to.
    RefreshResult {
        /// The token has a successor from now on.
        Rotated = "rotated",
        /// The same client was told the same successor again.
        Repeated = "repeated",
        /// Used again after its successor was out; its session was ended.
        Reused = "reused",
        /// Not used for too long, or its session is at its end.
        Expired = "expired",
        /// Its session was ended, or its account is disabled.
        Ended = "ended",
        /// There is no such token.
        Unknown = "unknown",
        /// Its address presented too many that do not exist; not looked up.
        TooMany = "too_many",
        /// Too much to do at the moment.
        Busy = "busy",
        /// Our fault.
        Error = "error",
    }
}

labels! {
    /// What a registration came to.
    RegistrationResult {
        /// The account is stored.
        Created = "created",
        /// The address is taken.
        EmailExists = "email_exists",
        /// The password policy refused.
        WeakPassword = "weak_password",
        /// A field was wrong.
        Invalid = "invalid",
        /// Registration is closed by configuration.
        Closed = "closed",
        /// Too many from its address.
        TooMany = "too_many",
        /// Too much to do at the moment.
        Busy = "busy",
        /// Our fault.
        Error = "error",
    }
}

labels! {
    /// Why a connection was closed at once, or gave way to another.
    ConnectionRefusal {
        /// As many as configured are open.
        TooMany = "too_many",
        /// As many as configured are open from its address.
        TooManyOfAddress = "too_many_of_address",
        /// As many requests of HTTP/2 as there may be connections are open: a stream, not a connection.
        TooManyStreams = "too_many_streams",
    }
}

labels! {
    /// Why a TLS handshake failed.
    HandshakeFailure {
        /// The client does not speak TLS.
        NotTls = "not_tls",
        /// Not done in time.
        TooSlow = "too_slow",
        /// The client closed or broke off.
        ClientGone = "client_gone",
        /// No version in common.
        Version = "version",
        /// No cipher suite, group, signature scheme or application protocol in common.
        NothingInCommon = "nothing_in_common",
        /// The client has to show a certificate and did not.
        NoClientCertificate = "no_client_certificate",
        /// The client's certificate is not good.
        BadClientCertificate = "bad_client_certificate",
        /// The client sent an alert: most likely it does not trust our certificate.
        RefusedByClient = "refused_by_client",
        /// What the client sent breaks the protocol.
        Malformed = "malformed",
        /// Anything else.
        Other = "other",
    }
}

labels! {
    /// Why a connection of HTTP/2 was closed.
    Http2Abuse {
        /// Streams were opened and given up, over and over.
        Resets = "resets",
        /// Header blocks in many pieces.
        Continuations = "continuations",
        /// Frames that carry nothing.
        EmptyFrames = "empty_frames",
        /// SETTINGS, over and over.
        Settings = "settings",
        /// PING, over and over.
        Pings = "pings",
        /// PRIORITY, over and over.
        Priorities = "priorities",
        /// WINDOW_UPDATE, far more than there was to make room for.
        WindowUpdates = "window_updates",
        /// Frames of unknown kinds.
        UnknownFrames = "unknown_frames",
        /// A header block that cannot be read.
        BadHeaders = "bad_headers",
        /// A frame or header block did not come to its end in time.
        SlowFrame = "slow_frame",
        /// One refused request head after the other.
        RefusedHeads = "refused_heads",
        /// What the HTTP/2 library counts: malformed and unserved streams, small frames, pieces of one block.
        Library = "library",
    }
}

labels! {
    /// Why the durable store has to be read (again) before the stream of revocations counts.
    FeedResync {
        /// An entry was missing.
        Gap = "gap",
        /// The connection ended.
        StreamLost = "stream_lost",
        /// It is another stream than before.
        StreamReplaced = "stream_replaced",
        /// It holds what the durable store never gave out.
        StreamForeign = "stream_foreign",
        /// The durable store lost its last commits.
        StoreWentBack = "store_went_back",
    }
}

labels! {
    /// Where revocations are learned from.
    RevocationSource {
        /// The durable store: Postgres, or the SQLite file.
        Durable = "durable",
        /// The stream in Redis.
        Stream = "stream",
    }
}
