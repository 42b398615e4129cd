//! The headers of a request, walked once: what a signature covers is found in them, and most of what a request may say is known not to
//! have been said without a look for it.

use http::{HeaderMap, HeaderValue};
use smallvec::SmallVec;

/// Headers of an ordinary request.
const LINES: usize = 20;

/// Lines of a request's head: what S3 bounds by 8 KB has no more, at 16 bytes for each piece of metadata.
pub(crate) const LINES_MAX: usize = 512;

/// Whether a header belongs to those that must be signed.
pub(crate) fn is_ours(name: &str) -> bool {
    name.starts_with("x-amz-") || name.starts_with("x-pocket-")
}

#[derive(Debug)]
pub(crate) struct Arrived<'a> {
    lines: SmallVec<[(&'a str, &'a HeaderValue); LINES]>,
    /// Different names among those that must be signed.
    pub(crate) ours: usize,
    pub(crate) came: Came,
}

/// What came, as far as it is seldom and costs a look to find out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Came {
    /// A condition, `if-…`.
    pub(crate) conditions: bool,
    /// A hint or wish of Pocket's own.
    pub(crate) wishes: bool,
    pub(crate) range: bool,
    pub(crate) session_token: bool,
    pub(crate) copy_source: bool,
    pub(crate) checksum_mode: bool,
    /// Anything of S3's own that does not merely belong to the signature, or an MD5.
    pub(crate) says: bool,
    /// What an object may be described by: the above, or a header of HTTP that is kept with it.
    pub(crate) describes: bool,
}

impl<'a> Arrived<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut arrived = Self { lines: SmallVec::new(), ours: 0, came: Came::default() };
        for (name, value) in headers {
            arrived.take(name.as_str(), value);
        }
        arrived
    }

    fn take(&mut self, name: &'a str, value: &'a HeaderValue) {
        // The lines of one name come together.
        let is_first = self.lines.last().is_none_or(|(before, _)| *before != name);
        if is_ours(name) {
            self.ours += usize::from(is_first);
            match name {
                // Every signed request has them.
                "x-amz-date" | "x-amz-content-sha256" => {}
                "x-amz-s3session-token" => self.came.session_token = true,
                "x-amz-checksum-mode" => self.came.checksum_mode = true,
                _ if name.starts_with("x-pocket-") => self.came.wishes = true,
                _ => {
                    self.came.copy_source |= name == "x-amz-copy-source";
                    (self.came.says, self.came.describes) = (true, true);
                }
            }
        } else {
            match name {
                "range" => self.came.range = true,
                "content-md5" => self.came.says = true,
                "cache-control" | "expires" => self.came.describes = true,
                "content-length" => {}
                _ => {
                    self.came.conditions |= name.starts_with("if-");
                    self.came.describes |= name.starts_with("content-");
                }
            }
        }
        self.lines.push((name, value));
    }

    /// All values of a name, in the order in which they came.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a HeaderValue> {
        self.lines.iter().filter(move |(known, _)| *known == name).map(|(_, value)| *value)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a HeaderValue> {
        self.values(name).next()
    }

    pub(crate) fn has_tab(&self) -> bool {
        self.lines.iter().any(|(_, value)| value.as_bytes().contains(&b'\t'))
    }

    /// Names, once for each line.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.lines.iter().map(|(name, _)| *name)
    }
}

impl Came {
    /// What came here or there.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            conditions: self.conditions | other.conditions,
            wishes: self.wishes | other.wishes,
            range: self.range | other.range,
            session_token: self.session_token | other.session_token,
            copy_source: self.copy_source | other.copy_source,
            checksum_mode: self.checksum_mode | other.checksum_mode,
            says: self.says | other.says,
            describes: self.describes | other.describes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    #[test]
    fn one_walk_tells_what_came() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "h"),
            ("x-amz-meta-a", "1"),
            ("x-amz-date", "d"),
            ("x-amz-meta-a", "2"),
            ("x-pocket-ttl", "5s"),
            ("range", "bytes=0-1"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let arrived = Arrived::of(&headers);
        let came = arrived.came;
        assert_eq!(arrived.ours, 3, "names, however often they came");
        assert_eq!(arrived.values("x-amz-meta-a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(arrived.get("host").unwrap(), "h");
        assert!(arrived.get("date").is_none());
        assert!(came.range && came.wishes && !came.conditions && !came.copy_source);
        drop(arrived);
        headers.insert("if-match", HeaderValue::from_static("*"));
        assert!(Arrived::of(&headers).came.conditions);
    }

    #[test]
    fn what_a_signature_brings_along_says_nothing_and_describes_nothing() {
        let came = |name: &'static str| {
            let name = HeaderName::from_static(name);
            Arrived::of(&HeaderMap::from_iter([(name, HeaderValue::from_static("1"))])).came
        };
        for name in ["host", "authorization", "x-amz-date", "x-amz-content-sha256", "content-length"] {
            assert_eq!(came(name), Came::default(), "{name}");
        }
        for name in ["x-amz-tagging", "x-amz-meta-a", "x-amz-acl", "x-amz-storage-class", "x-amz-trailer"] {
            assert!(came(name).says && came(name).describes, "{name}");
        }
        for name in ["content-type", "content-encoding", "cache-control", "expires", "content-language"] {
            assert!(came(name).describes && !came(name).says, "{name}");
        }
        assert!(came("content-md5").says);
    }
}
