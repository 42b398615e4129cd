//! One client's work: what it knows from its own answers, and what it asks next.

use super::choices::{self, KEYS, Kind};
use super::{Workload, bucket, walk};
use crate::client::{Client, Details};
use crate::history::{Answer, Asked, Bounds, Condition, Outcome, Piece, Refusal, Text};
use crate::port::S3Port;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Session<'a> {
    client: Client,
    workload: &'a Workload,
    ports: &'a [Arc<dyn S3Port>],
    /// Where it asks next.
    port: usize,
    rng: SmallRng,
    next_piece: u32,
    /// Of each bucket and key, as it was last told.
    known: BTreeMap<(u32, usize), Known>,
}

#[derive(Clone, Debug)]
struct Known {
    etag: Text,
    size_bytes: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(client: Client, workload: &'a Workload, ports: &'a [Arc<dyn S3Port>]) -> Self {
        // Clients of one seed do not do the same.
        let rng = SmallRng::seed_from_u64(workload.seed << 16 | u64::from(client.number));
        Self { client, workload, ports, port: 0, rng, next_piece: 0, known: BTreeMap::new() }
    }

    pub(super) async fn run(mut self) {
        for _ in 0..self.workload.operations {
            let think = self.rng.random_range(0..=self.workload.think_max.as_micros() as u64);
            tokio::time::sleep(Duration::from_micros(think)).await;
            self.port = self.rng.random_range(0..self.ports.len());
            let (bucket, key) =
                (self.rng.random_range(0..self.workload.buckets), choices::key(&mut self.rng));
            let kind = choices::kind(&mut self.rng);
            self.one(kind, bucket, key).await;
        }
    }

    async fn one(&mut self, kind: Kind, number: u32, at: usize) {
        let key = Text::from(KEYS[at]);
        let (known, none) = (self.known.get(&(number, at)).cloned(), Condition::None);
        let asked = match kind {
            Kind::CreateBucket => Asked::CreateBucket(choices::hints(&mut self.rng)),
            Kind::DeleteBucket => Asked::DeleteBucket { force: self.rng.random_bool(0.7) },
            Kind::List => {
                let (asked, port) = (choices::list(&mut self.rng), &self.ports[self.port]);
                return walk(&self.client, port, &bucket(number), asked).await;
            }
            Kind::Put => self.put(key, Bounds::default(), none),
            Kind::PutBound => {
                let bounds = choices::bounds(&mut self.rng);
                self.put(key, bounds, none)
            }
            Kind::PutOnCondition => {
                let condition = self.condition(known);
                self.put(key, Bounds::default(), condition)
            }
            Kind::Append => {
                let blocks = choices::blocks_of_append(&mut self.rng);
                let offset_bytes = known.map_or(0, |known| known.size_bytes);
                Asked::Append { key, offset_bytes, piece: self.piece(blocks) }
            }
            Kind::Get | Kind::GetWaiting => Asked::Get { key, range: None },
            Kind::GetRange => Asked::Get { key, range: Some(choices::range(&mut self.rng)) },
            Kind::Head => Asked::Head { key },
            Kind::Delete => Asked::Delete { key, condition: none },
            Kind::DeleteOnCondition => {
                let condition = known.map_or(none, |known| Condition::Matches(known.etag));
                Asked::Delete { key, condition }
            }
            Kind::Rename => {
                let condition = if self.rng.random_bool(0.3) { Condition::Absent } else { none };
                Asked::Rename { from: key, to: KEYS[at ^ 1].into(), condition }
            }
            Kind::Copy => {
                let from_bucket = self.rng.random_range(0..self.workload.buckets);
                let from = choices::key(&mut self.rng);
                if (from_bucket, from) == (number, at) {
                    return;
                }
                Asked::Copy { from_bucket: bucket(from_bucket), from: KEYS[from].into(), to: key }
            }
            Kind::Upload => return self.upload(number, key).await,
        };
        let wait = (kind == Kind::GetWaiting).then(|| choices::wait(&mut self.rng));
        self.ask(number, at, asked, wait).await;
    }

    fn piece(&mut self, blocks: u32) -> Piece {
        self.next_piece += 1;
        Piece { writer: self.client.number, number: self.next_piece, blocks }
    }

    fn put(&mut self, key: Text, bounds: Bounds, condition: Condition) -> Asked {
        let blocks = choices::blocks(&mut self.rng);
        Asked::Put { key, piece: self.piece(blocks), bounds, condition }
    }

    fn condition(&mut self, known: Option<Known>) -> Condition {
        match known {
            Some(known) if self.rng.random_bool(0.6) => Condition::Matches(known.etag),
            _ => Condition::Absent,
        }
    }

    async fn ask(&mut self, number: u32, at: usize, asked: Asked, wait: Option<Duration>) {
        let details = Details { wait, ..Details::default() };
        let port = &self.ports[self.port];
        let (outcome, _) = self.client.ask(port, &bucket(number), asked.clone(), details).await;
        self.learn(number, at, &asked, &outcome);
        let makes_it = outcome == Outcome::Refused(Refusal::NoSuchBucket) && self.rng.random_bool(0.5);
        if makes_it {
            let create = Asked::CreateBucket(choices::hints(&mut self.rng));
            self.client.ask(port, &bucket(number), create, Details::default()).await;
        }
    }

    fn learn(&mut self, number: u32, at: usize, asked: &Asked, outcome: &Outcome) {
        let before = self.known.get(&(number, at)).map_or(0, |known| known.size_bytes);
        let known = match (asked, outcome) {
            (Asked::Put { piece, .. }, Outcome::Done(Answer::Wrote { etag })) => {
                Known { etag: etag.clone(), size_bytes: piece.size_bytes() }
            }
            (Asked::Append { piece, .. }, Outcome::Done(Answer::Wrote { etag })) => {
                Known { etag: etag.clone(), size_bytes: before + piece.size_bytes() }
            }
            (_, Outcome::Done(Answer::Object(shown))) => {
                Known { etag: shown.etag.clone(), size_bytes: shown.size_bytes }
            }
            (_, Outcome::Refused(Refusal::NoSuchKey | Refusal::NoSuchBucket)) => {
                self.known.remove(&(number, at));
                return;
            }
            _ => return,
        };
        self.known.insert((number, at), known);
    }

    async fn upload(&mut self, number: u32, key: Text) {
        let (bucket, port) = (bucket(number), self.ports[self.port].clone());
        let bounds =
            if self.rng.random_bool(0.2) { choices::bounds(&mut self.rng) } else { Bounds::default() };
        let create = Asked::CreateUpload { key: key.clone(), bounds };
        let (_, told) = self.client.ask(&port, &bucket, create, Details::default()).await;
        let Some(upload) = told.upload else { return };
        let mut details = Details { upload: Some(upload), ..Details::default() };
        let mut pieces = Vec::new();
        for (at, blocks) in choices::parts(&mut self.rng).into_iter().enumerate() {
            let piece = self.piece(blocks);
            details.part_number = at + 1;
            let part = Asked::UploadPart { key: key.clone(), piece };
            let (outcome, _) = self.client.ask(&port, &bucket, part, details.clone()).await;
            let Outcome::Done(Answer::Wrote { etag }) = outcome else { return };
            details.parts.push(etag);
            pieces.push(piece);
        }
        self.client.ask(&port, &bucket, Asked::Complete { key, pieces, bounds }, details).await;
    }
}
