//! One connection's work: takes tickets, sends requests, records answers, until the load is over.

use crate::args::ChecksumForm;
use crate::client::{Connection, Sink};
use crate::content::{Vouched, vouch};
use crate::load::{Load, Phase, key_name};
use crate::mix::{DELETE_MANY_KEYS, Operation};
use crate::record::{Outcome, Record};
use crate::response::error_code;
use crate::signer::{EMPTY_SHA256, Request, Signer};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Pause after a connection failed, so that a server that is down is not called a million times a second.
const AFTER_FAILURE: Duration = Duration::from_millis(20);

pub(crate) struct Worker {
    load: Arc<Load>,
    connection: Connection,
    signer: Signer,
    random: SmallRng,
    /// Of the request that is being sent; kept for its memory.
    head: String,
    record: Record,
}

impl Worker {
    pub(crate) fn new(load: Arc<Load>, connection: Connection, signer: Signer, seed: u64) -> Self {
        let random = SmallRng::seed_from_u64(seed);
        Self { load, connection, signer, random, head: String::new(), record: Record::default() }
    }

    /// Ends when the load is over, at the latest one request's timeout later.
    pub(crate) async fn work(mut self) -> Record {
        while let Some(ticket) = self.load.next() {
            let mut started = Instant::now();
            if let Some(due) = ticket.due {
                if due > started {
                    tokio::time::sleep_until(due).await;
                    // What the timer was late is not the server's.
                    started = Instant::now();
                } else {
                    // Nobody was free to send it in time: the wait for the earlier answer counts.
                    started = due;
                }
            }
            if self.load.phase() == Phase::Over {
                break;
            }
            let operation = self.load.mix.pick(self.random.next_u64());
            let key = self.load.key_for(operation, self.random.next_u64());
            let (outcome, bytes) = self.one(operation, key).await;
            let failed = matches!(outcome, Outcome::Failed(_));
            if ticket.counted && self.load.phase() == Phase::Counted {
                self.record.add(operation, started.elapsed(), bytes, outcome);
                self.load.ended_one();
            }
            if failed {
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
        self.record
    }

    /// Sends one request; answers with its outcome and the object bytes that it moved.
    async fn one(&mut self, operation: Operation, key: u64) -> (Outcome, u64) {
        let load = self.load.clone();
        let object = format!("{}/{}", load.bucket_path, key_name(key));
        let vouched = load.content.vouched(key);
        let mut body: &[u8] = &[];
        let list = format!("list-type=2&max-keys=1000&start-after={}", key_name(key));
        let copy = format!("{object}-copy");
        let many = (operation == Operation::DeleteMany).then(|| delete_many(key));
        let read = |method| Request {
            method,
            path: &object,
            query: "",
            header: None,
            payload: EMPTY_SHA256,
            content_length: None,
        };
        let request = match operation {
            Operation::Get => read("GET"),
            Operation::Head => read("HEAD"),
            Operation::Delete => read("DELETE"),
            Operation::List => Request { path: &load.bucket_path, query: &list, ..read("GET") },
            Operation::Copy => Request {
                path: &copy,
                header: Some(("x-amz-copy-source", &object)),
                content_length: Some(0),
                ..read("PUT")
            },
            Operation::DeleteMany => {
                let (document, vouched) = many.as_ref().expect("it was made for this operation");
                body = document;
                Request {
                    path: &load.bucket_path,
                    query: "delete=",
                    header: vouched.header.as_ref().map(|(name, value)| (*name, value.as_str())),
                    payload: &vouched.payload,
                    content_length: Some(body.len() as u64),
                    ..read("POST")
                }
            }
            Operation::Put => {
                body = load.content.of_key(key);
                Request {
                    header: vouched.header.as_ref().map(|(name, value)| (*name, value.as_str())),
                    payload: &vouched.payload,
                    content_length: Some(body.len() as u64),
                    ..read("PUT")
                }
            }
        };
        self.head.clear();
        self.signer.write_head(&request, SystemTime::now(), &mut self.head);
        let wanted = (operation == Operation::Get).then(|| load.content.of_key(key));
        let mut sink = Sink { expected: wanted.filter(|_| load.verify), ..Sink::default() };
        let bodiless = operation == Operation::Head;
        let exchange = self.connection.exchange(self.head.as_bytes(), body, bodiless, &mut sink);
        let status = match tokio::time::timeout(load.timeout, exchange).await {
            Ok(Ok(status)) => status,
            Ok(Err(e)) => return (Outcome::Failed(format!("connection: {e}")), 0),
            Err(_) => return (Outcome::Failed(format!("no answer in {:?}", load.timeout)), 0),
        };
        match status {
            200..=299 if wanted.is_some_and(|w| w.len() as u64 != sink.received_bytes) => {
                (Outcome::Refused("wrong length".into()), 0)
            }
            200..=299 if sink.differs => (Outcome::Refused("wrong bytes".into()), 0),
            200..=299 => (Outcome::Done, sink.received_bytes.max(body.len() as u64)),
            404 if load.mix.deletes() => (Outcome::Missing, 0),
            _ => {
                let code = error_code(&sink.error).map(|code| format!(" {code}"));
                (Outcome::Refused(format!("{status}{}", code.unwrap_or_default())), 0)
            }
        }
    }
}

/// The body of a DeleteObjects, with the checksum that SDKs send.
fn delete_many(first: u64) -> (Vec<u8>, Vouched) {
    let objects =
        (first..first + DELETE_MANY_KEYS).map(|key| format!("<Object><Key>{}</Key></Object>", key_name(key)));
    let document: String = ["<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned()]
        .into_iter()
        .chain(objects)
        .chain(["</Delete>".to_owned()])
        .collect();
    let vouched = vouch(ChecksumForm::Crc32, document.as_bytes());
    (document.into(), vouched)
}
