//! The head of an HTTP/1.1 answer, read from bytes, no more than a load driver needs of it.

/// Longest head that is accepted; S3 answers with far less than this even with 2 KiB of user metadata.
pub(crate) const HEAD_MAX_BYTES: usize = 32 << 10;

/// How the body's end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    /// Until the server closes.
    Close,
}

/// What an answer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    /// The connection can be used again.
    pub(crate) keep_alive: bool,
    /// Bytes of the head, the empty line included.
    pub(crate) len: usize,
}

/// `None` where the head is not complete yet. Interim answers (1xx) are heads of their own.
pub(crate) fn parse_head(bytes: &[u8]) -> Result<Option<Head>, &'static str> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return if bytes.len() > HEAD_MAX_BYTES { Err("answer's head is too long") } else { Ok(None) };
    };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| "answer's head is not text")?;
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let rest = status_line.strip_prefix("HTTP/1.").ok_or("answer is not HTTP/1")?;
    let old = rest.starts_with('0');
    let status: u16 = rest.get(2..5).and_then(|s| s.parse().ok()).ok_or("answer has no status")?;
    let mut head = Head { status, framing: Framing::Close, keep_alive: !old, len: end + 4 };
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("answer has a bad header")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.framing = Framing::Length(value.parse().map_err(|_| "answer has a bad length")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            head.framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
            head.keep_alive = false;
        }
    }
    if matches!(status, 100..=199 | 204 | 304) {
        head.framing = Framing::Length(0);
    }
    if head.framing == Framing::Close {
        head.keep_alive = false;
    }
    Ok(Some(head))
}

/// The text of `<Code>` in an S3 error.
pub(crate) fn error_code(body: &[u8]) -> Option<&str> {
    let start = find(body, b"<Code>")? + 6;
    let len = find(&body[start..], b"</Code>")?;
    std::str::from_utf8(&body[start..start + len]).ok()
}

pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|w| w == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, status: u16, framing: Framing, keep_alive: bool) {
        let expected = Head { status, framing, keep_alive, len: head.len() };
        assert_eq!(parse_head(format!("{head}body").as_bytes()), Ok(Some(expected)), "{head:?}");
    }

    #[test]
    fn heads_are_read_as_http_says() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", 200, Framing::Length(4), true);
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", 200, Framing::Chunked, true);
        check("HTTP/1.1 204 No Content\r\n\r\n", 204, Framing::Length(0), true);
        check("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, Framing::Length(0), true);
        check("HTTP/1.1 100 Continue\r\n\r\n", 100, Framing::Length(0), true);
        check(
            "HTTP/1.1 503 Slow\r\nconnection: close\r\ncontent-length:0\r\n\r\n",
            503,
            Framing::Length(0),
            false,
        );
        check("HTTP/1.1 200 OK\r\n\r\n", 200, Framing::Close, false);
        check("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n", 200, Framing::Length(1), false);
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for_and_nonsense_is_not() {
        assert_eq!(parse_head(b"HTTP/1.1 200 OK\r\nContent-"), Ok(None));
        for bad in [
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        ] {
            assert!(parse_head(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(parse_head(&[b'x'; HEAD_MAX_BYTES + 1]).is_err());
    }

    #[test]
    fn the_code_of_an_error_is_found() {
        let xml = b"<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>m</Message></Error>";
        assert_eq!(error_code(xml), Some("SlowDown"));
        assert_eq!(error_code(b"<html>"), None);
    }
}
