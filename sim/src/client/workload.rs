//! What clients do, by seed: each thinks for a moment, then asks for something of a few keys in a few buckets, through one of several
//! gateways. They share nothing but the history, and go on with other gateways where one does not answer.

mod choices;
mod session;

use super::{Client, Details, PATIENCE, Recorder, Signer};
use crate::history::{Answer, Asked, History, ListAsked, Outcome, Refusal, Text};
use crate::port::S3Port;
use choices::KEYS;
use futures::future::join_all;
use session::Session;
use std::sync::Arc;
use std::time::Duration;

/// Most pages of one walk through a bucket: as many as it has keys, with one to spare.
pub(crate) const PAGES_MAX: usize = KEYS.len() + 1;

/// A bucket that has ended answers so at the second try.
const END_TRIES: usize = 20;
const END_AGAIN: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Workload {
    pub seed: u64,
    pub clients: u32,
    /// Of each client. An upload counts as one, and so does a walk through a list.
    pub operations: u32,
    pub buckets: u32,
    /// A client thinks for half of this on average.
    pub think_max: Duration,
    /// Between the last of the clients and whoever looks at what is left: until nothing goes on in the background.
    pub rest_after: Duration,
}

impl Workload {
    /// Small enough that a hundred of them are a matter of seconds.
    pub fn small(seed: u64) -> Self {
        Self {
            seed,
            clients: 4,
            operations: 60,
            buckets: 2,
            think_max: Duration::from_millis(100),
            rest_after: Duration::from_secs(30),
        }
    }

    /// Runs it in the caller's task. Returns when the clients rested, and the history, in which an observer has looked at every key
    /// after that: at a list of each bucket, then at the HEAD of each key, then at its bytes.
    pub async fn run(
        &self,
        ports: &[Arc<dyn S3Port>],
        signer: &Arc<Signer>,
        recorder: &Arc<Recorder>,
    ) -> (Duration, History) {
        let client = |number| {
            let (signer, recorder) = (signer.clone(), recorder.clone());
            Client { number, signer, recorder, patience: PATIENCE }
        };
        join_all((0..self.clients).map(|number| Session::new(client(number), self, ports).run())).await;
        tokio::time::sleep(self.rest_after).await;
        let at_rest = recorder.now();
        self.look_at_what_is_left(&client(self.clients), ports).await;
        (at_rest, recorder.history())
    }

    /// Ends all buckets with whatever is in them, and asks again until they have ended. `false` where one does not.
    pub async fn end_all(
        &self,
        ports: &[Arc<dyn S3Port>],
        signer: &Arc<Signer>,
        recorder: &Arc<Recorder>,
    ) -> bool {
        let (signer, recorder) = (signer.clone(), recorder.clone());
        let client = Client { number: self.clients + 1, signer, recorder, patience: PATIENCE };
        let mut all = true;
        for number in 0..self.buckets {
            let mut is_over = false;
            for at in 0..END_TRIES {
                let (asked, port) = (Asked::DeleteBucket { force: true }, &ports[at % ports.len()]);
                let (outcome, _) = client.ask(port, &bucket(number), asked, Details::default()).await;
                is_over = matches!(outcome, Outcome::Refused(Refusal::NoSuchBucket));
                if is_over {
                    break;
                }
                tokio::time::sleep(END_AGAIN).await;
            }
            all &= is_over;
        }
        all
    }

    async fn look_at_what_is_left(&self, observer: &Client, ports: &[Arc<dyn S3Port>]) {
        let port = &ports[0];
        for number in 0..self.buckets {
            let bucket = bucket(number);
            walk(observer, port, &bucket, ListAsked { max_keys: 1_000, ..ListAsked::default() }).await;
            for key in KEYS.map(Text::from) {
                observer.ask(port, &bucket, Asked::Head { key }, Details::default()).await;
            }
            for key in KEYS.map(Text::from) {
                let details = Details { wait: Some(Duration::ZERO), ..Details::default() };
                observer.ask(port, &bucket, Asked::Get { key, range: None }, details).await;
            }
        }
    }
}

pub fn bucket(number: u32) -> Text {
    format!("bucket-{number}").into()
}

/// All pages of a list, as far as they are answered.
pub(crate) async fn walk(client: &Client, port: &Arc<dyn S3Port>, bucket: &Text, mut asked: ListAsked) {
    let mut details = Details::default();
    for _ in 0..PAGES_MAX {
        let list = Asked::List(asked.clone());
        let (outcome, told) = client.ask(port, bucket, list, details.clone()).await;
        let Outcome::Done(Answer::Page { items, more: true }) = outcome else { return };
        asked.after = items.into_iter().max_by(|a, b| a.name.cmp(&b.name));
        details.token = told.token;
    }
}
