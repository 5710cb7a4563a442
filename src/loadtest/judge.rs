//! What an answer means.

use super::kind::Kind;

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// An answer with this status, whole and rightly framed.
    Answered(u16),
    /// An answer that breaks the protocol: its length is not what its head says, or it is no HTTP.
    Misframed,
    /// None.
    Failed(Failure),
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// No connection.
    Connect,
    /// The connection was closed before the first byte of an answer, or the stream reset.
    Closed,
    /// None in time.
    Late,
}

impl Failure {
    /// Its word in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Closed => "closed",
            Self::Late => "timed_out",
        }
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// Let through what must not be.
    Admitted,
    /// Refused what is good.
    Refused,
    /// Neither: another status than this kind gets.
    Unexpected,
    /// Broken framing.
    Misframed,
}

impl Wrong {
    /// Its words in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "wrong admit",
            Self::Refused => "wrong refusal",
            Self::Unexpected => "unexpected status",
            Self::Misframed => "broken framing",
        }
    }
}

/// What an outcome means for the kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Right,
    /// The gateway decided wrongly, or spoke wrongly.
    Wrong(Wrong),
    /// No decision: it was not there, or had too much to do (429, 5xx).
    Error,
}

/// The route under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It needs a token.
    Protected,
    /// It is for everybody, whatever the token.
    Public,
}

/// Judges.
pub fn judge(kind: Kind, access: Access, outcome: Outcome) -> Verdict {
    let status = match outcome {
        Outcome::Answered(status) => status,
        Outcome::Misframed => return Verdict::Wrong(Wrong::Misframed),
        Outcome::Failed(_) => return Verdict::Error,
    };
    let good = access == Access::Public || kind.is_good();
    match (good, status) {
        (true, 200..=299) | (false, 401) => Verdict::Right,
        (_, 429 | 500..=599) => Verdict::Error,
        (true, 401 | 403) => Verdict::Wrong(Wrong::Refused),
        // 304 and 404 come from behind the gateway as well.
        (false, 200..=399 | 404) => Verdict::Wrong(Wrong::Admitted),
        (true | false, _) => Verdict::Wrong(Wrong::Unexpected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_answer() {
        use Verdict::{Error, Right};
        let wrong = Verdict::Wrong;
        for kind in Kind::ALL {
            let verdict = |status| judge(kind, Access::Protected, Outcome::Answered(status));
            let expected = if kind.is_good() {
                [
                    Right,
                    Right,
                    wrong(Wrong::Refused),
                    wrong(Wrong::Refused),
                    wrong(Wrong::Unexpected),
                    Error,
                    Error,
                ]
            } else {
                [
                    wrong(Wrong::Admitted),
                    wrong(Wrong::Admitted),
                    Right,
                    wrong(Wrong::Unexpected),
                    wrong(Wrong::Admitted),
                    Error,
                    Error,
                ]
            };
            assert_eq!([200, 204, 401, 403, 404, 429, 503].map(verdict), expected, "{kind}");
        }
    }

    #[test]
    fn everything_may_pass_a_public_route() {
        for kind in Kind::ALL {
            let verdict = |status| judge(kind, Access::Public, Outcome::Answered(status));
            assert_eq!(verdict(200), Verdict::Right);
            assert_eq!(verdict(401), Verdict::Wrong(Wrong::Refused));
        }
    }

    #[test]
    fn no_answer_is_an_error_and_a_broken_one_is_wrong() {
        for kind in Kind::ALL {
            for failure in [Failure::Connect, Failure::Closed, Failure::Late] {
                assert_eq!(judge(kind, Access::Protected, Outcome::Failed(failure)), Verdict::Error);
            }
            let broken = judge(kind, Access::Protected, Outcome::Misframed);
            assert_eq!(broken, Verdict::Wrong(Wrong::Misframed));
        }
    }
}
