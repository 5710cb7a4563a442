//! The times of each kind by percentile, as a picture (SVG 1.1).
//!
//! Both axes are logarithmic: the horizontal one in the share of answers that took longer, so that 99 % and 99.9 % are as
//! far apart as 90 % and 99 %.

use std::fmt::Write as _;

use super::kind::Kind;
use super::report::Report;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 540.0;
/// Around the curves.
const LEFT: f64 = 84.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 74.0;
const BOTTOM: f64 = 64.0;
/// The percentiles with a line, as shares that took longer.
const SHARES: [(f64, &str); 7] = [
    (1.0, "0 %"),
    (0.5, "50 %"),
    (0.1, "90 %"),
    (0.01, "99 %"),
    (0.001, "99.9 %"),
    (0.0001, "99.99 %"),
    (0.00001, "99.999 %"),
];

/// Where the curves are.
struct Frame {
    /// Decimal powers of the times at the lower and the upper end, in microseconds.
    times: (f64, f64),
    /// Decimal power of the smallest share at the right end, negative.
    shares: f64,
}

impl Frame {
    fn around(report: &Report) -> Self {
        let points = || report.kinds.values().flat_map(|row| &row.curve);
        let times = points().map(|(_, time)| time.max(1.0));
        let (low, high) =
            times.fold((f64::MAX, 1.0_f64), |(low, high), time| (low.min(time), high.max(time)));
        let low = if low > high { 1.0 } else { low };
        let most = report.kinds.values().map(|row| row.requests).max().unwrap_or(0).max(10);
        #[expect(clippy::cast_precision_loss, reason = "it becomes a coordinate")]
        let rarest = -(most as f64).log10().clamp(1.0, 5.0);
        // From a step of 1, 2, 5 to another, a decade at least.
        let bottom = step_below(low).log10();
        let top = step_above(high).log10().max(bottom + 1.0);
        Self { times: (bottom, top), shares: rarest }
    }

    /// Of the share that took longer.
    fn x(&self, longer: f64) -> f64 {
        let part = longer.max(10_f64.powf(self.shares)).log10() / self.shares;
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    /// Of microseconds.
    fn y(&self, time: f64) -> f64 {
        let (bottom, top) = self.times;
        let part = (time.max(1e-3).log10() - bottom) / (top - bottom);
        HEIGHT - BOTTOM - part.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }
}

impl Report {
    /// The picture.
    pub fn svg(&self) -> String {
        let frame = Frame::around(self);
        let mut svg = String::new();
        head(&mut svg, self);
        grid(&mut svg, &frame);
        let kinds = Kind::ALL.into_iter().filter(|kind| self.kinds.contains_key(kind.as_str()));
        for (place, kind) in kinds.enumerate() {
            curve(&mut svg, &frame, self, kind);
            legend(&mut svg, self, kind, place);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn colour(kind: Kind) -> &'static str {
    // Told apart by people who see few colours (Okabe and Ito), dark enough on white.
    match kind {
        Kind::Valid => "#0072b2",
        Kind::Cold => "#d55e00",
        Kind::Expired => "#009e73",
        Kind::Revoked => "#cc79a7",
        Kind::Forged => "#b8860b",
        Kind::Absent => "#555555",
    }
}

fn head(svg: &mut String, report: &Report) {
    let settings = &report.settings;
    let load = match settings.rate {
        Some(rate) => format!("{rate} requests/s planned (open loop)"),
        None => "as fast as answers come (closed loop)".to_owned(),
    };
    let subtitle = format!(
        "{} {}, {load}, {} connections: {:.0} answers/s, {} wrong, {} errors",
        settings.method, settings.protocol, settings.connections, report.rate, report.wrong, report.errors
    );
    put(
        svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"#222\">\n\
             <title>Latency by percentile</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        ),
    );
    let title = format!("Latency by percentile: {}", settings.url);
    text(svg, (LEFT, 30.0), "font-size=\"18\" font-weight=\"600\"", &title);
    text(svg, (LEFT, 52.0), "fill=\"#555\"", &subtitle);
}

fn grid(svg: &mut String, frame: &Frame) {
    let (left, right) = (LEFT, WIDTH - RIGHT);
    let (top, bottom) = (TOP, HEIGHT - BOTTOM);
    for time in steps(frame) {
        let y = frame.y(time);
        put(svg, format_args!("<path d=\"M{left:.1} {y:.1}H{right:.1}\" stroke=\"#e4e4e4\"/>\n"));
        text(svg, (left - 8.0, y + 4.0), "text-anchor=\"end\"", &time_label(time));
    }
    for (longer, label) in SHARES.into_iter().filter(|(longer, _)| longer.log10() >= frame.shares - 1e-9) {
        let x = frame.x(longer);
        put(svg, format_args!("<path d=\"M{x:.1} {top:.1}V{bottom:.1}\" stroke=\"#e4e4e4\"/>\n"));
        text(svg, (x, bottom + 20.0), "text-anchor=\"middle\"", label);
    }
    put(
        svg,
        format_args!(
            "<path d=\"M{left:.1} {top:.1}V{bottom:.1}H{right:.1}\" fill=\"none\" stroke=\"#222\"/>\n"
        ),
    );
    let middle = f64::midpoint(left, right);
    text(svg, (middle, HEIGHT - 18.0), "text-anchor=\"middle\"", "share of answers that took no longer");
    let (x, y) = (20.0, f64::midpoint(top, bottom));
    let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 {x} {y:.1})\"");
    text(svg, (x, y), &turned, "time until the answer was read");
}

fn curve(svg: &mut String, frame: &Frame, report: &Report, kind: Kind) {
    let Some(row) = report.kinds.get(kind.as_str()) else { return };
    let mut path = String::new();
    for (share, time) in &row.curve {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        put(&mut path, format_args!("{letter}{:.1} {:.1}", frame.x(1.0 - share), frame.y(*time)));
    }
    if !path.is_empty() {
        let colour = colour(kind);
        put(
            svg,
            format_args!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>\n"
            ),
        );
    }
}

fn legend(svg: &mut String, report: &Report, kind: Kind, place: usize) {
    let Some(row) = report.kinds.get(kind.as_str()) else { return };
    #[expect(clippy::cast_precision_loss, reason = "one of six")]
    let y = TOP + 12.0 + place as f64 * 40.0;
    let x = WIDTH - RIGHT + 16.0;
    let (end, colour) = (x + 22.0, colour(kind));
    put(svg, format_args!("<path d=\"M{x:.1} {y:.1}H{end:.1}\" stroke=\"{colour}\" stroke-width=\"3\"/>\n"));
    text(svg, (end + 8.0, y + 4.0), "", &format!("{kind} ({})", row.expected));
    let count = match row.wrong {
        0 => format!("{} requests", row.requests),
        wrong => format!("{wrong} wrong"),
    };
    let fill = if row.wrong > 0 { "fill=\"#b00020\" font-weight=\"600\"" } else { "fill=\"#555\"" };
    text(svg, (end + 8.0, y + 20.0), &format!("font-size=\"11\" {fill}"), &count);
}

/// 1, 2, 5, 10, 20 .. microseconds within the frame.
fn steps(frame: &Frame) -> impl Iterator<Item = f64> {
    let (bottom, top) = frame.times;
    let all = (0..10).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power)));
    // In a frame of many decades only whole ones.
    let wide = top - bottom > 3.0;
    all.filter(move |time| {
        let power = time.log10();
        let whole = (power - power.round()).abs() < 1e-9;
        power >= bottom - 1e-9 && power <= top + 1e-9 && (whole || !wide)
    })
}

fn step_below(time: f64) -> f64 {
    let power = 10_f64.powf(time.log10().floor());
    [5.0, 2.0, 1.0].map(|step| step * power).into_iter().find(|step| *step <= time).unwrap_or(power)
}

fn step_above(time: f64) -> f64 {
    let power = 10_f64.powf(time.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|step| step * power)
        .into_iter()
        .find(|step| *step >= time)
        .unwrap_or(power * 10.0)
}

fn time_label(micros: f64) -> String {
    if micros >= 1e6 {
        format!("{} s", micros / 1e6)
    } else if micros >= 1e3 {
        format!("{} ms", micros / 1e3)
    } else {
        format!("{micros} \u{b5}s")
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), attributes: &str, content: &str) {
    put(svg, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{}</text>\n", escaped(content)));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _infallible = svg.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_one_two_and_five() {
        assert_eq!([1.0, 1.9, 37.0, 60.0, 100.0].map(step_below), [1.0, 1.0, 20.0, 50.0, 100.0]);
        assert_eq!([1.0, 1.9, 37.0, 60.0, 100.0].map(step_above), [1.0, 2.0, 50.0, 100.0, 100.0]);
        let frame = Frame { times: (1.0, 3.0), shares: -3.0 };
        assert_eq!(steps(&frame).collect::<Vec<_>>(), [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]);
    }

    #[test]
    fn places_are_within_the_frame() {
        let frame = Frame { times: (1.0, 3.0), shares: -3.0 };
        assert!((frame.x(1.0) - LEFT).abs() < 0.01 && (frame.x(0.001) - (WIDTH - RIGHT)).abs() < 0.01);
        assert!((frame.x(0.0) - (WIDTH - RIGHT)).abs() < 0.01, "all of them are at the right end");
        assert!((frame.y(10.0) - (HEIGHT - BOTTOM)).abs() < 0.01 && (frame.y(1e9) - TOP).abs() < 0.01);
    }

    #[test]
    fn labels_have_units() {
        assert_eq!([50.0, 2e3, 5e6].map(time_label), ["50 \u{b5}s", "2 ms", "5 s"]);
        assert_eq!(escaped("a&<b>"), "a&amp;&lt;b&gt;");
    }
}
