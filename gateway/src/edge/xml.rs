//! What all documents written here have in common: how they begin, and how text stands in them.

use pocket_api::clock::Timestamp;
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// With a line feed behind it, as S3 writes it: some clients read by pattern.
pub(crate) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A control character that XML's parsers take for another one, or for none, where it is not a reference.
pub(crate) fn needs_reference(byte: u8) -> bool {
    byte < b' ' && byte != b'\n' && byte != b'\t'
}

/// Text of an element that has to arrive as it is: keys may have any character, and those that a parser would take for another
/// one are references, as in S3.
pub(crate) fn escape_all(text: &str, out: &mut String) {
    let is_plain = |byte: u8| byte >= b' ' && !matches!(byte, b'<' | b'>' | b'&');
    if text.bytes().all(is_plain) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if u8::try_from(c).is_ok_and(needs_reference) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "&#x{:x};", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// An element of text that has to arrive as it is.
pub(crate) fn element(name: &str, text: &str, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "<{name}>");
    escape_all(text, out);
    let _ = write!(out, "</{name}>");
}

/// Text of an element that a person reads. Characters that XML cannot carry become U+FFFD.
pub(crate) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                out.push('\u{fffd}')
            }
            c => out.push(c),
        }
    }
}

/// As `2026-01-31T23:59:59.000Z`: in whole seconds, as S3 has times in documents too. Clients hold those of a list against those of
/// a HEAD.
pub(crate) fn time(at: Timestamp) -> String {
    const SECOND: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].000Z");
    let at = OffsetDateTime::from(UNIX_EPOCH + Duration::from_secs(at.0 / 1_000));
    // Fails on years of five digits alone.
    at.format(SECOND).unwrap_or_default()
}
