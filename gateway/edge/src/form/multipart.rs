//! multipart/form-data, taken apart in bounded memory: the content of a part passes as slices of what came, however
//! long it is; only the lines above it are copied. Pure: fed with bytes in any split, it answers with pieces.
//!
//! Own code, because multer reads on for as long as the socket has bytes, keeps them all and copies each of them.

use crate::percent::{self, Part};
use bytes::{Buf, Bytes};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use memchr::memmem::Finder;
use memchr::memrchr;
use pocket_access::refusal::{ErrorCode, Refusal};

/// Longest line above the content of a part: a file name of 1,024 characters, each escaped to three or four bytes.
const LINE_MAX_BYTES: usize = 8 << 10;
/// Most such lines of one part: browsers and tools send up to three.
const HEAD_LINES_MAX: usize = 16;
/// RFC 2046's bound on a boundary.
const BOUNDARY_MAX_BYTES: usize = 70;

/// What the decoder has to say after some input.
#[derive(Debug, PartialEq)]
pub(crate) enum FormPiece {
    /// A part begins; its content follows.
    Part(PartHead),
    /// Of the part that began last.
    Content(Bytes),
    /// All input is used up.
    More,
    /// The last part is complete. Whatever follows is no part.
    End,
}

/// What stands above the content of a part.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PartHead {
    pub(crate) name: String,
    pub(crate) filename: Option<String>,
}

/// Decodes one body.
#[derive(Debug)]
pub(crate) struct FormDecoder {
    /// CRLF, two dashes and the boundary. A CR is nowhere in it but at its beginning.
    delimiter: Bytes,
    finder: Finder<'static>,
    state: State,
    /// So many bytes of the delimiter the input has ended with so far.
    matched: usize,
    line: Vec<u8>,
    head_lines: usize,
    part: Option<PartHead>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Before the first delimiter, where nothing counts.
    Preamble,
    Content,
    /// Behind a delimiter: either two dashes, or the end of the line.
    Delimited,
    Head,
    End,
}

enum Step {
    Content(Bytes),
    Delimiter,
    More,
}

impl FormDecoder {
    /// `boundary`: see [`boundary`].
    pub(crate) fn new(boundary: &str) -> Self {
        let delimiter = Bytes::from(format!("\r\n--{boundary}"));
        let finder = Finder::new(&delimiter).into_owned();
        // The first delimiter begins with the body: as if a line had just ended.
        let (state, matched) = (State::Preamble, 2);
        Self { delimiter, finder, state, matched, line: Vec::new(), head_lines: 0, part: None }
    }

    /// The least that must follow the content of a part.
    pub(crate) fn closing_bytes(&self) -> u64 {
        self.delimiter.len() as u64 + 2
    }

    /// Goes on with `input`, taking from its front what it uses. To be called again until it says [`FormPiece::More`].
    pub(crate) fn next(&mut self, input: &mut Bytes) -> Result<FormPiece, Refusal> {
        loop {
            match self.state {
                State::Preamble | State::Content => match self.scan(input) {
                    Step::Content(data) if self.state == State::Content => {
                        return Ok(FormPiece::Content(data));
                    }
                    Step::Content(_) => {}
                    Step::Delimiter => self.state = State::Delimited,
                    Step::More => return Ok(FormPiece::More),
                },
                State::Delimited => {
                    if self.line.iter().chain(input.iter()).take(2).eq(b"--") {
                        self.state = State::End;
                        continue;
                    }
                    if !self.read_line(input)? {
                        return Ok(FormPiece::More);
                    }
                    let line = std::mem::take(&mut self.line);
                    if line.iter().all(|byte| b" \t".contains(byte)) {
                        (self.state, self.head_lines, self.part) = (State::Head, 0, None);
                    } else {
                        return Err(malformed("there are bytes behind a boundary"));
                    }
                }
                State::Head => {
                    if !self.read_line(input)? {
                        return Ok(FormPiece::More);
                    }
                    let line = std::mem::take(&mut self.line);
                    if !line.is_empty() {
                        self.take_head_line(&line)?;
                        continue;
                    }
                    self.state = State::Content;
                    let nameless = || malformed("a part has no Content-Disposition: form-data with a name");
                    return Ok(FormPiece::Part(self.part.take().ok_or_else(nameless)?));
                }
                State::End => return Ok(FormPiece::End),
            }
        }
    }

    /// Looks for the delimiter. What cannot be part of one is content.
    fn scan(&mut self, input: &mut Bytes) -> Step {
        if input.is_empty() {
            return Step::More;
        }
        if self.matched > 0 {
            let rest = &self.delimiter[self.matched..];
            let same = rest.iter().zip(input.iter()).take_while(|(a, b)| a == b).count();
            self.matched += same;
            input.advance(same);
            if self.matched == self.delimiter.len() {
                self.matched = 0;
                return Step::Delimiter;
            }
            if input.is_empty() {
                return Step::More;
            }
            // None of it begins another delimiter, which would begin with a CR.
            return Step::Content(self.delimiter.slice(..std::mem::take(&mut self.matched)));
        }
        if let Some(at) = self.finder.find(input) {
            // Behind content it is found again, at once.
            if at > 0 {
                return Step::Content(input.split_to(at));
            }
            input.advance(self.delimiter.len());
            return Step::Delimiter;
        }
        let tail = input.len().saturating_sub(self.delimiter.len() - 1);
        let begun = memrchr(b'\r', &input[tail..]).map(|at| tail + at);
        let content = match begun.filter(|&at| self.delimiter.starts_with(&input[at..])) {
            Some(at) => {
                let content = input.split_to(at);
                self.matched = std::mem::take(input).len();
                content
            }
            None => std::mem::take(input),
        };
        if content.is_empty() { Step::More } else { Step::Content(content) }
    }

    /// Collects a line without its end; false when it goes on in later input.
    fn read_line(&mut self, input: &mut Bytes) -> Result<bool, Refusal> {
        let end = memchr::memchr(b'\n', input);
        let take = end.unwrap_or(input.len());
        if self.line.len() + take > LINE_MAX_BYTES {
            return Err(malformed("a line above a part is too long"));
        }
        self.line.extend_from_slice(&input[..take]);
        input.advance(end.map_or(take, |end| end + 1));
        if end.is_none() {
            return Ok(false);
        }
        match self.line.pop() {
            Some(b'\r') => Ok(true),
            _ => Err(malformed("a line does not end with CR and LF")),
        }
    }

    fn take_head_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        self.head_lines += 1;
        if self.head_lines > HEAD_LINES_MAX {
            return Err(malformed("a part has too many lines above it"));
        }
        let line = std::str::from_utf8(line).map_err(|_| malformed("the form is not UTF-8"))?;
        let (name, value) =
            line.split_once(':').ok_or_else(|| malformed("a line above a part has no colon"))?;
        if name.eq_ignore_ascii_case("content-disposition") {
            let part = read_disposition(value).ok_or_else(|| malformed("a bad Content-Disposition"))?;
            if self.part.replace(part).is_some() {
                return Err(malformed("two Content-Dispositions above one part"));
            }
        }
        // The content would be stored in its encoding: nobody decodes it.
        let as_it_is = ["binary", "8bit", "7bit"];
        if name.eq_ignore_ascii_case("content-transfer-encoding")
            && !as_it_is.iter().any(|encoding| value.trim().eq_ignore_ascii_case(encoding))
        {
            return Err(malformed("a part with a Content-Transfer-Encoding"));
        }
        // Others must be ignored, says RFC 7578.
        Ok(())
    }
}

/// The boundary that `Content-Type` names.
pub(crate) fn boundary(headers: &HeaderMap) -> Result<String, Refusal> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        let message = "At least one of the pre-conditions you specified did not hold: Bucket POST must be of the \
                       enclosure-type multipart/form-data";
        return Err(Refusal::new(ErrorCode::PreconditionFailed, message));
    }
    let mut boundary = None;
    let read = each_parameter(parameters, |name, value| {
        if name.eq_ignore_ascii_case("boundary") {
            boundary = Some(value);
        }
    });
    let fits = |text: &String| {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
        (1..=BOUNDARY_MAX_BYTES).contains(&text.len()) && text.bytes().all(known) && !text.ends_with(' ')
    };
    read.and(boundary).filter(fits).ok_or_else(|| malformed("its Content-Type names no good boundary"))
}

fn read_disposition(value: &str) -> Option<PartHead> {
    let (kind, parameters) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let (mut name, mut filename, mut extended) = (None, None, None);
    let mut twice = false;
    each_parameter(parameters, |parameter, value| {
        let slot = match parameter.to_ascii_lowercase().as_str() {
            "name" => &mut name,
            "filename" => &mut filename,
            "filename*" => &mut extended,
            _ => return,
        };
        twice |= slot.replace(value).is_some();
    })?;
    if twice {
        return None;
    }
    // No browser sends it, but some tools do for names that are not ASCII.
    let extended = match extended {
        Some(value) => Some(decode_extended(&value)?),
        None => None,
    };
    Some(PartHead { name: name?, filename: extended.or(filename) })
}

/// `UTF-8''percent%20encoded`, as RFC 8187 has it.
fn decode_extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    percent::decode(encoded, Part::Path).ok().map(|decoded| decoded.into_owned())
}

/// Reads `name=value; name="value"`. Of the escapes only `\"` is one: browsers send the backslashes of a path as they
/// are.
fn each_parameter(text: &str, mut told: impl FnMut(&str, String)) -> Option<()> {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = end_of_quoted(quoted)?;
                (quoted[..end].replace("\\\"", "\""), &quoted[end + 1..])
            }
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        told(name.trim(), value);
        rest = after.trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(';')?.trim_start();
        }
    }
    Some(())
}

/// The first quote that is not escaped.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

pub(crate) fn malformed(why: &'static str) -> Refusal {
    let message = format!("The body of your POST request is not well-formed multipart/form-data: {why}.");
    Refusal::new(ErrorCode::MalformedPOSTRequest, message)
}

#[cfg(test)]
mod tests;
