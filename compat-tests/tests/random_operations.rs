//! Random S3 operations against a reference model: after every one, the store and the model must agree. Runs with a
//! seed that is printed; `COMPAT_SEED` repeats one.

mod model;

use model::{Model, expected_page};
use pocket_compat_tests::checksums::md5_hex;
use pocket_compat_tests::http::Response;
use pocket_compat_tests::s3::{Client, Request};
use pocket_compat_tests::server::Server;
use pocket_compat_tests::xml::{text, texts};
use pocket_compat_tests::{bytes, unique_bucket};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

const OPERATIONS: usize = 1_500;
/// Sizes around every border: none, inline, one chunk, several.
const SIZES: [usize; 8] = [0, 1, 500, 16 << 10, (16 << 10) + 1, 90_000, 1 << 20, (1 << 20) + 5];
/// Few, so that operations meet; odd, so that no one of them is special.
const KEYS: [&str; 16] = [
    "a",
    "a/",
    "a/b",
    "a//b",
    "//x",
    "b c",
    "b+c",
    "b%20c",
    "dir/1",
    "dir/2",
    "dir/sub/1",
    "dir/sub/2",
    "ü",
    "ü/é",
    "z<&>",
    "😀",
];

#[test]
fn one_process_agrees_with_the_model() {
    run(&Server::embedded());
}

#[test]
fn a_cluster_agrees_with_the_model_whichever_gateway_is_asked() {
    run(&Server::cluster());
}

fn run(server: &Server) {
    let seed = std::env::var("COMPAT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    println!("COMPAT_SEED={seed}");
    let clients = (0..server.endpoints.len()).map(|n| server.client_of(n)).collect();
    let bucket = unique_bucket("model");
    server.client().create_bucket(&bucket, &[]);
    let mut run = Run {
        random: SmallRng::seed_from_u64(seed),
        clients,
        bucket,
        model: Model::default(),
        uploads: Vec::new(),
    };
    for step in 0..OPERATIONS {
        run.step(step as u64);
    }
    for key in KEYS {
        run.check_get(key);
    }
    server.client().end_bucket(&run.bucket);
}

struct Upload {
    key: &'static str,
    id: String,
    parts: std::collections::BTreeMap<u16, (String, Vec<u8>)>,
}

struct Run {
    random: SmallRng,
    clients: Vec<Client>,
    bucket: String,
    model: Model,
    uploads: Vec<Upload>,
}

impl Run {
    fn step(&mut self, step: u64) {
        let key = self.key();
        match self.random.random_range(0..100) {
            0..22 => self.put(key, step),
            22..27 => self.put_on_condition(key, step),
            27..45 => self.check_get(key),
            45..52 => self.check_range(key),
            52..58 => self.check_head(key),
            58..66 => self.delete(key),
            66..69 => self.delete_many(),
            69..79 => self.copy(key),
            79..88 => self.check_list(),
            _ => self.upload_step(key, step),
        }
    }

    fn key(&mut self) -> &'static str {
        KEYS.choose(&mut self.random).expect("there are keys")
    }

    fn body(&mut self, step: u64) -> Vec<u8> {
        bytes(step, *SIZES.choose(&mut self.random).expect("there are sizes"))
    }

    /// A request through any gateway.
    fn request(&mut self, method: &'static str, key: &str) -> Request {
        let client = self.clients.choose(&mut self.random).expect("there are gateways");
        client.request(method, &format!("/{}/{key}", self.bucket))
    }

    fn on_bucket(&mut self, method: &'static str) -> Request {
        let client = self.clients.choose(&mut self.random).expect("there are gateways");
        client.request(method, &format!("/{}", self.bucket))
    }

    fn put(&mut self, key: &str, step: u64) {
        let body = self.body(step);
        let put = self
            .request("PUT", key)
            .header("x-amz-meta-step", &step.to_string())
            .body(&body)
            .send()
            .expect(200);
        self.model.put(key, body, etag(&put), Some(step));
    }

    fn put_on_condition(&mut self, key: &str, step: u64) {
        let body = self.body(step);
        let request = self.request("PUT", key).body(&body);
        let current = self.model.etag(key);
        let (request, expected) = match self.random.random_range(0..3) {
            0 => (request.header("if-none-match", "*"), if current.is_some() { 412 } else { 200 }),
            1 => match &current {
                Some(tag) => (request.header("if-match", &format!("\"{tag}\"")), 200),
                None => (request.header("if-match", &format!("\"{}\"", md5_hex(b"never"))), 404),
            },
            _ => {
                let expected = if current.is_some() { 412 } else { 404 };
                (request.header("if-match", &format!("\"{}\"", md5_hex(b"never"))), expected)
            }
        };
        let put = request.send().expect(expected);
        if expected == 200 {
            self.model.put(key, body, etag(&put), None);
        }
    }

    fn check_get(&mut self, key: &str) {
        let get = self.request("GET", key).send();
        match self.model.get(key) {
            None => drop(get.expect_error(404, "NoSuchKey")),
            Some(object) => {
                let get = get.expect(200);
                assert!(get.body == object.body, "{key}: {} bytes of {}", get.body.len(), object.body.len());
                assert_eq!(etag(&get), object.etag);
                assert_eq!(
                    get.header("x-amz-meta-step").map(str::to_owned),
                    object.step.map(|s| s.to_string())
                );
            }
        }
    }

    fn check_range(&mut self, key: &str) {
        let Some(object) = self.model.get(key).cloned() else { return self.check_get(key) };
        let size = object.body.len();
        let (first, last) = (self.random.random_range(0..size + 10), self.random.random_range(0..size + 10));
        let (first, last) = (first.min(last), first.max(last));
        let get = self.request("GET", key).header("range", &format!("bytes={first}-{last}")).send();
        if first >= size {
            get.expect_error(416, "InvalidRange");
            return;
        }
        let last = last.min(size - 1);
        let get = get.expect(206);
        assert_eq!(get.header("content-range"), Some(format!("bytes {first}-{last}/{size}").as_str()));
        assert!(get.body == object.body[first..=last], "{key} {first}-{last} of {size}");
    }

    fn check_head(&mut self, key: &str) {
        let head = self.request("HEAD", key).send();
        match self.model.get(key) {
            None => drop(head.expect(404)),
            Some(object) => {
                let head = head.expect(200);
                assert_eq!(head.header("content-length"), Some(object.body.len().to_string().as_str()));
                assert_eq!(etag(&head), object.etag);
            }
        }
    }

    fn delete(&mut self, key: &str) {
        self.request("DELETE", key).send().expect(204);
        self.model.delete(key);
    }

    fn delete_many(&mut self) {
        let keys: Vec<&str> = (0..self.random.random_range(1..4)).map(|_| self.key()).collect();
        let objects: String = keys
            .iter()
            .map(|key| format!("<Object><Key>{}</Key></Object>", pocket_compat_tests::xml::escape(key)))
            .collect();
        let xml = format!("<Delete>{objects}</Delete>");
        let answer =
            self.on_bucket("POST").query("delete", "").body(xml.as_bytes()).send().expect(200).text();
        assert!(texts(&answer, "Code").is_empty(), "{answer}");
        keys.iter().for_each(|key| self.model.delete(key));
    }

    fn copy(&mut self, to: &'static str) {
        let from = self.key();
        let source = encoded(&format!("{}/{from}", self.bucket));
        let request = self.request("PUT", to).header("x-amz-copy-source", &source);
        let source = self.model.get(from).cloned();
        let copied = if from == to {
            request.header("x-amz-metadata-directive", "REPLACE").send()
        } else {
            request.send()
        };
        match source {
            None => drop(copied.expect_error(404, "NoSuchKey")),
            Some(mut object) => {
                let tag = text(&copied.expect(200).text(), "ETag").expect("a copy has an ETag");
                object.etag = tag.trim_matches('"').to_owned();
                object.step = object.step.filter(|_| from != to);
                self.model.put(to, object.body, object.etag, object.step);
            }
        }
    }

    fn check_list(&mut self) {
        let prefix = *["", "a", "a/", "dir/", "dir/sub/", "b", "ü", "none"]
            .choose(&mut self.random)
            .expect("prefixes");
        let delimiter = *["", "/", "//", "b"].choose(&mut self.random).expect("delimiters");
        let page = self.random.random_range(1..6);
        let mut token: Option<String> = None;
        let mut found = Vec::new();
        loop {
            let mut request = self.on_bucket("GET").query("list-type", "2").query("prefix", prefix);
            request = request.query("max-keys", &page.to_string());
            if !delimiter.is_empty() {
                request = request.query("delimiter", delimiter);
            }
            if let Some(token) = &token {
                request = request.query("continuation-token", token);
            }
            let xml = request.send().expect(200).text();
            let mut names = texts(&xml, "Key");
            let sizes: Vec<usize> = texts(&xml, "Size").iter().map(|s| s.parse().expect("a size")).collect();
            for (key, size) in names.iter().zip(sizes) {
                assert_eq!(Some(size), self.model.get(key).map(|o| o.body.len()), "{key} in {xml}");
            }
            let prefixes = texts(&xml, "CommonPrefixes").join("");
            names.extend(texts(&prefixes, "Prefix"));
            names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
            assert!(names.len() <= page, "{xml}");
            found.extend(names);
            token = text(&xml, "NextContinuationToken");
            if token.is_none() {
                break;
            }
        }
        assert_eq!(
            found,
            expected_page(&self.model, prefix, delimiter),
            "prefix {prefix:?} delimiter {delimiter:?}"
        );
    }

    /// Begins an upload, adds a part, completes one or aborts one.
    fn upload_step(&mut self, key: &'static str, step: u64) {
        if self.uploads.len() < 3 {
            let xml = self.request("POST", key).query("uploads", "").send().expect(200).text();
            let id = text(&xml, "UploadId").expect("an upload has an id");
            self.uploads.push(Upload { key, id, parts: Default::default() });
            return;
        }
        let at = self.random.random_range(0..self.uploads.len());
        let (key, id) = (self.uploads[at].key, self.uploads[at].id.clone());
        match self.random.random_range(0..10) {
            0..6 => {
                // Only the last part may be small, so parts that are not the last one are replaced by large ones.
                let number = self.random.random_range(1..4_u16);
                let size = if number < 3 { 5 << 20 } else { 1_000 };
                let body = bytes(step, size);
                let request =
                    self.request("PUT", key).query("partNumber", &number.to_string()).query("uploadId", &id);
                let tag = etag(&request.body(&body).send().expect(200));
                self.uploads[at].parts.insert(number, (tag, body));
            }
            6..9 => self.complete(at),
            _ => {
                let upload = self.uploads.swap_remove(at);
                for _ in 0..2 {
                    self.request("DELETE", key).query("uploadId", &upload.id).send().expect(204);
                }
                let late = self
                    .request("PUT", key)
                    .query("partNumber", "1")
                    .query("uploadId", &id)
                    .body(b"x")
                    .send();
                late.expect_error(404, "NoSuchUpload");
            }
        }
    }

    fn complete(&mut self, at: usize) {
        if self.uploads[at].parts.is_empty() {
            return;
        }
        let upload = self.uploads.swap_remove(at);
        let parts: String = upload
            .parts
            .iter()
            .map(|(number, (tag, _))| {
                format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
            })
            .collect();
        let xml = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let mut tags = Vec::new();
        for _ in 0..2 {
            let done =
                self.request("POST", upload.key).query("uploadId", &upload.id).body(xml.as_bytes()).send();
            let done = done.expect(200).text();
            tags.push(text(&done, "ETag").expect("an object has an ETag").trim_matches('"').to_owned());
        }
        assert_eq!(tags[0], tags[1], "a repeated Complete answers the same");
        assert!(tags[0].ends_with(&format!("-{}", upload.parts.len())), "{}", tags[0]);
        let body = upload.parts.into_values().flat_map(|(_, body)| body).collect();
        self.model.put(upload.key, body, tags.swap_remove(0), None);
    }
}

fn etag(response: &Response) -> String {
    let tag = response.header("etag").expect("an ETag");
    assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    tag.trim_matches('"').to_owned()
}

/// As a client writes `x-amz-copy-source`.
fn encoded(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
