//! Who is declared dead and who is not: real processes that are stopped, go on, and are killed. What each state means is
//! in docs/operations.md. One cluster a test: it is not whole afterwards.

use pocket_compat_tests::objects::{BACK_WITHIN, Objects};
use pocket_compat_tests::s3::Client;
use pocket_compat_tests::server::{Server, signal};
use pocket_compat_tests::{bytes, http, unique_bucket};
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

/// By promise it is a second; the rest is for a machine that runs other tests too.
const TOLD_WITHIN: Duration = Duration::from_secs(4);
const STOPPED_FOR: Duration = Duration::from_secs(10);
/// So that this is several times over in [`STOPPED_FOR`].
const NODE_TIMEOUT: &str = "3s";

fn status(server: &Server) -> Value {
    let answer = http::get(&server.admin, "/v1/status").expect("the admin port answers").expect(200);
    serde_json::from_str(&answer.text()).expect("a status")
}

fn gateways(server: &Server) -> [Client; 2] {
    [server.client_of(0), server.client_of(1)]
}

/// Ids of the nodes that are not dead.
fn nodes(server: &Server) -> Vec<u64> {
    let status = status(server);
    let nodes = status["nodes"].as_array().expect("nodes").iter();
    nodes.map(|node| node[0]["id"].as_u64().expect("an id")).collect()
}

#[test]
fn all_but_the_controller_are_silent_for_a_while_and_nothing_is_lost() {
    let server = Server::impatient_cluster(NODE_TIMEOUT);
    let objects = Objects::put(&server.client(), "silent");
    let before = nodes(&server);
    let others: Vec<u32> =
        server.processes.iter().filter(|p| p.role != "controller").map(|p| p.pid).collect();
    others.iter().for_each(|&pid| signal(pid, "STOP"));
    let stopped = Instant::now();
    let mut was_held = false;
    while stopped.elapsed() < STOPPED_FOR {
        was_held |= !status(&server)["held_for"].is_null();
        thread::sleep(Duration::from_millis(200));
    }
    assert!(was_held, "the controller holds itself for the one that is cut off");
    others.iter().for_each(|&pid| signal(pid, "CONT"));
    println!("served again {:?} after {STOPPED_FOR:?} of silence", objects.back_after(&gateways(&server)));
    assert_eq!(nodes(&server), before, "nobody had to join again");
    let back = Instant::now();
    while !status(&server)["held_for"].is_null() {
        assert!(back.elapsed() < BACK_WITHIN, "still held");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_controller_stands_still_for_a_while_and_nothing_is_lost() {
    let server = Server::impatient_cluster(NODE_TIMEOUT);
    let objects = Objects::put(&server.client(), "controller");
    objects.back_after(&gateways(&server));
    let before = nodes(&server);
    let controller = server.role("controller")[0].pid;
    signal(controller, "STOP");
    let stopped = Instant::now();
    while stopped.elapsed() < STOPPED_FOR {
        assert!(objects.are_served(&server.client_of(0)), "data goes on without it");
        thread::sleep(Duration::from_millis(200));
    }
    signal(controller, "CONT");
    let awake = Instant::now();
    while server.client().create_bucket(&unique_bucket("after"), &[]).status != 200 {
        assert!(awake.elapsed() < BACK_WITHIN, "no bucket can be made");
    }
    println!("buckets are made again {:?} after the controller stood still", awake.elapsed());
    objects.back_after(&gateways(&server));
    // Whoever it would have declared dead would be gone by now.
    thread::sleep(Duration::from_secs(2));
    assert_eq!(nodes(&server), before);
    assert!(objects.are_served(&server.client_of(1)));
}

#[test]
fn a_process_that_is_killed_is_told_dead_within_about_a_second() {
    let server = Server::own_cluster();
    let clients = gateways(&server);
    let objects = Objects::put(&clients[0], "killed");
    // Over all servers, so that it dies with any of them.
    let wide = format!("/{}/wide", objects.bucket);
    clients[0].put(&wide, &bytes(77, 24 << 20)).expect(200);
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let since = Instant::now();
        while !holds() {
            assert!(since.elapsed() < TOLD_WITHIN, "{what}: not after {TOLD_WITHIN:?}");
            thread::sleep(Duration::from_millis(5));
        }
        println!("{what}: {:?} after its death", since.elapsed());
    };

    signal(server.role("storage")[0].pid, "KILL");
    until("a storage server's objects are lost everywhere", &|| {
        clients.iter().all(|client| client.head(&wide).header("x-pocket-lost") == Some("true"))
    });
    clients[1].put(&wide, &bytes(78, 24 << 20)).expect(200);

    signal(server.role("metadata")[0].pid, "KILL");
    until("the buckets of a metadata shard have ended everywhere", &|| {
        clients.iter().all(|client| client.get(&wide).code() == "NoSuchBucket")
    });
    let dead = "pocket_controller_dead_nodes_total";
    assert_eq!(pocket_compat_tests::metrics::sum(&server.admin, dead) as u32, 2);
}

#[test]
fn a_process_that_is_stopped_is_suspect_and_goes_on_as_if_nothing_had_been() {
    let server = Server::own_cluster();
    let objects = Objects::put(&server.client(), "stopped");
    let before = nodes(&server);
    let storage = server.role("storage")[0].pid;
    signal(storage, "STOP");
    thread::sleep(STOPPED_FOR / 2);
    let is_suspect = |node: &Value| node[0]["state"] == "Suspect";
    let suspects =
        status(&server)["nodes"].as_array().expect("nodes").iter().filter(|n| is_suspect(n)).count();
    assert_eq!(suspects, 1, "silence of some seconds kills nobody");
    // New data goes elsewhere.
    server.client().put(&format!("/{}/elsewhere", objects.bucket), &bytes(9, 3_000_000)).expect(200);
    signal(storage, "CONT");
    objects.back_after(&gateways(&server));
    assert_eq!(nodes(&server), before);
}
