//! What clients asked and what they were told, in the order in which they began. Values are identified by what is in them, and nothing
//! here knows how a cluster works: judges read it, clients write it.

mod shown;

use std::sync::Arc;
use std::time::Duration;

/// A bucket's name, a key, an ETag without its quotes, or a job as `x-pocket-job` names it.
pub type Text = Arc<str>;

/// Of one world, or a part of it that is judged by itself.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Sorted by [`Event::begin`].
    pub events: Vec<Event>,
}

/// One operation of one client.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Unique in its history, and kept when others are left out.
    pub number: u32,
    pub client: u32,
    /// Since the world's start.
    pub begin: Duration,
    /// When the client had its whole answer, or gave up. Never before `begin`.
    pub end: Duration,
    pub bucket: Text,
    pub asked: Asked,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    CreateBucket(BucketHints),
    DeleteBucket {
        force: bool,
    },
    /// One page of a list of the second version.
    List(ListAsked),
    Put {
        key: Text,
        piece: Piece,
        bounds: Bounds,
        condition: Condition,
    },
    Append {
        key: Text,
        offset_bytes: u64,
        piece: Piece,
    },
    Get {
        key: Text,
        range: Option<ByteRange>,
    },
    Head {
        key: Text,
    },
    Delete {
        key: Text,
        condition: Condition,
    },
    Rename {
        from: Text,
        to: Text,
        condition: Condition,
    },
    /// Of an object of `from_bucket`, to a key of the event's bucket, with whatever bounds its source has.
    Copy {
        from_bucket: Text,
        from: Text,
        to: Text,
    },
    CreateUpload {
        key: Text,
        bounds: Bounds,
    },
    UploadPart {
        key: Text,
        piece: Piece,
    },
    /// Of an upload that nobody else completes, and that is completed once.
    Complete {
        key: Text,
        pieces: Vec<Piece>,
        bounds: Bounds,
    },
}

/// Bytes that one write made, and no other: see [`crate::client::content`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Piece {
    /// The client that wrote it.
    pub writer: u32,
    /// Unique among those of its writer.
    pub number: u32,
    /// Of [`crate::client::content::BLOCK_BYTES`] each. None for a write of nothing, which looks like all others of nothing.
    pub blocks: u32,
}

/// Bytes `offset..offset + len`, in whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    pub offset_bytes: u64,
    pub len_bytes: u64,
}

/// When an object ends by itself. What is not said is the bucket's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    pub ttl: Option<Duration>,
    /// Complete reads.
    pub reads: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Condition {
    #[default]
    None,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match`
    Matches(Text),
}

/// What a bucket is created with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BucketHints {
    pub ttl: Option<Duration>,
    pub wait: Option<Duration>,
    /// Of its objects, unless they say otherwise.
    pub objects: Bounds,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListAsked {
    pub prefix: Option<Text>,
    pub delimiter: Option<Text>,
    /// The last item of the page before, whose token was sent.
    pub after: Option<Item>,
    pub max_keys: u32,
}

/// A key, or a prefix that several keys roll up into.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    pub name: Text,
    pub is_prefix: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It happened.
    Done(Answer),
    /// It did not happen, and never will.
    Refused(Refusal),
    /// It may have happened, or may do so yet.
    Unknown(Text),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// There is nothing to say of it.
    Done,
    Bucket {
        job: Text,
    },
    /// There is an object with this tag now.
    Wrote {
        etag: Text,
    },
    Object(ObjectShown),
    Page {
        /// In the order of the document: keys, then prefixes.
        items: Vec<Item>,
        more: bool,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct ObjectShown {
    pub etag: Text,
    /// Of the whole object.
    pub size_bytes: u64,
    pub reads_left: Option<u32>,
    /// `None` of a HEAD.
    pub body: Option<Body>,
}

/// What the bytes of an answer are.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Runs(Vec<Run>),
    /// They are not what any write, or series of appends, made.
    Torn(Text),
}

/// Blocks of a piece that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    pub piece: Piece,
    pub first: u32,
    pub blocks: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    NoSuchBucket,
    NotEmpty,
    NoSuchKey,
    /// NoSuchKey or NoSuchBucket: the answer to a HEAD does not say which.
    Nothing,
    /// NoSuchKey with `x-pocket-lost`.
    Lost,
    PreconditionFailed,
    WrongOffset,
    /// S3's code of a refusal that says nothing of what is there.
    Other(Text),
}

impl Event {
    /// From when on it is certain that it happened, or did not: never, where the outcome is unknown.
    pub fn settled(&self) -> Duration {
        match self.outcome {
            Outcome::Unknown(_) => Duration::MAX,
            Outcome::Done(_) | Outcome::Refused(_) => self.end,
        }
    }

    pub fn is_done(&self) -> bool {
        matches!(self.outcome, Outcome::Done(_))
    }

    pub fn may_have_happened(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused(_))
    }

    /// The tag of what it wrote, where it was told.
    pub fn wrote(&self) -> Option<&Text> {
        match &self.outcome {
            Outcome::Done(Answer::Wrote { etag }) => Some(etag),
            _ => None,
        }
    }

    pub fn shown(&self) -> Option<&ObjectShown> {
        match &self.outcome {
            Outcome::Done(Answer::Object(shown)) => Some(shown),
            _ => None,
        }
    }

    /// The key that it may write, read or remove; of a copy or rename, the new one.
    pub fn key(&self) -> Option<&Text> {
        match &self.asked {
            Asked::CreateBucket(_) | Asked::DeleteBucket { .. } | Asked::List(_) => None,
            Asked::Put { key, .. }
            | Asked::Append { key, .. }
            | Asked::Get { key, .. }
            | Asked::Head { key }
            | Asked::Delete { key, .. }
            | Asked::CreateUpload { key, .. }
            | Asked::UploadPart { key, .. }
            | Asked::Complete { key, .. }
            | Asked::Rename { to: key, .. }
            | Asked::Copy { to: key, .. } => Some(key),
        }
    }

    /// Whether it may give its [`Self::key`] an object, new or changed.
    pub fn makes(&self) -> bool {
        let kind = matches!(
            self.asked,
            Asked::Put { .. }
                | Asked::Append { .. }
                | Asked::Rename { .. }
                | Asked::Copy { .. }
                | Asked::Complete { .. }
        );
        kind && self.may_have_happened()
    }
}

impl History {
    pub fn event(&self, number: u32) -> Option<&Event> {
        self.events.iter().find(|event| event.number == number)
    }

    /// With those events alone for which `keep` says so.
    pub fn only(&self, keep: impl Fn(&Event) -> bool) -> Self {
        Self { events: self.events.iter().filter(|event| keep(event)).cloned().collect() }
    }
}
