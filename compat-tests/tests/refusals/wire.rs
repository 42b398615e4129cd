//! What is no HTTP, or two requests for whoever reads it otherwise.

use super::fixture;
use pocket_compat_tests::http::Connection;
use pocket_compat_tests::unique_bucket;

#[test]
fn a_smuggled_request_is_not_answered() {
    let f = fixture();
    let (head, _) = f.on_key("PUT", "smuggled").body(b"").into_parts();
    let inner = String::from_utf8(head).unwrap();
    let host = &f.client.address;
    let outer = format!(
        "GET / HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        inner.len() + 5
    );
    let mut connection = Connection::open(host).unwrap();
    connection.send(outer.as_bytes()).unwrap();
    if let Ok(first) = connection.receive(false) {
        assert!(first.status >= 400, "{} {}", first.status, first.text());
        assert!(connection.receive(false).is_err(), "the second request was answered");
    }
    f.expect_untouched();
}

#[test]
fn nonsense_on_the_wire_ends_its_connection_and_nothing_else() {
    let f = fixture();
    let host = &f.client.address;
    let long_line = format!("GET /{} HTTP/1.1\r\nhost: {host}\r\n\r\n", "x".repeat(100_000));
    let many_headers: String = (0..1_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let many_headers = format!("GET / HTTP/1.1\r\nhost: {host}\r\n{many_headers}\r\n");
    for bytes in [
        "\0\0\0\0\0\0\0\0\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "NOT HTTP AT ALL\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /%ff%fe/k HTTP/1.1\r\nhost: x\r\n\r\n",
        "PUT /b/k HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        "PUT /b/k HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        &long_line,
        &many_headers,
    ] {
        if let Ok(answer) = f.raw(bytes) {
            assert!(
                (400..500).contains(&answer.status),
                "{:?}: {}",
                &bytes[..bytes.len().min(40)],
                answer.status
            );
        }
    }
    f.expect_untouched();
    assert_eq!(pocket_compat_tests::http::get(&f.server.admin, "/livez").unwrap().status, 200);
}

#[test]
fn a_bucket_in_the_host_header_is_none_without_a_domain() {
    let f = fixture();
    let mut elsewhere = f.client.clone();
    // The name resolves nowhere: the request goes to the same socket with another Host.
    elsewhere.address = format!("{}.s3.example.com", f.bucket);
    let (head, _) = elsewhere.request("GET", &format!("/{}/k", f.bucket)).into_parts();
    let mut connection = Connection::open(&f.client.address).unwrap();
    connection.send(&head).unwrap();
    assert_eq!(connection.receive(false).unwrap().expect(200).text(), "kept");
}

/// The server puts its own words in place of the bare status of what answers a bad head. It must never take an object's
/// bytes for one.
#[test]
fn an_object_that_reads_like_an_answer_arrives_as_it_is() {
    let f = fixture();
    let bucket = unique_bucket("looks");
    f.client.create_bucket(&bucket, &[]);
    // As wide as a divisor of every chunk and buffer, so that some write begins with it.
    let content = format!("{:64}", "HTTP/1.1 400 Bad Request\r\n\r\n").repeat(50_000).into_bytes();
    let path = format!("/{bucket}/k");
    f.client.put(&path, &content).expect(200);
    let (head, _) = f.client.request("GET", &path).into_parts();
    let mut connection = Connection::open(&f.client.address).unwrap();
    // One behind the other, then one alone, then nonsense.
    connection.send(&head.repeat(2)).unwrap();
    for _ in 0..2 {
        assert!(connection.receive(false).unwrap().expect(200).body == content);
    }
    connection.send(&head).unwrap();
    assert!(connection.receive(false).unwrap().expect(200).body == content);
    connection.send(b"\x01\r\n\r\n").unwrap();
    let refused = connection.receive(false).unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (400, "BadRequest"));
    f.expect_untouched();
}
