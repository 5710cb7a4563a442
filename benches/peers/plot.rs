//! The picture: processor time for each request, a bar for each row.

use std::fmt::Write as _;

use super::report::Found;
use super::rounds::Sample;
use super::setups::SETUPS;

const LEFT: f64 = 380.0;
const WIDTH: f64 = 460.0;
const LINE: f64 = 26.0;
const TOP: f64 = 56.0;
/// Room for the figure behind the longest bar.
const RIGHT: f64 = 90.0;

/// The rows of the slowest set-up would leave nothing of the others: longer bars than so many medians of all are cut.
const CUT: f64 = 4.0;

/// An SVG that stands on its own, readable on light and dark pages.
pub fn svg(found: &Found) -> String {
    let bars: Vec<_> = SETUPS
        .iter()
        .flat_map(|setup| setup.rows)
        .filter_map(|row| Some((row, found.spread(row.key, Sample::cost)?)))
        .collect();
    let mut medians: Vec<f64> = bars.iter().map(|(_, cost)| cost.median).collect();
    medians.sort_by(f64::total_cmp);
    let middle = medians.get(medians.len() / 2).copied().unwrap_or(1.0);
    let longest =
        bars.iter().map(|(_, cost)| cost.most).filter(|most| *most <= CUT * middle).fold(1.0, f64::max);
    let height = TOP + LINE * bars.len() as f64 + 16.0;
    let whole = LEFT + WIDTH + RIGHT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"{height}\" viewBox=\"0 0 {whole} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"15\" font-weight=\"bold\">Processor time of the proxy for each request, microseconds</text>\n\
         <text x=\"16\" y=\"42\" fill=\"#555555\">median of the rounds; the thin line is least to most; {}</text>\n",
        found.machine.date,
    );
    for (at, (row, cost)) in bars.iter().enumerate() {
        let top = TOP + LINE * at as f64;
        let base = top + 15.0;
        let scaled = |value: f64| LEFT + WIDTH * (value / longest).min(1.0);
        let end = scaled(cost.median);
        let cut = if cost.median > longest { " (cut)" } else { "" };
        writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{base}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{:.0}\" width=\"{:.1}\" height=\"16\" fill=\"{}\"/>\n\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{:.0}\" y2=\"{:.0}\" stroke=\"#222222\"/>\n\
             <text x=\"{:.1}\" y=\"{base}\">{:.1}{cut}</text>",
            LEFT - 8.0,
            row.name.replace('`', ""),
            top + 2.0,
            end - LEFT,
            colour(row.name),
            scaled(cost.least),
            scaled(cost.most),
            top + 10.0,
            top + 10.0,
            scaled(cost.most).max(end) + 6.0,
            cost.median,
        )
        .unwrap();
    }
    svg.push_str("</svg>\n");
    svg
}

fn colour(name: &str) -> &'static str {
    match name.split([' ', ',']).next() {
        Some("Gateward") => "#2a78b8",
        Some("HAProxy") => "#d98c3f",
        _ => "#9aa5ad",
    }
}
