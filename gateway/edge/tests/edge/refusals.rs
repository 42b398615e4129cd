//! The refusal table: requests that other stores took although they mean something else than what was done.

use crate::wire::{EMPTY, Raw, Server};
use pocket_edge::config::EdgeConfig;

#[tokio::test]
async fn what_is_known_gets_through_unchanged_with_the_name_of_who_signed_it() {
    let server = Server::start();
    for (request, call) in [
        (Raw::new("GET", "/"), "ListBuckets by tenant"),
        (Raw::new("PUT", "/bucket"), "CreateBucket bucket"),
        (Raw::new("GET", "/bucket/a%2Bb+c//%20d/.././%C3%BC"), "GetObject bucket a+b+c//%20d/.././ü"),
        (Raw::new("GET", "/bucket//x/"), "GetObject bucket /x/"),
        (Raw::new("DELETE", "/bucket/k?x-id=DeleteObject"), "DeleteObject bucket k"),
        (Raw::new("GET", "/k//v").header("host", "bucket.s3.local:80"), "GetObject bucket k//v"),
        (Raw::new("GET", "/bucket/k").header("host", "cdn.example"), "GetObject bucket k"),
        (Raw::new("PUT", "/bucket/new").header("x-amz-copy-source", "/bucket/old"), "CopyObject bucket new"),
        (
            Raw::new("PUT", "/bucket/a%20b?rename%4Fbject").header("x-amz-rename-source", "/old"),
            "RenameObject bucket a b",
        ),
    ] {
        let call = if call.starts_with("Rename") { call.to_owned() } else { call.replace("%20", " ") };
        let mut callers = vec![(request.clone().sign(EMPTY), &*call), (request.clone().presign(), &*call)];
        let anonymous = call.replace("by tenant", "by nobody");
        // Nobody in particular has no buckets.
        if request.method != "PUT" || request.target != "/bucket" {
            callers.push((request.clone(), &*anonymous));
        }
        for (signed, call) in callers {
            let reply = server.send(&signed).await;
            assert!(reply.status < 300, "{signed:?}: {reply:?}");
            assert_eq!(server.recorder.calls(), [call]);
            assert_eq!(reply.header("x-amz-request-id").map(str::len), Some(16));
            assert!(reply.header("x-amz-id-2").is_some());
        }
    }
}

#[tokio::test]
async fn what_must_be_refused_never_arrives() {
    let server = Server::start();
    let put = || Raw::new("PUT", "/bucket/k").body("x");
    let put_renames = || Raw::new("PUT", "/bucket/k?renameObject");
    for (request, status, code) in [
        // Sub-resources that nobody here knows.
        (Raw::new("DELETE", "/bucket?anythingUnknown").sign(EMPTY), 400, "InvalidArgument"),
        (Raw::new("DELETE", "/bucket/k?anythingUnknown").sign(EMPTY), 400, "InvalidArgument"),
        (Raw::new("DELETE", "/bucket?metrics&id=1").sign(EMPTY), 501, "NotImplemented"),
        (Raw::new("DELETE", "/bucket?encryption").sign(EMPTY), 501, "NotImplemented"),
        (Raw::new("DELETE", "/bucket/k?legal-hold").sign(EMPTY), 501, "NotImplemented"),
        (Raw::new("DELETE", "/bucket/k?versionId=gone").sign(EMPTY), 404, "NoSuchVersion"),
        (Raw::new("PUT", "/bucket/k?restore").body("x").sign("UNSIGNED-PAYLOAD"), 501, "NotImplemented"),
        (Raw::new("DELETE", "/bucket/k?renameObject").sign(EMPTY), 400, "InvalidArgument"),
        (put_renames().body("x").sign("UNSIGNED-PAYLOAD"), 400, "UnexpectedContent"),
        (put_renames().header("x-amz-meta-a", "b").sign(EMPTY), 400, "InvalidArgument"),
        (Raw::new("PUT", "/bucket?versioning").sign(EMPTY), 501, "NotImplemented"),
        (Raw::new("POST", "/bucket/k?select&select-type=2").sign(EMPTY), 501, "NotImplemented"),
        (Raw::new("GET", "/bucket/k?torrent").sign(EMPTY), 501, "NotImplemented"),
        (Raw::new("GET", "/bucket?list-type=2&list-type=1").sign(EMPTY), 400, "InvalidArgument"),
        (Raw::new("PATCH", "/bucket/k").sign(EMPTY), 405, "MethodNotAllowed"),
        (Raw::new("OPTIONS", "/bucket/k"), 405, "MethodNotAllowed"),
        // Headers that would change what happens.
        (put().presign().header("x-amz-copy-source", "/other/secret"), 403, "AccessDenied"),
        (put().presign().header("x-pocket-ttl", "5s"), 403, "AccessDenied"),
        (put().sign("UNSIGNED-PAYLOAD").header("x-amz-meta-late", "1"), 403, "AccessDenied"),
        (
            Raw::new("PUT", "/bucket/k").header("x-amz-rename-source", "/bucket/a").sign(EMPTY),
            400,
            "InvalidArgument",
        ),
        (
            put().header("x-amz-object-lock-mode", "GOVERNANCE").sign("UNSIGNED-PAYLOAD"),
            501,
            "NotImplemented",
        ),
        (put().header("x-amz-grant-write", "id=1").sign("UNSIGNED-PAYLOAD"), 400, "InvalidArgument"),
        (put().header("x-pocket-tll", "5s").sign("UNSIGNED-PAYLOAD"), 400, "InvalidArgument"),
        (put().header("x-amz-security-token", "t").sign("UNSIGNED-PAYLOAD"), 400, "InvalidToken"),
        (put().header("content-range", "bytes 0-0/1").sign("UNSIGNED-PAYLOAD"), 501, "NotImplemented"),
        (Raw::new("DELETE", "/bucket/k").header("if-none-match", "*").sign(EMPTY), 501, "NotImplemented"),
        // Paths.
        (Raw::new("GET", "/Bucket/k").sign(EMPTY), 400, "InvalidBucketName"),
        (Raw::new("GET", "//bucket/k").sign(EMPTY), 400, "InvalidBucketName"),
        (Raw::new("GET", "/bucket/%zz"), 400, "InvalidURI"),
        (Raw::new("GET", &format!("/bucket/{}", "k".repeat(1_025))).sign(EMPTY), 400, "KeyTooLongError"),
        // Signatures.
        (Raw::new("GET", "/bucket/k").header("authorization", "AWS a:b"), 400, "InvalidRequest"),
        (
            Raw::new("GET", "/bucket/k").header("authorization", "AWS4-HMAC-SHA256 x"),
            400,
            "AuthorizationHeaderMalformed",
        ),
        (Raw::new("GET", "/bucket/k?X-Amz-Signature=0"), 400, "AuthorizationQueryParametersError"),
        (Raw::new("GET", "/bucket/k?X-Amz-Expires=5"), 400, "AuthorizationQueryParametersError"),
        (Raw::new("GET", "/bucket/k").header("authorization", ""), 400, "InvalidArgument"),
        (put().header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), 400, "InvalidRequest"),
        (
            Raw { method: "DELETE".into(), ..Raw::new("GET", "/bucket/k").sign(EMPTY) },
            403,
            "SignatureDoesNotMatch",
        ),
        (moved(Raw::new("GET", "/bucket/k").presign()), 403, "SignatureDoesNotMatch"),
        (
            Raw { target: "/bucket/l".into(), ..Raw::new("GET", "/bucket/k").sign(EMPTY) },
            403,
            "SignatureDoesNotMatch",
        ),
    ] {
        let reply = server.send(&request).await;
        assert_eq!((reply.status, reply.code()), (status, Some(code)), "{request:?}: {reply:?}");
        let id = |name| reply.header(name).unwrap();
        let ids = format!(
            "<RequestId>{}</RequestId><HostId>{}</HostId></Error>",
            id("x-amz-request-id"),
            id("x-amz-id-2")
        );
        assert!(reply.body.ends_with(&ids), "{reply:?}");
        let names_it = reply.body.contains("<ArgumentName>") && reply.body.contains("<ArgumentValue>");
        assert_eq!(names_it, code == "InvalidArgument", "{request:?}: {reply:?}");
        assert_eq!(server.recorder.calls(), [""; 0], "{request:?}");
    }
}

/// The same parameters on another key.
fn moved(presigned: Raw) -> Raw {
    Raw { target: presigned.target.replace("/k?", "/l?"), ..presigned }
}

#[tokio::test]
async fn headers_that_a_signer_moved_into_the_query_count_as_headers() {
    let server = Server::start();
    let moved =
        Raw::new("PUT", "/bucket/k?x-amz-meta-colour=light%20blue&x-pocket-ttl=5s").presign().body("x");
    assert_eq!(server.send(&moved).await.status, 200);
    assert_eq!(
        server.recorder.calls(),
        ["PutObject bucket k: \"x\", x-amz-meta-colour=light blue, x-pocket-ttl=5s"]
    );
    let not_built = Raw::new("PUT", "/bucket/k?X-Amz-Object-Lock-Mode=GOVERNANCE").presign().body("x");
    assert_eq!(server.send(&not_built).await.code(), Some("NotImplemented"));
    let hash = Raw::new("PUT", "/bucket/k?x-amz-content-sha256=UNSIGNED-PAYLOAD").presign().body("x");
    assert_eq!(server.send(&hash).await.code(), Some("InvalidArgument"));
    let by_header = Raw::new("PUT", "/bucket/k?x-amz-meta-colour=blue").body("x").sign("UNSIGNED-PAYLOAD");
    assert_eq!(server.send(&by_header).await.code(), Some("InvalidArgument"));
    assert_eq!(server.recorder.calls(), [""; 0]);
}

/// The SDK for JavaScript signs the CRC-32 of nothing into every URL for a PUT, and S3 holds it against no body.
#[tokio::test]
async fn a_checksum_in_a_presigned_url_says_nothing_of_the_body_that_is_sent_later() {
    let server = Server::start();
    let url = "/bucket/k?x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32";
    for target in [url, "/bucket/k?X-Amz-Checksum-Sha256=AAAA", "/bucket/k?x-amz-sdk-checksum-algorithm=SHA1"]
    {
        assert_eq!(server.send(&Raw::new("PUT", target).presign().body("x")).await.status, 200, "{target}");
        assert_eq!(server.recorder.calls(), ["PutObject bucket k: \"x\""], "{target}");
    }
    let vouched = |sum| Raw::new("PUT", url).body("x").header("x-amz-checksum-crc32", sum).presign();
    assert_eq!(server.send(&vouched("jNwWgA==")).await.code(), Some("BadDigest"));
    assert_eq!(server.recorder.calls(), [""; 0]);
    assert_eq!(server.send(&vouched("jNwWgw==")).await.status, 200);
    assert_eq!(server.recorder.calls(), ["PutObject bucket k: \"x\", CRC32"]);
    let moved = url.replace("AAAAAA", "AAAAAB");
    let changed =
        Raw { target: Raw::new("PUT", url).presign().target.replace(url, &moved), ..Raw::new("PUT", url) };
    assert_eq!(server.send(&changed.body("x")).await.code(), Some("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn errors_from_behind_carry_the_request_id_and_head_carries_no_body() {
    let server = Server::start();
    let reply = server.send(&Raw::new("GET", "/bucket/missing").sign(EMPTY)).await;
    assert_eq!((reply.status, reply.code()), (404, Some("NoSuchKey")));
    assert!(reply.body.contains(&format!("<RequestId>{}<", reply.header("x-amz-request-id").unwrap())));

    let mut client = server.connect().await;
    for request in [Raw::new("HEAD", "/bucket/missing").sign(EMPTY), Raw::new("HEAD", "/bucket/k?colour")] {
        client.write(&request.bytes()).await;
        let reply = client.read_reply("HEAD").await;
        assert!(matches!(reply.status, 404 | 400));
    }
    // Had a body come, it would stand before this answer.
    client.write(&Raw::new("GET", "/bucket/k").sign(EMPTY).bytes()).await;
    assert_eq!(client.read_reply("GET").await.status, 200);
}

#[tokio::test]
async fn values_that_are_no_numbers_are_the_clients_fault() {
    let server = Server::start();
    for target in ["/bucket/k?partNumber=abc", "/bucket?max-keys=abc"] {
        let reply = server.send(&Raw::new("GET", target).sign(EMPTY)).await;
        assert_eq!(reply.status, 400, "{target}: {reply:?}");
    }
    let no_xml = Raw::new("POST", "/bucket?delete").body("{\"not\": \"xml\"}").sign("UNSIGNED-PAYLOAD");
    let reply = server.send(&no_xml).await;
    assert_eq!((reply.status, reply.code()), (400, Some("MalformedXML")));
    assert_eq!(server.recorder.calls(), [""; 0]);
}

/// What a new bucket is to be comes in a document, which is nobody's business whose request is refused anyway.
#[tokio::test]
async fn a_document_is_read_when_it_is_decided_that_the_caller_may_ask() {
    let server = Server::start();
    let create = |text: &str| Raw::new("PUT", "/bucket").header("x-pocket-ttl", "5s").body(text);
    let document = "<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>\
                    </CreateBucketConfiguration>";
    assert_eq!(server.send(&create(document).sign("UNSIGNED-PAYLOAD")).await.status, 200);
    assert_eq!(server.recorder.calls(), ["CreateBucket bucket, ttl 5s, tagged a=b"]);
    let broken = create("<CreateBucketConfiguration>");
    assert_eq!(server.send(&broken.clone().sign("UNSIGNED-PAYLOAD")).await.code(), Some("MalformedXML"));
    assert_eq!(server.send(&broken).await.code(), Some("AccessDenied"));
    // The body of nobody in particular is not even waited for.
    let unsent = Raw::new("PUT", "/bucket").header("content-length", "1000");
    assert_eq!(server.send(&unsent).await.code(), Some("AccessDenied"));
    assert_eq!(server.recorder.calls(), [""; 0]);
}

#[tokio::test]
async fn a_session_is_made_for_who_signs_and_for_nobody_else() {
    let server = Server::start();
    let open = Raw::new("GET", "/bucket?session");
    let reply = server.send(&open.clone().sign(EMPTY)).await;
    assert_eq!(reply.status, 200);
    for element in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"] {
        assert!(reply.body.contains(&format!("<{element}>")), "{}", reply.body);
    }
    assert_eq!(server.send(&open).await.code(), Some("AccessDenied"));
}

#[tokio::test]
async fn a_method_that_is_not_allowed_is_told_which_ones_are() {
    let server = Server::start();
    for (method, target, allowed) in [
        ("PATCH", "/bucket/k", "GET, HEAD, PUT, DELETE"),
        ("POST", "/bucket/k", "GET, HEAD, PUT, DELETE"),
        ("DELETE", "/", "GET"),
        ("OPTIONS", "/bucket", "GET, HEAD, PUT, POST, DELETE"),
    ] {
        let reply = server.send(&Raw::new(method, target)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)), "{method} {target}");
    }
}

#[tokio::test]
async fn a_head_of_a_bucket_that_is_forbidden_tells_its_region() {
    let server = Server::start();
    let region = EdgeConfig::default().region;
    for (method, target, host, told) in [
        ("HEAD", "/forbidden", None, true),
        ("HEAD", "/", Some("forbidden.s3.local"), true),
        ("GET", "/forbidden?session", None, false),
    ] {
        let request =
            host.map_or(Raw::new(method, target), |host| Raw::new(method, target).header("host", host));
        let reply = server.send(&request).await;
        let found = (reply.status, reply.header("x-amz-bucket-region"));
        assert_eq!(found, (403, told.then_some(&*region)), "{method} {target}");
    }
}

/// S3's bound is on the bytes of metadata, and not on their number.
#[tokio::test]
async fn metadata_come_in_many_pieces_and_under_one_name() {
    let server = Server::start();
    let many = (0..400)
        .fold(Raw::new("PUT", "/bucket/k"), |request, n| request.header(&format!("x-amz-meta-{n}"), "1"));
    assert_eq!(server.send(&many.body("x").sign("UNSIGNED-PAYLOAD")).await.status, 200);
    assert_eq!(server.recorder.calls().concat().matches("x-amz-meta-").count(), 400);
    let twice = Raw::new("PUT", "/bucket/k").header("x-amz-meta-a", "1").header("x-amz-meta-a", "2");
    let reply = server.send(&twice.body("x").sign("UNSIGNED-PAYLOAD")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let noted = server.recorder.calls().concat();
    assert!(noted.ends_with(", x-amz-meta-a=1,2"), "{noted}");
}

#[tokio::test]
async fn what_s3_passes_over_is_passed_over() {
    let server = Server::start();
    for request in [
        Raw::new("PUT", "/bucket/k").header("x-amz-foo", "bar").body("x").sign("UNSIGNED-PAYLOAD"),
        Raw::new("PUT", "/bucket/k?x-amz-foo=bar").presign().body("x"),
        Raw::new("GET", "/bucket/k?utm_source=mail").sign(EMPTY),
        Raw::new("GET", "/bucket?list-type=1&colour=blue").sign(EMPTY),
    ] {
        let reply = server.send(&request).await;
        assert_eq!((reply.status, server.recorder.calls().len()), (200, 1), "{request:?}: {reply:?}");
    }
}

#[tokio::test]
async fn a_bucket_may_stand_in_a_host_of_this_machine_where_no_domain_is_said() {
    let server = Server::with(EdgeConfig::default());
    for host in ["bucket.localhost", "bucket.localhost:9000", "bucket.s3.localhost:9000"] {
        let get = Raw::new("GET", "/k//v").header("host", host);
        for request in [get.clone(), get.clone().sign(EMPTY), get.presign()] {
            assert_eq!(server.send(&request).await.status, 200, "{request:?}");
            assert_eq!(server.recorder.calls(), ["GetObject bucket k//v"], "{host}");
        }
    }
    for host in ["localhost", "s3.localhost:9000"] {
        let request = Raw::new("GET", "/bucket/k").header("host", host).sign(EMPTY);
        assert_eq!(server.send(&request).await.status, 200);
        assert_eq!(server.recorder.calls(), ["GetObject bucket k"], "{host}");
    }
}
