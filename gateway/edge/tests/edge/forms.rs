//! POST of an object by an HTML form, as bytes on a socket: what becomes of the file, and who may send which form.

use crate::wire::{KEY, MOMENT_SECS, Raw, Reply, SECRET, Server};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::time::{Duration, UNIX_EPOCH};

const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

/// A form whose fields are signed as they stand.
#[derive(Clone)]
struct Form {
    fields: Vec<(String, String)>,
    conditions: Vec<String>,
    file: Vec<u8>,
    filename: Option<&'static str>,
}

impl Form {
    fn new(key: &str, file: impl AsRef<[u8]>) -> Self {
        let file = file.as_ref().to_vec();
        let form = Self { fields: Vec::new(), conditions: Vec::new(), file, filename: Some("f.txt") };
        form.field("key", key)
    }

    /// A field that no condition is about.
    fn extra(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// A field that must have this value.
    fn field(self, name: &str, value: &str) -> Self {
        // The key may have a variable in it.
        let value_of = value.split("${").next().unwrap();
        self.extra(name, value).condition(&format!(r#"["starts-with","${name}","{value_of}"]"#))
    }

    fn condition(mut self, condition: &str) -> Self {
        self.conditions.push(condition.into());
        self
    }

    fn sign(self) -> Self {
        assert_eq!(KEY, CREDENTIAL.split('/').next().unwrap());
        let mut form = self
            .field("x-amz-algorithm", "AWS4-HMAC-SHA256")
            .field("x-amz-credential", CREDENTIAL)
            .field("x-amz-date", "20130524T000000Z")
            .condition(r#"{"bucket":"bucket"}"#);
        let conditions = form.conditions.join(",");
        let policy = format!(r#"{{"expiration":"2013-05-24T00:01:00Z","conditions":[{conditions}]}}"#);
        let policy = BASE64_STANDARD.encode(policy);
        let moment = UNIX_EPOCH + Duration::from_secs(MOMENT_SECS);
        let key = generate_signing_key(SECRET, moment, "us-east-1", "s3");
        form = form.extra("x-amz-signature", &calculate_signature(key, policy.as_bytes()));
        form.extra("policy", &policy)
    }

    /// All parts but the file's content and what follows it.
    fn head(&self) -> Vec<u8> {
        let mut head = String::new();
        for (name, value) in &self.fields {
            head += &format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        head += "--XX\r\nContent-Disposition: form-data; name=\"file\"";
        head += &self.filename.map_or(String::new(), |name| format!("; filename=\"{name}\""));
        (head + "\r\nContent-Type: text/plain\r\n\r\n").into_bytes()
    }

    fn raw(&self) -> Raw {
        self.raw_with("\r\n--XX--\r\n")
    }

    fn raw_with(&self, end: &str) -> Raw {
        Raw::new("POST", "/bucket")
            .header("content-type", "multipart/form-data; boundary=XX")
            .body([self.head(), self.file.clone(), end.into()].concat())
    }
}

async fn post(server: &Server, form: &Form) -> Reply {
    server.send(&form.raw()).await
}

#[tokio::test]
async fn a_form_is_a_put_of_its_file() {
    let server = Server::start();
    let form = Form::new("dir/${filename}", "hello")
        .field("Content-Encoding", "gzip")
        .field("x-amz-meta-colour", "blue")
        .field("x-pocket-ttl", "5s")
        .extra("x-ignore-this", "1");
    let reply = post(&server, &form.clone().sign()).await;
    assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{reply:?}");
    assert_eq!(reply.header("location"), Some("http://localhost/bucket/dir%2Ff.txt"));
    let call = "PutObject bucket dir/f.txt: \"hello\", encoded gzip, x-amz-meta-colour=blue, x-pocket-ttl=5s";
    assert_eq!(server.recorder.calls(), [call]);

    let by_host = Raw { target: "/".into(), ..form.sign().raw() }.header("host", "bucket.s3.local");
    let reply = server.send(&by_host).await;
    assert_eq!(reply.header("location"), Some("http://bucket.s3.local/dir%2Ff.txt"));
    assert_eq!(server.recorder.calls(), [call]);
}

#[tokio::test]
async fn what_follows_the_file_says_nothing() {
    let server = Server::start();
    let form = Form::new("k", "\r\n--X\r\n--").sign();
    let field =
        "\r\n--XX\r\nContent-Disposition: form-data; name=\"acl\"\r\n\r\npublic-read\r\n--XX--\r\nepilogue";
    for end in ["\r\n--XX--", field] {
        assert_eq!(server.send(&form.raw_with(end)).await.status, 204, "{end}");
        assert_eq!(server.recorder.calls(), [r#"PutObject bucket k: "\r\n--X\r\n--""#]);
    }
    let second = "\r\n--XX\r\nContent-Disposition: form-data; name=\"File\"\r\n\r\nlost?\r\n--XX--";
    let reply = server.send(&form.raw_with(second)).await;
    assert_eq!((reply.code(), server.recorder.calls()), (Some("InvalidArgument"), vec![]));
}

#[tokio::test]
async fn a_form_may_say_when_its_object_expires_in_any_words_and_who_may_have_it() {
    let server = Server::start();
    let form = Form::new("k", "x").field("Expires", "next spring").field("acl", "bucket-owner-full-control");
    assert_eq!(post(&server, &form.sign()).await.status, 204);
    let call = r#"PutObject bucket k: "x", expires next spring, BucketOwnerFullControl"#;
    assert_eq!(server.recorder.calls(), [call]);
}

#[tokio::test]
async fn a_form_that_is_not_whole_leaves_nothing() {
    let server = Server::start();
    let form = Form::new("k", vec![b'x'; 100_000]).sign();
    for end in ["", "\r\n--XX", "\r\n--XX\r\n", "\r\n--XX-"] {
        let reply = server.send(&form.raw_with(end)).await;
        assert_eq!(
            (reply.code(), server.recorder.calls()),
            (Some("MalformedPOSTRequest"), vec![]),
            "{end:?}"
        );
    }
    let mut client = server.connect().await;
    let whole = form.raw();
    client.write(&[whole.head(), whole.body[..50_000].to_vec()].concat()).await;
    drop(client);
    assert_eq!(post(&server, &Form::new("next", "x").sign()).await.status, 204);
    assert_eq!(server.recorder.calls(), [r#"PutObject bucket next: "x""#]);
}

#[tokio::test]
async fn sums_that_the_fields_name_are_held() {
    let server = Server::start();
    for (name, right) in [("x-amz-checksum-crc32", "y/Q5Jg=="), ("Content-MD5", "JfnnlDI7RTiF9RgfG2JNCw==")] {
        let form = Form::new("k", "123456789").field(name, right).sign();
        assert_eq!(post(&server, &form).await.status, 204);
        assert_eq!(server.recorder.calls().len(), 1);
        let reply = post(&server, &Form { file: b"123456788".to_vec(), ..form }).await;
        assert_eq!((reply.code(), server.recorder.calls()), (Some("BadDigest"), vec![]), "{name}");
    }
    let named = Form::new("k", "1").field("x-amz-checksum-algorithm", "CRC32").sign();
    assert_eq!(post(&server, &named).await.code(), Some("InvalidRequest"));
    assert_eq!(server.recorder.calls(), [""; 0]);
}

#[tokio::test]
async fn the_length_of_the_file_is_held_against_its_range() {
    let server = Server::start();
    let form = |size| Form::new("k", vec![b'x'; size]).condition(r#"["content-length-range",5,10]"#).sign();
    for (size, code) in [(4, Some("EntityTooSmall")), (5, None), (10, None), (11, Some("EntityTooLarge"))] {
        assert_eq!(post(&server, &form(size)).await.code(), code, "{size}");
        assert_eq!(server.recorder.calls().len(), usize::from(code.is_none()));
    }
}

#[tokio::test]
async fn forms_that_may_not_be_are_refused_and_nothing_is_written() {
    let server = Server::start();
    let good = || Form::new("k", "x");
    let without = |name: &str| {
        let mut form = good().sign();
        form.fields.retain(|(other, _)| other != name);
        form.raw()
    };
    let twice = Raw { target: "/bucket?prefix=x".into(), ..good().sign().raw() };
    let other = Raw { target: "/other".into(), ..good().sign().raw() };
    let no_file = Raw::new("POST", "/bucket").header("content-type", "multipart/form-data; boundary=XX");
    let no_file = no_file.body("--XX\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--XX--\r\n");
    let mut unbounded = good().sign().raw();
    unbounded.headers.retain(|(name, _)| name != "content-length");
    let unbounded = Raw { body: b"0\r\n\r\n".to_vec(), ..unbounded.header("transfer-encoding", "chunked") };
    for (request, status, code) in [
        (Raw::new("POST", "/bucket").body("key=k"), 412, "PreconditionFailed"),
        (good().sign().raw().header("content-encoding", "gzip"), 501, "NotImplemented"),
        (good().sign().raw().header("x-amz-acl", "private"), 400, "InvalidArgument"),
        (good().sign().raw().header("x-amz-meta-a", "b"), 400, "InvalidArgument"),
        (
            good().sign().raw().header("authorization", "AWS4-HMAC-SHA256 x"),
            400,
            "AuthorizationHeaderMalformed",
        ),
        (good().sign().raw().sign("UNSIGNED-PAYLOAD"), 400, "InvalidArgument"),
        (good().sign().raw().presign(), 400, "InvalidArgument"),
        (
            good().sign().raw().header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            411,
            "MissingContentLength",
        ),
        (good().sign().raw().header("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="), 400, "BadDigest"),
        (twice, 400, "InvalidArgument"),
        (other, 403, "AccessDenied"),
        (no_file, 400, "InvalidArgument"),
        (unbounded, 411, "MissingContentLength"),
        (without("key"), 400, "InvalidArgument"),
        (without("policy"), 400, "InvalidArgument"),
        (without("x-amz-signature"), 400, "InvalidArgument"),
        (Form::new("", "x").sign().raw(), 400, "InvalidArgument"),
        (Form::new(&"k".repeat(1_025), "x").sign().raw(), 400, "KeyTooLongError"),
        (good().sign().extra("acl", "private").raw(), 403, "AccessDenied"),
        (good().sign().extra("policy", "x").raw(), 403, "SignatureDoesNotMatch"),
        (good().sign().extra("AWSAccessKeyId", KEY).raw(), 400, "InvalidArgument"),
        (good().field("bucket", "other").sign().raw(), 403, "AccessDenied"),
        (good().field("x-amz-security-token", "t").sign().raw(), 400, "InvalidToken"),
        (good().field("x-amz-server-side-encryption", "AES256").sign().raw(), 501, "NotImplemented"),
        (
            good().field("x-amz-meta-long", &"x".repeat(21_000)).sign().raw(),
            400,
            "MaxPostPreDataLengthExceededError",
        ),
    ] {
        let reply = server.send(&request).await;
        assert_eq!((reply.status, reply.code()), (status, Some(code)), "{reply:?}\n{:?}", request.headers);
        assert_eq!(server.recorder.calls(), [""; 0]);
    }
}

#[tokio::test]
async fn a_form_that_nobody_signed_is_anonymous() {
    let server = Server::start();
    let reply = post(&server, &Form::new("k", "x")).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    // This S3 lets everybody write; whether a bucket does is decided behind the edge.
    assert_eq!(server.recorder.calls(), [r#"PutObject bucket k: "x""#]);
}

#[tokio::test]
async fn a_form_is_refused_before_its_file_is_sent() {
    let server = Server::start();
    let form = Form::new("k", vec![1; 1 << 20]).sign().extra("acl", "private").raw();
    let mut client = server.connect().await;
    client.write(&[form.head(), form.body[..4_096].to_vec()].concat()).await;
    let reply = client.read_reply("POST").await;
    assert_eq!((reply.code(), reply.header("connection")), (Some("AccessDenied"), Some("close")));
}

#[tokio::test]
async fn a_connection_goes_on_after_a_form() {
    let server = Server::start();
    let mut client = server.connect().await;
    for _ in 0..3 {
        for status in ["200", "201", "204"] {
            let form = Form::new("k", vec![b'x'; 50_000]).field("success_action_status", status).sign();
            client.write(&form.raw().bytes()).await;
            let reply = client.read_reply("POST").await;
            assert_eq!((reply.status.to_string().as_str(), reply.header("connection")), (status, None));
        }
    }
}
