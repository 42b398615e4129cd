//! XML that is no document of S3, or not the one that was announced.

use super::fixture;
use pocket_compat_tests::checksums::{checksum, sha256_hex};
use pocket_compat_tests::xml::{escape, texts};

#[test]
fn deleting_many_with_a_wrong_digest_deletes_nothing() {
    let f = fixture();
    let xml = b"<Delete><Object><Key>k</Key></Object></Delete>";
    let post = || f.on_bucket("POST").query("delete", "").body(xml);
    post().header("content-md5", &checksum("md5", b"another")).send().expect_error(400, "BadDigest");
    post().header("x-amz-checksum-crc32", "AAAAAA==").send().expect_error(400, "BadDigest");
    post().payload(&sha256_hex(b"another")).send().expect_error(400, "XAmzContentSHA256Mismatch");
    f.expect_untouched();
    for body in [&b"not xml"[..], b"", b"<Delete>", b"<Delete></Delete>", b"<Other/>", b"\xff\xfe"] {
        let answer = f.on_bucket("POST").query("delete", "").body(body).send();
        assert_eq!(answer.status, 400, "{body:?}: {}", answer.text());
    }
    let many: String = (0..1_001).map(|n| format!("<Object><Key>k{n}</Key></Object>")).collect();
    let too_many = format!("<Delete><Object><Key>k</Key></Object>{many}</Delete>");
    let answer = f.on_bucket("POST").query("delete", "").body(too_many.as_bytes()).send();
    answer.expect_error(400, "MalformedXML");
    f.expect_untouched();
    // With and without a namespace, with either digest, and with none.
    for digest in ["content-md5", "x-amz-checksum-sha256", ""] {
        f.client.put(&format!("/{}/gone & <x>", f.bucket), b"x").expect(200);
        let key = escape("gone & <x>");
        let xml = format!(
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>{key}</Key></Object></Delete>"
        );
        let mut request = f.on_bucket("POST").query("delete", "").body(xml.as_bytes());
        if !digest.is_empty() {
            let algorithm = if digest == "content-md5" { "md5" } else { "sha256" };
            request = request.header(digest, &checksum(algorithm, xml.as_bytes()));
        }
        let answer = request.send().expect(200).text();
        assert_eq!(texts(&answer, "Key"), ["gone & <x>"], "{answer}");
    }
    f.expect_untouched();
}

#[test]
fn keys_in_a_document_are_what_xml_says_and_nothing_in_it_is_passed_over() {
    let f = fixture();
    let keys = ["a<&>b", "dir/x", "two\nlines", "\u{1f600}"];
    keys.iter().for_each(|key| drop(f.on_key("PUT", key).body(b"x").send().expect(200)));
    let delete = |xml: &str| f.on_bucket("POST").query("delete", "").body(xml.as_bytes()).send();
    for xml in [
        "<Delete><Object><Key>k</Key></Object><Objects/></Delete>",
        "<Delete><Object><Key>k</Key><Colour/></Object></Delete>",
        "<Delete><Object><Key>k</Key></Object>and more</Delete>",
        "<Delete><Object><Key>k</Key></Object></Delete><Delete/>",
        "<!DOCTYPE d [<!ENTITY e \"k\">]><Delete><Object><Key>&e;</Key></Object></Delete>",
        "<!DOCTYPE d SYSTEM \"file:///etc/passwd\"><Delete><Object><Key>k</Key></Object></Delete>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><Delete><Object><Key>\u{fc}</Key></Object></Delete>",
        "<Tagging><TagSet/></Tagging>",
        &"<Delete>".repeat(100_000),
    ] {
        delete(xml).expect_error(400, "MalformedXML");
    }
    let tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag><Colour/></TagSet></Tagging>";
    let tag = f.on_key("PUT", "k").query("tagging", "").body(tagging.as_bytes());
    tag.send().expect_error(400, "MalformedXML");
    // The key is not "k", though that is all of it that stands outside.
    let xml = "<Delete><Object><Key>k<![CDATA[x]]></Key></Object><Object><Key><![CDATA[a<&>b]]></Key></Object>\
               <Object><Key>dir/&#120;</Key></Object><Object><Key>two\r\nlines</Key></Object>\
               <Object><Key>&#128512;</Key></Object></Delete>";
    let answer = delete(xml).expect(200).text();
    assert_eq!(texts(&answer, "Key"), ["kx", "a<&>b", "dir/x", "two\nlines", "\u{1f600}"], "{answer}");
    f.expect_untouched();
    for key in keys {
        f.on_key("HEAD", key).send().expect(404);
    }
}

#[test]
fn who_may_not_put_a_document_is_told_before_it_is_read() {
    let f = fixture();
    for target in [
        "?acl",
        "?cors",
        "?lifecycle",
        "?ownershipControls",
        "?policy",
        "?publicAccessBlock",
        "?tagging",
        "/k?acl",
        "/k?tagging",
    ] {
        // Nothing follows this head: whoever waited for the document would wait for long.
        let head = format!(
            "PUT /{}{target} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n",
            f.bucket, f.client.address
        );
        let answer = f.raw(&head).unwrap_or_else(|error| panic!("{target} has no answer: {error}"));
        answer.expect_error(403, "AccessDenied");
    }
    f.expect_untouched();
}
