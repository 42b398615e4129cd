//! Where a request says hints, and which can be said there: what errors about an unknown one name.

use pocket_api::hints::{HINTS, HintPlace, OBJECT_HINTS};

/// What a header begins with that is Pocket's own.
pub(crate) const HEADER_PREFIX: &str = "x-pocket-";
/// What the key of a tag begins with that carries a hint.
pub const TAG_PREFIX: &str = "pocket:";
/// What a name of user metadata begins with that is a hint.
pub(crate) const METADATA_PREFIX: &str = "pocket-";
/// Tags of a bucket that Pocket acts on: its hints, and what the days of its lifecycle rules are.
const BUCKET_TAG_NAMES: [&str; HINTS.len() + 1] = {
    let mut names = ["lifecycle-unit"; HINTS.len() + 1];
    let mut at = 0;
    while at < HINTS.len() {
        names[at] = HINTS[at];
        at += 1;
    }
    names
};

pub const BUCKET_HEADERS: HintPlace = HintPlace { taker: "a bucket", prefix: HEADER_PREFIX, names: &HINTS };
pub const BUCKET_TAGS: HintPlace =
    HintPlace { taker: "a bucket", prefix: TAG_PREFIX, names: &BUCKET_TAG_NAMES };
pub(crate) const OBJECT_HEADERS: HintPlace =
    HintPlace { taker: "an object", prefix: HEADER_PREFIX, names: &OBJECT_HINTS };
pub(crate) const OBJECT_METADATA: HintPlace =
    HintPlace { taker: "an object", prefix: "x-amz-meta-pocket-", names: &OBJECT_HINTS };
pub const OBJECT_TAGS: HintPlace = HintPlace { taker: "an object", prefix: TAG_PREFIX, names: &OBJECT_HINTS };
