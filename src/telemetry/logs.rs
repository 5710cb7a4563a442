//! Log lines: to stderr, as text or JSON, times in UTC (RFC 3339).
//!
//! A thread of its own writes them. Whoever logs hands the line over and goes on; when stderr is so
//! slow that [`BUFFERED_LINES`] wait, further lines are dropped and counted. A slow reader of our log
//! therefore never stalls requests, at the price of lines.
//!
//! Deliberately absent: log files and their rotation (the supervisor's work), spans, and any way to see
//! the debug lines of libraries (see `log_filter`).

use std::io::{self, BufWriter, IsTerminal};

use tracing::Dispatch;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{FilterExt, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

use super::access_format;
use super::log_filter::{ceilings, parse_filter};

/// Lines that may wait for a slow stderr: a few megabytes at most.
const BUFFERED_LINES: usize = 8192;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormatChoice {
    /// For people.
    Text,
    /// For machines: an object a line, fields at its top level.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A part of the filter is neither a level nor `target=level`.
    #[error(
        "log filter: \"{part}\" is neither a level (error, warn, info, debug, trace, off) nor target=level"
    )]
    UnknownLevel {
        /// The part.
        part: String,
    },
    /// The filter does not parse.
    #[error("log filter: {0}")]
    Filter(#[from] ParseError),
    /// Something else in this process has taken the log already.
    #[error("logging was set up before")]
    AlreadySet,
}

/// Keeps the writing thread. Dropping it writes out what waits, for at most about a second, and ends
/// the log: hold it in `main`.
#[must_use = "dropping the guard ends the log"]
#[derive(Debug)]
pub struct LogGuard {
    dropped: DroppedLines,
    _worker: WorkerGuard,
}

impl LogGuard {
    /// The count of dropped lines, for the metrics.
    pub fn dropped_lines(&self) -> DroppedLines {
        self.dropped.clone()
    }
}

/// How many lines were dropped because stderr was too slow. Clones share one count.
#[derive(Debug, Clone)]
pub struct DroppedLines(ErrorCounter);

impl DroppedLines {
    /// Lines since the start.
    pub fn count(&self) -> u64 {
        u64::try_from(self.0.dropped_lines()).unwrap_or(u64::MAX)
    }
}

/// Starts logging for the whole process, including what libraries say through the `log` crate.
///
/// `filter` is a `tracing` filter: `info`, or `warn,gateward=debug`. Lines of libraries stay under
/// their ceilings whatever it says (`log_filter`): a log level never brings a secret into the log.
///
/// # Errors
/// The filter is wrong, or logging was set up before.
pub fn init(format: LogFormatChoice, filter: &str) -> Result<LogGuard, LogError> {
    let stderr = io::stderr();
    let ansi = stderr.is_terminal();
    let (lines, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(BUFFERED_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(BufWriter::new(stderr));
    let dropped = DroppedLines(NonBlocking::error_counter(&lines));
    let access_lines = lines.clone();
    subscriber(format, filter, ansi, lines)?.try_init().map_err(|_| LogError::AlreadySet)?;
    if !ansi {
        access_format::write_to(format, access_lines);
    }
    Ok(LogGuard { dropped, _worker: worker })
}

/// The whole of the log but for its being global. `ansi` allows colours (`NO_COLOR` still forbids them).
fn subscriber<W>(format: LogFormatChoice, filter: &str, ansi: bool, writer: W) -> Result<Dispatch, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = parse_filter(filter)?.and(ceilings());
    let lines = fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormatChoice::Text if ansi => lines.boxed(),
        LogFormatChoice::Text => lines.with_ansi(false).boxed(),
        LogFormatChoice::Json => lines
            .with_ansi(false)
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    };
    Ok(Registry::default().with(lines.with_filter(filter)).into())
}

/// Reading back what was logged, for the tests of this folder.
#[cfg(test)]
pub(super) mod capture {
    use std::io::{self, Write};
    use std::sync::Arc;

    use parking_lot::Mutex;

    use tracing_subscriber::util::SubscriberInitExt;

    use super::{LogFormatChoice, subscriber};

    /// Where the lines go.
    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Buffer {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).unwrap()
        }
    }

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged while `say` runs.
    pub(in crate::telemetry) fn logged(format: LogFormatChoice, filter: &str, say: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let dispatch = subscriber(format, filter, false, move || writer.clone()).unwrap();
        let scope = dispatch.set_default(); // bridges the `log` crate too, as `init` does
        say();
        drop(scope);
        buffer.text()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    /// A reader that never reads: every write waits until the test ends.
    struct Stuck(Arc<Mutex<()>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            drop(self.0.lock());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_not_time() {
        let gate = Arc::new(Mutex::new(()));
        let shut = gate.lock();
        let (lines, worker) =
            NonBlockingBuilder::default().buffered_lines_limit(4).finish(Stuck(Arc::clone(&gate)));
        let dropped = DroppedLines(lines.error_counter());
        let dispatch = subscriber(LogFormatChoice::Json, "info", false, lines).unwrap();
        tracing::dispatcher::with_default(&dispatch, || {
            (0..20).for_each(|_| tracing::info!(target: "gateward", "a line"))
        });
        assert!(dropped.count() >= 15, "20 lines, 4 wait, 1 is being written: {}", dropped.count());
        drop(shut);
        drop(worker);
    }
}
