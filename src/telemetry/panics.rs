//! Panics go to the log, like everything else.

use std::panic::PanicHookInfo;

/// Makes every panic a log line with its place, instead of text on standard error.
///
/// A message that is a literal of the source is logged; one that was formatted at run time may hold anything, a
/// password too, and is withheld: the place is enough to find it.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        tracing::error!(
            target: "gateward::panic",
            at = %place(panic),
            thread = thread.name().unwrap_or("-"),
            message = message(panic),
            "panic"
        );
    }));
}

fn place(panic: &PanicHookInfo<'_>) -> String {
    panic.location().map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn message<'a>(panic: &PanicHookInfo<'a>) -> &'a str {
    panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(withheld)")
}
