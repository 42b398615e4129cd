//! What planes say to each other about objects.

use crate::acl::Acl;
use crate::checksum::Checksum;
use crate::clock::Timestamp;
use crate::ids::{ChunkId, NodeId, WriteId};
use crate::lifecycle::RuleEnd;
use crate::storage_class::StorageClass;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// An object's entity tag. Without parts it is the MD5 of the content and clients may check it; with parts it is
/// opaque to them and shown with a dash. What was written whole has the same tag whenever its content is the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ETag {
    pub digest: [u8; 16],
    /// Number after the dash; 0 for none.
    pub parts: u16,
}

impl ETag {
    /// MD5 of the whole content.
    pub fn md5(digest: [u8; 16]) -> Self {
        Self { digest, parts: 0 }
    }

    /// A tag for content whose MD5 nobody asked for: its CRC64NVME and its length. Two contents of one length have the
    /// same tag by a chance of 1 in 2^64; `docs/decisions` says why that is enough.
    pub fn of_content(crc64nvme: u64, len: u64) -> Self {
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&crc64nvme.to_be_bytes());
        digest[8..].copy_from_slice(&len.to_be_bytes());
        Self { digest, parts: 1 }
    }

    /// A tag for bytes that nobody has seen together: what was appended to, parts copied from a range. A write is one
    /// version of one object, so its id is unique.
    pub fn opaque(write: WriteId) -> Self {
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&write.gateway.0.to_be_bytes());
        digest[8..].copy_from_slice(&write.number.to_be_bytes());
        Self { digest, parts: 1 }
    }

    /// Reads `hex` or `hex-parts`, with or without quotes; `None` for anything that we never issue.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        let (hex, parts) = match text.split_once('-') {
            Some((hex, parts)) => (hex, parts.parse().ok().filter(|&n| n > 0)?),
            None => (text, 0),
        };
        if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        Some(Self { digest: u128::from_str_radix(hex, 16).ok()?.to_be_bytes(), parts })
    }

    /// The 32 digits of the tag. What formatting does, for lists of thousands.
    pub fn digits(&self) -> [u8; 32] {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        std::array::from_fn(|i| {
            let byte = self.digest[i / 2];
            digit(if i % 2 == 0 { byte >> 4 } else { byte & 15 })
        })
    }
}

/// Without quotes: they belong to HTTP.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.digest))?;
        if self.parts > 0 { write!(f, "-{}", self.parts) } else { Ok(()) }
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Keys and values of an object's tags.
pub type Tags = Vec<(String, String)>;

/// Headers that are stored and given back as they came, tags and the ACL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectHeaders {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_disposition: Option<String>,
    pub content_language: Option<String>,
    pub cache_control: Option<String>,
    pub expires: Option<String>,
    /// User metadata: names in lower case without `x-amz-meta-`, values decoded from RFC 2047.
    pub user: Vec<(String, String)>,
    /// In the order in which they came; no key twice.
    pub tags: Tags,
    /// What the client named; `None` is STANDARD.
    pub storage_class: Option<StorageClass>,
    /// `None`: the object is its owner's alone. Never copied; in a box because few have one.
    pub acl: Option<Box<Acl>>,
}

impl ObjectHeaders {
    /// Bytes of all names and values, for accounting.
    pub fn len_bytes(&self) -> usize {
        let fixed = [
            &self.content_type,
            &self.content_encoding,
            &self.content_disposition,
            &self.content_language,
            &self.cache_control,
            &self.expires,
        ];
        let fixed: usize = fixed.into_iter().flatten().map(String::len).sum();
        let pairs: usize = self.user.iter().chain(&self.tags).map(|(k, v)| k.len() + v.len()).sum();
        fixed + pairs + self.acl.as_ref().map_or(0, |acl| acl.len_bytes())
    }
}

/// What a HEAD shows of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMeta {
    pub size: u64,
    pub etag: ETag,
    /// By the shard's clock, see [`Timestamp`].
    pub last_modified: Timestamp,
    /// When its TTL ends it, by the shard's clock. Never served from this moment on.
    pub expires_at: Option<Timestamp>,
    /// Where a rule of the job's lifecycle ends it earlier. A copy is judged anew, by its own key and time.
    pub rule_end: Option<RuleEnd>,
    /// Complete reads that are left, those that are going on included; `None` is unlimited.
    pub reads_left: Option<u32>,
    pub checksum: Option<Checksum>,
    /// `None` when the client sent none of them.
    pub headers: Option<Arc<ObjectHeaders>>,
    /// Number of parts when it came by multipart upload, else 0.
    pub parts: u16,
}

/// A chunk of a manifest with the bytes that are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    pub chunk: ChunkId,
    pub len: u32,
}

/// A counted reference to bytes of a manifest that another write left at its home shard; taken with
/// [`crate::metadata::Request::AddReference`], spent by a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The shard that keeps and counts the manifest.
    pub home: NodeId,
    pub manifest: WriteId,
    /// The id under which it is counted at `home`.
    pub reference: WriteId,
    /// First byte within the manifest.
    pub offset: u64,
    pub len: u64,
}

/// The bytes of a new object or part, as a commit describes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NewContent {
    /// They are the request's payload. At most [`crate::limits::INLINE_MAX_BYTES`].
    Inline,
    /// They were written to chunks: the extents become a manifest named by the request's write id.
    Chunks { extents: Vec<Extent> },
    /// A copy, in order. The references are spent, whatever becomes of the object later. Inline pieces are
    /// taken from the payload, one after the other.
    Pieces { pieces: Vec<NewPiece> },
}

/// One run of bytes of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NewPiece {
    /// The next so many bytes of the payload.
    Inline {
        len: u32,
    },
    Reference(Reference),
}

/// Where the bytes of (a range of) an object are, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Segment {
    /// The next so many bytes of the answer's payload.
    Inline { len: u32 },
    /// Bytes of a chunk, to be read from its server.
    Chunk { chunk: ChunkId, offset: u32, len: u32 },
    /// Bytes of a manifest of another shard: ask it with [`crate::metadata::Request::Segments`].
    Remote(Reference),
}

impl Segment {
    pub fn len(&self) -> u64 {
        match *self {
            Segment::Inline { len } | Segment::Chunk { len, .. } => len.into(),
            Segment::Remote(reference) => reference.len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_read_back_as_they_are_shown() {
        let md5 = ETag::md5([0xd4; 16]);
        let opaque = ETag::opaque(WriteId { gateway: NodeId(7), number: 9 });
        let content = ETag::of_content(0xae8b_1486_0a79_9888, 9);
        assert_eq!(content.to_string(), "ae8b14860a7998880000000000000009-1");
        for tag in [md5, opaque, content, ETag { parts: 10_000, ..md5 }] {
            assert_eq!(ETag::parse(&tag.to_string()), Some(tag));
            assert_eq!(ETag::parse(&format!("\"{tag}\"")), Some(tag));
            assert_eq!(tag.digits(), tag.to_string().as_bytes()[..32]);
        }
        for bad in ["", "\"", "abc", "d4-0", &format!("{md5}-0"), &format!("{md5}-x"), &"+".repeat(32)] {
            assert_eq!(ETag::parse(bad), None, "{bad}");
        }
    }
}
