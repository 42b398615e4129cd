//! Header values that are made for one answer, written one behind the other into one piece of memory: each value is a slice of
//! it.

use bytes::Bytes;
use http::HeaderValue;
use pocket_api::clock::Timestamp;
use pocket_api::object::ETag;
use std::io::Write;
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

/// Room for the values of an ordinary answer: a tag, a date, a length, a range, and the request's id.
const ROOM_BYTES: usize = 192;

pub(crate) struct Stamped(Vec<u8>);

/// Where a value lies.
pub(crate) struct At(Range<usize>);

pub(crate) struct Values(Bytes);

impl Stamped {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(ROOM_BYTES))
    }

    pub(crate) fn write(&mut self, text: std::fmt::Arguments<'_>) -> At {
        let start = self.0.len();
        // Writing to memory cannot fail.
        let _ = self.0.write_fmt(text);
        At(start..self.0.len())
    }

    /// An entity tag in its quotes.
    pub(crate) fn etag(&mut self, etag: &ETag) -> At {
        let start = self.0.len();
        self.0.push(b'"');
        self.0.extend_from_slice(&etag.digits());
        if etag.parts > 0 {
            self.write(format_args!("-{}", etag.parts));
        }
        self.0.push(b'"');
        At(start..self.0.len())
    }

    /// A date of HTTP, in whole seconds.
    pub(crate) fn date(&mut self, at: Timestamp) -> At {
        let at = UNIX_EPOCH + Duration::from_secs(at.0 / 1_000);
        self.write(format_args!("{}", httpdate::HttpDate::from(at)))
    }

    pub(crate) fn finish(self) -> Values {
        Values(self.0.into())
    }
}

impl Values {
    /// One that no header could carry is empty.
    pub(crate) fn get(&self, At(range): At) -> HeaderValue {
        HeaderValue::from_maybe_shared(self.0.slice(range)).unwrap_or(HeaderValue::from_static(""))
    }
}
