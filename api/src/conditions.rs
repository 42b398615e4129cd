//! Conditions on reads and writes (RFC 9110, section 13, with S3's own precedence), as pure functions.

use crate::clock::Timestamp;
use crate::object::ETag;
use serde::{Deserialize, Serialize};

/// The value of If-Match or If-None-Match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ETagMatch {
    /// `*`
    Any,
    /// A list. A tag that we never issue stands for none and is dropped: it matches nothing.
    Tags(Vec<ETag>),
}

impl ETagMatch {
    /// Reads `*` or a comma-separated list of tags, quoted or not, weak or not.
    pub fn parse(text: &str) -> Self {
        if text.trim() == "*" {
            return Self::Any;
        }
        Self::Tags(text.split(',').filter_map(|t| ETag::parse(t.trim().trim_start_matches("W/"))).collect())
    }

    pub fn matches(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.contains(etag),
        }
    }
}

/// Conditions of GET and HEAD, and of the source of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadConditions {
    pub if_match: Option<ETagMatch>,
    pub if_none_match: Option<ETagMatch>,
    /// Seconds since 1970.
    pub if_modified_since: Option<u64>,
    /// Seconds since 1970.
    pub if_unmodified_since: Option<u64>,
}

/// What conditions say about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Proceed,
    NotModified,
    Failed,
}

impl ReadConditions {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// If-Match outweighs If-Unmodified-Since, If-None-Match outweighs If-Modified-Since, as S3 documents.
    pub fn judge(&self, etag: &ETag, last_modified: Timestamp) -> Verdict {
        let modified = last_modified.as_secs();
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !tags.matches(etag) => return Verdict::Failed,
            (None, Some(since)) if modified > since => return Verdict::Failed,
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) if tags.matches(etag) => Verdict::NotModified,
            (None, Some(since)) if modified <= since => Verdict::NotModified,
            _ => Verdict::Proceed,
        }
    }
}

/// Condition of a PUT, a completed upload or a DELETE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteCondition {
    #[default]
    None,
    /// If-None-Match: *
    Absent,
    /// If-Match
    Matches(ETagMatch),
    /// Any of If-Match, If-Modified-Since and If-Unmodified-Since. What is absent is not modified.
    Meets(Box<ReadConditions>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_conditions_follow_the_table_of_s3() {
        let ours = ETag::md5([1; 16]);
        let other = ETag::md5([2; 16]);
        let (before, at, after) = (Some(99), Some(100), Some(101));
        let judge = |m: Option<ETag>, n: Option<ETag>, since, unmodified| {
            let tag = |t: Option<ETag>| t.map(|t| ETagMatch::Tags(vec![t]));
            let conditions = ReadConditions {
                if_match: tag(m),
                if_none_match: tag(n),
                if_modified_since: since,
                if_unmodified_since: unmodified,
            };
            conditions.judge(&ours, Timestamp(100_500))
        };
        use Verdict::*;
        assert_eq!(judge(None, None, None, None), Proceed);
        assert_eq!(judge(Some(ours), None, None, before), Proceed);
        assert_eq!(judge(Some(other), None, None, after), Failed);
        assert_eq!(judge(None, None, None, before), Failed);
        assert_eq!(judge(None, None, None, at), Proceed);
        assert_eq!(judge(None, Some(ours), before, None), NotModified);
        assert_eq!(judge(None, Some(other), after, None), Proceed);
        assert_eq!(judge(None, None, at, None), NotModified);
        assert_eq!(judge(None, None, before, None), Proceed);
        assert_eq!(judge(Some(other), Some(ours), None, None), Failed);
    }

    #[test]
    fn tags_come_quoted_bare_weak_and_in_lists() {
        let tag = ETag::md5([0xab; 16]);
        for text in
            [format!("{tag}"), format!("\"{tag}\""), format!("W/\"{tag}\""), format!("\"x\", \"{tag}\"")]
        {
            assert!(ETagMatch::parse(&text).matches(&tag), "{text}");
        }
        assert!(ETagMatch::parse(" * ").matches(&tag));
        assert!(!ETagMatch::parse("\"nonsense\"").matches(&tag));
    }
}
