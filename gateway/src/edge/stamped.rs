//! Header values that are made for one answer, written one behind the other into one piece of memory: each value is a slice of
//! it.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderValue;
use pocket_api::clock::Timestamp;
use pocket_api::object::ETag;
use std::fmt::{self, Write};
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

/// Room for the values of an ordinary answer: a tag, a date, a length, a range, and the request's id.
const ROOM_BYTES: usize = 192;

pub(crate) struct Stamped(BytesMut);

/// Where a value lies.
pub(crate) struct At(Range<usize>);

pub(crate) struct Values(Bytes);

impl Stamped {
    pub(crate) fn new() -> Self {
        Self(BytesMut::with_capacity(ROOM_BYTES))
    }

    pub(crate) fn write(&mut self, text: fmt::Arguments<'_>) -> At {
        let start = self.0.len();
        // Grows where it has to, and cannot fail.
        let _ = self.0.write_fmt(text);
        At(start..self.0.len())
    }

    /// An entity tag in its quotes.
    pub(crate) fn etag(&mut self, etag: &ETag) -> At {
        let start = self.0.len();
        for byte in [b'"'].into_iter().chain(etag.digits()).chain([b'"']) {
            self.0.put_u8(byte);
        }
        if etag.parts > 0 {
            self.0.truncate(self.0.len() - 1);
            self.write(format_args!("-{}\"", etag.parts));
        }
        At(start..self.0.len())
    }

    /// A date of HTTP, in whole seconds.
    pub(crate) fn date(&mut self, at: Timestamp) -> At {
        let at = UNIX_EPOCH + Duration::from_secs(at.0 / 1_000);
        self.write(format_args!("{}", httpdate::HttpDate::from(at)))
    }

    pub(crate) fn finish(self) -> Values {
        Values(self.0.freeze())
    }
}

impl Values {
    /// One that no header could carry is empty.
    pub(crate) fn get(&self, At(range): At) -> HeaderValue {
        HeaderValue::from_maybe_shared(self.0.slice(range)).unwrap_or(HeaderValue::from_static(""))
    }
}
