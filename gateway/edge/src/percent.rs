//! Percent-encoding as SigV4 and S3 use it: every byte but the unreserved ones is `%XX` in upper case, once.

use pocket_access::refusal::{ErrorCode, Refusal};
use std::borrow::Cow;

/// Which part of a URI is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `/` stands for itself.
    Path,
    /// A name or a value: `+` reads as a space, as HTML forms write it.
    Query,
}

/// The text behind `raw`. Refuses a `%` that two hex digits do not follow, and bytes that are no UTF-8.
pub(crate) fn decode(raw: &str, part: Part) -> Result<Cow<'_, str>, Refusal> {
    let plus_is_space = part == Part::Query;
    if !raw.bytes().any(|b| b == b'%' || (plus_is_space && b == b'+')) {
        return Ok(Cow::Borrowed(raw));
    }
    let bytes = decoded(raw, part).collect::<Option<Vec<u8>>>();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map(Cow::Owned).ok_or_else(bad_uri)
}

/// Appends the one form of `raw` that is signed: decoded, then encoded.
pub(crate) fn canonicalize(raw: &str, part: Part, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let is_kept = |b: u8| UNRESERVED[usize::from(b)] || (b == b'/' && part == Part::Path);
    if raw.bytes().all(is_kept) {
        out.extend_from_slice(raw.as_bytes());
        return Ok(());
    }
    for byte in decoded(raw, part) {
        match byte.ok_or_else(bad_uri)? {
            b if is_kept(b) => out.push(b),
            b => out.extend([b'%', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]),
        }
    }
    Ok(())
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

const UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        table[i] = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        i += 1;
    }
    table
};

/// The bytes behind `raw`; `None` in place of a `%` that two hex digits do not follow.
fn decoded(raw: &str, part: Part) -> impl Iterator<Item = Option<u8>> {
    let mut rest = raw.as_bytes();
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        rest = tail;
        match first {
            b'%' => {
                let byte =
                    rest.get(..2).and_then(|digits| Some(hex_digit(digits[0])? << 4 | hex_digit(digits[1])?));
                rest = rest.get(2..).unwrap_or_default();
                Some(byte)
            }
            b'+' if part == Part::Query => Some(Some(b' ')),
            b => Some(Some(b)),
        }
    })
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

fn bad_uri() -> Refusal {
    Refusal::new(ErrorCode::InvalidURI, "the URI is not percent-encoded UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(raw: &str, part: Part) -> String {
        let mut out = Vec::new();
        canonicalize(raw, part, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_way_to_write_a_path_has_one_canonical_form() {
        for (raw, expected) in [
            ("/b//x/./..", "/b//x/./.."),
            ("/b/a+b", "/b/a%2Bb"),
            ("/b/a%2bb", "/b/a%2Bb"),
            ("/b/a%20b~", "/b/a%20b~"),
            ("/b/%7Eu%41", "/b/~uA"),
            ("/b/a%2Fc", "/b/a/c"),
            ("/b/ü", "/b/%C3%BC"),
            ("/b/(x)*'!$=@:,;&", "/b/%28x%29%2A%27%21%24%3D%40%3A%2C%3B%26"),
        ] {
            assert_eq!(canonical(raw, Part::Path), expected);
        }
        assert_eq!(canonical("a+b%2B/", Part::Query), "a%20b%2B%2F");
    }

    #[test]
    fn what_is_not_percent_encoded_utf8_is_refused() {
        for bad in ["/%", "/%4", "/%zz", "/%+1", "/%ff", "/%C3"] {
            assert_eq!(decode(bad, Part::Path).unwrap_err().code, ErrorCode::InvalidURI, "{bad}");
        }
        assert_eq!(decode("/a+%2B%E2%82%AC", Part::Path).unwrap(), "/a++€");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_decoder_panic(raw in ".{0,40}") {
            let _ = (decode(&raw, Part::Path), decode(&raw, Part::Query));
        }

        #[test]
        fn the_canonical_form_reads_back_as_the_same_text(text in ".{0,40}") {
            let mut encoded = Vec::new();
            for b in text.bytes() {
                encoded.extend(format!("%{b:02x}").bytes());
            }
            let raw = String::from_utf8(encoded).unwrap();
            let canonical = canonical(&raw, Part::Query);
            prop_assert_eq!(decode(&canonical, Part::Query).unwrap(), text);
        }
    }
}
