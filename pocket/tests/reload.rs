//! SIGHUP: what may change is taken over while requests go on, and what is wrong changes nothing.

mod support;

use pocket_compat_tests::http::Connection;
use pocket_compat_tests::s3::Client;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use support::{ACCESS_KEY, Running, SECRET_KEY, eventually, is_alive, pocket, pocket_with_credentials};

const HANG_UPS: usize = 100;

fn tenant(id: &str, secret: &str) -> String {
    format!("[[tenant]]\nname = \"team\"\naccess-key-id = \"{id}\"\nsecret-access-key = \"{secret}\"\n")
}

/// `pocket serve` with this file, and where that is: `pocket.toml` in its home.
fn serve(text: &str) -> Running {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("pocket.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = pocket_with_credentials(home.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capacity", "64MiB"]);
    command.arg("--config").arg(&file);
    Running::start(command, home)
}

/// Writes the file anew in one step, has it read, and answers the line that was logged of it.
fn reload(serve: &Running, text: &str) -> String {
    let file = serve.home.path().join("pocket.toml");
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, &file).unwrap();
    hang_up(serve.pid(), || serve.log(), "SIGHUP")
}

/// Sends the signal and waits for the next line with `mark`.
fn hang_up(pid: u32, log: impl Fn() -> String, mark: &str) -> String {
    let lines = || log().lines().filter(|line| line.contains(mark)).map(str::to_owned).collect::<Vec<_>>();
    let before = lines().len();
    support::signal(pid, "HUP");
    eventually("a line about the signal", || lines().get(before).cloned())
}

#[test]
fn no_request_fails_while_it_is_told_a_hundred_times() {
    let versions = [tenant("COMES", "of-one-12") + "[profile.a]\nttl = 60\n", tenant("GOES", "of-two-12")];
    let mut serve = serve(&versions[0]);
    let banner = serve.banner();
    let client = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
    client.create_bucket("busy", &[]).expect(200);
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let body = vec![7; 100 << 10];
    // As many turns as it takes, each a write and a read; `connection`: kept from one request to the next.
    let work = |name: usize, mut connection: Option<Connection>| {
        let path = format!("/busy/{name}");
        while !done.load(Ordering::Relaxed) {
            for (method, sent) in [("PUT", &body[..]), ("GET", &[])] {
                let request = client.request(method, &path).body(sent);
                let answer = match &mut connection {
                    Some(kept) => request.send_on(kept).unwrap(),
                    None => request.send(),
                };
                let answer = answer.expect(200);
                assert!(method == "PUT" || answer.body == body);
                asked.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for name in 0..4 {
            let kept = (name % 2 == 0).then(|| Connection::open(banner.endpoint()).unwrap());
            scope.spawn(move || work(name, kept));
        }
        for turn in 1..=HANG_UPS {
            let before = asked.load(Ordering::Relaxed);
            let line = reload(&serve, &versions[turn % 2]);
            assert!(line.contains("access keys added"), "{line}");
            eventually("requests go on", || (asked.load(Ordering::Relaxed) > before).then_some(()));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(asked.load(Ordering::Relaxed) >= HANG_UPS);
}

#[test]
fn keys_count_and_stop_counting_with_the_next_request() {
    let mut serve = serve(&(tenant("STAYS", "of-stays-12") + &tenant("GOES", "of-goes-12")));
    let banner = serve.banner();
    let client = |id: &str, secret: &str| Client::new(banner.endpoint(), id, secret);
    let mut kept = Connection::open(banner.endpoint()).unwrap();
    let mut on_kept = |client: &Client| client.request("GET", "/").send_on(&mut kept).unwrap();
    for client in [client("STAYS", "of-stays-12"), client("GOES", "of-goes-12")] {
        // Often enough that the keys that were derived of its secret are kept everywhere.
        (0..8).for_each(|_| drop((on_kept(&client).expect(200), client.get("/").expect(200))));
    }
    client("COMES", "of-comes-12").get("/").expect_error(403, "InvalidAccessKeyId");

    let line = reload(&serve, &(tenant("STAYS", "another-12") + &tenant("COMES", "of-comes-12")));
    for said in ["access keys added: COMES", "access keys changed: STAYS", "access keys removed: GOES"] {
        assert!(line.contains(said), "{said} is missing in {line}");
    }
    assert!(!line.contains("another-12") && !serve.log().contains("of-comes-12"));
    on_kept(&client("GOES", "of-goes-12")).expect_error(403, "InvalidAccessKeyId");
    on_kept(&client("STAYS", "of-stays-12")).expect_error(403, "SignatureDoesNotMatch");
    client("STAYS", "of-stays-12").get("/").expect_error(403, "SignatureDoesNotMatch");
    on_kept(&client("STAYS", "another-12")).expect(200);
    on_kept(&client("COMES", "of-comes-12")).expect(200);
    on_kept(&client(ACCESS_KEY, SECRET_KEY)).expect(200);
}

#[test]
fn profiles_and_the_log_change_and_the_rest_waits() {
    let mut serve = serve("");
    let banner = serve.banner();
    let client = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
    client.put("/unknown/key", b"").expect_error(404, "NoSuchBucket");
    let line = reload(
        &serve,
        "region = \"eu-1\"\nlog.filter = \"warn\"\nadmin.listen = \"off\"\n\
         [gateway]\ndefault-profile = \"short\"\nauto-register = \"short\"\n[profile.short]\nttl = 900\nreads = 1\n",
    );
    for said in [
        "profiles added: short",
        "log.filter info -> warn",
        "gateway.auto-register none -> short",
        // Options outweigh the file: the address of the admin port is theirs.
        "ignored until a restart: region",
    ] {
        assert!(line.contains(said), "{said} is missing in {line}");
    }
    let again = reload(
        &serve,
        "region = \"eu-1\"\nlog.filter = \"info\"\n[gateway]\nauto-register = \"short\"\n[profile.short]\nttl = 900\nreads = 1\n",
    );
    assert!(again.contains("ignored until a restart: region"), "it still waits: {again}");
    client.put("/unknown/key", b"").expect(200);
    assert_eq!(client.head("/unknown").header("x-pocket-ttl"), Some("15m"));
    assert_eq!(client.head("/unknown").header("x-pocket-reads"), Some("1"));
}

#[test]
fn a_file_that_is_wrong_changes_nothing_and_is_said() {
    let good = tenant("STAYS", "of-stays-12");
    let mut serve = serve(&good);
    let banner = serve.banner();
    let client = Client::new(banner.endpoint(), "STAYS", "of-stays-12");
    for (bad, why) in [
        ("[[tenant]", "line 1: "),
        ("[[tenant]]\nname = \"x\"\naccess-key-id = \"OTHER\"\nsecret-access-key = \"short\"", "line 4: "),
        ("[storage]\ncapcity = 1", "capcity"),
        ("[profile.a]\nttl = \"soon\"", "soon"),
    ] {
        let line = reload(&serve, bad);
        assert!(line.contains("nothing was taken over") && line.contains(why), "{line}");
        client.get("/").expect(200);
    }
    std::fs::remove_file(serve.home.path().join("pocket.toml")).unwrap();
    let line = hang_up(serve.pid(), || serve.log(), "SIGHUP");
    assert!(line.contains("pocket.toml"), "{line}");
    client.get("/").expect(200);
    assert!(reload(&serve, &good).contains("nothing to take over"));
}

/// A role that waits for its controller, as each may.
fn role(name: &str, home: tempfile::TempDir, file: &Path) -> Running {
    let mut command = pocket(home.path());
    command.env("POCKET_ACCESS_KEY_ID", ACCESS_KEY).env("POCKET_SECRET_ACCESS_KEY", SECRET_KEY);
    command.args([name, "--admin", "127.0.0.1:0"]).arg("--config").arg(file);
    if name != "monitor" {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    Running::start(command, home)
}

#[test]
fn every_role_lives_on_and_takes_over_what_it_has() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("roles.toml");
    std::fs::write(&file, "").unwrap();
    let start = |name: &str| role(name, tempfile::tempdir().unwrap(), &file);
    let mut controller = start("controller");
    let ready = controller.line().unwrap();
    let at = ready.split_whitespace().find(|word| word.starts_with("127.")).unwrap().trim_end_matches(',');
    std::fs::write(&file, format!("cluster.controller = \"{at}\"\n")).unwrap();
    let mut members = ["metadata", "storage", "monitor", "gateway"].map(start);
    members.iter_mut().for_each(|member| drop(member.line().unwrap()));
    std::fs::write(&file, format!("cluster.controller = \"{at}\"\nlog.filter = \"info,pocket_wire=warn\"\n"))
        .unwrap();
    for role in members.iter().chain([&controller]) {
        let line = hang_up(role.pid(), || role.log(), "SIGHUP");
        assert!(line.contains("log.filter info -> info,pocket_wire=warn"), "{line}");
        let line = hang_up(role.pid(), || role.log(), "SIGHUP");
        assert!(line.contains("nothing to take over"), "{line}");
        std::thread::sleep(Duration::from_millis(50));
        assert!(is_alive(role.pid()));
    }
}
