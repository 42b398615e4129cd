//! Every line of `docs/s3-coverage.md` sent to a running server: what the page says is what happens.

use pocket_compat_tests::s3::Client;
use pocket_compat_tests::server::Server;
use pocket_compat_tests::unique_bucket;

/// The cells of the table under a heading, without the code marks.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading:?}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let cells = |line: &str| {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>()
    };
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(1).map(cells).collect();
    assert!(!rows.is_empty(), "{heading:?} has no table");
    rows
}

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/s3-coverage.md");
    std::fs::read_to_string(path).expect("the page is there")
}

fn method(name: &str) -> &'static str {
    ["GET", "HEAD", "PUT", "POST", "DELETE"].into_iter().find(|m| *m == name).expect("a method of S3")
}

fn fixture() -> (std::sync::Arc<Server>, Client, String) {
    let server = Server::embedded();
    let (client, bucket) = (server.client(), unique_bucket("coverage"));
    client.create_bucket(&bucket, &[]);
    client.put(&format!("/{bucket}/k"), b"x").expect(200);
    (server, client, bucket)
}

#[test]
fn every_operation_of_the_page_is_there() {
    let (_server, client, bucket) = fixture();
    for row in table(&page(), "Operations") {
        let [verb, on, selectors, operation, _] = &row[..] else { panic!("{row:?}") };
        // What would end the fixture is sent to what is not there.
        let (bucket, key) =
            if verb == "GET" || verb == "HEAD" { (&*bucket, "k") } else { ("missing-bucket", "k") };
        let path = match &**on {
            "service" => "/".to_owned(),
            "bucket" => format!("/{bucket}"),
            _ => format!("/{bucket}/{key}"),
        };
        if operation == "CreateBucket" {
            continue;
        }
        let mut request = client.request(method(verb), &path);
        for selector in selectors.split(", ").filter(|selector| !selector.is_empty()) {
            request = request.query(selector, if selector == "partNumber" { "1" } else { "" });
        }
        let answer = request.send();
        assert!(answer.status != 501 && answer.status != 405, "{row:?}: {} {}", answer.status, answer.text());
    }
    client.end_bucket(&bucket);
}

#[test]
fn every_setting_of_the_page_answers_what_the_page_says() {
    let (_server, client, bucket) = fixture();
    let path = format!("/{bucket}");
    for row in table(&page(), "Settings of buckets") {
        let [name, absent, put, delete] = &row[..] else { panic!("{row:?}") };
        let get = client.request("GET", &path).query(name, "").send();
        let (status, code) = absent.split_once([' ', ',']).expect("a status and more");
        assert_eq!(get.status.to_string(), status, "{row:?}: {}", get.text());
        if status != "200" {
            assert_eq!(get.code(), code, "{row:?}");
        }
        if let Some(by_id) = absent.split("404 ").nth(1).and_then(|rest| rest.strip_suffix(" by id")) {
            client.request("GET", &path).query(name, "").query("id", "x").send().expect_error(404, by_id);
        }
        for (verb, said) in [("PUT", put), ("DELETE", delete)] {
            let answer = client.request(verb, &path).query(name, "").send();
            let is_built = !said.starts_with("501");
            assert_eq!(answer.status != 501, is_built, "{verb} {row:?}: {} {}", answer.status, answer.text());
        }
    }
    client.get(&format!("/{bucket}/k")).expect(200);
    client.end_bucket(&bucket);
}

#[test]
fn what_the_page_calls_not_built_is_refused_and_touches_nothing() {
    let (_server, client, bucket) = fixture();
    let page = page();
    let listed =
        page.split("wherever no line above names them: ").nth(1).and_then(|rest| rest.lines().next());
    let names = listed.expect("a list").trim_end_matches('.').replace('`', "");
    let operations = table(&page, "Operations");
    for name in names.split(", ") {
        for verb in ["GET", "PUT", "POST", "DELETE"] {
            for (on, path) in [("bucket", format!("/{bucket}")), ("object", format!("/{bucket}/k"))] {
                let is_built = |row: &Vec<String>| {
                    row[0] == verb && row[1] == on && row[2].split(", ").any(|selector| selector == name)
                };
                if operations.iter().any(is_built) {
                    continue;
                }
                let answer = client.request(verb, &path).query(name, "").send();
                assert_eq!(answer.status, 501, "{verb} {on} ?{name}: {}", answer.text());
                assert_eq!(answer.code(), "NotImplemented");
            }
        }
    }
    client.get(&format!("/{bucket}/k")).expect(200);
    client.end_bucket(&bucket);
}
