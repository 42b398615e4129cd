//! What `x-amz-copy-source` names. Read in one way by the copy that is made and by the rules that say whether it may be.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

pub(crate) struct NamedSource<'h> {
    /// `BUCKET/KEY`, where it names both.
    pub(crate) path: Cow<'h, str>,
    pub(crate) version: Option<Cow<'h, str>>,
}

impl<'h> NamedSource<'h> {
    /// `None` where it is encoded as no text is.
    pub(crate) fn parse(named: &'h str) -> Option<Self> {
        let (path, version) = match named.split_once("?versionId=") {
            Some((path, version)) => (path, Some(decoded(version)?)),
            None => (named, None),
        };
        let path = match decoded(path)? {
            Cow::Borrowed(path) => path.strip_prefix('/').unwrap_or(path).into(),
            Cow::Owned(path) => path.strip_prefix('/').map(str::to_owned).unwrap_or(path).into(),
        };
        Some(Self { path, version })
    }
}

/// Leniently, as clients write sources: a `%` that no digits follow stands for itself.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}
