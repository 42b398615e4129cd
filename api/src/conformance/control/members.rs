//! Roles that join, beat, fall silent and leave.

use super::{Cluster, eventually};
use crate::cluster::{ClusterView, Directory, NodeSpec, NodeState, Role};
use crate::control::{ControlError, Heartbeat};
use crate::ids::NodeId;
use crate::limits::{NODE_TIMEOUT, SUSPECT_AFTER};
use crate::usage::{SpaceUse, UsageReport};
use std::time::Duration;

pub(super) async fn members_join_and_leave(c: Cluster) {
    let spec = NodeSpec { role: Role::Gateway, address: "a:1".into(), host: "h".into(), capacity_bytes: 0 };
    let first = c.control().join(spec.clone()).await.unwrap();
    let second = c.control().join(NodeSpec { address: "a:2".into(), ..spec.clone() }).await.unwrap();
    assert!(second.node > first.node, "ids grow with time");
    assert!(second.view.version > first.view.version, "a join makes a newer view");
    assert_eq!(second.view.newest, second.node);
    assert_eq!(second.view.node(first.node).unwrap().spec, spec);

    let beat = |view: &ClusterView| Heartbeat {
        term: view.term,
        view_version: view.version,
        ..Heartbeat::first(first.node)
    };
    let old = c.control().heartbeat(beat(&first.view)).await.unwrap();
    let newer = old.view.and_then(|update| update.onto(&first.view));
    assert_eq!(newer, Some(second.view.clone()), "a heartbeat brings the newer view");
    let new = c.control().heartbeat(beat(&second.view)).await.unwrap();
    assert_eq!(new.view, None, "a view that is known is not sent again");

    c.control().leave(first.node).await.unwrap();
    let told = c.heartbeat(second.node, Vec::new()).await.unwrap().view;
    let after = told.and_then(|update| update.onto(&second.view)).unwrap();
    assert!(after.is_dead(first.node) && !after.is_dead(second.node));
    assert_eq!(c.directory.view().version, after.version, "the controller's own directory follows");
}

pub(super) async fn a_process_that_joins_again_is_another_node(c: Cluster) {
    let old = c.join(Role::Storage, "10.0.0.1:7").await;
    let other_role = c.join(Role::Metadata, "10.0.0.1:7").await;
    let new = c.join(Role::Storage, "10.0.0.1:7").await;
    assert!(new > old);
    assert_eq!(c.heartbeat(old, Vec::new()).await, Err(ControlError::NotAMember), "the older one is dead");
    assert!(c.heartbeat(other_role, Vec::new()).await.is_ok(), "another role at the address is not");
    let (a, b) = (c.join(Role::Storage, "").await, c.join(Role::Storage, "").await);
    assert!(c.heartbeat(a, Vec::new()).await.is_ok(), "no address: {a} and {b} live in one process");
}

pub(super) async fn an_address_is_not_taken_over_from_another_host(c: Cluster) {
    let old = c.join_on("a", Role::Gateway, "s3.example:9000").await.unwrap();
    let refused = c.join_on("b", Role::Gateway, "s3.example:9000").await;
    let Err(ControlError::Refused(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains(&old.to_string()) && why.contains("\"a\""), "names the node and its host: {why}");
    assert_eq!(c.state(old).await, Some(NodeState::Live), "nothing has happened to it");
    c.control().leave(old).await.unwrap();
    c.join_on("b", Role::Gateway, "s3.example:9000").await.expect("the older one has ended");
}

pub(super) async fn an_address_that_refuses_is_evidence_once_the_line_is_closed(c: Cluster) {
    c.directory.refuse("10.0.0.1:7", &[true; 8]);
    let node = c.join(Role::Storage, "10.0.0.1:7").await;
    let other = c.join(Role::Storage, "10.0.0.2:7").await;
    c.pass(SUSPECT_AFTER, &[node, other]).await;
    assert_eq!(c.directory.unasked("10.0.0.1:7"), 8, "nobody asks for a node that calls");
    c.hung_up(node);
    eventually("a node that hung up and refuses is dead", async || c.state(node).await.is_none()).await;
    assert_eq!(c.directory.unasked("10.0.0.1:7"), 6, "two refusals are enough");
    assert!(c.heartbeat(other, Vec::new()).await.is_ok());
}

pub(super) async fn what_is_forgotten_is_dead_at_once(c: Cluster) {
    let ((shard, _), (server, _)) = (c.shard().await, c.server().await);
    c.register("data").await.unwrap();
    let space = SpaceUse { chunks_bytes: 77, ..SpaceUse::default() };
    c.seams.usage.report(server, UsageReport { space, ..UsageReport::default() }).await.unwrap();
    let lost = c.control().forget(server).await.unwrap();
    assert_eq!((lost.spec.role, lost.chunks_bytes, lost.buckets), (Role::Storage, 77, vec![]));
    assert_eq!(c.heartbeat(server, Vec::new()).await, Err(ControlError::NotAMember));
    let lost = c.control().forget(shard).await.unwrap();
    assert_eq!((lost.spec.role, lost.buckets), (Role::Metadata, vec![super::bucket("data")]));
    // Its servers were due for a change first, and then a while passes.
    c.pass(Duration::from_secs(1), &[]).await;
    eventually("its jobs end", async || c.placement("data").await == Err(ControlError::NoSuchBucket)).await;
}

pub(super) async fn silence_of_most_other_hosts_kills_nobody(c: Cluster) {
    let own = c.join_on("c", Role::Controller, "").await.unwrap();
    let mut others = Vec::new();
    for host in ["a", "b"] {
        others.push(c.join_on(host, Role::Gateway, "").await.unwrap());
    }
    c.pass(SUSPECT_AFTER * 2, &[own]).await;
    let held = async || c.control().status().await.unwrap().held_for.is_some();
    eventually("the controller is held", held).await;
    c.pass(NODE_TIMEOUT * 2, &[own]).await;
    for &node in &others {
        c.heartbeat(node, Vec::new()).await.expect("it is a member as before");
    }
    eventually("it is not held any more", async || !held().await).await;
    c.pass(SUSPECT_AFTER, &[own, others[0], others[1]]).await;
    assert_eq!(c.state(others[0]).await, Some(NodeState::Live));
}

pub(super) async fn strangers_are_told_to_join(c: Cluster) {
    let node = c.join(Role::Gateway, "").await;
    c.control().leave(node).await.unwrap();
    for stranger in [node, NodeId(node.0 + 1_000)] {
        assert_eq!(c.heartbeat(stranger, Vec::new()).await, Err(ControlError::NotAMember));
        assert_eq!(c.control().leave(stranger).await, Err(ControlError::NotAMember));
        assert_eq!(c.control().forget(stranger).await, Err(ControlError::NotAMember));
        let report = c.seams.usage.report(stranger, UsageReport::default()).await;
        assert_eq!(report, Err(ControlError::NotAMember));
    }
}

pub(super) async fn silence_is_suspect_and_then_death(c: Cluster) {
    let (silent, beating) = (c.join(Role::Gateway, "").await, c.join(Role::Gateway, "").await);
    c.pass(SUSPECT_AFTER * 4 / 3, &[beating]).await;
    eventually("a silent node is suspect", async || c.state(silent).await == Some(NodeState::Suspect)).await;
    assert_eq!(c.state(beating).await, Some(NodeState::Live));
    c.heartbeat(silent, Vec::new()).await.unwrap();
    assert_eq!(c.state(silent).await, Some(NodeState::Live), "one heartbeat clears it");
    c.pass(NODE_TIMEOUT + SUSPECT_AFTER, &[beating]).await;
    eventually("a silent node dies", async || c.state(silent).await.is_none()).await;
    assert_eq!(c.heartbeat(silent, Vec::new()).await, Err(ControlError::NotAMember), "death is for good");
    assert_eq!(c.state(beating).await, Some(NodeState::Live));
}
