//! Roles that are started one by one, as on several machines: hosts and addresses.

mod support;

use pocket_compat_tests::http;
use serde_json::Value;
use support::{Running, eventually, output, pocket, pocket_with_credentials};

/// A role on free ports, and the line of JSON that it says when it is ready.
fn start(args: &[&str]) -> Running {
    let home = tempfile::tempdir().unwrap();
    let mut command = pocket_with_credentials(home.path());
    command.args(args).args(["--admin", "127.0.0.1:0", "--json"]);
    Running::start(command, home)
}

fn ready(role: &mut Running) -> Value {
    let line = role.line().unwrap_or_else(|| panic!("not ready: {}", role.log()));
    serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}"))
}

fn admin(ready: &Value) -> &str {
    ready["admin"].as_str().unwrap().trim_start_matches("http://")
}

/// Role, address, host and state of each node that is not dead.
fn nodes(controller: &Value) -> Vec<[String; 4]> {
    let status = http::get(admin(controller), "/v1/status").unwrap().expect(200).text();
    let status: Value = serde_json::from_str(&status).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let nodes = status["nodes"].as_array().unwrap().iter().map(|pair| &pair[0]);
    nodes
        .map(|node| {
            let spec = &node["spec"];
            [text(&spec["role"]), text(&spec["address"]), text(&spec["host"]), text(&node["state"])]
        })
        .collect()
}

fn gateways(controller: &Value) -> Vec<[String; 4]> {
    nodes(controller).into_iter().filter(|node| node[0] == "gateway").collect()
}

#[test]
fn gateways_that_listen_everywhere_are_each_where_the_controller_hears_them() {
    let mut controller = start(&["controller", "--listen", "127.0.0.1:0", "--host", "c"]);
    let controller = ready(&mut controller);
    let at = controller["address"].as_str().unwrap();
    let gateway = |host| {
        let mut gateway = start(&["gateway", "--listen", "0.0.0.0:0", "--controller", at, "--host", host]);
        let said = ready(&mut gateway);
        (gateway, said)
    };
    let (_running, said): (Vec<Running>, Vec<Value>) = ["a", "b"].into_iter().map(gateway).unzip();
    assert!(said.iter().all(|line| line["address"].as_str().unwrap().starts_with("127.0.0.1:")), "{said:?}");
    let shown = gateways(&controller);
    assert_eq!(shown.iter().map(|node| node[2].as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(shown.iter().zip(&said).all(|(node, line)| line["address"] == node[1].as_str()), "{shown:?}");
}

#[test]
fn an_address_that_another_host_has_is_refused_and_its_owner_lives_until_it_is_forgotten() {
    let mut controller = start(&["controller", "--listen", "127.0.0.1:0", "--host", "c"]);
    let controller = ready(&mut controller);
    let at = controller["address"].as_str().unwrap();
    let gateway = |host| {
        let name = ["--advertise", "s3.invalid:9000"];
        let place = ["gateway", "--listen", "127.0.0.1:0", "--controller", at, "--host", host];
        start(&[place.as_slice(), &name].concat())
    };
    let mut first = gateway("a");
    let node = ready(&mut first)["node"].clone();
    let mut second = gateway("b");
    let why = "s3.invalid:9000 on host \"b\"";
    eventually("the second one is told why", || second.log().contains(why).then_some(()));
    assert_eq!(gateways(&controller).len(), 1);

    // Nobody can ask that address, so its end is not seen; somebody knows of it.
    first.signal("KILL");
    first.wait();
    let host = || gateways(&controller).pop().map(|node| (node[2].clone(), node[3].clone()));
    eventually("it is suspect", || (host()? == ("a".into(), "Suspect".into())).then_some(()));
    let mut forget = pocket(second.home.path());
    let id = format!("n{:x}", node.as_u64().unwrap());
    forget.args(["forget", &id, "--admin", admin(&controller)]);
    let said = output(forget);
    let text = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
    assert!(
        said.status.success() && text.contains("gateway at s3.invalid:9000 on a; lost with it"),
        "{text}"
    );
    ready(&mut second);
    eventually("the second one is a member", || (host()?.0 == "b").then_some(()));
}
