//! The score card: a row for each request, and sums.

use std::collections::BTreeMap;

use serde::Serialize;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As expected in every respect.
    Pass,
    /// Not as expected, but the upstream saw nothing that it should not.
    Differs,
    /// The upstream saw what it should not, or the gateway was not well afterwards.
    Fail,
    /// Not sent: its token could not be made, or the time was up.
    Skipped,
}

impl Verdict {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Differs => "differs",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }
}

/// One request. Texts are printable, bytes that are not are escaped, and the valid token is not shown.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The class of attack.
    pub class: String,
    /// The case, with the value that varies in brackets.
    pub case: String,
    /// `h1` or `h2`.
    pub over: &'static str,
    /// The request line.
    pub sent: String,
    /// The statuses, and how the connection or stream ended.
    pub answered: String,
    /// The first answer's status.
    pub status: Option<u16>,
    /// From the first byte out to the end, in milliseconds.
    pub millis: u64,
    /// What the upstream saw: how many requests, and the first one's request line.
    pub upstream: String,
    /// How many it saw.
    pub upstream_count: usize,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not `pass`.
    pub reasons: Vec<String>,
    /// What a gateway that gets it wrong lets happen.
    pub why: String,
    /// Where the case comes from.
    pub source: String,
}

/// How many of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// As expected.
    pub pass: usize,
    /// Otherwise, harmless.
    pub differs: usize,
    /// Harmful.
    pub fail: usize,
    /// Not sent.
    pub skipped: usize,
}

impl Sums {
    /// Adds one.
    fn count(&mut self, verdict: Verdict) {
        let sum = match verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::Differs => &mut self.differs,
            Verdict::Fail => &mut self.fail,
            Verdict::Skipped => &mut self.skipped,
        };
        *sum = sum.saturating_add(1);
    }

    /// All of them.
    pub fn all(&self) -> usize {
        self.sent().saturating_add(self.skipped)
    }

    /// Those that were sent.
    pub fn sent(&self) -> usize {
        self.pass.saturating_add(self.differs).saturating_add(self.fail)
    }
}

/// All rows.
#[derive(Debug, Clone, Default)]
pub struct ScoreCard {
    /// In the order of the corpus.
    pub rows: Vec<Row>,
}

/// The JSON of a card: `{"passed", "total", "classes", "rows"}`.
#[derive(Serialize)]
struct CardJson<'a> {
    passed: bool,
    total: Sums,
    classes: BTreeMap<&'a str, Sums>,
    rows: &'a [Row],
}

impl ScoreCard {
    /// The sums of all.
    pub fn total(&self) -> Sums {
        let mut sums = Sums::default();
        self.rows.iter().for_each(|row| sums.count(row.verdict));
        sums
    }

    /// The sums of each class, by name.
    pub fn classes(&self) -> BTreeMap<&str, Sums> {
        let mut classes: BTreeMap<&str, Sums> = BTreeMap::new();
        for row in &self.rows {
            classes.entry(&row.class).or_default().count(row.verdict);
        }
        classes
    }

    /// Whether something was sent, and everything passed. What was skipped has not passed.
    pub fn passed(&self) -> bool {
        let total = self.total();
        total.pass > 0 && total.pass == total.all()
    }

    /// The whole card, machine-readable: `{"passed": bool, "total": sums, "classes": {name: sums}, "rows": [row]}`,
    /// sums being `{"pass", "differs", "fail", "skipped"}` and a row the fields of [`Row`].
    ///
    /// # Errors
    /// None that happen: all is text and numbers.
    pub fn json(&self) -> serde_json::Result<String> {
        let card = CardJson {
            passed: self.passed(),
            total: self.total(),
            classes: self.classes(),
            rows: &self.rows,
        };
        serde_json::to_string_pretty(&card)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(class: &str, verdict: Verdict) -> Row {
        Row {
            class: class.to_owned(),
            case: "a".to_owned(),
            over: "h1",
            sent: String::new(),
            answered: String::new(),
            status: None,
            millis: 0,
            upstream: String::new(),
            upstream_count: 0,
            verdict,
            reasons: Vec::new(),
            why: String::new(),
            source: String::new(),
        }
    }

    #[test]
    fn only_a_card_full_of_passes_has_passed() {
        let card = |verdicts: &[Verdict]| ScoreCard {
            rows: verdicts.iter().map(|verdict| row("x", *verdict)).collect(),
        };
        assert!(card(&[Verdict::Pass, Verdict::Pass]).passed());
        for other in [Verdict::Differs, Verdict::Fail, Verdict::Skipped] {
            assert!(!card(&[Verdict::Pass, other]).passed(), "{other:?}");
        }
        assert!(!card(&[]).passed());
    }

    #[test]
    fn json_has_sums_and_rows() {
        let card = ScoreCard { rows: vec![row("x", Verdict::Pass), row("y", Verdict::Fail)] };
        let json: serde_json::Value = serde_json::from_str(&card.json().unwrap()).unwrap();
        assert_eq!(json["passed"], false);
        assert_eq!(json["total"]["pass"], 1);
        assert_eq!(json["classes"]["y"]["fail"], 1);
        assert_eq!(json["rows"][1]["verdict"], "fail");
    }
}
