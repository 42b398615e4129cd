//! Every way in which S3 clients send a body, taken; and every way in which a body can be wrong, refused with nothing
//! stored. Signed by aws-sigv4.

use pocket_compat_tests::checksums::{ALGORITHMS, checksum, md5_hex, sha256_hex};
use pocket_compat_tests::s3::{Client, Framing, Request};
use pocket_compat_tests::server::Server;
use pocket_compat_tests::{bytes, unique_bucket};
use std::time::Duration;

/// Empty, small, around the inline limit, several chunks.
const SIZES: [usize; 6] = [0, 1, 16 << 10, (16 << 10) + 1, 200_000, (2 << 20) + 77];

struct Fixture {
    client: Client,
    bucket: String,
    _server: std::sync::Arc<Server>,
}

fn fixture() -> Fixture {
    let server = Server::embedded();
    let (client, bucket) = (server.client(), unique_bucket("payload"));
    client.create_bucket(&bucket, &[]);
    Fixture { client, bucket, _server: server }
}

impl Fixture {
    fn put(&self, body: &[u8]) -> Request {
        self.client.request("PUT", &format!("/{}/k", self.bucket)).body(body)
    }

    #[track_caller]
    fn expect_stored(&self, body: &[u8]) {
        let found = self.client.get(&format!("/{}/k", self.bucket)).expect(200);
        assert!(found.body == body, "{} bytes came back of {}", found.body.len(), body.len());
        assert_eq!(found.header("content-encoding"), None, "the framing is not the object's encoding");
    }

    #[track_caller]
    fn expect_nothing_stored(&self) {
        self.client.head(&format!("/{}/k", self.bucket)).expect(404);
        assert!(self.client.list_all(&self.bucket, 1_000).is_empty());
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.client.end_bucket(&self.bucket);
        }
    }
}

fn trailer(algorithm: &str, body: &[u8]) -> (String, String) {
    (format!("x-amz-checksum-{algorithm}"), checksum(algorithm, body))
}

#[test]
fn a_body_signed_by_its_digest_or_not_at_all_is_stored() {
    let f = fixture();
    for size in SIZES {
        let body = bytes(size as u64, size);
        f.put(&body).send().expect(200);
        f.expect_stored(&body);
        f.put(&body).payload("UNSIGNED-PAYLOAD").send().expect(200);
        f.expect_stored(&body);
        f.put(&body).presigned(Duration::from_secs(60)).send().expect(200);
        f.expect_stored(&body);
    }
}

#[test]
fn a_body_in_signed_chunks_is_stored() {
    let f = fixture();
    for size in SIZES {
        let body = bytes(size as u64, size);
        f.put(&body).framing(Framing::Signed).send().expect(200);
        f.expect_stored(&body);
    }
}

#[test]
fn a_body_with_a_trailer_is_stored_and_its_checksum_given_back() {
    let f = fixture();
    for algorithm in ALGORITHMS {
        for size in SIZES {
            let body = bytes(size as u64, size);
            let (name, value) = trailer(algorithm, &body);
            let unsigned = Framing::Unsigned { trailer: (name.clone(), value.clone()) };
            let signed = Framing::SignedTrailer { trailer: (name.clone(), value.clone()) };
            for framing in [unsigned, signed] {
                let put = f.put(&body).framing(framing).send().expect(200);
                assert_eq!(put.header(&name), Some(value.as_str()));
                f.expect_stored(&body);
            }
            let path = format!("/{}/k", f.bucket);
            let head =
                f.client.request("HEAD", &path).header("x-amz-checksum-mode", "ENABLED").send().expect(200);
            assert_eq!(head.header(&name), Some(value.as_str()));
        }
    }
}

#[test]
fn a_checksum_in_a_header_is_verified_stored_and_given_back() {
    let f = fixture();
    for algorithm in ALGORITHMS {
        let body = bytes(7, 100_000);
        let (name, value) = trailer(algorithm, &body);
        f.put(&body).header(&name, &value).send().expect(200);
        let path = format!("/{}/k", f.bucket);
        let enabled = || f.client.request("GET", &path).header("x-amz-checksum-mode", "ENABLED");
        assert_eq!(enabled().send().expect(200).header(&name), Some(value.as_str()));
        let part = enabled().header("range", "bytes=0-9").send().expect(206);
        assert_eq!(part.header(&name), None, "a whole object's checksum does not vouch for a part");
        assert_eq!(f.client.get(&path).expect(200).header(&name), None, "nobody asked for it");
    }
}

#[test]
fn other_encodings_stay_when_the_framing_is_taken_off() {
    let f = fixture();
    let body = bytes(1, 1_000);
    f.put(&body).framing(Framing::Signed).header("content-encoding", "aws-chunked,gzip").send().expect(200);
    let found = f.client.get(&format!("/{}/k", f.bucket)).expect(200);
    assert_eq!((found.header("content-encoding"), &found.body), (Some("gzip"), &body));
}

#[test]
fn every_wrong_checksum_is_refused_and_nothing_is_stored() {
    let f = fixture();
    for size in [0, 10, 200_000] {
        let body = bytes(1, size);
        let other = b"something else";
        let wrong_md5 = f.put(&body).header("content-md5", &checksum("md5", other));
        wrong_md5.send().expect_error(400, "BadDigest");
        f.put(&body).payload(&sha256_hex(other)).send().expect_error(400, "XAmzContentSHA256Mismatch");
        for algorithm in ALGORITHMS {
            let (name, value) = trailer(algorithm, other);
            f.put(&body).header(&name, &value).send().expect_error(400, "BadDigest");
            let unsigned = Framing::Unsigned { trailer: (name.clone(), value.clone()) };
            f.put(&body).framing(unsigned).send().expect_error(400, "BadDigest");
            let signed = Framing::SignedTrailer { trailer: (name, value) };
            f.put(&body).framing(signed).send().expect_error(400, "BadDigest");
        }
        f.expect_nothing_stored();
    }
}

#[test]
fn checksums_that_are_none_are_refused() {
    let f = fixture();
    f.put(b"x").header("content-md5", "not base64!").send().expect_error(400, "InvalidDigest");
    f.put(b"x").header("content-md5", "AAAA").send().expect_error(400, "InvalidDigest");
    f.put(b"x").header("x-amz-checksum-crc32", "AAAAAAAA").send().expect_error(400, "InvalidRequest");
    f.put(b"x").payload("no-digest").send().expect(400);
    f.expect_nothing_stored();
}

#[test]
fn chunks_with_a_wrong_signature_are_refused() {
    let f = fixture();
    let body = bytes(3, 200_000);
    let flip_data = |wire: &mut Vec<u8>| {
        let last = wire.len() - 200;
        wire[last] ^= 1;
    };
    f.put(&body).framing(Framing::Signed).bend(flip_data).send().expect_error(403, "SignatureDoesNotMatch");
    let flip_signature = |wire: &mut Vec<u8>| {
        let at = wire.windows(16).position(|w| w == b"chunk-signature=").expect("a signature") + 16;
        wire[at] = if wire[at] == b'0' { b'1' } else { b'0' };
    };
    f.put(&body)
        .framing(Framing::Signed)
        .bend(flip_signature)
        .send()
        .expect_error(403, "SignatureDoesNotMatch");
    let with_trailer = Framing::SignedTrailer { trailer: trailer("crc32", &body) };
    let flip_trailer_signature = |wire: &mut Vec<u8>| {
        let at = wire.len() - 6;
        wire[at] = if wire[at] == b'0' { b'1' } else { b'0' };
    };
    let bent = f.put(&body).framing(with_trailer).bend(flip_trailer_signature);
    bent.send().expect_error(403, "SignatureDoesNotMatch");
    f.expect_nothing_stored();
}

#[test]
fn framed_bodies_that_are_cut_short_or_too_long_are_refused() {
    let f = fixture();
    let body = bytes(4, 150_000);
    let framings = || {
        let trailer = trailer("crc32c", &body);
        [Framing::Signed, Framing::Unsigned { trailer: trailer.clone() }, Framing::SignedTrailer { trailer }]
    };
    for framing in framings() {
        // The last chunk, the end mark and the trailer are missing; the HTTP length is right.
        let cut = f.put(&body).framing(framing).bend(|wire| wire.truncate(100_000)).send();
        assert!(matches!(cut.status, 400 | 403), "{} {}", cut.status, cut.text());
    }
    for framing in framings() {
        // The decoded length promises more than comes.
        let more = f.put(&body).framing(framing).header("x-amz-decoded-content-length", "150001").send();
        assert_eq!(more.status, 400, "{}", more.text());
    }
    for framing in framings() {
        let less = f.put(&body).framing(framing).header("x-amz-decoded-content-length", "149999").send();
        assert_eq!(less.status, 400, "{}", less.text());
    }
    for framing in framings() {
        let nonsense = f.put(&body).framing(framing).header("x-amz-decoded-content-length", "many").send();
        assert_eq!(nonsense.status, 400, "{}", nonsense.text());
    }
    f.expect_nothing_stored();
}

#[test]
fn a_trailer_that_is_missing_or_another_one_is_refused() {
    let f = fixture();
    let body = bytes(5, 1_000);
    let (name, value) = trailer("crc32", &body);
    let framing = || Framing::Unsigned { trailer: (name.clone(), value.clone()) };
    let drop_trailer = |wire: &mut Vec<u8>| {
        let at = wire.windows(6).rposition(|w| w == b"\r\n0\r\nx").expect("an end mark");
        wire.truncate(at + 5);
        wire.extend_from_slice(b"\r\n");
    };
    let missing = f.put(&body).framing(framing()).bend(drop_trailer).send();
    assert_eq!(missing.status, 400, "{}", missing.text());
    let another = f.put(&body).framing(framing()).header("x-amz-trailer", "x-amz-checksum-sha1").send();
    assert_eq!(another.status, 400, "{}", another.text());
    f.expect_nothing_stored();
}

#[test]
fn a_plain_body_cut_short_leaves_nothing() {
    let f = fixture();
    for size in [1_000, 300_000, 3_000_000] {
        let body = bytes(6, size);
        let (head, wire) = f.put(&body).into_parts();
        let mut connection = pocket_compat_tests::http::Connection::open(&f.client.address).unwrap();
        connection.send(&head).unwrap();
        connection.send(&wire[..size - 1]).unwrap();
        connection.end_sending().unwrap();
        if let Ok(answer) = connection.receive(false) {
            assert_eq!(answer.status, 400, "{}", answer.text());
        }
        drop(connection);
        f.expect_nothing_stored();
    }
}

#[test]
fn lengths_that_cannot_be_are_refused_before_the_body() {
    let f = fixture();
    let six_gib = (6_u64 << 30).to_string();
    let framed = f.put(b"").framing(Framing::Signed).header("x-amz-decoded-content-length", &six_gib);
    framed.content_length(7 << 30).send().expect_error(400, "EntityTooLarge");
    f.put(b"x").content_length(6 << 30).send().expect_error(400, "EntityTooLarge");
    f.expect_nothing_stored();
}

#[test]
fn an_expected_100_is_sent_even_when_there_is_nothing_to_read() {
    let f = fixture();
    for size in [0, 10, 100_000] {
        let body = bytes(8, size);
        let (head, wire) =
            f.put(&body).header("expect", "100-continue").framing(Framing::Signed).into_parts();
        let mut connection = pocket_compat_tests::http::Connection::open(&f.client.address).unwrap();
        connection.send(&head).unwrap();
        assert_eq!(connection.receive_any(false).unwrap().status, 100);
        connection.send(&wire).unwrap();
        connection.receive(false).unwrap().expect(200);
        f.expect_stored(&body);
    }
    // With nothing at all to send, not even framing.
    let (head, _) = f.put(b"").header("expect", "100-continue").into_parts();
    let mut connection = pocket_compat_tests::http::Connection::open(&f.client.address).unwrap();
    connection.send(&head).unwrap();
    assert_eq!(connection.receive_any(false).unwrap().status, 100);
    connection.receive(false).unwrap().expect(200);
}

#[test]
fn an_early_refusal_is_read_and_not_a_reset() {
    let f = fixture();
    let body = bytes(9, 3_000_000);
    // Wrong signature: known before the body.
    let mut stranger = f.client.clone();
    stranger.secret_key = "not the secret".into();
    for _ in 0..20 {
        let path = format!("/{}/k", f.bucket);
        stranger.put(&path, &body).expect_error(403, "SignatureDoesNotMatch");
    }
    f.expect_nothing_stored();
}

#[test]
fn etags_without_a_dash_are_md5s() {
    let f = fixture();
    for size in SIZES {
        let body = bytes(size as u64, size);
        let plain =
            f.put(&body).send().expect(200).header("etag").expect("an ETag").trim_matches('"').to_owned();
        assert!(plain.contains('-') || plain == md5_hex(&body), "{plain}");
        let with_md5 = f.put(&body).header("content-md5", &checksum("md5", &body)).send().expect(200);
        assert_eq!(with_md5.header("etag"), Some(format!("\"{}\"", md5_hex(&body)).as_str()));
    }
}
