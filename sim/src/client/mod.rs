//! Clients of S3 that write down what they asked and what they were told. They know S3 and nothing of what serves it: a request goes
//! through a port, and an answer comes back or does not.

mod answer;
pub mod content;
mod request;
mod signer;
pub mod workload;

use crate::history::{Asked, Event, History, Outcome, Text};
use crate::port::S3Port;
use parking_lot::Mutex;
use pocket_api::clock::Timestamp;
pub use signer::Signer;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a client waits for an answer: longer than any read of a workload waits for its key, as SDKs do.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Writes events down as they end.
pub struct Recorder {
    started: Instant,
    /// What the world's clocks showed then.
    epoch: Timestamp,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    next_number: u32,
    events: Vec<Event>,
}

impl Recorder {
    /// The world starts now. `epoch`: what its clocks show.
    pub fn start(epoch: Timestamp) -> Arc<Self> {
        Arc::new(Self { started: Instant::now(), epoch, written: Mutex::default() })
    }

    /// Since the world's start.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn history(&self) -> History {
        let mut events = self.written.lock().events.clone();
        events.sort_by_key(|event| (event.begin, event.number));
        History { events }
    }

    fn next_number(&self) -> u32 {
        let mut written = self.written.lock();
        written.next_number += 1;
        written.next_number - 1
    }
}

/// What a request says beside what judges have to know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    /// Of a GET.
    wait: Option<Duration>,
    /// Of a list that goes on.
    token: Option<String>,
    upload: Option<String>,
    /// Of an upload's part.
    part_number: usize,
    /// Tags of the parts that an upload is completed with, from number 1 on.
    parts: Vec<Text>,
}

/// What an answer says beside what judges have to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    token: Option<String>,
    upload: Option<String>,
}

pub struct Client {
    pub number: u32,
    pub signer: Arc<Signer>,
    pub recorder: Arc<Recorder>,
    /// [`PATIENCE`], of most.
    pub patience: Duration,
}

impl Client {
    /// One operation through one gateway, from its request to its written event.
    pub(crate) async fn ask(
        &self,
        port: &Arc<dyn S3Port>,
        bucket: &Text,
        asked: Asked,
        details: Details,
    ) -> (Outcome, Told) {
        let (number, begin) = (self.recorder.next_number(), self.recorder.now());
        let request = request::of(bucket, &asked, &details);
        let request = self.signer.signed(request, self.recorder.epoch + begin);
        let answer = tokio::time::timeout(self.patience, port.call(request)).await;
        let (outcome, told) = answer::read(&asked, answer.ok().flatten());
        let (end, client, bucket) = (self.recorder.now(), self.number, bucket.clone());
        let event = Event { number, client, begin, end, bucket, asked, outcome: outcome.clone() };
        self.recorder.written.lock().events.push(event);
        (outcome, told)
    }
}
