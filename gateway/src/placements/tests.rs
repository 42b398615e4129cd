//! What becomes of requests that meet a placement while it changes, a bucket that is not there, or a controller that does
//! not answer. It answers when the test says so, and what; time is the test's where a test is about it.

use super::*;
use async_trait::async_trait;
use futures::future::join;
use pocket_access::SideEffect;
use pocket_access::action::Action;
use pocket_access::caller::Caller;
use pocket_api::chunks::Chunks;
use pocket_api::clock::{Clock, Timestamp};
use pocket_api::cluster::{ClusterView, NodeSpec};
use pocket_api::control::{
    ClusterStatus, Configuration, EndJob, Forgotten, Heartbeat, HeartbeatReply, JobSummary, Joined,
    Registration, WeightMap,
};
use pocket_api::env::Env;
use pocket_api::hints::JobHints;
use pocket_api::ids::Epoch;
use pocket_api::metadata::{Metadata, MetadataError, Reply, ShardReply, ShardRequest};
use pocket_api::names::TenantName;
use pocket_api::settings::{DocumentKind, JobSettings};
use pocket_edge::calls::RequestHead;
use std::sync::LazyLock;
use std::time::Duration;
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
        weights: WeightMap::default(),
    }
}

type Answered = Result<Placement, ControlError>;
type Questions = UnboundedReceiver<oneshot::Sender<Answered>>;

/// A controller that hands every question to the test.
struct Asked(UnboundedSender<oneshot::Sender<Answered>>);

#[async_trait]
impl Control for Asked {
    async fn placement(&self, _: &BucketName) -> Result<Placement, ControlError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).expect("the test takes questions");
        answered.await.unwrap_or_else(|_| Err(ControlError::Unavailable("not reachable".into())))
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

    async fn forget(&self, _: NodeId) -> Result<Forgotten, ControlError> {
        unreachable!("the gateway stays")
    }

    async fn status(&self) -> Result<ClusterStatus, ControlError> {
        unreachable!("nobody wants to know")
    }
}

/// The only shard, at this epoch.
struct Shard(Epoch);

#[async_trait]
impl Metadata for Shard {
    async fn job(&self, job: JobRef, _: Request, _: Bytes) -> Result<Answer, MetadataError> {
        if job.epoch < self.0 { Err(MetadataError::StaleEpoch(self.0)) } else { Ok(Reply::Done.into()) }
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

/// Moves with the runtime's, which a test may have paused.
struct RuntimeClock(tokio::time::Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.elapsed().as_millis() as u64)
    }
}

fn placements(epoch: u64) -> (Placements, Questions) {
    let (ask, questions) = unbounded_channel();
    let env = Env::with_clock(Arc::new(RuntimeClock(tokio::time::Instant::now())));
    (Placements::start(Arc::new(Asked(ask)), Arc::new(Shard(Epoch(epoch))), env), questions)
}

fn data() -> BucketName {
    BucketName::parse("data").unwrap()
}

/// A bucket that a request was admitted to at that epoch.
fn bucket(epoch: u64) -> Bucket<'static> {
    let placed = placed::Placed::read(at(epoch), &weights::Maps::default(), Timestamp(0)).unwrap();
    Bucket { placement: placed.into(), asks: SmallVec::new(), until: Timestamp(u64::MAX) }
}

async fn ping(placements: &Placements, bucket: &mut Bucket<'_>) -> Result<Answer, CallError> {
    let key = ObjectKey::parse("k").unwrap();
    placements.call(bucket, &key, Follow::Key, Bytes::new(), || Request::Ping).await
}

async fn question(questions: &mut Questions) -> oneshot::Sender<Answered> {
    let question = tokio::time::timeout(PATIENCE, questions.recv()).await;
    question.expect("a question comes").expect("the controller is there")
}

async fn answer(questions: &mut Questions, epoch: u64) {
    question(questions).await.send(Ok(at(epoch))).expect("somebody waits for the answer");
}

async fn deny(questions: &mut Questions) {
    question(questions).await.send(Err(ControlError::NoSuchBucket)).expect("somebody waits for the answer");
}

/// The epoch by which a request that comes now goes.
async fn epoch_of(placements: &Placements, name: &BucketName) -> Result<Epoch, ControlError> {
    placements.known.get(name).await.map(|placement| placement.epoch)
}

#[tokio::test]
async fn an_answer_to_a_question_from_before_the_change_is_not_taken_for_the_state_after_it() {
    let (placements, mut questions) = placements(2);
    let name = BucketName::parse("data").unwrap();
    let early = tokio::spawn({
        let (placements, name) = (placements.clone(), name.clone());
        async move { epoch_of(&placements, &name).await }
    });
    let first = question(&mut questions).await;
    // Refused by the shard, this one waits for the same answer, which was given before the change.
    let mut call = std::pin::pin!(async {
        let mut refused = bucket(1);
        (ping(&placements, &mut refused).await, refused.job().epoch)
    });
    assert!(futures::poll!(&mut call).is_pending());
    first.send(Ok(at(1))).expect("both wait for it");
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

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_not_there_is_asked_for_once_a_moment_however_many_ask() {
    let (placements, mut questions) = placements(1);
    let controller = tokio::spawn(async move {
        let mut asked = 0;
        while let Some(question) = questions.recv().await {
            asked += 1;
            let _ = question.send(Err(ControlError::NoSuchBucket));
        }
        asked
    });
    let name = data();
    for _ in 0..50 {
        let many = (0..100).map(|_| epoch_of(&placements, &name));
        let told = join_all(many).await;
        assert!(told.iter().all(|told| *told == Err(ControlError::NoSuchBucket)));
    }
    let waited = 50 * placed::ABSENT_PAUSE;
    drop(placements);
    let asked = controller.await.unwrap();
    assert!(asked <= 1 + waited.as_millis() / placed::ABSENT_PAUSE.as_millis(), "{asked} questions");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_again_for_names_that_are_not_there_keeps_nobody_from_the_controller() {
    let (placements, mut questions) = placements(1);
    let names: Vec<_> =
        (0..table::ASKED_MAX).map(|n| BucketName::parse(&format!("missing-{n}")).unwrap()).collect();
    let all_ask = || join_all(names.iter().map(|name| epoch_of(&placements, name)));
    let deny_all = async {
        for _ in &names {
            deny(&mut questions).await;
        }
    };
    join(all_ask(), deny_all).await;
    // All wait for the pause to end, and none of them is on its way.
    let mut again = std::pin::pin!(all_ask());
    assert!(futures::poll!(&mut again).is_pending());
    let name = data();
    let (told, ()) = join(epoch_of(&placements, &name), answer(&mut questions, 1)).await;
    assert_eq!(told, Ok(Epoch(1)));
    // Then they leave, as many as there is room for.
    assert!(futures::poll!(&mut again).is_pending());
    tokio::time::sleep(placed::ABSENT_PAUSE).await;
    let deny_all = async {
        for _ in &names {
            deny(&mut questions).await;
        }
    };
    let (told, ()) = join(again, deny_all).await;
    assert!(told.iter().all(|told| *told == Err(ControlError::NoSuchBucket)));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_that_a_bucket_is_missing_by_an_answer_from_before_he_came() {
    let (placements, mut questions) = placements(1);
    let name = data();
    let mut first = std::pin::pin!(epoch_of(&placements, &name));
    assert!(futures::poll!(&mut first).is_pending());
    let early = question(&mut questions).await;
    // The bucket is made elsewhere, and whoever made it comes here before that answer.
    let mut second = std::pin::pin!(epoch_of(&placements, &name));
    assert!(futures::poll!(&mut second).is_pending());
    early.send(Err(ControlError::NoSuchBucket)).unwrap();
    assert_eq!(first.await, Err(ControlError::NoSuchBucket));
    let started = tokio::time::Instant::now();
    let (told, ()) = join(second, answer(&mut questions, 1)).await;
    assert_eq!(told, Ok(Epoch(1)));
    assert!(started.elapsed() <= placed::ABSENT_PAUSE, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_this_gateway_makes_is_found_at_once_and_earlier_answers_count_no_more() {
    let (placements, mut questions) = placements(1);
    let name = data();
    let (missing, ()) = join(epoch_of(&placements, &name), deny(&mut questions)).await;
    assert_eq!(missing, Err(ControlError::NoSuchBucket));
    let mut late = std::pin::pin!(epoch_of(&placements, &name));
    assert!(futures::poll!(&mut late).is_pending());
    let before = question(&mut questions).await;
    placements.forget(&name);
    let started = tokio::time::Instant::now();
    let (found, ()) = join(epoch_of(&placements, &name), answer(&mut questions, 1)).await;
    assert_eq!((found, started.elapsed()), (Ok(Epoch(1)), Duration::ZERO));
    before.send(Err(ControlError::NoSuchBucket)).unwrap();
    assert_eq!(late.await, Err(ControlError::NoSuchBucket));
    assert_eq!(epoch_of(&placements, &name).await, Ok(Epoch(1)), "which is still remembered");
}

#[tokio::test(start_paused = true)]
async fn without_a_controller_what_is_known_goes_on_and_nobody_waits_for_it() {
    let (placements, mut questions) = placements(1);
    let name = data();
    let (known, ()) = join(epoch_of(&placements, &name), answer(&mut questions, 1)).await;
    assert_eq!(known, Ok(Epoch(1)));
    // Hangs half of the time, and is not reachable in the other half.
    let controller = tokio::spawn(async move {
        let mut asked = 0;
        while let Some(question) = questions.recv().await {
            asked += 1;
            if asked % 2 == 0 {
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            drop(question);
        }
        asked
    });
    for _ in 0..600 {
        let before = tokio::time::Instant::now();
        let ask = nobodys_ask();
        let mut bucket = placements.find(&name, ask).await.unwrap();
        let admitted = placements.admit(&mut bucket).await;
        assert!(matches!(admitted, Err(CallError::Denied)), "decided by what is known: {admitted:?}");
        let mut bucket = Bucket {
            placement: placements.known.get(&name).await.unwrap(),
            asks: SmallVec::new(),
            until: Timestamp(u64::MAX),
        };
        assert!(ping(&placements, &mut bucket).await.is_ok());
        assert_eq!(before.elapsed(), Duration::ZERO);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let other = BucketName::parse("other").unwrap();
    assert!(matches!(epoch_of(&placements, &other).await, Err(ControlError::Unavailable(_))));
    drop(placements);
    let asked = controller.await.unwrap();
    assert!((2..=12).contains(&asked), "it is asked now and then: {asked}");
}

/// What a caller without a key wishes to do to an object.
fn nobodys_ask() -> Ask<'static> {
    static HEAD: LazyLock<RequestHead> = LazyLock::new(RequestHead::default);
    let (actions, effect) = (Action::GetObject.into(), SideEffect::Other);
    let caller = &Caller::Anonymous;
    Ask {
        caller,
        signing: None,
        peer: None,
        is_secure: false,
        attributes: &*HEAD,
        actions,
        keys: &[],
        tags: &[],
        effect,
    }
}

#[tokio::test(start_paused = true)]
async fn a_placement_that_no_shard_finds_stale_is_asked_for_again_beside_the_requests() {
    let (placements, mut questions) = placements(1);
    let name = data();
    let (known, ()) = join(epoch_of(&placements, &name), answer(&mut questions, 1)).await;
    assert_eq!(known, Ok(Epoch(1)));
    tokio::time::sleep(known::PLACEMENT_TTL / 2).await;
    assert_eq!(epoch_of(&placements, &name).await, Ok(Epoch(1)));
    assert!(questions.try_recv().is_err());
    let asked = question_within(&mut questions, 2 * known::PLACEMENT_TTL).await;
    assert_eq!(epoch_of(&placements, &name).await, Ok(Epoch(1)), "nobody waits for the answer");
    asked.send(Ok(at(2))).unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(epoch_of(&placements, &name).await, Ok(Epoch(2)));
}

async fn question_within(questions: &mut Questions, time: Duration) -> oneshot::Sender<Answered> {
    tokio::time::timeout(time, questions.recv()).await.expect("in time").expect("the controller is there")
}

#[tokio::test(start_paused = true)]
async fn a_stale_placement_is_kept_for_what_it_is_still_good_for_until_there_is_another() {
    let (placements, mut questions) = placements(2);
    let name = data();
    let (known, ()) = join(epoch_of(&placements, &name), answer(&mut questions, 1)).await;
    assert_eq!(known, Ok(Epoch(1)));
    let mut refused = Bucket {
        placement: placements.known.get(&name).await.unwrap(),
        asks: SmallVec::new(),
        until: Timestamp(u64::MAX),
    };
    let mut call = std::pin::pin!(ping(&placements, &mut refused));
    assert!(futures::poll!(&mut call).is_pending());
    let asked = question(&mut questions).await;
    assert_eq!(epoch_of(&placements, &name).await, Ok(Epoch(1)));
    drop(asked);
    assert!(matches!(call.await, Err(CallError::Control(ControlError::Unavailable(_)))));
    assert_eq!(epoch_of(&placements, &name).await, Ok(Epoch(1)));
}

#[tokio::test]
async fn keys_of_one_request_are_decided_in_slices_and_one_a_poll_where_a_decision_may_take_long() {
    let (placements, _questions) = placements(1);
    let keys: Vec<ObjectKey> = (0..64).map(|n| ObjectKey::parse(&format!("k{n}")).unwrap()).collect();
    let keys: Vec<&ObjectKey> = keys.iter().collect();
    for (resource, at_once) in [("logs/*", 32), ("*/logs/*", 1)] {
        let policy = format!(
            r#"{{"Statement": {{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource":
                "arn:aws:s3:::data/{resource}"}}}}"#
        );
        let settings = JobSettings {
            documents: [(DocumentKind::Policy, policy.into())].into(),
            ..JobSettings::default()
        };
        let placement = Placement { settings: settings.into(), ..at(1) };
        let placed = placed::Placed::read(placement, &weights::Maps::default(), Timestamp(0)).unwrap();
        let bucket =
            Bucket { placement: placed.into(), asks: smallvec![nobodys_ask()], until: Timestamp(u64::MAX) };
        let mut admitted = std::pin::pin!(placements.admission.admit_each(&bucket, &keys));
        let mut polls = 1;
        while futures::poll!(&mut admitted).is_pending() {
            polls += 1;
        }
        assert_eq!(polls, keys.len() / at_once + 1, "{resource}");
    }
}

#[tokio::test]
async fn what_ended_is_forgotten_by_every_thread() {
    let (placements, mut questions) = placements(1);
    let name = data();
    let (known, ()) = join(epoch_of(&placements, &name), answer(&mut questions, 1)).await;
    assert_eq!(known, Ok(Epoch(1)));
    assert_eq!(placements.jobs(), [JobId(1)]);
    let elsewhere = std::thread::spawn({
        let (placements, name) = (placements.clone(), name.clone());
        move || {
            assert!(placements.known.remembered(&name).is_some());
            placements.drop_jobs(&[JobId(1)]);
        }
    });
    elsewhere.join().unwrap();
    assert!(placements.known.remembered(&name).is_none() && placements.jobs().is_empty());
    // Asked for by two ways at a time, it is one placement that both know.
    let both = async {
        let first = epoch_of(&placements, &name).await;
        (first, placements.get_anew(&name).await)
    };
    let answers = async {
        answer(&mut questions, 1).await;
        answer(&mut questions, 1).await;
    };
    let ((first, anew), ()) = join(both, answers).await;
    assert_eq!((first, anew), (Ok(Epoch(1)), Ok(())));
    placements.forget(&name);
    assert!(placements.known.remembered(&name).is_none());
}
