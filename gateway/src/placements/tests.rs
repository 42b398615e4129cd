//! What becomes of requests that meet a placement while it changes. The controller answers when the test says so.

use super::*;
use crate::access::Effect;
use crate::caller::{Caller, Principal};
use crate::context::{RequestContext, RequestId};
use async_trait::async_trait;
use futures::future::join;
use http::{HeaderMap, Uri};
use pocket_api::chunks::Chunks;
use pocket_api::clock::{ManualClock, Timestamp};
use pocket_api::cluster::{ClusterView, NodeSpec};
use pocket_api::control::{
    ClusterStatus, Configuration, EndJob, Heartbeat, HeartbeatReply, JobSummary, Joined, Registration,
};
use pocket_api::hints::JobHints;
use pocket_api::ids::Epoch;
use pocket_api::metadata::{Found, Metadata, SegmentPage, ShardReply, ShardRequest};
use pocket_api::names::TenantName;
use pocket_api::object::{ETag, ObjectHeaders};
use pocket_api::settings::{DocumentKind, JobSettings};
use std::task::Poll;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

const SHARD: NodeId = NodeId(7);
/// How long a test waits for what must happen; never reached in success.
const PATIENCE: Duration = Duration::from_secs(20);

fn at(epoch: u64) -> Placement {
    Placement {
        job: JobId(1),
        epoch: Epoch(epoch),
        bucket: BucketName::parse("data").unwrap(),
        tenant: TenantName::parse("alice").unwrap(),
        created_at_ms: 0,
        hints: JobHints::default(),
        settings: Arc::default(),
        shards: vec![SHARD],
        weights: Vec::new(),
    }
}

/// A controller that hands every question to the test.
struct Asked(UnboundedSender<oneshot::Sender<Placement>>);

#[async_trait]
impl Control for Asked {
    async fn placement(&self, _: &BucketName) -> Result<Placement, ControlError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).expect("the test takes questions");
        Ok(answered.await.expect("the test answers"))
    }

    async fn register(&self, _: Registration) -> Result<Placement, ControlError> {
        unreachable!("a call for a key registers nothing")
    }

    async fn configure(&self, _: Configuration) -> Result<Placement, ControlError> {
        unreachable!("a call for a key changes no settings")
    }

    async fn end(&self, _: EndJob) -> Result<(), ControlError> {
        unreachable!("a call for a key ends nothing")
    }

    async fn jobs(&self, _: Option<&TenantName>) -> Result<Vec<JobSummary>, ControlError> {
        unreachable!("a call for a key lists nothing")
    }

    async fn join(&self, _: NodeSpec) -> Result<Joined, ControlError> {
        unreachable!("the gateway is a member")
    }

    async fn heartbeat(&self, _: Heartbeat) -> Result<HeartbeatReply, ControlError> {
        unreachable!("the gateway's process beats")
    }

    async fn leave(&self, _: NodeId) -> Result<(), ControlError> {
        unreachable!("the gateway stays")
    }

    async fn status(&self) -> Result<ClusterStatus, ControlError> {
        unreachable!("nobody wants to know")
    }
}

/// An object with a tag that a rule may ask for.
fn kept() -> Found {
    let headers = ObjectHeaders { tags: vec![("keep".into(), "yes".into())], ..ObjectHeaders::default() };
    let meta = ObjectMeta {
        size: 0,
        etag: ETag::md5([0; 16]),
        last_modified: Timestamp(0),
        expires_at: None,
        rule_end: None,
        reads_left: None,
        checksum: None,
        headers: Some(Arc::new(headers)),
        parts: 0,
    };
    let (now, page) = (Timestamp(0), SegmentPage::default());
    Found { meta, now, offset: 0, len: 0, part_checksum: None, page, lease: None, counted: false }
}

/// The only shard, at this epoch.
struct Shard(Epoch);

#[async_trait]
impl Metadata for Shard {
    async fn job(&self, job: JobRef, request: Request, _: Bytes) -> Result<Answer, MetadataError> {
        if job.epoch < self.0 {
            return Err(MetadataError::StaleEpoch(self.0));
        }
        match request {
            Request::Describe { key } if key.as_str() == "kept" => Ok(Reply::Found(Box::new(kept())).into()),
            _ => Ok(Reply::Done.into()),
        }
    }

    async fn shard(&self, _: ShardRequest) -> Result<ShardReply, MetadataError> {
        unreachable!("all calls are for the job")
    }
}

impl Directory for Shard {
    fn shard(&self, _: NodeId) -> Option<Arc<dyn Metadata>> {
        Some(Arc::new(Self(self.0)))
    }

    fn server(&self, _: NodeId) -> Option<Arc<dyn Chunks>> {
        None
    }

    fn view(&self) -> Arc<ClusterView> {
        Arc::default()
    }

    fn update(&self, _: ClusterView) {}
}

fn placements(epoch: u64) -> (Placements, UnboundedReceiver<oneshot::Sender<Placement>>) {
    let (ask, questions) = unbounded_channel();
    let clock = Arc::new(ManualClock::at(Timestamp(0)));
    (Placements::new(Arc::new(Asked(ask)), Arc::new(Shard(Epoch(epoch))), clock), questions)
}

/// A bucket that a request was admitted to at that epoch.
fn bucket(epoch: u64) -> Bucket<'static> {
    Bucket { placement: Arc::new(at(epoch)), rules: None, asks: SmallVec::new() }
}

async fn ping(placements: &Placements, bucket: &mut Bucket<'_>) -> Result<Answer, CallError> {
    let key = ObjectKey::parse("k").unwrap();
    placements.call(bucket, &key, Follow::Key, Bytes::new(), || Request::Ping).await
}

async fn question(
    questions: &mut UnboundedReceiver<oneshot::Sender<Placement>>,
) -> oneshot::Sender<Placement> {
    let question = tokio::time::timeout(PATIENCE, questions.recv()).await;
    question.expect("a question comes").expect("the controller is there")
}

async fn answer(questions: &mut UnboundedReceiver<oneshot::Sender<Placement>>, epoch: u64) {
    question(questions).await.send(at(epoch)).expect("somebody waits for the answer");
}

#[tokio::test]
async fn an_answer_to_a_question_from_before_the_change_is_not_taken_for_the_state_after_it() {
    let (placements, mut questions) = placements(2);
    let name = BucketName::parse("data").unwrap();
    let early = tokio::spawn({
        let (placements, name) = (placements.clone(), name.clone());
        async move { placements.get(&name).await.map(|placed| placed.placement.epoch) }
    });
    let first = question(&mut questions).await;
    // Refused by the shard, this one waits for the same answer, which was given before the change.
    let mut call = std::pin::pin!(async {
        let mut refused = bucket(1);
        (ping(&placements, &mut refused).await, refused.job().epoch)
    });
    assert!(futures::poll!(&mut call).is_pending());
    first.send(at(1)).expect("both wait for it");
    let ((outcome, epoch), ()) = join(call, answer(&mut questions, 2)).await;
    assert!(matches!(outcome, Ok(Answer { reply: Reply::Done, .. })), "{outcome:?}");
    assert_eq!((epoch, early.await.unwrap()), (Epoch(2), Ok(Epoch(1))));
}

#[tokio::test]
async fn a_placement_that_does_not_change_is_asked_for_a_bounded_number_of_times() {
    let (placements, mut questions) = placements(9);
    let answers = async {
        for _ in 0..QUESTIONS_MAX {
            answer(&mut questions, 1).await;
        }
    };
    let mut refused = bucket(1);
    let (outcome, ()) = join(ping(&placements, &mut refused), answers).await;
    assert!(matches!(outcome, Err(CallError::Metadata(MetadataError::StaleEpoch(Epoch(9))))), "{outcome:?}");
    assert!(questions.try_recv().is_err(), "and not once more");
}

/// The settings of a bucket with this policy.
fn with_policy(text: &str) -> Arc<JobSettings> {
    let documents = [(DocumentKind::Policy, Arc::from(text))].into();
    Arc::new(JobSettings { documents, ..JobSettings::default() })
}

/// Of the bucket's owner.
fn context() -> RequestContext {
    let principal = Principal { tenant: TenantName::parse("alice").unwrap(), access_key_id: "a".into() };
    RequestContext::new(
        RequestId(*b"00ff00ff00ff00ff"),
        Caller::Key(Arc::new(principal)),
        None,
        Arc::default(),
    )
}

fn deleting<'r>(context: &'r RequestContext, headers: &'r HeaderMap, uri: &'r Uri) -> Ask<'r> {
    let (actions, effect) = (Action::DeleteObject.into(), Effect::Other);
    Ask { context, headers, uri, actions, keys: &[], tags: &[], effect }
}

#[tokio::test]
async fn a_long_list_of_keys_is_decided_in_slices_between_which_others_run() {
    let text = r#"{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject",
        "Resource": "arn:aws:s3:::data/kept"}}"#;
    let rules = Rules::read(&with_policy(text), &BucketName::parse("data").unwrap()).unwrap();
    let (context, headers, uri) = (context(), HeaderMap::new(), Uri::from_static("/data?delete"));
    let keys: Vec<_> = (0..999).map(|n| ObjectKey::parse(&format!("k{n}")).unwrap()).collect();
    let keys = [keys, vec![ObjectKey::parse("kept").unwrap()]].concat();
    let (placements, _) = placements(1);
    let asks = smallvec![deleting(&context, &headers, &uri)];
    let mut bucket = Bucket { placement: Arc::new(at(1)), rules, asks };
    let mut decided = std::pin::pin!(placements.admits_each(&mut bucket, &keys));
    let mut polls = 1;
    let admitted = loop {
        match futures::poll!(&mut decided) {
            Poll::Pending => polls += 1,
            Poll::Ready(admitted) => break admitted.unwrap(),
        }
    };
    assert!(admitted[..999].iter().all(|&may| may) && !admitted[999]);
    assert!(polls > 1_000 / 20, "a thousand decisions in {polls} polls");
}

#[tokio::test]
async fn a_list_of_keys_is_decided_anew_with_the_tags_of_each_when_the_bucket_has_changed() {
    let text = r#"{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject",
        "Resource": "arn:aws:s3:::data/*", "Condition": {"StringEquals": {"s3:ExistingObjectTag/keep": "yes"}}}}"#;
    let (context, headers, uri) = (context(), HeaderMap::new(), Uri::from_static("/data?delete"));
    for (names, is_denied) in [(["a", "b"], false), (["a", "kept"], true)] {
        let (placements, mut questions) = placements(2);
        let keys = names.map(|name| ObjectKey::parse(name).unwrap());
        let ask = Ask { keys: &keys, ..deleting(&context, &headers, &uri) };
        let mut known = Bucket { placement: Arc::new(at(1)), rules: None, asks: smallvec![ask] };
        let changed = async {
            let placement = Placement { settings: with_policy(text), ..at(2) };
            question(&mut questions).await.send(placement).expect("somebody waits for the answer");
        };
        let make = || Request::DeleteMany { keys: keys.to_vec() };
        let call = placements.call(&mut known, &keys[0], Follow::SameShard, Bytes::new(), make);
        let (outcome, ()) = join(call, changed).await;
        assert_eq!(outcome.is_err_and(|error| error == CallError::Denied), is_denied, "{names:?}");
    }
}
