//! Where objects may have their bytes and their bounds from. What a copy or a rename brings along is not said in its request, so
//! what can be known of it is gathered over the whole history.

use crate::history::{Asked, Body, Bounds, Event, History, Piece, Text};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A key of a bucket, whatever the bucket's life.
pub(crate) type Place = (Text, Text);

/// What is in an object, without pieces of nothing.
pub(crate) type Content = Arc<[Piece]>;

pub(crate) fn content(pieces: impl IntoIterator<Item = Piece>) -> Content {
    pieces.into_iter().filter(|piece| piece.blocks > 0).collect()
}

pub(crate) struct Origins {
    /// Places whose objects may have a TTL that nobody said there.
    mortal: HashSet<Place>,
    /// Places whose objects may have counted reads that nobody said there.
    counted: HashSet<Place>,
    /// Buckets whose objects may have counted reads, or a TTL, without saying so.
    counted_buckets: HashSet<Text>,
    mortal_buckets: HashSet<Text>,
    by_etag: HashMap<Text, Content>,
    /// From where to where objects may have gone.
    moves: Vec<(Place, Place)>,
}

impl Origins {
    pub(crate) fn of(history: &History) -> Self {
        let mut origins = Self {
            mortal: HashSet::new(),
            counted: HashSet::new(),
            counted_buckets: HashSet::new(),
            mortal_buckets: HashSet::new(),
            by_etag: HashMap::new(),
            moves: Vec::new(),
        };
        history.events.iter().for_each(|event| origins.learn(event));
        // What is copied from a copy has what the first one had.
        loop {
            let before = origins.mortal.len() + origins.counted.len();
            for (from, to) in origins.moves.clone() {
                if origins.may_be_mortal(&from) {
                    origins.mortal.insert(to.clone());
                }
                if origins.may_be_counted(&from) {
                    origins.counted.insert(to);
                }
            }
            if origins.mortal.len() + origins.counted.len() == before {
                return origins;
            }
        }
    }

    fn learn(&mut self, event: &Event) {
        if !event.may_have_happened() {
            return;
        }
        let place = |key: &Text| (event.bucket.clone(), key.clone());
        match &event.asked {
            Asked::CreateBucket(hints) => {
                if hints.objects.reads.is_some() {
                    self.counted_buckets.insert(event.bucket.clone());
                }
                if hints.objects.ttl.is_some() {
                    self.mortal_buckets.insert(event.bucket.clone());
                }
            }
            Asked::Put { key, piece, bounds, .. } => {
                self.bound(place(key), bounds);
                self.name(event, content([*piece]));
            }
            Asked::Complete { key, pieces, bounds } => {
                self.bound(place(key), bounds);
                self.name(event, content(pieces.iter().copied()));
            }
            Asked::Copy { from_bucket, from, to } => {
                self.moves.push(((from_bucket.clone(), from.clone()), place(to)));
            }
            Asked::Rename { from, to, .. } => self.moves.push((place(from), place(to))),
            Asked::Get { range: None, .. } => {
                if let Some(shown) = event.shown()
                    && let Some(Body::Runs(runs)) = &shown.body
                {
                    self.by_etag.insert(shown.etag.clone(), content(runs.iter().map(|run| run.piece)));
                }
            }
            _ => {}
        }
    }

    fn bound(&mut self, place: Place, bounds: &Bounds) {
        if bounds.reads.is_some() {
            self.counted.insert(place.clone());
        }
        if bounds.ttl.is_some() {
            self.mortal.insert(place);
        }
    }

    fn name(&mut self, event: &Event, content: Content) {
        if let Some(etag) = event.wrote() {
            self.by_etag.insert(etag.clone(), content);
        }
    }

    pub(crate) fn may_be_mortal(&self, place: &Place) -> bool {
        self.mortal_buckets.contains(&place.0) || self.mortal.contains(place)
    }

    pub(crate) fn may_be_counted(&self, place: &Place) -> bool {
        self.counted_buckets.contains(&place.0) || self.counted.contains(place)
    }

    /// What has this tag, where anybody was told.
    pub(crate) fn content_of(&self, etag: &Text) -> Option<Content> {
        self.by_etag.get(etag).cloned()
    }

    /// All places to which what was written at `place` may have come, itself included.
    pub(crate) fn reached_from(&self, place: &Place) -> HashSet<Place> {
        let mut reached = HashSet::from([place.clone()]);
        loop {
            let before = reached.len();
            for (from, to) in &self.moves {
                if reached.contains(from) {
                    reached.insert(to.clone());
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }

    pub(crate) fn is_copied_or_renamed_to(&self, place: &Place) -> bool {
        self.moves.iter().any(|(_, to)| to == place)
    }
}
