//! `pocket jobs`, `pocket status` and `pocket end` against a running server.

mod support;

use pocket_compat_tests::metrics::{expect_used_within, used_bytes};
use pocket_compat_tests::s3::Client;
use std::time::Duration;
use support::{ACCESS_KEY, Banner, Running, SECRET_KEY, eventually, output, pocket};

/// Runs a command against the admin port: its exit code, and what it said.
fn ask(serve: &Running, banner: &Banner, args: &[&str]) -> (i32, String) {
    let mut command = pocket(serve.home.path());
    command.args(args).args(["--admin", banner.admin()]);
    let ended = output(command);
    let said = [ended.stdout, ended.stderr].concat();
    (ended.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn jobs_are_listed_and_ended() {
    let mut serve = Running::serve(&[]);
    let banner = serve.banner();
    let client = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
    let before = used_bytes(banner.admin());
    client.create_bucket("kept", &[("ttl", "1h")]).expect(200);
    client.create_bucket("empty", &[]).expect(200);
    client.put("/kept/small", b"small").expect(200);
    client.put("/kept/large", &vec![7; 3 << 20]).expect(200);

    let (code, table) = ask(&serve, &banner, &["jobs"]);
    assert_eq!(code, 0, "{table}");
    let row = |bucket: &str| table.lines().find(|line| line.split_whitespace().next() == Some(bucket));
    assert!(row("kept").unwrap().contains("ttl=1h") && row("empty").is_some(), "{table}");

    let (code, said) = ask(&serve, &banner, &["end", "kept"]);
    assert!(code == 1 && said.contains("not empty") && said.contains("--force"), "{said}");
    assert_eq!(client.get("/kept/small").expect(200).text(), "small");
    let (code, said) = ask(&serve, &banner, &["end", "missing"]);
    assert!(code == 1 && said.contains("missing"), "{said}");

    let (code, said) = ask(&serve, &banner, &["end", "empty"]);
    assert_eq!(code, 0, "{said}");
    // By the job's id as well, as it is shown.
    let id = row("kept").unwrap().split_whitespace().nth(1).unwrap().to_owned();
    let (code, said) = ask(&serve, &banner, &["end", &id, "--force"]);
    assert!(code == 0 && said.contains("kept"), "{said}");
    client.get("/kept/small").expect_error(404, "NoSuchBucket");
    expect_used_within(banner.admin(), before, Duration::from_secs(1));
    let (_, table) = ask(&serve, &banner, &["jobs"]);
    assert_eq!(table.lines().count(), 1, "{table}");
}

#[test]
fn status_shows_every_role_and_what_it_holds() {
    let mut serve = Running::serve(&[]);
    let banner = serve.banner();
    let client = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
    client.create_bucket("busy", &[]).expect(200);
    client.put("/busy/large", &vec![7; 3 << 20]).expect(200);
    // Reports come once a second.
    let status = eventually("a report of the object", || {
        let (code, status) = ask(&serve, &banner, &["status"]);
        assert_eq!(code, 0, "{status}");
        status.lines().any(|line| line.starts_with("busy") && line.contains("3.0 MiB")).then_some(status)
    });
    for role in ["gateway", "metadata", "storage", "controller", "monitor"] {
        let line = status.lines().find(|line| line.trim_start().starts_with(role));
        assert!(line.is_some_and(|line| line.contains("live")), "{role} is missing in {status}");
    }
    assert!(status.contains("64.0 MiB"), "{status}");
}
