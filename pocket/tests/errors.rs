//! Bad input of any kind: one clear line that says what to do, an exit code, nothing half-started. What is said stands
//! word by word in `errors.md`, so that a change of words is seen.
//!
//! `POCKET_REWRITE_ERRORS=1 cargo test -p pocket --test errors` writes that file anew.

mod errors_of;
mod support;

use errors_of::{BENCHES, COMMAND_LINES, FILES, HINTS, KEPT, METADATA, OBJECT_HINTS, PROFILES, TAGS, TENANT};
use pocket_compat_tests::s3::{Client, Request};
use pocket_compat_tests::xml;
use std::fmt::Write;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use support::{ACCESS_KEY, Running, SECRET_KEY, output, pocket, taken_port};

/// Runs `pocket` and expects it to be refused: answers the exit code and the only line that it said.
#[track_caller]
fn refused(mut command: Command, args: &[&str]) -> (i32, String) {
    command.args(args);
    let ended = output(command);
    let stderr = String::from_utf8(ended.stderr).unwrap();
    let stdout = String::from_utf8(ended.stdout).unwrap();
    assert!(stdout.is_empty(), "{args:?} said {stdout:?} before it failed");
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(lines.len() == 1 && lines[0].starts_with("pocket: "), "{args:?} said {stderr:?}");
    (ended.status.code().unwrap(), lines[0].to_owned())
}

#[track_caller]
fn check(args: &[&str], code: i32, words: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let (ended_with, line) = refused(pocket(home.path()), args);
    assert_eq!(ended_with, code, "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} is missing in {line:?}");
    }
}

/// A row of the document.
fn row(text: &mut String, input: &str, said: &str) {
    let cell = |lines: &str| {
        let lines = lines.lines().map(|line| format!("`` {} ``", line.replace('|', "\\|")));
        lines.collect::<Vec<_>>().join("<br>")
    };
    writeln!(text, "| {} | {} |", cell(input), cell(said)).unwrap();
}

fn section(text: &mut String, title: &str, input: &str) {
    write!(text, "\n## {title}\n\n| {input} | what is said |\n|---|---|\n").unwrap();
}

/// What is said of a file. Every command that reads one says the same, before it does anything else.
#[track_caller]
fn of_file(text: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("pocket.toml");
    let text = text.replace("HOME", &home.path().display().to_string());
    std::fs::write(&file, &text).unwrap();
    write_with_mode(&home.path().join("open.key"), "12345678\n", 0o644);
    let said = |command: &str| {
        let (code, line) = refused(pocket(home.path()), &[command, "--config", file.to_str().unwrap()]);
        assert_eq!(code, 1, "{line}");
        line
    };
    let line = said("config");
    for command in ["serve", "storage", "dev-cluster"] {
        assert_eq!(said(command), line);
    }
    without_paths(&line, home.path())
}

fn without_paths(line: &str, home: &Path) -> String {
    line.replace(&home.display().to_string(), "HOME")
}

/// What depends on the machine is replaced by its name, and so are ports that the system chose.
fn without_chance(line: &str) -> String {
    let mut line = line.to_owned();
    let chances = [
        ("is more than the ", "MEMORY"),
        ("at most that, and ", "HALF"),
        ("storage.listen 0.0.0.0:", "PORT"),
    ];
    for (before, name) in chances {
        if let Some(at) = line.find(before) {
            let from = at + before.len();
            let to = from + line[from..].find(' ').unwrap();
            line.replace_range(from..to, name);
        }
    }
    line
}

/// What is said of a file of generated credentials.
fn of_kept(text: &str, mode: u32) -> String {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("state/pocket/credentials.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    write_with_mode(&file, text, mode);
    let (code, line) = refused(pocket(home.path()), &["serve"]);
    assert_eq!(code, 1, "{line}");
    without_paths(&line, home.path())
}

fn write_with_mode(file: &Path, text: &str, mode: u32) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

fn of_command_line(args: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let (free, nobody) = taken_port();
    drop(free);
    let (_held, taken) = taken_port();
    let (variables, args): (Vec<&str>, Vec<&str>) =
        args.split_whitespace().partition(|word| word.starts_with("POCKET_"));
    let mut command = pocket(home.path());
    command.envs(variables.iter().map(|variable| variable.split_once('=').unwrap()));
    let places = |word: &str| word.replace("TAKEN", &taken).replace("NOBODY", &nobody).replace('_', " ");
    let args: Vec<String> = args.into_iter().map(places).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (code, line) = refused(command, &args);
    assert_eq!(code, if line.contains("see `pocket help") { 2 } else { 1 }, "{line}");
    without_chance(&line).replace(&taken, "TAKEN").replace(&nobody, "NOBODY")
}

fn of_request(request: Request) -> String {
    let answer = request.send();
    let message = xml::text(&answer.text(), "Message").unwrap();
    format!("{} {}: {message}", answer.status, answer.code())
}

/// The document, as it must be in the repository.
fn document() -> String {
    let mut text = String::from(
        "# What is said of bad input\n\n\
         Written by `cargo test -p pocket --test errors`, with `POCKET_REWRITE_ERRORS=1` in its environment. HOME, TAKEN, NOBODY, SERVER,\n\
         PORT, MEMORY and HALF stand for a folder, an address in use, one where nobody listens, one of a server, a free port, and the\n\
         machine's memory.\n",
    );
    section(&mut text, "Configuration files", "file");
    for file in FILES {
        row(&mut text, file, &of_file(file));
    }
    for (broken, instead) in TENANT {
        let file =
            "[[tenant]]\nname = \"team\"\naccess-key-id = \"TEAMKEY\"\nsecret-access-key = \"12345678\"\n";
        assert!(file.contains(broken), "{broken}");
        let file = file.replace(broken, instead);
        row(&mut text, &file, &of_file(&file));
    }
    section(&mut text, "Profiles", "in `[profile.a]`");
    for line in PROFILES {
        row(&mut text, line, &of_file(&format!("[profile.a]\n{line}\n")));
    }
    section(&mut text, "Command lines", "`pocket ...`");
    for args in COMMAND_LINES {
        row(&mut text, args, &of_command_line(args));
    }
    section(&mut text, "Kept credentials", "mode and file");
    for (mode, kept) in KEPT {
        row(&mut text, &format!("{mode:o}\n{kept}"), &of_kept(kept, *mode));
    }
    let mut serve = Running::serve(&[]);
    let banner = serve.banner();
    let client = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
    section(&mut text, "Hints of buckets", "header of CreateBucket");
    for (name, value) in HINTS {
        let request = client.request("PUT", "/refused").header(name, value);
        row(&mut text, &format!("{name}: {value}"), &of_request(request));
    }
    section(&mut text, "Hints of objects", "header of PutObject");
    client.create_bucket("bucket", &[]).expect(200);
    for (name, value) in OBJECT_HINTS {
        let request = client.request("PUT", "/bucket/key").header(name, value);
        row(&mut text, &format!("{name}: {value}"), &of_request(request));
    }
    section(&mut text, "Tags of buckets", "tag of PutBucketTagging");
    for (name, value) in TAGS {
        let request =
            client.request("PUT", "/bucket").query("tagging", "").body(tagging(name, value).as_bytes());
        row(&mut text, &format!("{name}={value}"), &of_request(request));
    }
    section(&mut text, "Tags of objects", "header x-amz-tagging of PutObject");
    for (name, value) in TAGS {
        let tag = format!("{}={value}", name.replace(':', "%3A"));
        let request = client.request("PUT", "/bucket/key").header("x-amz-tagging", &tag);
        row(&mut text, &tag, &of_request(request));
    }
    section(&mut text, "Metadata of objects", "header of PutObject");
    for (name, value) in METADATA {
        let name = format!("x-amz-meta-{name}");
        let request = client.request("PUT", "/bucket/key").header(&name, value);
        row(&mut text, &format!("{name}: {value}"), &of_request(request));
    }
    section(&mut text, "Runs of bench", "key, secret and bucket");
    for (key, secret, bucket) in BENCHES {
        let home = tempfile::tempdir().unwrap();
        let endpoint = &*format!("http://{}", banner.endpoint());
        let args = [
            "bench",
            "--endpoint",
            endpoint,
            "--access-key",
            key,
            "--secret-key",
            secret,
            "--bucket",
            bucket,
        ];
        let (code, line) = refused(pocket(home.path()), &args);
        assert_eq!(code, 1, "{line}");
        let said = line.replace(banner.endpoint(), "SERVER");
        row(&mut text, &format!("{key} {secret} {bucket}"), &said);
    }
    text
}

fn tagging(name: &str, value: &str) -> String {
    let tag = format!("<Tag><Key>{name}</Key><Value>{value}</Value></Tag>");
    format!("<Tagging><TagSet>{tag}</TagSet></Tagging>")
}

#[test]
fn what_is_said_of_bad_input_stands_word_by_word_in_the_document() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors.md");
    let said = document();
    if std::env::var_os("POCKET_REWRITE_ERRORS").is_some() {
        std::fs::write(&path, said).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    for (said, written) in said.lines().zip(written.lines()) {
        assert_eq!(said, written, "words have changed: is the left better than the right?");
    }
    assert!(said == written, "rows have come or gone: see the head of this test");
}

#[test]
fn a_port_in_use_is_named_and_the_other_one_is_let_go() {
    let (_held, taken) = taken_port();
    let (free, other) = taken_port();
    drop(free);
    check(&["serve", "--listen", &taken, "--admin", &other], 1, &[&taken, "in use", "--listen"]);
    check(&["serve", "--listen", &other, "--admin", &taken], 1, &[&taken, "in use", "--admin"]);
    assert!(std::net::TcpListener::bind(&other).is_ok());
}

#[test]
fn a_secret_is_taken_from_its_file_without_the_newline_at_its_end() {
    let home = tempfile::tempdir().unwrap();
    let (file, secret) = (home.path().join("pocket.toml"), home.path().join("team.key"));
    write_with_mode(&secret, " of the team \n", 0o600);
    let text = "[[tenant]]\nname = \"team\"\naccess-key-id = \"TEAMKEY\"\nsecret-key-file = ";
    std::fs::write(&file, format!("{text}{:?}\n", secret)).unwrap();
    let mut command = pocket(home.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capacity", "64MiB"]);
    command.arg("--config").arg(&file);
    let mut serve = Running::start(command, home);
    let banner = serve.banner();
    Client::new(banner.endpoint(), "TEAMKEY", " of the team ").get("/").expect(200);
}

#[test]
fn help_is_printed_where_nothing_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let shown = output(pocket(home.path()));
    let text = String::from_utf8(shown.stderr).unwrap() + &String::from_utf8(shown.stdout).unwrap();
    for command in ["serve", "dev-cluster", "jobs", "end", "status", "config", "bench"] {
        assert!(text.contains(command), "{command} is missing in {text}");
    }
}
