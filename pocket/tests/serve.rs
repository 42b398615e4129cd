//! `pocket serve` as people start and end it.

mod support;

use pocket_api::limits::{HEARTBEAT_EVERY, SUSPECT_AFTER};
use pocket_compat_tests::s3::Client;
use pocket_compat_tests::{http, metrics};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{ACCESS_KEY, Running, SECRET_KEY, eventually, output, pocket, pocket_with_credentials};

#[test]
fn it_is_ready_within_a_second() {
    // The machine may be busy with something else, but not each time.
    let took = (0..5).map(|_| {
        let started = Instant::now();
        let mut serve = Running::serve(&[]);
        let banner = serve.banner();
        let took = started.elapsed();
        http::get(banner.admin(), "/readyz").unwrap().expect(200);
        http::get(banner.admin(), "/livez").unwrap().expect(200);
        took
    });
    let took: Vec<Duration> = took.collect();
    assert!(took.iter().min().unwrap() < &Duration::from_secs(1), "{took:?}");
}

#[test]
fn it_may_have_as_many_files_open_as_the_system_allows() {
    let home = tempfile::tempdir().unwrap();
    let serve = pocket_with_credentials(home.path());
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -Sn 100; ulimit -Hn 5000; exec \"$0\" \"$@\""]).arg(serve.get_program());
    shell.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capacity", "64MiB"]);
    serve.get_envs().for_each(|(name, value)| match value {
        Some(value) => drop(shell.env(name, value)),
        None => drop(shell.env_remove(name)),
    });
    let mut serve = Running::start(shell, home);
    let banner = serve.banner();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serve.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["5000", "5000"]);
    let address = banner.endpoint();
    let open: Vec<_> = (0..500).map(|_| TcpStream::connect(address).unwrap()).collect();
    http::get(banner.admin(), "/readyz").unwrap().expect(200);
    drop(open);
}

/// What a server that nobody has written to may hold for itself, whatever the machine. Faulting ahead would add 256 MiB.
const IDLE_MAX_BYTES: u64 = 64 << 20;

#[test]
fn memory_is_taken_by_the_first_large_write_and_not_by_waiting() {
    let home = tempfile::tempdir().unwrap();
    let mut command = pocket_with_credentials(home.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capacity", "1GiB"]);
    let mut serve = Running::start(command, home);
    let banner = serve.banner();
    let faulted = || metrics::sum(banner.admin(), "pocket_storage_faulted_bytes");
    let client = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
    client.create_bucket("a-bucket", &[]).expect(200);
    // A small object is kept beside its key.
    client.put("/a-bucket/small", b"few bytes").expect(200);
    // Were anything faulted in without use, it would have begun with the start.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(faulted(), 0.0);
    assert!(anonymous_bytes(serve.pid()) < IDLE_MAX_BYTES, "{}", anonymous_bytes(serve.pid()));

    client.put("/a-bucket/large", &vec![7; 2 << 20]).expect(200);
    eventually("fresh memory kept ahead", || (faulted() >= f64::from(256 << 20)).then_some(()));
    assert!(anonymous_bytes(serve.pid()) > 200 << 20);
}

/// Resident memory of a process that no file holds as well.
fn anonymous_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
    kib.unwrap_or_else(|| panic!("no RssAnon in {status}")).trim().parse::<u64>().unwrap() << 10
}

#[test]
fn it_ends_cleanly_when_asked() {
    for signal in ["TERM", "INT"] {
        let mut serve = Running::serve(&[]);
        let banner = serve.banner();
        // An idle connection of a client that never goes away must not hold it up.
        let _idle = TcpStream::connect(banner.endpoint()).unwrap();
        let bucket = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
        bucket.create_bucket("a-bucket", &[]).expect(200);
        let asked = Instant::now();
        serve.signal(signal);
        assert_eq!(serve.wait().code(), Some(0), "after {signal}");
        assert!(asked.elapsed() < Duration::from_secs(10), "{signal} took {:?}", asked.elapsed());
    }
}

#[test]
fn machines_read_where_it_is_and_where_its_credentials_are_and_end_it_by_its_standard_input() {
    let home = tempfile::tempdir().unwrap();
    let mut command = pocket(home.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capacity", "64MiB"]);
    command.args(["--json", "--end-with-stdin"]).stdin(std::process::Stdio::piped());
    let mut serve = Running::start(command, home);
    let said = serve.line().unwrap();
    let line: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&line["role"], &line["region"]), (&"serve".into(), &"us-east-1".into()));
    assert_eq!(line["pid"], serve.pid());
    let address = line["address"].as_str().unwrap();
    assert_eq!(line["endpoint"], format!("http://{address}"));
    let admin = line["admin"].as_str().unwrap().strip_prefix("http://").unwrap();
    http::get(admin, "/readyz").unwrap().expect(200);
    let kept = std::fs::read_to_string(line["credentials"].as_str().unwrap()).unwrap();
    let kept: toml::Table = kept.parse().unwrap();
    let [id, secret] = ["access-key-id", "secret-access-key"].map(|name| kept[name].as_str().unwrap());
    assert!(!said.contains(secret), "{said}");
    Client::new(address, id, secret).get("/").expect(200);

    serve.close_stdin();
    assert_eq!(serve.wait().code(), Some(0));
    assert_eq!(serve.line(), None, "one line and no more");
}

#[test]
fn credentials_that_were_given_are_nobodys_file() {
    let mut serve = Running::serve(&["--json"]);
    let said = serve.line().unwrap();
    let line: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(line["credentials"].is_null() && !said.contains(SECRET_KEY), "{said}");
}

#[test]
fn it_goes_on_after_it_stood_still() {
    // Stopped for longer than after what a silent node gets no new data: as a laptop that sleeps, or a debugger.
    let mut serve = Running::serve(&[]);
    let banner = serve.banner();
    let client = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
    client.create_bucket("kept", &[]).expect(200);
    client.put("/kept/large", &vec![7; 2 << 20]).expect(200);
    serve.signal("STOP");
    std::thread::sleep(SUSPECT_AFTER * 4);
    serve.signal("CONT");
    client.put("/kept/new", &vec![8; 2 << 20]).expect(200);
    assert!(client.get("/kept/large").expect(200).body == vec![7; 2 << 20]);
    // A few heartbeats later as well.
    std::thread::sleep(HEARTBEAT_EVERY * 3);
    assert!(client.get("/kept/large").expect(200).body == vec![7; 2 << 20]);
}

#[test]
fn generated_credentials_work_and_are_the_same_next_time() {
    let start = |home| {
        let mut command = pocket(tempfile::TempDir::path(&home));
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capacity", "64MiB"]);
        Running::start(command, home)
    };
    let mut first = start(tempfile::tempdir().unwrap());
    let banner = first.banner();
    let (id, secret) = (banner.value("access key").to_owned(), banner.value("secret key").to_owned());
    assert!(id.len() == 20 && secret.len() == 40, "{id} {secret}");
    for line in [
        format!("export AWS_ACCESS_KEY_ID={id}"),
        format!("export AWS_SECRET_ACCESS_KEY={secret}"),
        format!("export AWS_ENDPOINT_URL=http://{}", banner.endpoint()),
    ] {
        assert!(banner.0.iter().any(|l| l.trim() == line), "{line} is missing in {:?}", banner.0);
    }
    Client::new(banner.endpoint(), &id, &secret).get("/").expect(200);
    Client::new(banner.endpoint(), &id, "another secret").get("/").expect(403);

    let file = first.home.path().join("state/pocket/credentials.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    first.signal("TERM");
    first.wait();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("state/pocket")).unwrap();
    std::fs::copy(&file, home.path().join("state/pocket/credentials.toml")).unwrap();
    let again = start(home).banner();
    assert_eq!((again.value("access key"), again.value("secret key")), (id.as_str(), secret.as_str()));
}

#[test]
fn tenants_of_the_configuration_have_buckets_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("pocket.toml");
    let tenant = |name: &str| {
        format!(
            "[[tenant]]\nname = \"{name}\"\naccess-key-id = \"KEY{name}\"\nsecret-access-key = \"of-{name}-alone\"\n"
        )
    };
    std::fs::write(&file, tenant("one") + &tenant("two")).unwrap();
    let mut command = pocket(home.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capacity", "64MiB"]);
    command.arg("--config").arg(&file);
    let mut serve = Running::start(command, home);
    let banner = serve.banner();
    assert!(banner.0.iter().all(|line| !line.contains("of-one-alone")), "{:?}", banner.0);
    let one = Client::new(banner.endpoint(), "KEYone", "of-one-alone");
    let two = Client::new(banner.endpoint(), "KEYtwo", "of-two-alone");
    one.create_bucket("of-one", &[]).expect(200);
    one.put("/of-one/key", b"mine").expect(200);
    two.get("/of-one/key").expect(403);
    assert_eq!(one.get("/of-one/key").expect(200).text(), "mine");
}

#[test]
fn metrics_show_the_process_and_the_tiers() {
    let mut serve = Running::serve(&[]);
    let banner = serve.banner();
    let text = http::get(banner.admin(), "/metrics").unwrap().expect(200).text();
    for name in
        ["pocket_process_resident_bytes ", "pocket_process_cpu_seconds ", "pocket_storage_used_bytes{"]
    {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing in {text}");
    }
    http::get(banner.admin(), "/nothing").unwrap().expect(404);
}

#[test]
fn metrics_show_operations_that_were_asked_for_and_refusals_by_their_code() {
    let mut serve = Running::serve(&[]);
    let banner = serve.banner();
    let metrics = || http::get(banner.admin(), "/metrics").unwrap().expect(200).text();
    assert!(!metrics().contains("operation=\"ListBuckets\""));
    let stranger = Client::new(banner.endpoint(), ACCESS_KEY, "not the secret");
    stranger.get("/").expect_error(403, "SignatureDoesNotMatch");
    let refused = "pocket_gateway_refusals_total{code=\"SignatureDoesNotMatch\"} 1";
    assert!(metrics().contains(refused), "{}", metrics());
    let client = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
    client.get("/").expect(200);
    let counted = "pocket_gateway_requests_total{operation=\"ListBuckets\",class=\"2xx\"} 1";
    assert!(metrics().contains(counted), "{}", metrics());
    assert!(!metrics().contains("operation=\"PutObject\""));
}

#[test]
fn the_admin_port_can_be_off() {
    let home = tempfile::tempdir().unwrap();
    let mut command = pocket(home.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--capacity", "64MiB"]);
    let mut serve = Running::start(command, home);
    while let Some(line) = serve.line() {
        assert!(!line.contains("admin"), "{line}");
        if line.contains("boto3.client") {
            return;
        }
    }
    panic!("not ready");
}

#[test]
fn the_configuration_that_holds_is_shown_without_secrets() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("pocket.toml");
    let text = "region = \"eu-1\"\n[cluster]\nsecret = \"0123456789abcdef\"\n[storage]\ncapacity = \"3GiB\"\n\
                [[tenant]]\nname = \"t\"\naccess-key-id = \"KEYT\"\nsecret-access-key = \"never to be shown\"\n";
    std::fs::write(&file, text).unwrap();
    let mut command = pocket(home.path());
    command.arg("config").arg("--config").arg(&file);
    let shown = output(command);
    assert!(shown.status.success());
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in [
        "region = \"eu-1\"",
        "capacity = \"3GiB\"",
        "access-key-id = \"KEYT\"",
        "listen = \"127.0.0.1:9000\"",
    ] {
        assert!(shown.lines().any(|l| l == line), "{line} is missing in {shown}");
    }
    assert!(!shown.contains("never to be shown") && !shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn bench_says_which_of_its_keys_is_wrong() {
    let mut server = Running::serve(&[]);
    let endpoint = format!("http://{}", server.banner().endpoint());
    for (id, secret, said) in [
        (ACCESS_KEY, "another secret", format!("the secret is wrong for the access key {ACCESS_KEY}")),
        ("NOBODY", SECRET_KEY, "the access key NOBODY is unknown".to_owned()),
    ] {
        let mut bench = pocket(server.home.path());
        bench.args(["bench", "--endpoint", &endpoint, "--access-key", id, "--secret-key", secret]);
        let shown = output(bench);
        let text = String::from_utf8(shown.stderr).unwrap();
        assert!(!shown.status.success() && text.contains(&said), "{text}");
    }
}
