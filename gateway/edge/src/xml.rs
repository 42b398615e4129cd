//! What all documents written here have in common: how they begin, and how text stands in them.

use super::answer::{Body, xml_answer};
use crate::checksums;
use http::Response;
use pocket_api::checksum::Checksum;
use pocket_api::clock::Timestamp;
use pocket_api::names::TenantName;
use pocket_api::object::ETag;
use std::fmt::{Display, Write};
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

/// A character by its number.
pub(crate) fn reference(c: char, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "&#x{:x};", u32::from(c));
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
            c if u8::try_from(c).is_ok_and(needs_reference) => reference(c, out),
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

/// A document that is written from its beginning to its end. Elements stand in S3's order, which is that of their names.
pub(crate) struct Writer {
    xml: String,
    root: &'static str,
}

impl Writer {
    pub(crate) fn new(root: &'static str) -> Self {
        let mut writer = Self::bare(root);
        writer.xml.truncate(DECLARATION.len());
        // Writing to a string cannot fail, here and below.
        let _ = write!(writer.xml, "<{root} xmlns=\"{NAMESPACE}\">");
        writer
    }

    /// Without a namespace.
    pub(crate) fn bare(root: &'static str) -> Self {
        Self { xml: format!("{DECLARATION}<{root}>"), root }
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        let _ = write!(self.xml, "<{name}>");
        escape_all(value, &mut self.xml);
        let _ = write!(self.xml, "</{name}>");
    }

    /// For numbers and the like, which have nothing to be escaped.
    pub(crate) fn value(&mut self, name: &str, value: impl Display) {
        let _ = write!(self.xml, "<{name}>{value}</{name}>");
    }

    pub(crate) fn within(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        let _ = write!(self.xml, "<{name}>");
        content(self);
        let _ = write!(self.xml, "</{name}>");
    }

    /// `parts`: of how many a composite one covers the sums, where that is shown.
    pub(crate) fn checksum(&mut self, checksum: &Checksum, parts: Option<u16>) {
        let name = format!("Checksum{}", checksum.algorithm);
        self.text(&name, &checksums::show(checksum, parts));
    }

    /// In quotes.
    pub(crate) fn etag(&mut self, etag: &ETag) {
        self.value("ETag", format_args!("\"{etag}\""));
    }

    /// One who is called by the name of its tenant.
    pub(crate) fn tenant(&mut self, name: &str, tenant: &TenantName) {
        self.within(name, |xml| {
            xml.text("DisplayName", tenant.as_str());
            xml.text("ID", tenant.as_str());
        });
    }

    pub(crate) fn answer(mut self) -> Response<Body> {
        let _ = write!(self.xml, "</{}>", self.root);
        xml_answer(self.xml)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_begin_with_a_declaration_on_a_line_of_its_own_and_carry_any_text() {
        let mut writer = Writer::new("Root");
        writer.text("Key", "a\r<&>\u{1}\"");
        writer.within("Group", |xml| xml.value("Size", 7));
        let answer = writer.answer();
        assert_eq!(answer.headers()["content-type"], "application/xml");
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <Root xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Key>a&#xd;&lt;&amp;&gt;&#x1;\"</Key>\
            <Group><Size>7</Size></Group></Root>";
        assert_eq!(answer.body().bytes().unwrap(), expected);
        assert_eq!(
            Writer::bare("Root").answer().body().bytes().unwrap(),
            [DECLARATION, "<Root></Root>"].concat()
        );
    }
}
