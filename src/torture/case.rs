//! The cases of the corpus as they are written: one TOML file per class, described in `corpus/README.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A file of the corpus.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its name, and the file's.
    pub class: String,
    /// One sentence: what goes wrong elsewhere.
    pub about: String,
    /// The cases.
    #[serde(rename = "case", default)]
    pub cases: Vec<Case>,
}

/// The two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1, or what its first line says.
    H1,
    /// HTTP/2.
    H2,
}

impl Protocol {
    /// `h1` or `h2`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H2 => "h2",
        }
    }
}

/// How the body of a structured case is framed over HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyFraming {
    /// `Content-Length`, when there is a body.
    #[default]
    Length,
    /// `Transfer-Encoding: chunked`, one chunk.
    Chunked,
}

/// One case: one request, or one per value of `vary`, and what is to come of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique in its file.
    pub name: String,
    /// What a gateway that gets it wrong lets happen.
    pub why: String,
    /// Where the case comes from: an RFC section, a CVE, "variation of NAME".
    pub source: String,
    /// The protocols; by default both for a structured case, `h1` for raw bytes, `h2` for frames.
    pub over: Option<Vec<Protocol>>,
    /// Structured: the method; `GET` by default.
    pub method: Option<String>,
    /// Structured: the request target; `{public}/x` by default.
    pub target: Option<String>,
    /// Structured: header lines besides `Host`, in order.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Structured: the values of the `Host` lines; `["{host}"]` by default over `h1`, none over `h2`.
    pub host: Option<Vec<String>>,
    /// Structured, `h2`: `:authority`; `{host}` by default.
    pub authority: Option<String>,
    /// Structured, `h2`: `:scheme`; `{scheme}` by default.
    pub scheme: Option<String>,
    /// Structured: the body.
    #[serde(default)]
    pub body: String,
    /// Structured: how the body is framed over `h1`.
    #[serde(default)]
    pub framing: BodyFraming,
    /// One request for each; the value of `{v}`.
    #[serde(default)]
    pub vary: Vec<String>,
    /// The exact bytes instead of a structured request (`h1`).
    pub raw: Option<String>,
    /// How long to wait at each `{pause}` of the bytes; at most a second.
    #[serde(default, deserialize_with = "span")]
    pub pause: Option<Duration>,
    /// HTTP/2 frames instead of a structured request.
    pub frames: Option<Vec<Frame>>,
    /// How often the list of frames is written, each time on streams of its own; 1 by default.
    pub rounds: Option<u32>,
    /// The token that `{token}` stands for, instead of the valid one.
    pub token: Option<TokenRecipe>,
    /// What is to come of it.
    pub expect: Expect,
}

/// One HTTP/2 frame, or several alike.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// `HEADERS`, `DATA`, .. or the number.
    #[serde(rename = "type")]
    pub kind: NameOrNumber,
    /// `END_STREAM`, `END_HEADERS`, `ACK`, `PADDED`, `PRIORITY`, joined with `|`, or the number; 0 by default.
    #[serde(default)]
    pub flags: NameOrNumber,
    /// The stream; 0 by default.
    #[serde(default)]
    pub stream: u32,
    /// The field lines, written literally and without Huffman coding.
    pub headers: Option<Vec<(String, String)>>,
    /// The payload in hexadecimal; blanks are ignored.
    pub payload: Option<String>,
    /// The payload as text; placeholders and `\xHH` work.
    pub text: Option<String>,
    /// Claims this length instead of the payload's (at most 2^24 - 1).
    pub length: Option<u32>,
    /// How often; 1 by default.
    pub repeat: Option<u32>,
}

/// A name of the protocol, or the number itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum NameOrNumber {
    /// The number.
    Number(u8),
    /// The name; several flags are joined with `|`.
    Name(String),
}

impl Default for NameOrNumber {
    fn default() -> Self {
        Self::Number(0)
    }
}

/// How the token of a case is made from the valid one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecipe {
    /// Replaces `alg` of the header.
    pub alg: Option<String>,
    /// Replaces or adds members of the header. A text that begins with `json:` is JSON.
    #[serde(default)]
    pub header: BTreeMap<String, toml::Value>,
    /// Replaces or adds claims. A text that begins with `json:` is JSON.
    #[serde(default)]
    pub claims: BTreeMap<String, toml::Value>,
    /// Members of the header to take away.
    #[serde(default)]
    pub without_header: Vec<String>,
    /// Claims to take away.
    #[serde(default)]
    pub without_claims: Vec<String>,
    /// The header's JSON text instead of all that.
    pub header_text: Option<String>,
    /// The claims' JSON text instead of all that.
    pub claims_text: Option<String>,
    /// Who signs it.
    #[serde(default)]
    pub sign: Signer,
    /// What is done to the signature afterwards.
    pub edit: Option<Edit>,
    /// How the segments are put together, `{h}.{p}.{s}` by default.
    pub form: Option<String>,
}

/// Who signs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signer {
    /// The signature of the valid token stays.
    #[default]
    Keep,
    /// Nobody: an empty signature.
    None,
    /// HMAC-SHA256 with the gateway's secret. Skipped without one.
    Secret,
    /// HMAC-SHA256 with a secret that is not the gateway's.
    WrongSecret,
    /// HMAC-SHA256 with the published public key (its PEM text). Skipped when none is published.
    PublicKey,
    /// The same with the key's bare bytes.
    PublicKeyBytes,
    /// The same with the key's JSON.
    PublicKeyJson,
}

/// What is done to a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// Its second half is cut off.
    CutSignature,
    /// Its last byte is cut off.
    CutByte,
    /// A byte is added.
    ExtendSignature,
    /// One bit of its first byte is another.
    FlipSignature,
    /// All its bytes are zero.
    ZeroSignature,
    /// The unused bits of its last letter are set: the same bytes, not the same text.
    LooseBits,
}

/// What the upstream is to see of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upstream {
    /// No request at all.
    Nothing,
    /// Exactly one.
    One,
    /// One or none.
    AtMostOne,
    /// Not looked at.
    Any,
}

/// What the target that the upstream sees is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetRule {
    /// Byte for byte the one sent.
    Same,
}

/// Whether the gateway must answer a good request afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Next {
    /// Within two seconds, on a new connection.
    #[default]
    Ok,
    /// Not asked.
    Skip,
}

/// What is to come of a case.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Any of these.
    pub status: Vec<u16>,
    /// Any of these over `h2`, when that differs.
    pub status_h2: Option<Vec<u16>>,
    /// Over `h2`, whether a reset stream or GOAWAY is *not* taken for a refusal.
    #[serde(default)]
    pub strict: bool,
    /// Whether the connection must be closed, or stay open, after the answer (`h1`).
    pub closed: Option<bool>,
    /// What the upstream is to see; by default nothing when all of `status` are refusals, else anything.
    pub upstream: Option<Upstream>,
    /// What every request that the upstream saw contains.
    #[serde(default)]
    pub upstream_has: Vec<String>,
    /// What none contains.
    #[serde(default)]
    pub upstream_lacks: Vec<String>,
    /// What its target is.
    pub target: Option<TargetRule>,
    /// Whether the gateway must be well afterwards.
    #[serde(default)]
    pub next: Next,
}

impl Expect {
    /// The statuses over this protocol.
    pub fn statuses(&self, over: Protocol) -> &[u16] {
        match (over, &self.status_h2) {
            (Protocol::H2, Some(statuses)) => statuses,
            (Protocol::H1 | Protocol::H2, _) => &self.status,
        }
    }

    /// Whether only refusals are expected over this protocol.
    pub fn is_refusal(&self, over: Protocol) -> bool {
        self.statuses(over).iter().all(|status| *status >= 400)
    }

    /// Whether a refusal is expected, or would do.
    pub fn allows_refusal(&self, over: Protocol) -> bool {
        self.statuses(over).iter().any(|status| *status >= 400)
    }

    /// What the upstream is to see over this protocol.
    pub fn upstream(&self, over: Protocol) -> Upstream {
        let refusal = self.is_refusal(over);
        self.upstream.unwrap_or(if refusal { Upstream::Nothing } else { Upstream::Any })
    }
}

impl Case {
    /// The protocols it is sent over.
    pub fn protocols(&self) -> Vec<Protocol> {
        let by_kind = || match (&self.raw, &self.frames) {
            (Some(_), _) => vec![Protocol::H1],
            (None, Some(_)) => vec![Protocol::H2],
            (None, None) => vec![Protocol::H1, Protocol::H2],
        };
        self.over.clone().unwrap_or_else(by_kind)
    }
}

/// `"200ms"`.
fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
}
