//! A reader of the Prometheus text format, as strict as a server that scrapes it.

use std::collections::{BTreeMap, BTreeSet};

/// What a scrape brought.
#[derive(Debug)]
pub struct Scrape {
    /// Family to kind.
    pub families: BTreeMap<String, String>,
    samples: BTreeMap<(String, Labels), f64>,
}

type Labels = BTreeSet<(String, String)>;

impl Scrape {
    /// Reads the text.
    ///
    /// # Panics
    /// With the line that is not of the format.
    pub fn parse(text: &str) -> Self {
        let mut scrape = Self { families: BTreeMap::new(), samples: BTreeMap::new() };
        assert!(text.ends_with('\n'), "the last line ends");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                let twice = scrape.families.insert(name.to_owned(), kind.to_owned());
                assert!(twice.is_none(), "{name} twice");
            } else if line.starts_with('#') {
                assert!(line.starts_with("# HELP "), "{line}");
            } else {
                let (name, labels, value) = sample(line).unwrap_or_else(|| panic!("{line}"));
                assert!(scrape.family_of(&name).is_some(), "{name} before its type");
                let twice = scrape.samples.insert((name, labels), value);
                assert!(twice.is_none(), "twice: {line}");
            }
        }
        scrape
    }

    fn family_of(&self, sample: &str) -> Option<&String> {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| sample.strip_suffix(end));
        let of_histogram =
            histogram.filter(|name| self.families.get(*name).is_some_and(|kind| kind == "histogram"));
        self.families.get(of_histogram.unwrap_or(sample))
    }

    /// The sum of the samples of this name that carry these labels; `None` when there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Labels =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let of_name =
            self.samples.iter().filter(|((found, labels), _)| found == name && labels.is_superset(&wanted));
        let values: Vec<f64> = of_name.map(|(_, value)| *value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.samples.len()
    }
}

/// `name{label="value",..} number`
fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => rest.rsplit_once("} ")?,
        None => ("", rest.strip_prefix(' ')?),
    };
    let mut found = Labels::new();
    for label in labels.split_terminator(',') {
        let (label, value) = label.split_once("=\"")?;
        let value = value.strip_suffix('"')?;
        if !is_name(label) || value.contains(['"', '\\', '\n']) {
            return None;
        }
        found.insert((label.to_owned(), value.to_owned()));
    }
    is_name(name).then_some((name.to_owned(), found, value.parse().ok()?))
}

#[test]
fn samples_are_read_with_their_labels() {
    let text = "# HELP a b\n# TYPE a counter\na{x=\"/\",y=\"\"} 2\na{x=\"1\"} 3\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\n";
    let scrape = Scrape::parse(text);
    assert_eq!(scrape.sum("a", &[]), Some(5.0));
    assert_eq!(scrape.sum("a", &[("x", "/")]), Some(2.0));
    assert_eq!(scrape.sum("a", &[("x", "2")]), None);
    for bad in
        ["a 1\n", "# TYPE a counter\na{x=1} 2\n", "# TYPE a counter\na one\n", "# TYPE a counter\na 1\na 1\n"]
    {
        assert!(std::panic::catch_unwind(|| Scrape::parse(bad)).is_err(), "{bad}");
    }
}
