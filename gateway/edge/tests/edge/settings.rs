//! Settings of buckets over the wire: each request arrives as what it asks for, and never as the plain operation beside it.

use crate::wire::{EMPTY, Raw, Server};

#[tokio::test]
async fn settings_arrive_as_what_they_are() {
    let server = Server::start();
    let put = |target: &str| Raw::new("PUT", target).body("x").sign("UNSIGNED-PAYLOAD");
    let other = |method: &str, target: &str| Raw::new(method, target).sign(EMPTY);
    for (request, status, note) in [
        (other("GET", "/bucket?versioning"), 200, "GetBucketSetting"),
        (other("GET", "/bucket?analytics&id=1"), 200, "GetBucketSetting"),
        (other("DELETE", "/bucket?policy"), 204, "DeleteBucketSetting"),
        (other("DELETE", "/bucket?lifecycle="), 204, "DeleteBucketSetting"),
        (other("DELETE", "/bucket?x-id=DeleteBucketTagging&tagging"), 204, "DeleteBucketSetting"),
        (put("/bucket?acl"), 200, "PutBucketAcl"),
        (put("/bucket?cors"), 200, "PutBucketCors"),
        (put("/bucket?lifecycle"), 200, "PutBucketLifecycle"),
        (put("/bucket?ownershipControls"), 200, "PutBucketOwnershipControls"),
        (put("/bucket?policy"), 204, "PutBucketPolicy"),
        (put("/bucket?publicAccessBlock"), 200, "PutPublicAccessBlock"),
        (put("/bucket?tagging"), 200, "PutBucketTagging"),
        (other("GET", "/bucket/k?acl"), 200, "GetObjectAcl"),
        (put("/bucket/k?acl&versionId=null"), 200, "PutObjectAcl"),
    ] {
        let reply = server.send(&request).await;
        assert_eq!(reply.status, status, "{request:?}: {reply:?}");
        assert_eq!(server.recorder.calls(), [note], "{request:?}");
    }
}

#[tokio::test]
async fn headers_beside_a_document_are_held_to_what_they_may_say() {
    let server = Server::start();
    let put = |target: &str, name: &str, value: &str| {
        Raw::new("PUT", target).header(name, value).body("x").sign("UNSIGNED-PAYLOAD")
    };
    let minimum = "x-amz-transition-default-minimum-object-size";
    for (request, code) in [
        (put("/bucket?lifecycle", minimum, "tiny"), "InvalidArgument"),
        (put("/bucket?lifecycle", "x-pocket-lifecycle-unit", "soon"), "InvalidArgument"),
        (put("/bucket?acl", "x-amz-acl", "publik"), "InvalidArgument"),
        (put("/bucket/k?acl", "x-amz-acl", "aws-exec-read"), "NotImplemented"),
    ] {
        let reply = server.send(&request).await;
        assert_eq!(reply.code(), Some(code), "{request:?}: {reply:?}");
        assert_eq!(server.recorder.calls(), [""; 0], "{request:?}");
    }
    let reply = server.send(&put("/bucket?lifecycle", "x-pocket-lifecycle-unit", "1s")).await;
    let shown = (reply.header(minimum), reply.header("x-pocket-lifecycle-unit"));
    assert_eq!(shown, (Some("all_storage_classes_128K"), Some("1s")));
}
