//! Pages of objects and of uploads, gathered in steps so that no list holds a job's lock for long. Reads the state, never
//! changes it, and keeps nothing between pages.

use crate::state::JobState;
use crate::state::multipart::info;
use crate::state::upload_id::claimed_number;
use crate::state::walk::{Found, Pause, Start, Walk};
use pocket_api::clock::Timestamp;
use pocket_api::ids::Epoch;
use pocket_api::limits::LIST_MAX_KEYS;
use pocket_api::metadata::{
    List, ListItem, ListPage, ListUploads, MetadataError, UploadsItem, UploadsPage, UploadsStart,
};
use std::ops::Bound;
use std::ops::ControlFlow;

/// Most keys that a step visits under the lock: some 50 us, then writers have their turn.
const STEP_KEYS: usize = 256;
/// Steps of a list in one poll of its call: some 0.2 ms, and less than 1 where each key is sought for. Then other calls of
/// the thread have theirs. A page of keys that are all there needs no more.
pub(crate) const STEPS_PER_POLL: u32 = 4;
/// As [`STEPS_PER_POLL`], of uploads: each shows an id with a code that takes up to 2 us to make.
pub(crate) const UPLOAD_STEPS_PER_POLL: u32 = 1;

/// A page of objects in the making.
pub(crate) struct Listing {
    walk: Walk,
    max: usize,
    page: ListPage,
}

/// A page of uploads in the making.
pub(crate) struct UploadsListing {
    walk: Walk,
    /// Of this key, only uploads after this one.
    after: Option<(String, u64)>,
    max: usize,
    page: UploadsPage,
}

fn check(max: u32, delimiter: Option<&String>) -> Result<usize, MetadataError> {
    if !(1..=LIST_MAX_KEYS).contains(&max) || delimiter.is_some_and(String::is_empty) {
        return Err(MetadataError::BadRequest(format!("a page of {max} with delimiter {delimiter:?}")));
    }
    Ok(max as usize)
}

impl Listing {
    pub(crate) fn new(list: List) -> Result<Self, MetadataError> {
        let max = check(list.max, list.delimiter.as_ref())?;
        Ok(Self {
            walk: Walk::new(list.prefix, list.delimiter, list.start.into()),
            max,
            page: ListPage::default(),
        })
    }

    /// True when the page is complete.
    pub(crate) fn step(
        &mut self,
        state: &JobState,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<bool, MetadataError> {
        state.check(epoch, now)?;
        let Self { walk, max, page } = self;
        let pause = walk.step(
            &state.objects,
            STEP_KEYS,
            |key, entry| state.is_visible(key.as_str(), entry, now),
            |found| {
                if page.items.len() == *max {
                    page.more = true;
                    return ControlFlow::Break(());
                }
                page.items.push(match found {
                    Found::Key(key, entry) => ListItem::Object(entry.listed(key.0.clone())),
                    Found::Prefix(prefix) => ListItem::Prefix(prefix.to_owned()),
                });
                ControlFlow::Continue(())
            },
        );
        Ok(pause != Pause::Paused)
    }

    pub(crate) fn into_page(self) -> ListPage {
        self.page
    }
}

impl UploadsListing {
    pub(crate) fn new(list: ListUploads) -> Result<Self, MetadataError> {
        let max = check(list.max, list.delimiter.as_ref())?;
        let (start, after) = match list.start {
            UploadsStart::Beginning => (Start::Beginning, None),
            UploadsStart::AfterKey(key) => (Start::After(key), None),
            UploadsStart::AfterPrefix(prefix) => (Start::AfterPrefix(prefix), None),
            UploadsStart::AfterUpload(key, upload) => match claimed_number(&upload) {
                // From the key on: it comes first among those that are not before it.
                Some(number) => (Start::From(key.clone()), Some((key, number))),
                None => (Start::After(key), None),
            },
        };
        let walk = Walk::new(list.prefix, list.delimiter, start);
        Ok(Self { walk, after, max, page: UploadsPage::default() })
    }

    /// True when the page is complete.
    pub(crate) fn step(
        &mut self,
        state: &JobState,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<bool, MetadataError> {
        state.check(epoch, now)?;
        let Self { walk, after, max, page } = self;
        let mut push = |item| {
            if page.items.len() == *max {
                page.more = true;
                return ControlFlow::Break(());
            }
            page.items.push(item);
            ControlFlow::Continue(())
        };
        let pause = walk.step(
            &state.uploads.open,
            STEP_KEYS,
            |key, uploads| uploads.values().any(|upload| !state.upload_has_ended(key.as_str(), upload, now)),
            |found| match found {
                Found::Prefix(prefix) => push(UploadsItem::Prefix(prefix.to_owned())),
                Found::Key(key, uploads) => {
                    let seen =
                        after.as_ref().filter(|(k, _)| k == key.as_str()).map_or(0, |(_, number)| *number);
                    for (&number, upload) in uploads.range((Bound::Excluded(seen), Bound::Unbounded)) {
                        if state.upload_has_ended(key.as_str(), upload, now) {
                            continue;
                        }
                        let id = state.home.upload_ids.issue(state.job, key.as_str(), number);
                        push(UploadsItem::Upload(info(&key.0, &id, upload)))?;
                    }
                    ControlFlow::Continue(())
                }
            },
        );
        Ok(pause != Pause::Paused)
    }

    pub(crate) fn into_page(self) -> UploadsPage {
        self.page
    }
}
