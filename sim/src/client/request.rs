//! Operations as requests of S3.

use super::Details;
use crate::history::{Asked, Bounds, BucketHints, Condition, ListAsked, Text};
use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write;
use std::time::Duration;

/// A request that nobody has signed yet.
pub(super) struct Plain {
    pub(super) method: Method,
    /// Path and query, escaped.
    pub(super) target: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

/// What S3 escapes in queries.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// And in paths.
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');

impl Plain {
    fn of(method: Method, bucket: &Text, key: Option<&Text>) -> Self {
        let key = key.map(|key| utf8_percent_encode(key, IN_PATH).to_string()).unwrap_or_default();
        Self { method, target: format!("/{bucket}/{key}"), headers: Vec::new(), body: Bytes::new() }
    }

    fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let mark = if self.target.contains('?') { '&' } else { '?' };
        let _ = write!(self.target, "{mark}{name}={}", utf8_percent_encode(value.as_ref(), IN_QUERY));
        self
    }

    fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn maybe<T>(self, value: Option<T>, with: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => with(self, value),
            None => self,
        }
    }

    fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    fn bounds(self, bounds: &Bounds) -> Self {
        self.maybe(bounds.ttl, |plain, ttl| plain.header("x-pocket-ttl", time(ttl)))
            .maybe(bounds.reads, |plain, reads| plain.header("x-pocket-reads", reads))
    }

    fn condition(self, condition: &Condition) -> Self {
        match condition {
            Condition::None => self,
            Condition::Absent => self.header("if-none-match", "*"),
            Condition::Matches(etag) => self.header("if-match", format!("\"{etag}\"")),
        }
    }
}

pub(super) fn of(bucket: &Text, asked: &Asked, details: &Details) -> Plain {
    let on_bucket = |method| Plain::of(method, bucket, None);
    let on = |method, key| Plain::of(method, bucket, Some(key));
    match asked {
        Asked::CreateBucket(hints) => with_hints(on_bucket(Method::PUT), hints),
        Asked::DeleteBucket { force } => {
            let plain = on_bucket(Method::DELETE);
            if *force { plain.header("x-pocket-force-delete", true) } else { plain }
        }
        Asked::List(list) => listing(on_bucket(Method::GET), list, details),
        Asked::Put { key, piece, bounds, condition } => {
            on(Method::PUT, key).body(piece.bytes()).bounds(bounds).condition(condition)
        }
        Asked::Append { key, offset_bytes, piece } => {
            on(Method::PUT, key).body(piece.bytes()).header("x-amz-write-offset-bytes", offset_bytes)
        }
        Asked::Get { key, range } => on(Method::GET, key)
            .maybe(*range, |plain, range| {
                let last = range.offset_bytes + range.len_bytes - 1;
                plain.header("range", format!("bytes={}-{last}", range.offset_bytes))
            })
            .maybe(details.wait, |plain, wait| plain.header("x-pocket-wait", time(wait))),
        Asked::Head { key } => on(Method::HEAD, key),
        Asked::Delete { key, condition } => on(Method::DELETE, key).condition(condition),
        Asked::Rename { from, to, condition } => on(Method::PUT, to)
            .query("renameObject", "")
            .header("x-amz-rename-source", utf8_percent_encode(from, IN_PATH))
            .condition(condition),
        Asked::Copy { from_bucket, from, to } => {
            let source = format!("/{from_bucket}/{}", utf8_percent_encode(from, IN_PATH));
            on(Method::PUT, to).header("x-amz-copy-source", source)
        }
        Asked::CreateUpload { key, bounds } => on(Method::POST, key).query("uploads", "").bounds(bounds),
        Asked::UploadPart { key, piece } => on(Method::PUT, key)
            .query("partNumber", details.part_number.to_string())
            .query("uploadId", details.upload.as_deref().unwrap_or_default())
            .body(piece.bytes()),
        Asked::Complete { key, .. } => on(Method::POST, key)
            .query("uploadId", details.upload.as_deref().unwrap_or_default())
            .body(parts(&details.parts)),
    }
}

fn with_hints(plain: Plain, hints: &BucketHints) -> Plain {
    plain
        .maybe(hints.ttl, |plain, ttl| plain.header("x-pocket-ttl", time(ttl)))
        .maybe(hints.wait, |plain, wait| plain.header("x-pocket-wait", time(wait)))
        .maybe(hints.objects.ttl, |plain, ttl| plain.header("x-pocket-object-ttl", time(ttl)))
        .maybe(hints.objects.reads, |plain, reads| plain.header("x-pocket-reads", reads))
}

fn listing(plain: Plain, list: &ListAsked, details: &Details) -> Plain {
    plain
        .query("list-type", "2")
        .query("max-keys", list.max_keys.to_string())
        .maybe(list.prefix.as_ref(), |plain, prefix| plain.query("prefix", prefix))
        .maybe(list.delimiter.as_ref(), |plain, delimiter| plain.query("delimiter", delimiter))
        .maybe(details.token.as_ref(), |plain, token| plain.query("continuation-token", token))
}

fn parts(etags: &[Text]) -> String {
    let parts = etags
        .iter()
        .enumerate()
        .map(|(i, etag)| format!("<Part><PartNumber>{}</PartNumber><ETag>\"{etag}\"</ETag></Part>", i + 1));
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>())
}

fn time(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}
