//! What a route is.

/// What a route asks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// A token that is valid now.
    Authenticated,
}

/// What happens to a request that would pass while it is not known which sessions have ended lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStale {
    /// It is refused, as a fault of ours.
    Refuse,
    /// The durable store is asked about its session and key.
    Check,
}

/// What becomes of a request that is open when the session or the token that admitted it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRevoke {
    /// It is closed.
    Close,
    /// It may finish.
    Finish,
}

/// A path prefix and what happens below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Starts with `/`. `/api` takes `/api`, `/api/` and `/api/x`, not `/apis`; `/` takes everything.
    /// Case-sensitive. A `/` at the end makes no difference.
    pub path: String,
    /// Index of the upstream in the caller's list.
    pub upstream: usize,
    /// What is asked.
    pub access: Access,
    /// Whether the service receives `Authorization`.
    pub forward_authorization: bool,
    /// When revocations are stale.
    pub on_stale: OnStale,
    /// What the end of a session means to what is open. Nothing to public routes.
    pub on_revoke: OnRevoke,
    /// Bytes of a request body. None: any number.
    pub max_body_bytes: Option<u64>,
    /// Whether paths may have encoded slashes, as long as every reading of them leads here.
    pub allow_encoded_slash: bool,
    /// Whether paths may have runs of slashes, each of which counts as one.
    pub merge_slashes: bool,
}
