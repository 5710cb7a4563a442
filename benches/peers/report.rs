//! The table, the targets, and where they are written.

use std::fmt::Write as _;
use std::path::Path;

use super::machine::Machine;
use super::place::Place;
use super::plot;
use super::rounds::{Sample, Samples};
use super::setups::{Row, SETUPS};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/peers.svg");
/// The page is ours between these.
const BEGIN: &str = "<!-- peers: written by `make bench-peers`, from here -->\n";
const END: &str = "<!-- peers: to here -->\n";
/// What stays true from run to run.
const EXPLANATION: &str = include_str!("explanation.md");
const MIB: f64 = 1024.0 * 1024.0;

/// What a run found.
pub struct Found {
    pub samples: Samples,
    /// Set-ups that could not be had, each with the program that is not installed.
    pub missing: Vec<(&'static str, &'static str)>,
    /// Microseconds of a signature check alone, by algorithm.
    pub signatures: Vec<(&'static str, f64)>,
    pub machine: Machine,
}

/// Median, smallest and largest.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// None of no values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len().checked_sub(1)?;
        let median = f64::midpoint(values[middle / 2], values[middle.div_ceil(2)]);
        Some(Self { median, least: values[0], most: values[middle] })
    }
}

impl Found {
    /// A figure of a row over the rounds.
    pub fn spread(&self, key: &str, figure: fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.samples.get(key)?.iter().map(figure))
    }

    /// A figure of one row against that of another in the same round.
    fn ratio(&self, one: &str, other: &str, figure: fn(&Sample) -> f64) -> Option<Spread> {
        let pairs = self.samples.get(one)?.iter().zip(self.samples.get(other)?);
        Spread::of(pairs.map(|(one, other)| figure(one) / figure(other)))
    }

    /// By how much a request with a cold token costs more than one with a warm token, in microseconds.
    fn cold(&self, algorithm: &str) -> Option<Spread> {
        let (cold, warm) = (
            self.samples.get(&*format!("cold-{algorithm}"))?,
            self.samples.get(&*format!("warm-{algorithm}"))?,
        );
        Spread::of(cold.iter().zip(warm).map(|(cold, warm)| cold.cost() - warm.cost()))
    }
}

/// Prints the report, and puts it into the page when the run was a whole one.
pub fn write(place: &Place, found: &Found) {
    let section = section(place, found);
    println!("{section}");
    if !place.write {
        return;
    }
    std::fs::write(PLOT, plot::svg(found)).unwrap();
    let page = std::fs::read_to_string(PAGE).unwrap();
    let page = match (page.split_once(BEGIN), page.split_once(END)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{BEGIN}{section}{END}{after}"),
        _ => format!("{page}\n{BEGIN}{section}{END}"),
    };
    std::fs::write(PAGE, page).unwrap();
    eprintln!("peers: written to {} and {}", shown(PAGE), shown(PLOT));
}

fn shown(file: &str) -> String {
    Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn section(place: &Place, found: &Found) -> String {
    let Machine { date, hardware, load_before, versions } = &found.machine;
    let mut text = format!(
        "## Beside other proxies: `make bench-peers`\n\n\
         {date}; {hardware}; load average {load_before} before the start. {versions}.\n\
         {} rounds of {} s for each row. Proxies on core {}, load (`{}`) and service on core {}. Medians (least to most of the rounds).\n\n",
        place.rounds,
        place.span,
        place.proxy_cores,
        place.tool.name(),
        place.load_cores,
    );
    table(found, &mut text);
    text.push_str("\n![Processor time for each request](peers.svg)\n\n");
    targets(found, &mut text);
    text.push('\n');
    text.push_str(EXPLANATION);
    text
}

fn table(found: &Found, text: &mut String) {
    text.push_str(
        "| set-up | processor time a request | requests a second | of the proxy's core | memory |\n|---|---|---|---|---|\n",
    );
    for setup in SETUPS {
        let missing = found.missing.iter().find(|(name, _)| *name == setup.name);
        for Row { key, name, .. } in setup.rows {
            let (cost, rate) = (found.spread(key, Sample::cost), found.spread(key, Sample::rate));
            let (busy, memory) =
                (found.spread(key, Sample::busy), found.spread(key, |one| one.memory as f64 / MIB));
            let cells = match (cost, rate, busy, memory, missing) {
                (Some(cost), Some(rate), Some(busy), Some(memory), _) => format!(
                    "{:.1} us ({:.1} to {:.1}) | {} | {:.0} % | {:.0} MiB",
                    cost.median,
                    cost.least,
                    cost.most,
                    thousands(rate.median),
                    busy.median * 100.0,
                    memory.median
                ),
                (.., Some((_, program))) => format!("{program} is not installed | | | "),
                _ => "not measured | | | ".to_owned(),
            };
            writeln!(text, "| {name} | {cells} |").unwrap();
        }
    }
}

/// 12345.6 is `12 300`: three figures are more than such a measurement knows.
fn thousands(rate: f64) -> String {
    let rounded = (rate / 100.0).round() as u64 * 100;
    if rounded < 1000 { rounded.to_string() } else { format!("{} {:03}", rounded / 1000, rounded % 1000) }
}

/// What the project wants of the figures, and what came of it.
fn targets(found: &Found, text: &mut String) {
    text.push_str("| target | wanted | reached | |\n|---|---|---|---|\n");
    let mut line = |what: &str, wanted: f64, at_least: bool, unit: &str, reached: Option<Spread>| {
        let bound = if at_least { "at least" } else { "at most" };
        let (cell, verdict) = match reached {
            None => ("not measured".to_owned(), ""),
            Some(Spread { median, least, most }) => {
                let met = if at_least { median >= wanted } else { median <= wanted };
                let digits = if unit == " x" && !at_least { 3 } else { 1 };
                (
                    format!("{median:.digits$}{unit} ({least:.digits$} to {most:.digits$})"),
                    if met { "met" } else { "**missed**" },
                )
            }
        };
        let wanted = if wanted.fract() == 0.0 { format!("{wanted}") } else { format!("{wanted:.2}") };
        writeln!(text, "| {what} | {bound} {wanted}{unit} | {cell} | {verdict} |").unwrap();
    };
    for (name, algorithm) in [("HS256", "hs256"), ("ES256", "es256"), ("EdDSA", "eddsa")] {
        let ratio = found.ratio(&format!("warm-{algorithm}"), &format!("public-{algorithm}"), Sample::cost);
        line(&format!("protected, warm {name}, against public, same process"), 1.03, false, " x", ratio);
    }
    for (name, wanted, one, other) in [
        ("HS256 against HAProxy's", 0.9, "warm-hs256", "haproxy-hs256"),
        ("HS256 against HAProxy's, both with a million revocations", 0.9, "million-hs256", "haproxy-million"),
        ("ES256 against HAProxy's", 0.3, "warm-es256", "haproxy-es256"),
    ] {
        line(name, wanted, false, " x", found.ratio(one, other, Sample::cost));
    }
    let throughput = found.ratio("warm-hs256", "fastapi", Sample::rate);
    line("requests a second against `auth_request` and FastAPI, same core", 20.0, true, " x", throughput);
    let million = found.ratio("million-hs256", "warm-hs256", Sample::cost);
    line("a million revocations against none", 1.05, false, " x", million);
    let memory = found.spread("million-hs256", |one| one.memory as f64 / MIB);
    line("memory with a million revocations", 200.0, false, " MiB", memory);
    line("cold HS256 over warm", 4.0, false, " us", found.cold("hs256"));
    for (name, algorithm) in [("ES256", "es256"), ("EdDSA", "eddsa")] {
        let signature = found.signatures.iter().find(|(of, _)| *of == name).map(|(_, cost)| *cost);
        let wanted = signature.map_or(5.0, |cost| cost + 5.0);
        let what = signature.map_or_else(
            || format!("cold {name} over warm: the signature and 5 us"),
            |cost| format!("cold {name} over warm: the signature ({cost:.1} us here) and 5 us"),
        );
        line(&what, wanted, false, " us", found.cold(algorithm));
    }
}
