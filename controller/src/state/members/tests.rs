//! Tables of who is suspect, held and dead.

use super::*;
use pocket_api::limits::NODE_TIMEOUT;

const START: Timestamp = Timestamp(1_000_000);

fn spec(role: Role, address: &str, host: &str) -> NodeSpec {
    NodeSpec { role, address: address.into(), host: host.into(), capacity_bytes: 1 }
}

/// Nodes 1, 2 and so on, each on the host that is named, the controller on the host "c".
fn on_hosts(hosts: &[&str]) -> Members {
    let node = |(id, host): (u64, &&str)| {
        let role = if *host == "c" { Role::Controller } else { Role::Storage };
        (NodeId(id), spec(role, "", host))
    };
    Members::starting_at(Term(1), 10, NodeId(hosts.len() as u64), (1..).zip(hosts).map(node), START)
}

fn states(members: &Members) -> Vec<(u64, NodeState)> {
    members.view().nodes.iter().map(|n| (n.id.0, n.state)).collect()
}

fn at(ms: u64) -> Timestamp {
    START + Duration::from_millis(ms)
}

/// Time passes in steps of half a second, as nodes beat, from `from` to `to` seconds, with these beating. Answers with
/// those that were overdue, and what became of the hold.
fn pass(members: &mut Members, from: u64, to: u64, beating: &[u64]) -> (Vec<u64>, Vec<Hold>) {
    let (mut overdue, mut holds) = (Vec::new(), Vec::new());
    for half in from * 2 + 1..=to * 2 {
        let now = at(half * 500);
        beating.iter().for_each(|&id| members.heard(NodeId(id), now).unwrap());
        let aged = members.age(now, NODE_TIMEOUT);
        holds.extend(aged.hold);
        members.bury(&aged.overdue);
        overdue.extend(aged.overdue.into_iter().map(|id| id.0));
    }
    (overdue, holds)
}

#[test]
fn a_silent_node_is_suspect_then_overdue_and_every_change_of_a_state_is_a_new_version() {
    use NodeState::{Live, Suspect};
    let mut members = on_hosts(&["a", "a", "b", "c"]);
    let beat = |members: &mut Members, ids: &[u64], now| {
        ids.iter().for_each(|&id| members.heard(NodeId(id), now).unwrap());
    };
    assert_eq!(members.age(at(1_500), NODE_TIMEOUT), Aged::default(), "not yet longer than the limit");
    assert_eq!(members.version(), 10);
    beat(&mut members, &[1, 4], at(1_500));
    let suspected = members.age(at(1_501), NODE_TIMEOUT).suspected;
    assert_eq!(suspected.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(states(&members), [(1, Live), (2, Suspect), (3, Suspect), (4, Live)]);
    assert_eq!(members.version(), 11);
    beat(&mut members, &[2], at(2_000));
    assert_eq!((states(&members)[1], members.version()), ((2, Live), 12));
    assert_eq!(members.heard(NodeId(9), at(2_000)), Err(ControlError::NotAMember));
}

/// Hosts of the nodes, who beats, and who is dead after so many seconds of that.
type Case = (&'static [&'static str], &'static [u64], u64, &'static [u64]);

#[test]
fn silence_kills_after_the_timeout_unless_most_of_the_other_hosts_are_silent() {
    let cases: &[Case] = &[
        // One other host: nobody can say who is cut off.
        (&["c", "a"], &[1], 600, &[]),
        // Two: one may die, both may not.
        (&["c", "a", "b"], &[1, 2], 30, &[]),
        (&["c", "a", "b"], &[1, 2], 31, &[3]),
        (&["c", "a", "b"], &[1], 600, &[]),
        // Three: one may die, two may not.
        (&["c", "a", "b", "d"], &[1, 2, 3], 31, &[4]),
        (&["c", "a", "b", "d"], &[1, 2], 600, &[]),
        // Half of four is not more than half.
        (&["c", "a", "b", "d", "e"], &[1, 2, 3], 31, &[4, 5]),
        // One process of a host is not the host: it is the process.
        (&["c", "a", "a"], &[1, 2], 31, &[3]),
        (&["c", "a", "a", "b", "b"], &[1, 2, 4], 31, &[3, 5]),
        // On the controller's own host no network lies between; while it is held these do not die either.
        (&["c", "c", "a"], &[1], 600, &[]),
        (&["c", "c"], &[1], 31, &[2]),
    ];
    for (hosts, beating, seconds, dead) in cases {
        let mut members = on_hosts(hosts);
        let (overdue, _) = pass(&mut members, 0, *seconds, beating);
        assert_eq!(overdue, *dead, "{hosts:?} {beating:?} {seconds}s");
    }
}

#[test]
fn what_comes_back_from_a_hold_goes_on_and_its_time_is_nobodys_silence() {
    let mut members = on_hosts(&["c", "a", "b", "d"]);
    assert_eq!(pass(&mut members, 0, 20, &[1, 2, 3]), (vec![], vec![]), "4 is suspect");
    let (overdue, holds) = pass(&mut members, 20, 620, &[1]);
    assert_eq!((overdue, holds), (vec![], vec![Hold::Began { silent: 3, hosts: 3 }]), "ten minutes");
    assert_eq!(members.held_for(at(620_000)), Some(Duration::from_millis(598_000)));
    // 2 and 3 come back; 4, which had 20 s behind it, has some 8 s left.
    let (overdue, holds) = pass(&mut members, 620, 628, &[1, 2, 3]);
    assert!(overdue.is_empty() && matches!(holds[..], [Hold::Ended { .. }]), "{overdue:?} {holds:?}");
    assert_eq!(members.held_for(at(628_000)), None);
    assert_eq!(pass(&mut members, 628, 632, &[1, 2, 3]), (vec![4], vec![]));
}

#[test]
fn with_a_timeout_without_end_nobody_dies_of_silence() {
    let mut members = on_hosts(&["c", "c"]);
    let aged = members.age(at(10_000_000), Duration::MAX);
    assert_eq!((aged.overdue, aged.suspected.len()), (vec![], 2));
}

#[test]
fn nobody_is_suspect_because_the_controller_stood_still() {
    let mut members = on_hosts(&["c", "c", "c"]);
    let standstill = Duration::from_secs(60);
    let awake = START + standstill;
    // One was heard before the standstill was noticed: that buys it no silence later.
    members.heard(NodeId(1), awake).unwrap();
    members.forgive(standstill, awake);
    assert_eq!(members.age(awake + SUSPECT_AFTER, NODE_TIMEOUT), Aged::default());
    let late = awake + NODE_TIMEOUT + Duration::from_millis(1);
    assert_eq!(members.age(late, NODE_TIMEOUT).overdue.len(), 3);
}

#[test]
fn an_address_is_taken_over_on_its_host_and_refused_elsewhere() {
    let mut members = on_hosts(&[]);
    let join = |members: &mut Members, id, role, address, host| {
        members.join(NodeId(id), spec(role, address, host), START)
    };
    join(&mut members, 4, Role::Gateway, "0.0.0.0:9000", "a").unwrap();
    join(&mut members, 5, Role::Storage, "0.0.0.0:9000", "b").expect("another role is another port");
    join(&mut members, 6, Role::Storage, "", "b").unwrap();
    join(&mut members, 7, Role::Storage, "", "b").expect("no address is no identity");
    let again = |host| members.replaced_by(&spec(Role::Gateway, "0.0.0.0:9000", host));
    assert_eq!(again("a"), Ok(vec![NodeId(4)]), "a port is bound once on a host");
    let Err(ControlError::Refused(why)) = again("b") else { panic!("{:?}", again("b")) };
    assert!(why.contains("n4 on host \"a\"") && why.contains("advertise"), "{why}");
    // Whoever did not bury the older one first does not get in.
    assert!(join(&mut members, 8, Role::Gateway, "0.0.0.0:9000", "a").is_err());
    members.bury(&[NodeId(4)]);
    join(&mut members, 9, Role::Gateway, "0.0.0.0:9000", "b").expect("the older one has ended");
}

#[test]
fn who_hung_up_is_asked_about_once_in_a_while_until_it_calls() {
    let mut members = on_hosts(&[]);
    for (id, address) in [(1, "a:1"), (2, "a:2"), (3, "")] {
        members.join(NodeId(id), spec(Role::Storage, address, "a"), START).unwrap();
    }
    let asked = |members: &mut Members, now| -> Vec<u64> {
        members.take_to_ask(now, 8).into_iter().map(|(id, _)| id.0).collect()
    };
    assert_eq!(asked(&mut members, START), [] as [u64; 0], "their lines are open");
    [1, 2, 3].into_iter().for_each(|id| members.hung_up(NodeId(id), START));
    assert_eq!(members.take_to_ask(START, 0), [], "no hand is free");
    assert_eq!(asked(&mut members, START), [1, 2], "there is nothing to ask at no address");
    assert_eq!(asked(&mut members, at(1_999)), [] as [u64; 0], "a round is under way");
    members.heard(NodeId(1), at(1_999)).unwrap();
    assert_eq!(asked(&mut members, at(2_000)), [2]);
    assert!(!members.may_have_ended(NodeId(1)) && members.may_have_ended(NodeId(2)));
}

#[test]
fn while_the_controller_is_held_a_refusal_means_nothing() {
    let mut members = on_hosts(&["c"]);
    for (id, host) in [(2, "a"), (3, "b")] {
        members.join(NodeId(id), spec(Role::Storage, &format!("{host}:1"), host), START).unwrap();
        members.hung_up(NodeId(id), at(1_600));
    }
    members.heard(NodeId(1), at(1_600)).unwrap();
    assert!(members.may_have_ended(NodeId(2)));
    assert!(members.age(at(1_600), NODE_TIMEOUT).hold.is_some());
    assert_eq!((members.take_to_ask(at(1_600), 8), members.may_have_ended(NodeId(2))), (vec![], false));
    members.heard(NodeId(3), at(1_700)).unwrap();
    members.age(at(1_700), NODE_TIMEOUT);
    assert_eq!(members.take_to_ask(at(1_700), 8).len(), 1, "half of them is not more than half");
}

#[test]
fn members_of_an_earlier_controller_are_asked_about_once_they_could_have_called() {
    let nodes = [(NodeId(1), spec(Role::Storage, "a:1", "a")), (NodeId(2), spec(Role::Storage, "b:1", "b"))];
    let mut members = Members::starting_at(Term(1), 1, NodeId(2), nodes, START);
    members.heard(NodeId(1), at(1_000)).unwrap();
    assert_eq!(members.take_to_ask(at(1_499), 8), []);
    let asked: Vec<NodeId> = members.take_to_ask(at(1_500), 8).into_iter().map(|(id, _)| id).collect();
    assert_eq!(asked, [NodeId(2)]);
}

#[test]
fn the_doomed_are_members_for_all_but_the_file_until_they_are_buried_or_spared() {
    let kept = |members: &Members| members.ids().filter(|id| members.kept(*id).is_some()).count();
    let mut members = on_hosts(&["a", "b"]);
    assert_eq!(members.doom(&[NodeId(1), NodeId(7)]).len(), 1, "7 is nobody");
    assert_eq!(members.doom(&[NodeId(1)]), [], "once is enough");
    assert_eq!((kept(&members), members.view().nodes.len(), members.version()), (1, 2, 10));
    assert!(matches!(members.heard(NodeId(1), START), Err(ControlError::Unavailable(_))));
    members.spare(&[NodeId(1)]);
    assert_eq!((kept(&members), members.heard(NodeId(1), START)), (2, Ok(())));
    members.doom(&[NodeId(1)]);
    members.bury(&[NodeId(1)]);
    assert!(members.view().is_dead(NodeId(1)) && members.version() == 11);
    members.bury(&[NodeId(1)]);
    assert_eq!(members.version(), 11, "nothing has changed");
}

#[test]
fn the_cluster_is_bounded() {
    let nodes = (1..=MEMBERS_MAX as u64).map(|id| (NodeId(id), spec(Role::Gateway, &format!("g:{id}"), "g")));
    let mut members = Members::starting_at(Term(1), 1, NodeId(MEMBERS_MAX as u64), nodes, START);
    let next = NodeId(MEMBERS_MAX as u64 + 1);
    let refused = members.join(next, spec(Role::Gateway, "g:new", "g"), START);
    assert!(matches!(refused, Err(ControlError::Unavailable(_))));
    members.bury(&[NodeId(7)]);
    members.join(next, spec(Role::Gateway, "g:7", "g"), START).unwrap();
}

#[test]
fn changes_say_what_the_whole_view_says() {
    let mut members = on_hosts(&["c", "a", "b", "d"]);
    let mut views = vec![members.view()];
    members.bury(&[NodeId(2)]);
    views.push(members.view());
    members.join(NodeId(9), spec(Role::Gateway, "", "e"), at(0)).unwrap();
    views.push(members.view());
    members.heard(NodeId(9), at(10_000)).unwrap();
    members.age(at(10_000), Duration::MAX);
    views.push(members.view());
    members.heard(NodeId(3), at(10_000)).unwrap();
    members.bury(&[NodeId(4), NodeId(9)]);
    let now = members.view();
    for held in views {
        let update = members.update_since(Term(1), held.version).unwrap();
        assert!(matches!(update, ViewUpdate::Changes(_)));
        assert_eq!(update.onto(&held), Some(now.clone()), "from {}", held.version);
    }
    assert_eq!(members.update_since(Term(1), now.version), None);
    for (term, version) in [(Term(0), now.version), (Term(1), 0), (Term(1), now.version + 1)] {
        assert_eq!(members.update_since(term, version), Some(ViewUpdate::Whole(now.clone())));
    }
}

#[test]
fn who_has_missed_more_deaths_than_are_remembered_is_told_the_whole_view() {
    let mut members = on_hosts(&["c", "a"]);
    let first = members.version();
    for id in 10..20 + GONE_MAX as u64 {
        members.join(NodeId(id), spec(Role::Gateway, "", "e"), at(0)).unwrap();
        members.bury(&[NodeId(id)]);
    }
    assert!(matches!(members.update_since(Term(1), first), Some(ViewUpdate::Whole(_))));
    assert!(matches!(members.update_since(Term(1), members.version() - 2), Some(ViewUpdate::Changes(_))));
}
