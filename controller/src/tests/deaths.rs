//! What kills a node, in which order a death is told, and what does not kill.

use crate::fixture::{Rig, settle};
use crate::state::event::{Event, Request};
use pocket_api::cluster::{Directory, NodeSpec, NodeState, Role};
use pocket_api::control::ControlError;
use pocket_api::ids::NodeId;
use pocket_api::limits::NODE_TIMEOUT;
use std::path::Path;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(500);
/// After it a node that did not die is asked about again.
const ROUND: Duration = Duration::from_secs(2);

fn spec(role: Role, address: &str, host: &str) -> NodeSpec {
    NodeSpec { role, address: address.into(), host: host.into(), capacity_bytes: 1 << 30 }
}

fn hangs_up(rig: &Rig, node: NodeId) {
    rig.doing.handle(Event::HungUp(node));
}

fn is_dead(rig: &Rig, node: NodeId) -> bool {
    rig.directory.view().is_dead(node)
}

#[tokio::test(start_paused = true)]
async fn two_refusals_on_end_of_a_node_that_hung_up_are_its_death() {
    for (answers, dies) in [
        (&[true, true][..], true),
        // Its port was still open when its connection was closed already.
        (&[false, true, true], true),
        (&[true, false, true], false),
        (&[true], false),
        (&[], false),
    ] {
        let rig = Rig::new(1, 1).await;
        let node = rig.join_as(spec(Role::Gateway, "g:1", "a")).await;
        rig.directory.refuse("g:1", answers);
        rig.tick().await;
        assert_eq!(rig.directory.unasked("g:1"), answers.len(), "a line that is open is not doubted");
        hangs_up(&rig, node);
        settle().await;
        assert_eq!(is_dead(&rig, node), dies, "{answers:?}");
        assert_eq!(rig.directory.unasked("g:1"), 0, "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_calls_again_in_between_lives() {
    let rig = Rig::new(1, 1).await;
    let node = rig.join_as(spec(Role::Gateway, "g:1", "a")).await;
    rig.directory.refuse("g:1", &[true, true, true]);
    hangs_up(&rig, node);
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.beat(node).await;
    settle().await;
    assert!(!is_dead(&rig, node));
    rig.round(ROUND, &[]).await;
    assert_eq!(rig.directory.unasked("g:1"), 1, "and nobody asks any more");
}

#[tokio::test(start_paused = true)]
async fn silence_of_one_host_kills_and_silence_of_all_holds_the_controller() {
    let rig = Rig::new(0, 0).await;
    rig.join_as(spec(Role::Controller, "", "c")).await;
    let mut nodes: Vec<NodeId> = Vec::new();
    for host in ["a", "b", "d"] {
        nodes.push(rig.join_as(spec(Role::Gateway, "", host)).await);
    }
    let held = || rig.doing.read(|state, now| state.members.held_for(now).is_some());
    for _ in 0..200 {
        rig.round(STEP, &nodes).await;
    }
    assert!(held() && rig.directory.view().nodes.len() == 4);
    for _ in 0..8 {
        rig.round(STEP, &nodes[..1]).await;
    }
    assert!(!held() && !is_dead(&rig, nodes[0]), "its silence counts from now on");
    let states = rig.directory.view();
    assert_eq!(states.node(nodes[1]).map(|node| node.state), Some(NodeState::Live));
    rig.round(NODE_TIMEOUT, &nodes[..1]).await;
    assert!(is_dead(&rig, nodes[0]) && !is_dead(&rig, nodes[1]));
}

/// Nothing can be written into the folder of the state file any more.
fn block(folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
    std::fs::write(folder, "in the way").unwrap();
}

fn unblock(folder: &Path) {
    std::fs::remove_file(folder).unwrap();
    std::fs::create_dir(folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_a_death_that_cannot_be_written_down_and_it_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let mut rig = Rig::with_file(Some(path.clone()), 2, 1).await;
    let job = rig.register("data").await.unwrap();
    let shard = job.shards[0];
    let before = rig.directory.view();
    block(folder.path());
    rig.round(NODE_TIMEOUT + STEP, &[shard]).await;
    assert_eq!(rig.directory.view().nodes.len(), before.nodes.len());
    assert!(rig.placement("data").is_ok(), "its jobs have not ended either");
    // Whoever comes back until then was never dead.
    rig.round(STEP, &[]).await;
    assert!(rig.is_member(shard));
    rig.round(NODE_TIMEOUT + STEP, &[shard]).await;
    unblock(folder.path());
    rig.round(STEP, &[shard]).await;
    assert!(is_dead(&rig, shard));
    assert_eq!(rig.placement("data"), Err(ControlError::NoSuchBucket));
    rig.restart(path);
    assert!(!rig.is_member(shard), "it was in the file");
}

#[tokio::test(start_paused = true)]
async fn a_death_is_on_disk_when_the_view_tells_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let rig = Rig::with_file(Some(path.clone()), 1, 2).await;
    let gone = rig.servers[0].0;
    let forgotten = rig.doing.ask(Request::Forget(gone));
    tokio::pin!(forgotten);
    loop {
        let is_told = futures::poll!(&mut forgotten).is_ready();
        let seen = is_dead(&rig, gone);
        if seen {
            let next = rig.successor(path.clone());
            assert!(!next.read(|state, _| state.members.contains(gone)));
        }
        assert!(seen || !is_told, "told before it is shown");
        if is_told {
            break;
        }
        tokio::task::yield_now().await;
    }
}
