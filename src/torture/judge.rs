//! From what happened to a verdict.

use super::card::Verdict;
use super::case::{Expect, Next, Protocol, TargetRule, Upstream};
use super::client::{End, Outcome};
use super::concrete::Sent;
use super::recorder::Record;

/// The verdict, and what speaks against `pass`.
pub(super) struct Judgement {
    pub verdict: Verdict,
    pub reasons: Vec<String>,
}

impl Judgement {
    fn against(&mut self, verdict: Verdict, reason: impl Into<String>) {
        self.reasons.push(reason.into());
        if self.verdict != Verdict::Fail {
            self.verdict = verdict;
        }
    }
}

/// Judges one request.
///
/// `seen`: the requests at the upstream that belong to it. `next`: what became of the good request afterwards.
pub(super) fn judge(
    expect: &Expect,
    over: Protocol,
    sent: &Sent,
    outcome: &Outcome,
    next: Option<&Outcome>,
    seen: &[&Record],
) -> Judgement {
    let mut judgement = Judgement { verdict: Verdict::Pass, reasons: Vec::new() };
    upstream(&mut judgement, expect, over, sent, seen);
    answer(&mut judgement, expect, over, outcome);
    let well = |next: &&Outcome| next.status().is_some_and(|status| (200..300).contains(&status));
    if let (Next::Ok, Some(next)) = (expect.next, next.filter(|next| !well(next))) {
        judgement.against(Verdict::Fail, format!("the next good request: {next}"));
    }
    judgement
}

fn upstream(judgement: &mut Judgement, expect: &Expect, over: Protocol, sent: &Sent, seen: &[&Record]) {
    let rule = expect.upstream(over);
    match (rule, seen.len()) {
        (Upstream::Nothing, 1..) => {
            judgement.against(Verdict::Fail, format!("the upstream saw {}, not nothing", seen.len()));
        }
        (Upstream::One | Upstream::AtMostOne, 2..) => {
            judgement.against(Verdict::Fail, format!("the upstream saw {}, not one", seen.len()));
        }
        (Upstream::One, 0) => judgement.against(Verdict::Differs, "the upstream saw nothing, not one"),
        (Upstream::Nothing | Upstream::AtMostOne | Upstream::Any, _) | (Upstream::One, 1) => {}
    }
    for record in seen {
        let content = record.content().unwrap_or_default();
        for needle in &sent.lacks {
            if holds(&record.raw, needle, Case::Ignored) || holds(&content, needle, Case::Ignored) {
                judgement.against(Verdict::Fail, format!("the upstream saw {}", needle.escape_ascii()));
            }
        }
        for needle in &sent.has {
            let has = |bytes: &[u8]| holds(bytes, needle, Case::OfTheName);
            if !has(&record.raw) && !has(&content) {
                judgement.against(Verdict::Differs, format!("the upstream lacks {}", needle.escape_ascii()));
            }
        }
        let same = record.target == String::from_utf8_lossy(&sent.target);
        if expect.target == Some(TargetRule::Same) && !same {
            judgement.against(Verdict::Fail, format!("the upstream saw {}", record.target.escape_debug()));
        }
    }
}

fn answer(judgement: &mut Judgement, expect: &Expect, over: Protocol, outcome: &Outcome) {
    let statuses = expect.statuses(over);
    // A connection error may come after the answer to the good request on the same connection.
    let dropped = match outcome.end {
        End::Reset(_) | End::Closed => outcome.statuses.is_empty(),
        End::GoAway(code) => outcome.statuses.is_empty() || code != 0,
        End::Open | End::Late | End::Unreachable(_) => false,
    };
    let refused = dropped && over == Protocol::H2 && !expect.strict && expect.allows_refusal(over);
    // 0 stands for a connection that ends, or goes on, without an answer.
    let answered = statuses.contains(&outcome.status().unwrap_or(0));
    if !answered && !refused {
        let wanted: Vec<_> = statuses.iter().map(u16::to_string).collect();
        judgement.against(Verdict::Differs, format!("{outcome}, not {}", wanted.join(" or ")));
    }
    if over == Protocol::H1 {
        match (expect.closed, outcome.end == End::Closed) {
            (Some(true), false) => judgement.against(Verdict::Differs, "the connection was not closed"),
            (Some(false), true) => judgement.against(Verdict::Differs, "the connection was closed"),
            (Some(_), _) | (None, _) => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Ignored,
    /// Up to the first colon of the needle.
    OfTheName,
}

fn holds(bytes: &[u8], needle: &[u8], case: Case) -> bool {
    let name = match case {
        Case::Ignored => needle.len(),
        Case::OfTheName => {
            needle.iter().position(|byte| *byte == b':').map_or(0, |colon| colon.saturating_add(1))
        }
    };
    bytes.windows(needle.len().max(1)).any(|window| {
        let (found, rest) = window.split_at_checked(name).unwrap_or((window, &[]));
        let (wanted, exact) = needle.split_at_checked(name).unwrap_or((needle, &[]));
        found.eq_ignore_ascii_case(wanted) && rest == exact
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn expect(text: &str) -> Expect {
        toml::from_str(text).unwrap()
    }

    fn outcome(statuses: &[u16], end: End) -> Outcome {
        Outcome { statuses: statuses.to_vec(), end, took: Duration::ZERO }
    }

    fn sent(has: &str, lacks: &str) -> Sent {
        let list = |text: &str| text.split_terminator('|').map(|text| text.as_bytes().to_vec()).collect();
        Sent { target: b"/a".to_vec(), line: Vec::new(), has: list(has), lacks: list(lacks) }
    }

    fn record(raw: &str, target: &str) -> Record {
        Record {
            seq: 0,
            connection: 0,
            method: "GET".to_owned(),
            target: target.to_owned(),
            head_length: 0,
            complete: true,
            truncated: false,
            raw: raw.as_bytes().to_vec(),
        }
    }

    fn verdict(rule: &str, over: Protocol, outcome: &Outcome, seen: &[&Record]) -> Verdict {
        judge(&expect(rule), over, &sent("", ""), outcome, None, seen).verdict
    }

    #[test]
    fn a_status_counts_less_than_what_the_upstream_saw() {
        let seen = record("GET /a", "/a");
        let refused = outcome(&[400], End::Open);
        let taken = outcome(&[200], End::Open);
        for (rule, outcome, seen, wanted) in [
            ("status = [400]", &refused, vec![], Verdict::Pass),
            ("status = [400]", &refused, vec![&seen], Verdict::Fail),
            ("status = [401]", &refused, vec![], Verdict::Differs),
            ("status = [200]\nupstream = 'one'", &taken, vec![&seen], Verdict::Pass),
            ("status = [200]\nupstream = 'one'", &taken, vec![], Verdict::Differs),
            ("status = [200]\nupstream = 'one'", &taken, vec![&seen, &seen], Verdict::Fail),
            ("status = [200, 400]\nupstream = 'at-most-one'", &refused, vec![], Verdict::Pass),
            ("status = [200]\ntarget = 'same'", &taken, vec![&seen], Verdict::Pass),
        ] {
            assert_eq!(verdict(rule, Protocol::H1, outcome, &seen), wanted, "{rule}");
        }
        let other = record("GET /b", "/b");
        assert_eq!(
            verdict("status = [200]\ntarget = 'same'", Protocol::H1, &taken, &[&other]),
            Verdict::Fail
        );
    }

    #[test]
    fn a_reset_stream_is_a_refusal_unless_strict() {
        for (rule, end, wanted) in [
            ("status = [400]", End::Reset(1), Verdict::Pass),
            ("status = [400]", End::GoAway(1), Verdict::Pass),
            ("status = [400]\nstrict = true", End::Reset(1), Verdict::Differs),
            ("status = [200]", End::Reset(1), Verdict::Differs),
            ("status = [200, 503]", End::GoAway(0), Verdict::Pass),
            ("status = [400]", End::Late, Verdict::Differs),
        ] {
            assert_eq!(verdict(rule, Protocol::H2, &outcome(&[], end), &[]), wanted, "{rule}");
        }
        let closed = outcome(&[], End::Closed);
        assert_eq!(verdict("status = [400]", Protocol::H1, &closed, &[]), Verdict::Differs);
        assert_eq!(verdict("status = [400, 0]", Protocol::H1, &closed, &[]), Verdict::Pass);
    }

    #[test]
    fn a_connection_must_close_where_that_is_asked() {
        let rule = "status = [400]\nclosed = true";
        assert_eq!(verdict(rule, Protocol::H1, &outcome(&[400], End::Closed), &[]), Verdict::Pass);
        assert_eq!(verdict(rule, Protocol::H1, &outcome(&[400], End::Open), &[]), Verdict::Differs);
        let open = "status = [400]\nclosed = false";
        assert_eq!(verdict(open, Protocol::H1, &outcome(&[400], End::Closed), &[]), Verdict::Differs);
    }

    #[test]
    fn a_gateway_that_is_not_well_afterwards_fails() {
        let (expect, good) = (expect("status = [400]"), outcome(&[400], End::Open));
        for (next, wanted) in [
            (outcome(&[200], End::Open), Verdict::Pass),
            (outcome(&[502], End::Open), Verdict::Fail),
            (outcome(&[], End::Late), Verdict::Fail),
        ] {
            let sent = sent("", "");
            let judgement = judge(&expect, Protocol::H1, &sent, &good, Some(&next), &[]);
            assert_eq!(judgement.verdict, wanted);
        }
    }

    #[test]
    fn bytes_at_the_upstream_are_looked_for() {
        let seen = record("GET /a HTTP/1.1\r\nx-user: Ann\r\n\r\n", "/a");
        let taken = outcome(&[200], End::Open);
        for (has, lacks, wanted) in [
            ("X-User: Ann", "", Verdict::Pass),
            ("X-User: ann", "", Verdict::Differs),
            ("", "ann", Verdict::Fail),
            ("", "X-USER: ANN", Verdict::Fail),
            ("", "bob", Verdict::Pass),
        ] {
            let sent = sent(has, lacks);
            let rule = expect("status = [200]");
            let judgement = judge(&rule, Protocol::H1, &sent, &taken, None, &[&seen]);
            assert_eq!(judgement.verdict, wanted, "{has} {lacks}");
        }
    }
}
