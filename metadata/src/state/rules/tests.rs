//! What the conformance suite cannot see: that a change of rules is worked through in bounded steps, and what happens
//! where the shard has no memory for it.

use super::*;
use crate::state::effects::Output;
use crate::state::upload_id::UploadIds;
use crate::state::{COUNT_MAX, Command, DROPPED_AT_ONCE, Home, apply};
use bytes::Bytes;
use pocket_api::budget::ByteBudget;
use pocket_api::cluster::ClusterView;
use pocket_api::conditions::WriteCondition;
use pocket_api::hints::{JobHints, ObjectHints};
use pocket_api::ids::{ChunkId, Epoch, JobId, NodeId, WriteId};
use pocket_api::lifecycle::{LifecycleEnd, LifecycleFilter, LifecycleUnit};
use pocket_api::metadata::{Commit, JobSpec, NewMeta, Request};
use pocket_api::names::ObjectKey;
use pocket_api::object::{ETag, Extent, NewContent};
use std::sync::Arc;

const NODE: NodeId = NodeId(1);
const START: Timestamp = Timestamp(1_000_000);

fn key(number: usize) -> Key {
    Key(ObjectKey::parse(&format!("k{number:06}")).unwrap())
}

fn spec(epoch: u64, seconds: Option<u32>) -> Arc<JobSpec> {
    let rule = |seconds| LifecycleRule {
        id: "all".into(),
        filter: LifecycleFilter::default(),
        expires: Some(LifecycleEnd::After(seconds)),
        aborts_uploads_after: None,
    };
    let rules = seconds.map(rule).into_iter().collect();
    Arc::new(JobSpec {
        job: JobId(1),
        epoch: Epoch(epoch),
        hints: JobHints::default(),
        lifecycle: Lifecycle { rules, unit: LifecycleUnit::Of(Duration::from_secs(1)), job_ends: None },
        shards: vec![NODE],
        ends_in: None,
    })
}

/// A job of so many small objects, all made at [`START`].
fn job_of(objects: usize, budget: &ByteBudget) -> JobState {
    let home = Home { node: NODE, upload_ids: UploadIds::new([1; 32]), budget: budget.clone() };
    let mut state = JobState::open(&spec(1, None), home, ClusterView::default().into(), START);
    for number in 0..objects {
        let write = WriteId { gateway: NodeId(9), number: number as u64 };
        let hints = ObjectHints::default();
        let meta = NewMeta { etag: ETag::opaque(write), checksum: None, headers: None, hints };
        let (key, condition) = (key(number).0, WriteCondition::None);
        let request =
            Request::Commit(Commit { key, write, size: 1, content: NewContent::Inline, meta, condition });
        let payload = Bytes::from_static(b"x");
        apply(
            &mut state,
            Command::Request { epoch: Epoch(1), until: Timestamp(u64::MAX), request, payload },
            START,
        )
        .output
        .unwrap();
    }
    state
}

/// An object of so many chunks, made at [`START`].
fn put_chunks(state: &mut JobState, number: usize, chunks: u64) {
    let write = WriteId { gateway: NodeId(9), number: number as u64 };
    let chunk = |n| Extent { chunk: ChunkId { server: NODE, number: number as u64 * chunks + n }, len: 1 };
    let content = NewContent::Chunks { extents: (0..chunks).map(chunk).collect() };
    let meta =
        NewMeta { etag: ETag::opaque(write), checksum: None, headers: None, hints: ObjectHints::default() };
    let (key, condition) = (key(number).0, WriteCondition::None);
    let request = Request::Commit(Commit { key, write, size: chunks, content, meta, condition });
    let command =
        Command::Request { epoch: Epoch(1), until: Timestamp(u64::MAX), request, payload: Bytes::new() };
    apply(state, command, START).output.unwrap();
}

#[test]
fn a_change_of_rules_ends_however_much_what_has_ended_frees() {
    let mut state = job_of(0, &ByteBudget::new(1 << 30));
    (0..3).for_each(|number| put_chunks(&mut state, number, 2_048));
    update(&mut state, spec(2, Some(5)), START);
    while sweep(&mut state, seconds(1)).1 {}
    // Two objects free as much as a step may; one more to find that nothing is left.
    assert_eq!((update(&mut state, spec(3, None), seconds(5)), state.objects.len()), (3, 0));
}

#[test]
fn a_review_that_finds_no_room_refuses_nobody() {
    let budget = ByteBudget::new(1 << 20);
    let mut state = job_of(100, &budget);
    assert!(budget.take(budget.limit_bytes() - budget.used_bytes()));
    update(&mut state, spec(2, Some(5)), START);
    sweep(&mut state, seconds(1));
    assert_eq!((in_order(&state), budget.refusals()), (0, 0));
}

#[test]
fn what_no_order_had_room_for_is_dropped_in_steps_too_before_rules_change() {
    let budget = ByteBudget::new(1 << 20);
    let mut state = job_of(2_000, &budget);
    assert!(budget.take(budget.limit_bytes() - budget.used_bytes()));
    update(&mut state, spec(2, Some(5)), START);
    while sweep(&mut state, seconds(1)).1 {}
    // No review is due yet, nor an order.
    assert!(!state.rules.as_deref().unwrap().are_due(seconds(5)));
    let steps = update(&mut state, spec(3, None), seconds(5));
    assert!(
        state.objects.is_empty() && steps >= 5,
        "{} objects left after {steps} steps",
        state.objects.len()
    );
}

/// In how many steps a change of rules is made.
fn update(state: &mut JobState, spec: Arc<JobSpec>, now: Timestamp) -> usize {
    for steps in 1..1_000 {
        let outcome = apply(state, Command::Update(spec.clone()), now);
        assert!(
            outcome.effects.freed.len() < 4_096 + 2_048,
            "{} chunks in a step",
            outcome.effects.freed.len()
        );
        match outcome.output {
            Ok(Output::Done) => return steps,
            Ok(Output::Swept { expired, .. }) => assert!(expired <= SWEEP_MAX as u64, "{expired} in a step"),
            odd => panic!("{odd:?}"),
        }
    }
    panic!("the change never comes to an end")
}

fn sweep(state: &mut JobState, now: Timestamp) -> (u64, bool) {
    match apply(state, Command::Sweep, now).output {
        Ok(Output::Swept { expired, more }) => (expired, more),
        other => panic!("a sweep was answered with {other:?}"),
    }
}

fn in_order(state: &JobState) -> usize {
    state.rules.as_ref().map_or(0, |rules| rules.objects.order.due(Timestamp(u64::MAX)).count())
}

fn seconds(n: u64) -> Timestamp {
    START + Duration::from_secs(n)
}

#[test]
fn a_freeze_looks_at_no_more_than_it_may_and_says_so_where_that_does_not_tell() {
    let mut state = job_of(COUNT_MAX + 1, &ByteBudget::new(1 << 30));
    update(&mut state, spec(2, Some(5)), seconds(1));
    let freeze = |state: &mut JobState, operation, now| {
        let command = Command::Freeze(pocket_api::ids::OperationId(operation));
        match apply(state, command, now).output {
            Ok(Output::Frozen { objects }) => objects,
            odd => panic!("{odd:?}"),
        }
    };
    // No order of ends is made yet: it sees as many as it looks at.
    assert_eq!(freeze(&mut state, 1, seconds(4)), Some(COUNT_MAX as u64));
    assert_eq!(
        freeze(&mut state, 2, seconds(5)),
        None,
        "all that it looked at had ended, and there is one more"
    );
    while sweep(&mut state, seconds(5)).1 {}
    assert_eq!(freeze(&mut state, 3, seconds(5)), Some(0));
}

#[test]
fn a_change_of_rules_holds_at_once_and_is_worked_through_in_bounded_steps() {
    const OBJECTS: usize = 6 * REVIEW_MAX;
    let mut state = job_of(OBJECTS, &ByteBudget::new(1 << 30));
    update(&mut state, spec(2, Some(5)), seconds(1));
    assert_eq!(in_order(&state), 0, "the change itself visits nothing");
    assert_eq!(state.count_visible(seconds(4)), Some(OBJECTS as u64));
    assert_eq!(state.count_visible(seconds(5)), Some(0), "no object waits for its turn to have ended");

    let mut steps = 0;
    loop {
        let before = in_order(&state);
        let (expired, more) = sweep(&mut state, seconds(1));
        assert!(expired == 0 && in_order(&state) - before <= REVIEW_MAX);
        steps += 1;
        if !more {
            break;
        }
    }
    assert!(in_order(&state) == OBJECTS && steps <= OBJECTS / REVIEW_MAX + 2, "{steps} steps");

    let (mut gone, mut more) = (0, true);
    while more {
        let expired;
        (expired, more) = sweep(&mut state, seconds(5));
        assert!(expired <= REVIEW_MAX as u64, "{expired} in one step");
        gone += expired;
    }
    assert_eq!((gone, state.objects.len(), state.account.used_bytes()), (OBJECTS as u64, 0, 0));
}

#[test]
fn what_has_ended_is_found_by_the_review_itself_too() {
    const OBJECTS: usize = 3 * REVIEW_MAX;
    let mut state = job_of(OBJECTS, &ByteBudget::new(1 << 30));
    update(&mut state, spec(2, Some(5)), seconds(9));
    assert!(state.must_settle(&Lifecycle::default(), seconds(9)));
    let (expired, more) = sweep(&mut state, seconds(9));
    assert_eq!((expired, more), (REVIEW_MAX as u64, true));
    update(&mut state, spec(3, None), seconds(9));
    assert_eq!(
        state.objects.len(),
        0,
        "what the old rules ended does not come back, however far the review was"
    );
    assert!(state.rules.is_none() && state.account.used_bytes() == 0);
}

#[test]
fn an_order_that_memory_does_not_suffice_for_is_made_up_for_later() {
    const OBJECTS: usize = 100;
    let budget = ByteBudget::new(1 << 30);
    let mut state = job_of(OBJECTS, &budget);
    let rest = (1 << 30) - budget.used_bytes() - 10 * charge(&key(0));
    assert!(budget.take(rest), "room for ten places in the order");
    update(&mut state, spec(2, Some(5)), START);
    while sweep(&mut state, START).1 {}
    assert_eq!(in_order(&state), 10);
    assert_eq!(state.count_visible(seconds(5)), Some(0), "what is not in the order is not served either");
    let (expired, more) = sweep(&mut state, seconds(5) + Duration::from_millis(1));
    assert!(expired >= 10 && more, "{expired}");
    while sweep(&mut state, seconds(6)).1 {}
    assert_eq!(state.objects.len(), 0);
    assert_eq!(budget.used_bytes(), rest, "and nothing was paid twice");
}

#[test]
fn an_epoch_with_the_same_rules_reviews_nothing() {
    let mut state = job_of(3, &ByteBudget::new(1 << 30));
    update(&mut state, spec(2, Some(5)), START);
    while sweep(&mut state, START).1 {}
    update(&mut state, spec(3, Some(5)), START);
    assert_eq!(in_order(&state), 3);
    assert!(!sweep(&mut state, START).1);
    assert_eq!(state.count_visible(seconds(5)), Some(0));
}

#[test]
fn rules_that_are_about_to_change_are_settled_without_making_an_order_for_them() {
    const OBJECTS: usize = 3 * REVIEW_MAX;
    let settled = || {
        let mut state = job_of(OBJECTS, &ByteBudget::new(1 << 30));
        update(&mut state, spec(2, Some(8)), seconds(1));
        let mut steps = 0;
        while state.must_settle(&Lifecycle::default(), seconds(1)) {
            let done = apply(&mut state, Command::Update(spec(3, None)), seconds(1)).output;
            assert!(matches!(done, Ok(Output::Swept { expired: 0, .. })), "{done:?}");
            steps += 1;
        }
        assert!((4..=5).contains(&steps) && in_order(&state) == 0, "{steps} steps");
        state
    };
    let mut changed = settled();
    update(&mut changed, spec(3, None), seconds(8));
    assert_eq!(changed.objects.len(), 0, "what ended between the last step and the change has ended too");
    let mut unchanged = settled();
    assert!(!sweep(&mut unchanged, seconds(7)).1);
    while sweep(&mut unchanged, seconds(8)).1 {}
    assert_eq!(unchanged.objects.len(), 0, "where the change never came they end all the same");
}

#[test]
fn what_an_end_gives_back_is_given_back_as_it_is_dropped_and_not_before() {
    let budget = ByteBudget::new(1 << 30);
    let mut state = job_of(3 * DROPPED_AT_ONCE, &budget);
    let used_bytes = budget.used_bytes();
    let remains = state.end();
    assert_eq!((budget.used_bytes(), state.account.used_bytes()), (used_bytes, 0));
    assert!(!remains.are_few() && job_of(100, &ByteBudget::new(1 << 30)).end().are_few());
    drop(remains);
    assert_eq!(budget.used_bytes(), 0);
}
