//! User metadata that is not ASCII: S3 shows it as encoded words of RFC 2047, and takes it so. Pure.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::borrow::Cow;

/// Longest text of one encoded word: 75 characters with its delimiters, in whole groups of four digits, each of three bytes.
const WORD_MAX_BYTES: usize = (75 - "=?UTF-8?B?".len() - "?=".len()) / 4 * 3;

/// As a header shows it.
pub(crate) fn encode(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (b' '..0x7f).contains(&b)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.floor_char_boundary(WORD_MAX_BYTES);
        let (word, after) = rest.split_at(end);
        let blank = if out.is_empty() { "" } else { " " };
        out.push_str(blank);
        out.push_str("=?UTF-8?B?");
        BASE64_STANDARD.encode_string(word, &mut out);
        out.push_str("?=");
        rest = after;
    }
    Cow::Owned(out)
}

/// The text behind encoded words, which may stand among others. `None` for a word whose character set or digits cannot be read.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains("=?") {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        let Some((word, after)) = word(from) else {
            // Not a word, as far as its delimiters go.
            let end = at + 2;
            out.push_str(&rest[..end]);
            (rest, after_word) = (&rest[end..], false);
            continue;
        };
        // Blanks between two words belong to neither.
        if !(after_word && before.bytes().all(|b| b == b' ' || b == b'\t')) {
            out.push_str(before);
        }
        out.push_str(&word?);
        (rest, after_word) = (after, true);
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// The word that `text` begins with, decoded, and what follows it. The inner `None` is a word that cannot be read.
fn word(text: &str) -> Option<(Option<String>, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (digits, rest) = rest.split_once("?=")?;
    // A language may stand behind the character set (RFC 2231).
    let charset = charset.split_once('*').map_or(charset, |(charset, _)| charset);
    let bytes = match encoding {
        "B" | "b" => BASE64_STANDARD.decode(digits).ok(),
        "Q" | "q" => quoted(digits),
        _ => None,
    };
    let text = bytes.and_then(|bytes| match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" => String::from_utf8(bytes).ok(),
        // Its characters are the first 256 of Unicode.
        "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    });
    Some((text, rest))
}

fn quoted(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'_' => out.push(b' '),
            b'=' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                out.push((high << 4 | low) as u8);
            }
            byte => out.push(byte),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ascii_stays_as_it_is_and_the_rest_is_words() {
        assert_eq!(encode("a b~"), "a b~");
        assert_eq!(encode("ü"), "=?UTF-8?B?w7w=?=");
        assert!(encode(&"ü".repeat(100)).split(' ').all(|word| word.len() <= 75));
    }

    #[test]
    fn words_are_read_in_either_encoding_and_among_others() {
        for (text, expected) in [
            ("plain", "plain"),
            ("=?UTF-8?B?w7w=?=", "ü"),
            ("=?utf-8?q?a=C3=BC_b?=", "aü b"),
            ("=?ISO-8859-1?Q?=FC?=", "ü"),
            ("=?UTF-8?B?w7w=?= =?UTF-8?B?w7w=?=", "üü"),
            ("x =?UTF-8?B?w7w=?= y", "x ü y"),
            ("a =? b", "a =? b"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(expected), "{text}");
        }
        for bad in ["=?UTF-8?B?%%?=", "=?KOI8-R?B?w7w=?=", "=?UTF-8?Q?=Z?=", "=?UTF-8?B?/w==?="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_reads_back_and_no_text_makes_it_panic(text in "[a-züß =?_\u{20ac}]{0,80}") {
            let _ = decode(&text);
            if !text.contains("=?") {
                let encoded = encode(&text).into_owned();
                prop_assert_eq!(decode(&encoded).unwrap(), &*text);
            }
        }
    }
}
