//! What a load test shows: the progress line, and the result as a table.

use std::io::{IsTerminal as _, Write};

use crate::cli::table::Table;
use crate::loadtest::{Kind, LatencyRow, Progress, Report};

/// The progress line: one that is written over on a terminal, else none.
pub(super) fn show(progress: &Progress) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let Progress { elapsed, total, warming_up, right, right_lately, wrong, errors } = progress;
    let what = if *warming_up { "warming up" } else { "measuring" };
    let (elapsed, total) = (elapsed.as_secs(), total.as_secs());
    eprint!(
        "\r\x1b[K{what} {elapsed}/{total} s  {right_lately} answers/s  {right} right  {wrong} wrong  {errors} errors"
    );
}

/// The result as a table.
pub(super) fn print(report: &Report, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(&[
        "KIND", "EXPECTED", "REQUESTS", "P50 us", "P90 us", "P99 us", "P99.9 us", "MAX us", "ERRORS", "WRONG",
    ]);
    let times = |latency: &Option<LatencyRow>| {
        latency.as_ref().map_or([(); 5].map(|()| "-".to_owned()), |row| {
            [row.p50, row.p90, row.p99, row.p999, row.max].map(|time| format!("{time:.0}"))
        })
    };
    for kind in Kind::ALL {
        let Some(row) = report.kinds.get(kind.as_str()) else { continue };
        let [p50, p90, p99, p999, max] = times(&row.latency_us);
        let (errors, wrong) = (row.errors.to_string(), row.wrong.to_string());
        let first = [kind.to_string(), row.expected.to_owned(), row.requests.to_string()];
        let [kind, expected, requests] = first;
        table.row([kind, expected, requests, p50, p90, p99, p999, max, errors, wrong]);
    }
    let [p50, p90, p99, p999, max] = times(&report.latency_us);
    let sum: u64 = report.kinds.values().map(|row| row.requests).sum();
    let (errors, wrong) = (report.errors.to_string(), report.wrong.to_string());
    table.row(["all".to_owned(), String::new(), sum.to_string(), p50, p90, p99, p999, max, errors, wrong]);
    table.write(out)?;
    writeln!(out)?;
    writeln!(out, "{:.0} answers/s over {:.1} s", report.rate, report.duration_seconds)?;
    if let (Some(target), Some(cpu)) = (&report.target, report.cpu_us_per_request) {
        let (cores, megabytes) = (target.cores, |bytes: u64| bytes / 1_000_000);
        let (now, peak) = (megabytes(target.rss_bytes), megabytes(target.peak_rss_bytes));
        writeln!(
            out,
            "target: {cpu:.2} us CPU/request, {cores:.2} cores, {now} MB resident ({peak} MB at most)"
        )?;
    }
    if let (Some(cpu), Some(cores)) = (report.generator.cpu_us_per_request, report.generator.cores) {
        writeln!(out, "this program: {cpu:.2} us CPU/request, {cores:.2} cores")?;
    }
    if let Some(schedule) = &report.schedule {
        let (planned, kept) = (schedule.planned, if schedule.kept { "kept" } else { "NOT KEPT" });
        let (unsent, late) = (schedule.unsent, schedule.late_p99_us);
        writeln!(
            out,
            "schedule: {kept}, {planned} planned, {unsent} unsent, 99 % sent within {late:.0} us of their time"
        )?;
    }
    let mut wrong = Table::new(&["WRONG", "KIND", "STATUS", "COUNT"]);
    for row in &report.wrong_answers {
        let status = row.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        wrong.row([row.what.to_owned(), row.kind.to_owned(), status, row.count.to_string()]);
    }
    if !report.wrong_answers.is_empty() {
        writeln!(out)?;
        wrong.write(out)?;
    }
    let causes: Vec<_> =
        report.error_causes.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
    if !causes.is_empty() {
        writeln!(out, "errors: {}", causes.join(", "))?;
    }
    report.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))
}
