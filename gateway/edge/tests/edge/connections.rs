//! What happens to connections: 100 Continue, early refusals, smuggling, limits, shutdown.

use crate::wire::{EMPTY, MOMENT_SECS, Raw, Server};
use pocket_edge::config::EdgeConfig;
use std::time::Duration;
use tokio::time::Instant;

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

#[tokio::test]
async fn a_client_that_expects_100_gets_it_with_and_without_a_body() {
    let server = Server::start();
    for body in ["", "hello"] {
        let request = Raw::new("PUT", "/bucket/k").header("expect", "100-continue").body(body).sign(UNSIGNED);
        let mut client = server.connect().await;
        client.write(&request.head()).await;
        assert_eq!(client.read_head().await.unwrap().0, 100, "{body:?}");
        client.write(&request.body).await;
        assert_eq!(client.read_reply("PUT").await.status, 200);
        assert_eq!(server.recorder.calls(), [format!("PutObject bucket k: {body:?}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_expects_100_is_not_asked_for_its_body() {
    let server = Server::start();
    for key in ["full", "k?restore"] {
        let request = Raw::new("PUT", &format!("/bucket/{key}"))
            .header("expect", "100-continue")
            .header("content-length", 1_000)
            .sign(UNSIGNED);
        let mut client = server.connect().await;
        client.write(&request.head()).await;
        let (status, head) = client.read_head().await.unwrap();
        assert!(matches!(status, 503 | 501), "{head}");
        assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
        assert!(client.is_closed().await, "a body that does not come is not waited for");
    }
}

#[tokio::test]
async fn a_client_that_is_refused_early_reads_its_answer_while_it_sends() {
    let server = Server::start();
    let body = vec![7; 8 << 20];
    for request in [
        Raw::new("PUT", "/bucket/full").body(&body).sign(UNSIGNED),
        // It may send without waiting, as the SDK for Go does.
        Raw::new("PUT", "/bucket/full").header("expect", "100-continue").body(&body).sign(UNSIGNED),
        Raw::new("PUT", "/bucket/k?restore").body(&body),
        Raw::new("PUT", "/bucket/k").body(&body).header("x-amz-checksum-crc32", "%").sign(UNSIGNED),
    ] {
        let mut client = server.connect().await;
        // All of it is written before the answer is read: a reset would show here or there.
        client.write(&request.bytes()).await;
        let reply = client.read_reply("PUT").await;
        assert!(reply.status >= 400, "{reply:?}");
        assert_eq!(reply.header("connection"), Some("close"));
        assert!(client.is_closed().await);
    }
    assert_eq!(server.recorder.calls(), [""; 0]);
}

#[tokio::test]
async fn no_more_than_so_many_clients_that_send_what_nobody_wants_are_waited_for() {
    const WAITED_FOR: usize = 256;
    let server = Server::with_threads(2);
    let request = Raw::new("PUT", "/bucket/k?restore").header("content-length", 8 << 20);
    let refused = async || {
        let mut client = server.connect().await;
        client.write(&request.head()).await;
        let reply = client.read_reply("PUT").await;
        assert_eq!((reply.status, reply.header("connection")), (501, Some("close")));
        client
    };
    let mut clients = Vec::new();
    for _ in 0..WAITED_FOR {
        clients.push(refused().await);
    }
    assert!(refused().await.is_closed().await, "behind its answer, which it has read");
    for client in &mut clients {
        assert!(futures::poll!(std::pin::pin!(client.is_closed())).is_pending(), "it may still be sending");
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_survives_refusals() {
    let server = Server::start();
    let mut client = server.connect().await;
    for _ in 0..3 {
        for request in [
            Raw::new("GET", "/bucket/k").sign(EMPTY),
            Raw::new("GET", "/bucket/missing").sign(EMPTY),
            Raw::new("DELETE", "/bucket?unknown").sign(EMPTY),
            Raw::new("PUT", "/bucket/k").body("x").sign(UNSIGNED),
            Raw::new("PUT", "/bucket/k").body("x").header("x-amz-checksum-crc32", "y/Q5Jg==").sign(UNSIGNED),
        ] {
            client.write(&request.bytes()).await;
            assert_eq!(client.read_reply(&request.method).await.header("connection"), None, "{request:?}");
        }
    }
    assert_eq!(server.front.served().requests, 15);
}

#[tokio::test]
async fn nothing_behind_a_body_of_unclear_length_is_answered() {
    let server = Server::start();
    let smuggled = Raw::new("DELETE", "/bucket/victim").sign(EMPTY).bytes();
    for lengths in [
        [("content-length", "5"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "chunked"), ("content-length", "5")],
    ] {
        let request = Raw::new("PUT", "/bucket/k").sign(UNSIGNED);
        let request = lengths.iter().fold(request, |request, (name, value)| request.header(name, value));
        let mut client = server.connect().await;
        client.write(&[request.head(), b"0\r\n\r\n".to_vec(), smuggled.clone()].concat()).await;
        let reply = client.read_reply("PUT").await;
        assert_eq!((reply.code(), reply.header("connection")), (Some("MissingContentLength"), Some("close")));
        assert!(client.is_closed().await);
    }
    assert_eq!(server.recorder.calls(), [""; 0]);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing_behind() {
    let server = Server::start();
    let request = Raw::new("PUT", "/bucket/k").header("content-length", 10).sign(UNSIGNED);
    let mut client = server.connect().await;
    client.write(&[request.head(), b"1234".to_vec()].concat()).await;
    drop(client);
    let next = Raw::new("GET", "/bucket/next").sign(EMPTY);
    assert_eq!(server.send(&next).await.status, 200);
    assert_eq!(server.recorder.calls(), ["GetObject bucket next"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_given_up_with_an_answer() {
    let server = Server::start();
    let request = Raw::new("PUT", "/bucket/k").header("content-length", 10).sign(UNSIGNED);
    let mut client = server.connect_on_one_clock().await;
    client.write(&[request.head(), b"1234".to_vec()].concat()).await;
    assert_eq!(client.read_reply("PUT").await.code(), Some("RequestTimeout"));
    assert_eq!(server.recorder.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_a_byte_now_and_then_is_given_up_with_an_answer() {
    let server = Server::start();
    for request in [Raw::new("PUT", "/bucket/k"), Raw::new("PUT", "/bucket")] {
        let began = Instant::now();
        let mut client = server.connect_on_one_clock().await;
        client.write(&request.header("content-length", 10).sign(UNSIGNED).head()).await;
        let mut bytes = 0;
        let reply = loop {
            tokio::select! {
                biased;
                reply = client.read_reply("PUT") => break reply,
                () = tokio::time::sleep(Duration::from_secs(19)) => {}
            }
            client.write(b" ").await;
            bytes += 1;
        };
        assert_eq!((reply.code(), bytes), (Some("RequestTimeout"), 1));
        assert!(began.elapsed() < Duration::from_secs(21));
    }
    assert_eq!(server.recorder.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_closed() {
    let server = Server::start();
    let mut client = server.connect_on_one_clock().await;
    client.write(b"GET /bucket/k HTTP/1.1\r\nhost: loc").await;
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_silent_goes_on_where_it_stopped() {
    let server = Server::start();
    let mut client = server.connect_on_one_clock().await;
    let request = Raw::new("GET", "/bucket/k").sign(EMPTY).bytes();
    let silence = || tokio::time::sleep(Duration::from_secs(40));
    for (before, after) in [request.split_at(0), request.split_at(30), request.split_at(request.len())] {
        client.write(before).await;
        silence().await;
        client.write(after).await;
        assert_eq!(client.read_reply("GET").await.status, 200);
    }
    silence().await;
    server.shutdown.cancel();
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_head_that_is_longer_than_any_that_s3_takes_is_refused_before_it_ends() {
    let server = Server::start();
    let with = |bytes| Raw::new("GET", "/bucket/k").header("x-filler", "x".repeat(bytes)).sign(EMPTY);
    assert_eq!(server.send(&with(31 << 10)).await.status, 200);
    let whole = with(33 << 10).head();
    // Neither one that has come to its end, nor one that never does.
    for head in [&whole[..], &whole[..33 << 10]] {
        let mut client = server.connect().await;
        client.write(head).await;
        assert_eq!(client.read_reply("GET").await.code(), Some("RequestHeaderSectionTooLarge"));
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn a_cut_connection_breaks_off_without_an_answer() {
    let server = Server::start();
    let mut client = server.connect().await;
    client.write(&Raw::new("GET", "/bucket/cut").sign(EMPTY).bytes()).await;
    assert!(client.read_head().await.is_none());
}

#[tokio::test]
async fn malformed_http_is_answered_and_the_server_goes_on() {
    let server = Server::start();
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(600));
    let bare_lf = "GET / HTTP/1.1\r\nhost: a\r\nx: b\rc\r\n\r\n";
    for (garbage, code) in [
        ("\u{1}\u{2}\r\n\r\n", "BadRequest"),
        ("GET /\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "BadRequest"),
        ("GET /a b HTTP/1.1\r\n\r\n", "BadRequest"),
        ("PUT /b/k HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", "BadRequest"),
        ("PUT /b/k HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\n", "BadRequest"),
        ("PUT /b/k HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", "BadRequest"),
        (bare_lf, "BadRequest"),
        (&many, "RequestHeaderSectionTooLarge"),
    ] {
        let mut client = server.connect().await;
        client.write(garbage.as_bytes()).await;
        let reply = client.read_reply("GET").await;
        assert_eq!((reply.status, reply.code()), (400, Some(code)), "{garbage:.60?}: {reply:?}");
        let id = reply.header("x-amz-request-id").expect("every answer has one");
        assert!(reply.body.contains(&format!("<RequestId>{id}</RequestId>")), "{reply:?}");
        assert!(client.is_closed().await, "{garbage:.60?}");
    }
    // Behind another request likewise.
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.write(&Raw::new("GET", "/bucket/k").sign(EMPTY).bytes()).await;
        assert_eq!(client.read_reply("GET").await.status, 200);
    }
    client.write(b"\x01\r\n\r\n").await;
    let reply = client.read_reply("GET").await;
    assert_eq!((reply.status, reply.code()), (400, Some("BadRequest")), "{reply:?}");
    assert!(client.is_closed().await);
    server.recorder.calls();
    let no_host = b"GET / HTTP/1.1\r\n\r\n";
    let mut client = server.connect().await;
    client.write(no_host).await;
    assert_eq!(client.read_reply("GET").await.code(), Some("InvalidRequest"));
    assert_eq!(server.send(&Raw::new("GET", "/bucket/k").sign(EMPTY)).await.status, 200);
}

#[tokio::test]
async fn connections_above_the_limit_are_told_to_slow_down() {
    let server = Server::with(EdgeConfig { max_connections: 1, ..EdgeConfig::default() });
    let mut first = server.connect().await;
    first.write(&Raw::new("GET", "/bucket/k").sign(EMPTY).bytes()).await;
    assert_eq!(first.read_reply("GET").await.status, 200);
    let mut second = server.connect().await;
    let reply = second.read_reply("GET").await;
    assert_eq!((reply.status, reply.code()), (503, Some("SlowDown")));
    first.write(&Raw::new("GET", "/bucket/k").sign(EMPTY).bytes()).await;
    assert_eq!(first.read_reply("GET").await.status, 200);
}

#[tokio::test]
async fn two_threads_serve_like_one_and_stop_like_it() {
    for server in [Server::with_threads(1), Server::with_threads(2)] {
        let mut held = server.connect().await;
        held.write(&Raw::new("GET", "/bucket/held").sign(EMPTY).bytes()).await;
        for i in 0..4 {
            let request = Raw::new("PUT", &format!("/bucket/{i}")).body(vec![1; 100_000]).sign(UNSIGNED);
            assert_eq!(server.send(&request).await.status, 200);
        }
        while !server.recorder.calls().iter().any(|call| call.ends_with("held")) {
            tokio::task::yield_now().await;
            if server.front.served().requests >= 5 {
                break;
            }
        }
        server.shutdown.cancel();
        // What is going on finishes, and the answer says that it is the last.
        server.recorder.release.notify_one();
        assert_eq!(held.read_reply("GET").await.status, 200);
        assert!(held.is_closed().await);
        let served = server.front.clone();
        server.served.await.unwrap().unwrap();
        assert!(served.served().received_bytes > 400_000);
    }
}

#[tokio::test]
async fn old_requests_are_told_that_their_clock_is_wrong() {
    let server = Server::start();
    let request = Raw::new("GET", "/bucket/k").sign(EMPTY);
    let mut late = request;
    for (name, value) in &mut late.headers {
        if name == "x-amz-date" {
            *value = "20130524T010000Z".into();
        }
    }
    assert_eq!(MOMENT_SECS % 86_400, 0);
    let reply = server.send(&late).await;
    assert_eq!((reply.status, reply.code()), (403, Some("RequestTimeTooSkewed")));
}
