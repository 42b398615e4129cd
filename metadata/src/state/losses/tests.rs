//! Deaths of servers at one job: what is found, what is given back, in steps.

use super::*;
use crate::state::effects::Effects;
use crate::state::effects::Output;
use crate::state::model::empty_job;
use crate::state::{Command, apply};
use pocket_api::budget::ByteBudget;
use pocket_api::clock::Timestamp;
use pocket_api::cluster::ClusterView;
use pocket_api::conditions::{ReadConditions, WriteCondition};
use pocket_api::hints::ObjectHints;
use pocket_api::ids::{ChunkId, Epoch, NodeId, WriteId};
use pocket_api::metadata::{
    Answer, Append, Commit, Complete, CreateUpload, Delivery, Lookup, MetadataError, NewMeta, PutPart, Reply,
    Request, Select, Want,
};
use pocket_api::names::ObjectKey;
use pocket_api::object::{ETag, Extent, NewContent};
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_000_000);
const SERVER: NodeId = NodeId(7);

fn commit(state: &mut JobState, number: u64, content: NewContent, payload: &'static [u8]) {
    let write = WriteId { gateway: NodeId(9), number };
    let meta =
        NewMeta { etag: ETag::opaque(write), checksum: None, headers: None, hints: ObjectHints::default() };
    let key = ObjectKey::parse(&format!("k{number}")).unwrap();
    let condition = WriteCondition::None;
    let request = Request::Commit(Commit { key, write, size: 10, content, meta, condition });
    let payload = Bytes::from_static(payload);
    apply(state, Command::Request { epoch: Epoch(1), until: Timestamp(u64::MAX), request, payload }, NOW)
        .output
        .unwrap();
}

fn delete(state: &mut JobState, number: u64) {
    let key = ObjectKey::parse(&format!("k{number}")).unwrap();
    let request = Request::Delete { key, condition: WriteCondition::None };
    let command =
        Command::Request { epoch: Epoch(1), until: Timestamp(u64::MAX), request, payload: Bytes::new() };
    apply(state, command, NOW).output.unwrap();
}

/// As sweeps do.
fn search(state: &mut JobState, most: usize) -> Effects {
    state.search_losses(most, usize::MAX);
    std::mem::take(&mut state.effects)
}

#[test]
fn what_died_with_a_server_leaves_the_counts_in_steps_and_is_never_counted_twice() {
    let mut state = empty_job(ByteBudget::new(1 << 20), NOW);
    for number in 0..10 {
        let chunk = ChunkId { server: SERVER, number };
        let extents = vec![Extent { chunk, len: 10 }];
        commit(&mut state, number, NewContent::Chunks { extents }, b"");
    }
    commit(&mut state, 10, NewContent::Inline, b"0123456789");
    assert_eq!((state.present_objects(), state.logical_bytes), (11, 110));

    let dead = ClusterView { version: 1, newest: SERVER, ..ClusterView::default() };
    state.see(dead.clone().into());
    assert!(state.losses.is_searching() && state.is_sweep_due(NOW));
    search(&mut state, 4);
    assert!(state.losses.is_searching() && state.present_objects() > 5, "a part at a time");
    assert_eq!(state.count_visible(NOW), Some(1), "what nobody found yet is not there either");
    // One that was counted and one that was not yet.
    delete(&mut state, 0);
    delete(&mut state, 9);
    while state.losses.is_searching() {
        search(&mut state, 4);
    }
    assert_eq!((state.present_objects(), state.logical_bytes), (1, 10));
    state.see(ClusterView { version: 2, ..dead }.into());
    assert!(!state.losses.is_searching(), "nobody else died");
    (1..9).for_each(|number| delete(&mut state, number));
    assert_eq!((state.present_objects(), state.logical_bytes, state.losses.objects), (1, 10, 0));
}

#[test]
fn nothing_is_appended_in_chunks_of_a_dead_server_so_only_a_search_finds_losses_of_appended_objects() {
    let mut state = empty_job(ByteBudget::new(1 << 20), NOW);
    let chunks = |number| NewContent::Chunks {
        extents: vec![Extent { chunk: ChunkId { server: SERVER, number }, len: 10 }],
    };
    let write = |number| WriteId { gateway: NodeId(9), number };
    commit(&mut state, 0, chunks(0), b"");
    commit(&mut state, 1, NewContent::Inline, b"0123456789");
    state.see(ClusterView { version: 1, newest: SERVER, ..ClusterView::default() }.into());
    while state.losses.is_searching() {
        search(&mut state, 4);
    }
    let request = Request::Append(Append {
        key: ObjectKey::parse("k1").unwrap(),
        write: write(2),
        to: ETag::opaque(write(1)),
        offset: 10,
        size: 10,
        content: chunks(2),
        etag: ETag::opaque(write(2)),
        checksum: None,
    });
    let command =
        Command::Request { epoch: Epoch(1), until: Timestamp(u64::MAX), request, payload: Bytes::new() };
    assert_eq!(apply(&mut state, command, NOW).output, Err(MetadataError::WriteBurned));
    assert_eq!((state.present_objects(), state.logical_bytes), (1, 10));
}

#[test]
fn a_step_of_the_search_is_bounded_by_extents_and_still_gets_past_an_object_that_has_more() {
    let mut state = empty_job(ByteBudget::new(1 << 20), NOW);
    let of_extents = |count| {
        let extent = |number| Extent { chunk: ChunkId { server: SERVER, number }, len: 1 };
        NewContent::Chunks { extents: (0..count).map(extent).collect() }
    };
    // With the piece that it is, an object of ten extents costs eleven.
    for number in 0..6 {
        commit(&mut state, number, of_extents(10), b"");
    }
    state.see(ClusterView { version: 1, newest: SERVER, ..ClusterView::default() }.into());
    let mut found = Vec::new();
    for most_extents in [22, 32, 0, 33] {
        state.search_losses(512, most_extents);
        found.push(state.losses.objects);
    }
    assert_eq!((found, state.losses.is_searching()), (vec![2, 4, 5, 6], false));
}

#[test]
fn a_lost_object_keeps_its_key_and_gives_back_what_lives_of_it_but_what_somebody_reads() {
    const ALIVE: NodeId = NodeId(8);
    let budget = ByteBudget::new(1 << 20);
    let mut state = empty_job(budget.clone(), NOW);
    let chunk = |server, number| ChunkId { server, number };
    let extents =
        |number| [SERVER, ALIVE].map(|server| Extent { chunk: chunk(server, number), len: 5 }).to_vec();
    for number in [1, 2] {
        commit(&mut state, number, NewContent::Chunks { extents: extents(number) }, b"");
    }
    let key = ObjectKey::parse("k2").unwrap();
    let (conditions, select, wait) = (ReadConditions::default(), Select::Whole, Duration::ZERO);
    let lookup = Lookup { key, conditions, select, want: Want::Data, wait };
    let command = |request| Command::Request {
        epoch: Epoch(1),
        until: Timestamp(u64::MAX),
        request,
        payload: Bytes::new(),
    };
    let read = apply(&mut state, command(Request::Lookup(lookup.clone())), NOW).output.unwrap();
    let Output::Answer(Answer { reply: Reply::Found(found), .. }) = read else { panic!("{read:?}") };
    state.see(ClusterView { version: 1, newest: SERVER, ..ClusterView::default() }.into());
    let freed = search(&mut state, 100).freed;
    assert_eq!(freed, [chunk(SERVER, 1), chunk(ALIVE, 1)], "the other is being read");
    assert_eq!((state.objects.len(), state.present_objects(), state.logical_bytes), (2, 0, 0));
    assert_eq!(apply(&mut state, command(Request::Lookup(lookup)), NOW).output, Err(MetadataError::Lost));
    let ended = apply(&mut state, Command::Release(found.lease.unwrap(), Delivery::Failed), NOW).effects;
    assert_eq!(ended.freed, [chunk(SERVER, 2), chunk(ALIVE, 2)]);
    assert!(!state.manifests.any_dead(), "nothing costs anything any more");
    [1, 2].into_iter().for_each(|number| delete(&mut state, number));
    assert_eq!((budget.used_bytes(), state.losses.objects), (0, 0));
}

#[test]
fn parts_that_died_go_in_steps_and_no_upload_is_completed_with_one_before() {
    let budget = ByteBudget::new(1 << 20);
    let mut state = empty_job(budget.clone(), NOW);
    let key = || ObjectKey::parse("k").unwrap();
    let request = |state: &mut JobState, request| {
        let command =
            Command::Request { epoch: Epoch(1), until: Timestamp(u64::MAX), request, payload: Bytes::new() };
        apply(state, command, NOW).output
    };
    let hints = ObjectHints::default();
    let create = CreateUpload { key: key(), headers: None, hints, checksum: None };
    let created = request(&mut state, Request::CreateUpload(create)).unwrap();
    let Output::Answer(Answer { reply: Reply::UploadCreated { upload, .. }, .. }) = created else {
        panic!("{created:?}")
    };
    let write = |number| WriteId { gateway: NodeId(9), number };
    for number in 1..=6 {
        // Every other on the server that dies.
        let server = if number % 2 == 0 { SERVER } else { NodeId(8) };
        let extents = vec![Extent { chunk: ChunkId { server, number }, len: 10 }];
        let part = PutPart {
            key: key(),
            upload: upload.clone(),
            number: number as u16,
            write: write(number),
            size: 10,
            etag: ETag::opaque(write(number)),
            checksum: None,
            content: NewContent::Chunks { extents },
        };
        request(&mut state, Request::PutPart(part)).unwrap();
    }
    state.see(ClusterView { version: 1, newest: SERVER, ..ClusterView::default() }.into());
    let complete = |state: &mut JobState, parts: &[u16]| {
        let parts = parts.iter().map(|&number| (number, write(number.into()))).collect();
        let (etag, condition) = (ETag::opaque(write(7)), WriteCondition::None);
        let (key, upload) = (key(), upload.clone());
        let complete = Complete { key, upload, parts, etag, checksum: None, condition };
        request(state, Request::Complete(complete))
    };
    assert_eq!(complete(&mut state, &[1, 2, 3]), Err(MetadataError::InvalidPart(2)), "not found out yet");
    search(&mut state, 1);
    let mut left = Vec::new();
    while state.losses.is_due() && left.len() < 20 {
        search(&mut state, 2);
        state.search_references(9, 9);
        left.push(state.logical_bytes);
    }
    // The upload itself is looked at as well.
    assert_eq!(left, [60, 50, 40, 30]);
    assert_eq!(complete(&mut state, &[1, 4]), Err(MetadataError::InvalidPart(4)));
    complete(&mut state, &[1, 3, 5]).unwrap();
    assert_eq!((state.logical_bytes, state.present_objects()), (30, 1));
    delete(&mut state, 0);
    let gone = request(&mut state, Request::Delete { key: key(), condition: WriteCondition::None });
    assert!(gone.is_ok() && state.logical_bytes == 0);
}
