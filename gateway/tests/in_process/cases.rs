//! Requests whose cost is counted, and what each may cost. Counts and not times: they are the same on a busy machine.

use super::ask::{Ask, path_of};
use super::planes::Cluster;
use bytes::Bytes;
use futures::FutureExt;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty, Full};
use pocket_api::clock::{ManualClock, Timestamp};
use pocket_api::env::Env;
use pocket_edge::context::Connection;
use pocket_gateway::config::GatewayConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    request: fn(&Cluster) -> Ask,
    /// The answer has so many at least.
    body_bytes: u64,
    pub(crate) limits: Limits,
}

/// Most for one request, from its head being read to the last byte of the answer being taken.
pub(crate) struct Limits {
    pub(crate) allocations: u64,
    /// A byte that is copied needs a place that was allocated for it.
    pub(crate) allocated_bytes: u64,
    /// Of the release build under callgrind, which has none of the instructions that CPUs have for SHA.
    pub(crate) instructions: u64,
}

/// Allocations as they were measured; of bytes and instructions at most a tenth more.
pub(crate) const CASES: [Case; 5] = [
    Case {
        name: "GET of 1 KiB",
        request: |cluster| get(cluster, "1k"),
        body_bytes: KIB as u64,
        limits: Limits { allocations: 11, allocated_bytes: 3_600, instructions: 51_000 },
    },
    Case {
        name: "HEAD",
        request: |cluster| cluster.ask(Method::HEAD, path_of(BUCKET, "1k")),
        body_bytes: 0,
        limits: Limits { allocations: 11, allocated_bytes: 3_600, instructions: 50_000 },
    },
    Case {
        name: "PUT of 1 KiB",
        request: |cluster| put(cluster, "written", KIB),
        body_bytes: 0,
        limits: Limits { allocations: 15, allocated_bytes: 5_700, instructions: 138_000 },
    },
    Case {
        name: "GET of 64 KiB",
        request: |cluster| get(cluster, "64k"),
        body_bytes: 64 * KIB as u64,
        limits: Limits { allocations: 19, allocated_bytes: 4_600, instructions: 56_500 },
    },
    Case {
        name: "LIST of 1,000 keys",
        request: |cluster| cluster.ask(Method::GET, format!("/{LISTED}")).query("list-type", 2),
        body_bytes: 200_000,
        limits: Limits { allocations: 1_042, allocated_bytes: 620_000, instructions: 2_100_000 },
    },
];

const BUCKET: &str = "costs";
const LISTED: &str = "listed";
const KIB: usize = 1 << 10;
/// The clock stands at the moment of the examples that AWS publishes.
const NOW: Timestamp = Timestamp(1_369_353_600_000);
/// Requests before the first that counts: whatever is made once is made by then.
const WARM_UP: usize = 64;
/// More than ended reads wait for others to be released with.
const BACKGROUND: Duration = Duration::from_millis(10);

fn get(cluster: &Cluster, key: &str) -> Ask {
    cluster.ask(Method::GET, path_of(BUCKET, key))
}

/// With the SHA-256 of the body signed, as clients do over plain HTTP.
fn put(cluster: &Cluster, key: &str, bytes: usize) -> Ask {
    use sha2::Digest;
    let body = Bytes::from(vec![b'x'; bytes]);
    let sha256 = hex::encode(sha2::Sha256::digest(&body));
    cluster.ask(Method::PUT, path_of(BUCKET, key)).body(body).payload(&sha256)
}

/// A request as the server has it when its head was read.
pub(crate) type Ready = Request<Bytes>;

/// What came of a request.
#[derive(Default)]
pub(crate) struct Answered {
    /// As many bytes as came at first.
    pub(crate) first: Option<Bytes>,
    bytes: u64,
}

/// A cluster that has what the cases ask for.
pub(crate) struct Counted {
    cluster: Cluster,
    connection: Arc<Connection>,
    runtime: Runtime,
}

impl Counted {
    pub(crate) fn start(config: GatewayConfig) -> Self {
        // Its timers stand as well, so that nothing happens beside what is counted.
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let cluster = runtime.block_on(async {
            let cluster = Cluster::start_with(config, Env::with_clock(Arc::new(ManualClock::at(NOW)))).await;
            for bucket in [BUCKET, LISTED] {
                cluster.ask(Method::PUT, format!("/{bucket}")).await.ok();
            }
            put(&cluster, "1k", KIB).await.ok();
            put(&cluster, "64k", 64 * KIB).await.ok();
            for number in 0..1_000 {
                let key = path_of(LISTED, &format!("directory/key-{number:04}"));
                cluster.ask(Method::PUT, key).body("x").await.ok();
            }
            cluster
        });
        Self { cluster, connection: Arc::default(), runtime }
    }

    /// Makes a bucket with an object in it.
    pub(crate) fn has(&self, bucket: &str, key: &str, body: &'static str) {
        self.runtime.block_on(async {
            self.cluster.ask(Method::PUT, format!("/{bucket}")).await.ok();
            self.cluster.ask(Method::PUT, path_of(bucket, key)).body(body).await.ok();
        });
    }

    /// One request of a case, signed.
    pub(crate) fn ready(&self, case: &Case) -> Ready {
        let request = (case.request)(&self.cluster).request();
        let (head, body) = request.into_parts();
        let body = body.collect().now_or_never().unwrap().unwrap().to_bytes();
        Request::from_parts(head, body)
    }

    /// Answers so many requests that nothing is new any more.
    pub(crate) fn warm_up(&self, case: &Case) {
        for _ in 0..WARM_UP {
            let answered = self.answer(self.ready(case));
            assert!(answered.bytes >= case.body_bytes, "{}: {} bytes", case.name, answered.bytes);
            self.settle();
        }
    }

    /// Answers a request, and reads the answer to its end. In one process nothing of that waits for anything.
    pub(crate) fn answer(&self, request: Ready) -> Answered {
        let _runtime = self.runtime.enter();
        let answer = async {
            let (gateway, connection) = (&self.cluster.gateway, self.connection.clone());
            // Without a body nothing is boxed, as it is with the body of a socket.
            let answer = match request.body().is_empty() {
                true => gateway.answer(request.map(|_| Empty::new()), connection).await,
                false => gateway.answer(request.map(Full::new), connection).await,
            };
            assert!(answer.status().is_success(), "{}", answer.status());
            let (mut body, mut answered) = (answer.into_body(), Answered::default());
            while let Some(frame) = body.frame().await {
                let data = frame.unwrap().into_data().unwrap();
                answered.bytes += data.len() as u64;
                answered.first = answered.first.or(Some(data));
            }
            answered
        };
        let answered = answer.now_or_never().expect("an answer without waiting");
        self.connection.flushed();
        answered
    }

    /// Lets what goes on in the background catch up: leases of reads that are over, space of what was replaced.
    pub(crate) fn settle(&self) {
        // It passes at once, because nothing else is going on.
        self.runtime.block_on(async { tokio::time::sleep(BACKGROUND).await });
    }
}
