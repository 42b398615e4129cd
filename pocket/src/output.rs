//! Lines for people and scripts: answers on standard output, complaints on standard error. Logs go their own way, see
//! [`crate::telemetry`].
//!
//! A reader that has gone away is no error here: `pocket jobs | head` ends well, and a server does not die with the
//! terminal that started it.

use std::io::Write;

/// Prints an answer and a newline.
pub(crate) fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Prints a line to standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
