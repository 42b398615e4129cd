//! A role's life in the cluster: joins, says twice a second that it is there, takes what comes back, and leaves.
//!
//! It holds the seam `Control` and cannot tell whether the controller is in this process. It never decides that a node
//! is dead, its own included: the controller does. What follows of an end is for whoever runs the process.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use pocket_api::cluster::{Directory, NodeSpec};
use pocket_api::control::{Control, ControlError, Heartbeat, HeartbeatReply, JobHolder, Joined};
use pocket_api::ids::{JobId, NodeId};
use pocket_api::limits::HEARTBEAT_EVERY;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a node that ends waits for the controller to take note; the controller finds out by itself otherwise.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// How long a heartbeat is waited for, which bounds how many are on their way at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Most jobs that one heartbeat lists: a heartbeat stays small however many there are. What ends is told by answers as it
/// happens; this finds what was missed, ten thousand jobs in some three minutes.
const JOBS_A_BEAT: usize = 32;

/// Why a membership is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parted {
    /// The controller has declared the node dead, or has never heard of it: all that it held is void, and it must not
    /// be served any more.
    Expelled,
    /// Somebody asked it to end.
    Asked,
}

/// One node's membership, from its join on.
pub struct Membership {
    pub node: NodeId,
    pub control: Arc<dyn Control>,
    pub directory: Arc<dyn Directory>,
    /// What is held of jobs, where the role holds anything.
    pub holder: Option<Arc<dyn JobHolder>>,
}

/// How far a node was told of what has changed, and which of its jobs are to be listed next.
#[derive(Default)]
struct Told {
    ended_seen: u64,
    weights_seen: u64,
    /// The rest of the jobs as they were when the last round of listing began.
    to_list: Vec<JobId>,
}

/// Joins, as soon as there is a controller to join. `None` when `until` was cancelled first.
pub async fn join(control: &dyn Control, spec: NodeSpec, until: &CancellationToken) -> Option<Joined> {
    let mut last_said = None;
    loop {
        let joined = tokio::select! {
            biased;
            () = until.cancelled() => return None,
            joined = control.join(spec.clone()) => joined,
        };
        match joined {
            Ok(joined) => return Some(joined),
            Err(why) if last_said.as_ref() == Some(&why) => {}
            Err(why) => {
                warn!(role = %spec.role, "cannot join yet: {why}");
                last_said = Some(why);
            }
        }
        tokio::select! {
            biased;
            () = until.cancelled() => return None,
            () = sleep(HEARTBEAT_EVERY) => {}
        }
    }
}

impl Membership {
    /// Heartbeats until the node is expelled or `until` is cancelled. A controller that cannot be reached ends
    /// nothing: data goes on without it. One heartbeat does not wait for the answer to another: where answers take longer
    /// than the period, the controller still hears from the node in time, and what they say still arrives.
    pub async fn keep(&self, until: &CancellationToken) -> Parted {
        let mut ticks = interval(HEARTBEAT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beats = FuturesUnordered::new();
        let mut reachable = true;
        let mut told = Told::default();
        loop {
            let answer = tokio::select! {
                biased;
                () = until.cancelled() => return Parted::Asked,
                Some(answer) = beats.next() => answer,
                _ = ticks.tick() => {
                    beats.push(timeout(ANSWER_WITHIN, self.control.heartbeat(self.sign_of_life(&mut told))));
                    continue;
                }
            };
            let silence = |_| ControlError::Unavailable(format!("no answer within {ANSWER_WITHIN:?}"));
            match answer.map_err(silence).flatten() {
                Ok(reply) => {
                    if !std::mem::replace(&mut reachable, true) {
                        info!(node = %self.node, "the controller answers again");
                    }
                    self.take(reply, &mut told);
                }
                Err(ControlError::NotAMember) => return Parted::Expelled,
                Err(why) => {
                    if std::mem::replace(&mut reachable, false) {
                        warn!(node = %self.node, "heartbeat failed: {why}");
                    }
                }
            }
        }
    }

    /// Tells the controller that the node is gone, so that nobody waits for it.
    pub async fn leave(&self) {
        match timeout(LEAVE_WITHIN, self.control.leave(self.node)).await {
            Ok(Ok(()) | Err(ControlError::NotAMember)) => {}
            Ok(Err(why)) => warn!(node = %self.node, "left without the controller's knowledge: {why}"),
            Err(_) => warn!(node = %self.node, "left without the controller's knowledge: no answer in time"),
        }
    }

    fn sign_of_life(&self, told: &mut Told) -> Heartbeat {
        if told.to_list.is_empty()
            && let Some(holder) = &self.holder
        {
            told.to_list = holder.jobs();
        }
        let rest = told.to_list.len().saturating_sub(JOBS_A_BEAT);
        let view = self.directory.view();
        Heartbeat {
            node: self.node,
            term: view.term,
            view_version: view.version,
            jobs: told.to_list.split_off(rest),
            ended_seen: told.ended_seen,
            weights_seen: told.weights_seen,
        }
    }

    fn take(&self, reply: HeartbeatReply, told: &mut Told) {
        let held = self.directory.view();
        if reply.term < held.term {
            // A controller that does not know yet that another one has followed.
            return;
        }
        if let Some(view) = reply.view.and_then(|update| update.onto(&held)) {
            self.directory.update(view);
        }
        (told.ended_seen, told.weights_seen) = (reply.ended_seen, reply.weights_seen);
        let Some(holder) = &self.holder else { return };
        if !reply.weights.is_empty() {
            holder.learn_weights(&reply.weights);
        }
        if !reply.ended.is_empty() {
            holder.drop_jobs(&reply.ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use parking_lot::Mutex;
    use pocket_api::cluster::{ClusterView, Role, ViewUpdate};
    use pocket_api::conformance::control::stubs::StubDirectory;
    use pocket_api::control::{
        ClusterStatus, Configuration, EndJob, Forgotten, JobSummary, Placement, Registration,
    };
    use pocket_api::ids::Term;
    use pocket_api::names::{BucketName, TenantName};
    use std::collections::VecDeque;

    type Beat = Result<HeartbeatReply, ControlError>;

    /// A controller that says what it was told to say, then expels; and remembers what it was sent.
    #[derive(Default)]
    struct Script {
        joins: Mutex<VecDeque<ControlError>>,
        beats: Mutex<VecDeque<Beat>>,
        heard: Mutex<Vec<Heartbeat>>,
        /// Each answer comes so long after its heartbeat.
        slow_by: Duration,
    }

    #[async_trait]
    impl Control for Script {
        async fn register(&self, _: Registration) -> Result<Placement, ControlError> {
            Err(ControlError::Unavailable("script".into()))
        }
        async fn placement(&self, _: &BucketName) -> Result<Placement, ControlError> {
            Err(ControlError::NoSuchBucket)
        }
        async fn configure(&self, _: Configuration) -> Result<Placement, ControlError> {
            Err(ControlError::NoSuchBucket)
        }
        async fn end(&self, _: EndJob) -> Result<(), ControlError> {
            Err(ControlError::NoSuchBucket)
        }
        async fn jobs(&self, _: Option<&TenantName>) -> Result<Vec<JobSummary>, ControlError> {
            Ok(Vec::new())
        }
        async fn join(&self, _: NodeSpec) -> Result<Joined, ControlError> {
            match self.joins.lock().pop_front() {
                Some(refusal) => Err(refusal),
                None => Ok(Joined { node: NodeId(7), view: ClusterView::default() }),
            }
        }
        async fn heartbeat(&self, heartbeat: Heartbeat) -> Beat {
            self.heard.lock().push(heartbeat);
            let answer = self.beats.lock().pop_front().unwrap_or(Err(ControlError::NotAMember));
            sleep(self.slow_by).await;
            answer
        }
        async fn leave(&self, _: NodeId) -> Result<(), ControlError> {
            std::future::pending().await
        }
        async fn forget(&self, _: NodeId) -> Result<Forgotten, ControlError> {
            Err(ControlError::NotAMember)
        }
        async fn status(&self) -> Result<ClusterStatus, ControlError> {
            Err(ControlError::Unavailable("script".into()))
        }
    }

    #[derive(Default)]
    struct Holder(Mutex<Vec<JobId>>);

    impl JobHolder for Holder {
        fn jobs(&self) -> Vec<JobId> {
            self.0.lock().clone()
        }
        fn drop_jobs(&self, ended: &[JobId]) {
            self.0.lock().retain(|job| !ended.contains(job));
        }
    }

    fn membership(script: &Arc<Script>, holder: &Arc<Holder>) -> Membership {
        Membership {
            node: NodeId(7),
            control: script.clone(),
            directory: Arc::new(StubDirectory::default()),
            holder: Some(holder.clone()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_takes_views_and_ends_until_it_is_expelled() {
        let script = Arc::new(Script::default());
        let view = ClusterView { version: 3, ..ClusterView::default() };
        *script.beats.lock() = VecDeque::from([
            Ok(HeartbeatReply { view: Some(ViewUpdate::Whole(view)), ..HeartbeatReply::default() }),
            Err(ControlError::Unavailable("restarting".into())),
            Ok(HeartbeatReply { ended: vec![JobId(1)], ..HeartbeatReply::default() }),
        ]);
        let holder = Arc::new(Holder(Mutex::new(vec![JobId(1), JobId(2)])));
        let parted = membership(&script, &holder).keep(&CancellationToken::new()).await;
        assert_eq!(parted, Parted::Expelled);

        let heard = script.heard.lock();
        let versions: Vec<u64> = heard.iter().map(|beat| beat.view_version).collect();
        assert_eq!(versions, [0, 3, 3, 3]);
        assert_eq!(heard[2].jobs, [JobId(1), JobId(2)]);
        assert_eq!(heard[3].jobs, [JobId(2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_take_longer_than_the_period_delay_no_heartbeat_and_are_taken() {
        let slow_by = 3 * HEARTBEAT_EVERY;
        let script = Arc::new(Script { slow_by, ..Script::default() });
        let silent = || Ok(HeartbeatReply::default());
        let told = Ok(HeartbeatReply { ended: vec![JobId(1)], ..HeartbeatReply::default() });
        *script.beats.lock() = VecDeque::from([told, silent(), silent()]);
        let holder = Arc::new(Holder(Mutex::new(vec![JobId(1), JobId(2)])));
        let began = tokio::time::Instant::now();
        assert_eq!(membership(&script, &holder).keep(&CancellationToken::new()).await, Parted::Expelled);
        // The fourth is what expels it.
        assert_eq!(began.elapsed(), 3 * HEARTBEAT_EVERY + slow_by);
        assert_eq!(*holder.0.lock(), [JobId(2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn joining_waits_for_the_controller() {
        let script = Script::default();
        let refusal = ControlError::Unavailable("not up".into());
        *script.joins.lock() = VecDeque::from([refusal.clone(), refusal]);
        let spec =
            NodeSpec { role: Role::Storage, address: String::new(), host: String::new(), capacity_bytes: 0 };
        let until = CancellationToken::new();
        assert_eq!(join(&script, spec.clone(), &until).await.unwrap().node, NodeId(7));
        until.cancel();
        script.joins.lock().push_back(ControlError::Unavailable("not up".into()));
        assert!(join(&script, spec, &until).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_asked_to_end_does_so_at_once_and_leaves_within_bounds() {
        let script = Arc::new(Script::default());
        let until = CancellationToken::new();
        until.cancel();
        let member = membership(&script, &Arc::default());
        assert_eq!(member.keep(&until).await, Parted::Asked);
        assert!(script.heard.lock().is_empty());
        member.leave().await;
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_are_listed_in_turns_and_no_beat_is_long() {
        let script = Arc::new(Script::default());
        let jobs: Vec<JobId> = (0..100).map(JobId).collect();
        *script.beats.lock() = (0..8).map(|_| Ok(HeartbeatReply::default())).collect();
        let holder = Arc::new(Holder(Mutex::new(jobs.clone())));
        membership(&script, &holder).keep(&CancellationToken::new()).await;
        let heard = script.heard.lock();
        assert!(heard.iter().all(|beat| beat.jobs.len() <= JOBS_A_BEAT));
        let mut listed: Vec<JobId> = heard[..4].iter().flat_map(|beat| beat.jobs.clone()).collect();
        listed.sort_unstable();
        assert_eq!(listed, jobs, "all of them, and then again");
        assert_eq!(heard[4].jobs, heard[0].jobs);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_an_older_controller_is_passed_over() {
        let script = Arc::new(Script::default());
        let of = |term, ended| HeartbeatReply {
            term: Term(term),
            ended,
            ended_seen: term,
            ..HeartbeatReply::default()
        };
        let view = ClusterView { term: Term(3), version: 1, ..ClusterView::default() };
        let newer = HeartbeatReply { view: Some(ViewUpdate::Whole(view)), ..of(3, vec![]) };
        *script.beats.lock() =
            VecDeque::from([Ok(newer), Ok(of(2, vec![JobId(1)])), Ok(of(3, vec![JobId(2)]))]);
        let holder = Arc::new(Holder(Mutex::new(vec![JobId(1), JobId(2)])));
        membership(&script, &holder).keep(&CancellationToken::new()).await;
        assert_eq!(holder.jobs(), [JobId(1)]);
        let seen: Vec<(Term, u64)> =
            script.heard.lock().iter().map(|beat| (beat.term, beat.ended_seen)).collect();
        assert_eq!(seen, [(Term(0), 0), (Term(3), 3), (Term(3), 3), (Term(3), 3)]);
    }
}
