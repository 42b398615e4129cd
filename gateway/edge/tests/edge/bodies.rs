//! Request bodies in all forms: what is whole and right arrives without framing; what is not leaves nothing behind.

use crate::wire::{EMPTY, Raw, Server};

const TRAILER_FORM: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// SHA-256 of "123456789".
const SHA256: &str = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";

fn put(body: &str) -> Raw {
    Raw::new("PUT", "/bucket/k").body(body)
}

/// "123456789" in two chunks, with a trailer.
fn framed(trailer: &str) -> String {
    format!("4\r\n1234\r\n5\r\n56789\r\n0\r\n{trailer}\r\n\r\n")
}

/// The same without one.
const UNTRAILED: &str = "4\r\n1234\r\n5\r\n56789\r\n0\r\n\r\n";

fn trailing(body: &str) -> Raw {
    put(body)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", 9)
        .header("x-amz-trailer", "x-amz-checksum-crc32")
}

#[tokio::test]
async fn every_form_arrives_as_the_same_bytes() {
    let server = Server::start();
    let whole = framed("x-amz-checksum-crc32:y/Q5Jg==");
    let over_http_chunks = {
        let mut request = trailing("").header("transfer-encoding", "chunked");
        request.headers.retain(|(name, _)| name != "content-length");
        request.body = format!("{:x}\r\n{whole}\r\n0\r\n\r\n", whole.len()).into();
        request
    };
    for (request, call) in [
        (put("123456789").sign(SHA256), "PutObject bucket k: \"123456789\""),
        (put("123456789").sign(UNSIGNED), "PutObject bucket k: \"123456789\""),
        (put("123456789").presign(), "PutObject bucket k: \"123456789\""),
        // Nobody signed these, and what they promise is held against them all the same.
        (put("123456789"), "PutObject bucket k: \"123456789\""),
        (put("123456789").header("x-amz-content-sha256", SHA256), "PutObject bucket k: \"123456789\""),
        (
            trailing(&whole).header("x-amz-content-sha256", TRAILER_FORM),
            "PutObject bucket k: \"123456789\", CRC32",
        ),
        (put("123456789").header("x-amz-meta-a", "b"), "PutObject bucket k: \"123456789\", x-amz-meta-a=b"),
        (put("").sign(EMPTY), "PutObject bucket k: \"\""),
        (
            put("123456789").header("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==").sign(UNSIGNED),
            "PutObject bucket k: \"123456789\"",
        ),
        (
            put("123456789").header("x-amz-checksum-crc64nvme", "rosUhgp5mIg=").sign(UNSIGNED),
            "PutObject bucket k: \"123456789\", CRC64NVME",
        ),
        (
            put("123456789")
                .header("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=")
                .sign(SHA256),
            "PutObject bucket k: \"123456789\", SHA256",
        ),
        (trailing(&whole).sign(TRAILER_FORM), "PutObject bucket k: \"123456789\", CRC32"),
        // Announced, and sent in a header: the SDK for Java over HTTP.
        (
            trailing(UNTRAILED).header("x-amz-checksum-crc32", "y/Q5Jg==").sign(TRAILER_FORM),
            "PutObject bucket k: \"123456789\", CRC32",
        ),
        (
            Raw::new("PUT", "/bucket/k?x-amz-sdk-checksum-algorithm=CRC32").body("123456789").presign(),
            "PutObject bucket k: \"123456789\"",
        ),
        (over_http_chunks.sign(TRAILER_FORM), "PutObject bucket k: \"123456789\", CRC32"),
    ] {
        let reply = server.send(&request).await;
        assert_eq!((reply.status, reply.code()), (200, None), "{request:?}");
        assert_eq!(server.recorder.calls(), [call], "{request:?}");
    }
}

#[tokio::test]
async fn the_framing_leaves_the_stored_encoding() {
    let server = Server::start();
    // In one line or in several, as SDKs send it that know of a coding only what the other side of them did.
    for lines in [&["aws-chunked,gzip"][..], &["gzip", "aws-chunked"], &["aws-chunked", "gzip"]] {
        let mut request = trailing(&framed("x-amz-checksum-crc32:y/Q5Jg=="));
        request.headers.retain(|(name, _)| name != "content-encoding");
        let request = lines.iter().fold(request, |request, line| request.header("content-encoding", line));
        assert_eq!(server.send(&request.sign(TRAILER_FORM)).await.status, 200, "{lines:?}");
        let stored = ["PutObject bucket k: \"123456789\", CRC32, encoded gzip"];
        assert_eq!(server.recorder.calls(), stored, "{lines:?}");
    }
    let twice = put("123456789").header("content-encoding", "br").header("content-encoding", "gzip");
    assert_eq!(server.send(&twice.sign(UNSIGNED)).await.status, 200);
    assert_eq!(server.recorder.calls(), ["PutObject bucket k: \"123456789\", encoded br,gzip"]);
}

#[tokio::test]
async fn broken_promises_are_refused_and_nothing_is_written() {
    let server = Server::start();
    let wrong_sum = framed("x-amz-checksum-crc32:AAAAAA==");
    let cut_short = |body: &str, keep: usize| trailing(&body[..keep]).sign(TRAILER_FORM);
    let good = framed("x-amz-checksum-crc32:y/Q5Jg==");
    let garbage = format!("{good}garbage");
    for (request, code) in [
        (put("123456789").sign(EMPTY), "XAmzContentSHA256Mismatch"),
        (put("12345678x").sign(SHA256), "XAmzContentSHA256Mismatch"),
        (put("").sign(SHA256), "XAmzContentSHA256Mismatch"),
        (put("12345678x").header("x-amz-content-sha256", SHA256), "XAmzContentSHA256Mismatch"),
        (put("x").header("x-amz-checksum-crc32", "y/Q5Jg=="), "BadDigest"),
        (trailing(&wrong_sum).header("x-amz-content-sha256", TRAILER_FORM), "BadDigest"),
        (trailing(UNTRAILED).header("x-amz-checksum-crc32", "AAAAAA==").sign(TRAILER_FORM), "BadDigest"),
        (trailing(UNTRAILED).sign(TRAILER_FORM), "MalformedTrailerError"),
        (put("x").header("x-amz-sdk-checksum-algorithm", "CRC32").sign(UNSIGNED), "InvalidRequest"),
        (put("x").header("x-amz-sdk-checksum-algorithm", "CRC31").sign(UNSIGNED), "InvalidRequest"),
        (put("x").header("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==").sign(UNSIGNED), "BadDigest"),
        (put("x").header("content-md5", "AAAA").sign(UNSIGNED), "InvalidDigest"),
        (put("x").header("x-amz-checksum-crc32", "y/Q5Jg==").sign(UNSIGNED), "BadDigest"),
        (put("x").header("x-amz-checksum-crc32c", "y/Q5Jg==").sign(UNSIGNED), "BadDigest"),
        (put("x").header("x-amz-checksum-crc64nvme", "rosUhgp5mIg=").sign(UNSIGNED), "BadDigest"),
        (put("x").header("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=").sign(UNSIGNED), "BadDigest"),
        (
            put("x")
                .header("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=")
                .sign(UNSIGNED),
            "BadDigest",
        ),
        (put("x").header("x-amz-checksum-crc32", "not base64").sign(UNSIGNED), "InvalidRequest"),
        (
            put("x")
                .header("x-amz-checksum-crc32", "y/Q5Jg==")
                .header("x-amz-checksum-crc32c", "y/Q5Jg==")
                .sign(UNSIGNED),
            "InvalidRequest",
        ),
        (trailing(&wrong_sum).sign(TRAILER_FORM), "BadDigest"),
        (trailing(&framed("x-amz-checksum-crc32:?")).sign(TRAILER_FORM), "InvalidRequest"),
        (trailing(&framed("x-amz-checksum-sha1:y/Q5Jg==")).sign(TRAILER_FORM), "MalformedTrailerError"),
        (trailing(&framed("")).sign(TRAILER_FORM), "MalformedTrailerError"),
        (cut_short(&good, 20), "IncompleteBody"),
        (cut_short(&good, good.len() - 1), "IncompleteBody"),
        (cut_short(&good, 9), "IncompleteBody"),
        (trailing(&garbage).sign(TRAILER_FORM), "InvalidRequest"),
        (
            put(&good)
                .header("x-amz-decoded-content-length", 8)
                .header("x-amz-trailer", "x-amz-checksum-crc32")
                .sign(TRAILER_FORM),
            "InvalidRequest",
        ),
        (
            put(&good)
                .header("x-amz-decoded-content-length", 10)
                .header("x-amz-trailer", "x-amz-checksum-crc32")
                .sign(TRAILER_FORM),
            "IncompleteBody",
        ),
        (put(&good).header("x-amz-decoded-content-length", "nine").sign(TRAILER_FORM), "InvalidArgument"),
        (put(&good).sign(TRAILER_FORM), "MissingContentLength"),
        (Raw::new("PUT", "/bucket/k").sign(UNSIGNED), "MissingContentLength"),
        (
            put(&good).header("x-amz-decoded-content-length", 9).sign("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            "SignatureDoesNotMatch",
        ),
        (put("x").sign("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), "NotImplemented"),
        (put("x").sign("nonsense"), "InvalidArgument"),
        (Raw::new("DELETE", "/bucket/k").body("x").sign(UNSIGNED), "UnexpectedContent"),
        (
            Raw::new("PUT", "/bucket/k").header("content-length", (5_u64 << 30) + 1).sign(UNSIGNED),
            "EntityTooLarge",
        ),
    ] {
        let reply = server.send(&request).await;
        assert_eq!(reply.code(), Some(code), "{request:?}: {reply:?}");
        assert_eq!(server.recorder.calls(), [""; 0], "{request:?}");
    }
}

#[tokio::test]
async fn documents_are_verified_before_anything_happens() {
    let server = Server::start();
    let delete = "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>";
    let post = || Raw::new("POST", "/bucket?delete").body(delete);
    for (name, value) in [
        ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
        ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ] {
        let reply = server.send(&post().header(name, value).sign(UNSIGNED)).await;
        assert_eq!((reply.code(), server.recorder.calls()), (Some("BadDigest"), vec![]), "{name}");
    }
    let reply = server.send(&post().sign(SHA256)).await;
    assert_eq!((reply.code(), server.recorder.calls()), (Some("XAmzContentSHA256Mismatch"), vec![]));
    let too_long = Raw::new("POST", "/bucket?delete").header("content-length", 9 << 20).sign(UNSIGNED);
    assert_eq!(server.send(&too_long).await.code(), Some("MaxMessageLengthExceeded"));
    assert_eq!(server.send(&post().sign(UNSIGNED)).await.status, 200);
    assert_eq!(server.recorder.calls(), ["DeleteObjects 2"]);
}

#[tokio::test]
async fn forms_are_not_taken_apart() {
    let server = Server::start();
    let form = Raw::new("POST", "/bucket?delete")
        .header("content-type", "Multipart/form-data; boundary=x")
        .body("--x--");
    assert_eq!(server.send(&form.sign(UNSIGNED)).await.code(), Some("NotImplemented"));
}
