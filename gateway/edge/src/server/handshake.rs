//! The first bytes of a connection: a client shakes hands before it speaks HTTP, and within a time. One that speaks the other
//! protocol than the port's is told so in its own.

use super::hello;
use super::stream::Stream;
use crate::metrics::{Handshake, count_handshake};
use crate::tls::Tls;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tokio_util::sync::CancellationToken;

/// Longest time from a connection to the end of its handshake.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Longest time that a handshake has a place, of [`HANDSHAKES_MAX`](super::handshake_places::HANDSHAKES_MAX): a few ways there and back.
const PLACE_MAX: Duration = Duration::from_secs(3);
/// A fatal alert: `handshake_failure`. For clients of the plain port.
pub(super) const HANDSHAKE_FAILURE: &[u8] = &[21, 3, 1, 0, 2, 2, 40];
/// A fatal alert: `internal_error`. For connections above the limit.
pub(super) const INTERNAL_ERROR: &[u8] = &[21, 3, 1, 0, 2, 2, 80];
/// For plain HTTP on a port that speaks TLS.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/xml\r\n\
    connection: close\r\ncontent-length: 124\r\n\r\n\
    <Error><Code>BadRequest</Code><Message>A plain HTTP request was sent to an HTTPS port: use https:// here.</Message></Error>\n";
/// What is read of a request that was sent to the wrong port, so that its client reads the answer instead of a reset.
const MISDIRECTED_MAX_BYTES: u64 = 1 << 20;
/// Longest time that its client may take to read the answer and go.
const MISDIRECTED_MAX: Duration = Duration::from_secs(5);

/// Shakes hands with a client. `None` where nothing came of it: the connection is closed by then.
pub(super) async fn shake_hands(
    stream: TcpStream,
    tls: &Tls,
    shutdown: &CancellationToken,
) -> Option<Stream> {
    let ended = tokio::select! {
        biased;
        () = shutdown.cancelled() => return None,
        ended = tokio::time::timeout(HANDSHAKE_MAX, begin(stream, tls)) => ended,
    };
    let (outcome, stream) = match ended {
        Ok(Ok(Begun::Secure(stream))) => (Handshake::Done, Some(stream)),
        Ok(Ok(Begun::Plain(stream))) => {
            let _ = tokio::time::timeout(MISDIRECTED_MAX, refuse_plain(stream)).await;
            (Handshake::PlainHttp, None)
        }
        Ok(Ok(Begun::Left)) => return None,
        Ok(Err(error)) if error.kind() != io::ErrorKind::TimedOut => {
            tracing::debug!(%error, "a TLS handshake failed");
            (Handshake::Failed, None)
        }
        Ok(Err(_)) | Err(_) => {
            tracing::debug!("a TLS handshake took too long");
            (Handshake::TooSlow, None)
        }
    };
    count_handshake(outcome);
    stream
}

/// How a connection to a port that speaks TLS begins.
enum Begun {
    Secure(Stream),
    /// With plain HTTP.
    Plain(TcpStream),
    /// The client left without a word, as probes of ports do.
    Left,
}

async fn begin(mut stream: TcpStream, tls: &Tls) -> io::Result<Begun> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(Begun::Left);
    }
    if first[0].is_ascii_uppercase() {
        return Ok(Begun::Plain(stream));
    }
    // Places are for those that said what they want: a client that says nothing more takes none.
    let hello = hello::read(&mut stream).await?;
    let _place = tls.handshakes.place(stream.peer_addr()?.ip()).await;
    let accepted = hello::accept(&hello, &mut stream).await?;
    drop(hello);
    let begun = StartHandshake::from_parts(accepted, stream);
    let ended = tokio::time::timeout(PLACE_MAX, begun.into_stream(tls.config())).await;
    let stream = ended.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(Begun::Secure(Stream::Tls(Box::new(stream))))
}

async fn refuse_plain(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(NOT_TLS).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(MISDIRECTED_MAX_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::handshake_places::HANDSHAKES_MAX;
    use crate::server::hello::HANDSHAKE_RECORD;
    use crate::tls::tests::{connect, pair, served};

    #[tokio::test(start_paused = true)]
    async fn a_client_beyond_the_places_waits_for_one_within_the_time() {
        let (tls, client) = served();
        let mut taken = Vec::new();
        for host in [1, 2] {
            for _ in 0..HANDSHAKES_MAX / 2 {
                taken.push(tls.handshakes.place([10, 0, 0, host].into()).await);
            }
        }
        let never = CancellationToken::new();
        let (near, far) = pair().await;
        let connecting = tokio::spawn(connect(client.clone(), near));
        assert!(shake_hands(far, &tls, &never).await.is_none());
        assert!(connecting.await.unwrap().is_err());
        let (near, far) = pair().await;
        let connecting = tokio::spawn(connect(client, near));
        let leaving = async {
            tokio::time::sleep(HANDSHAKE_MAX / 2).await;
            drop(taken);
        };
        let (stream, ()) = tokio::join!(shake_hands(far, &tls, &never), leaving);
        assert!(stream.is_some() && connecting.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_client_that_does_not_say_what_it_wants_takes_no_place() {
        let (tls, _) = served();
        let (mut near, far) = pair().await;
        near.write_all(&[HANDSHAKE_RECORD, 3, 1]).await.unwrap();
        let mut shaking = std::pin::pin!(begin(far, &tls));
        for _ in 0..20 {
            assert!(futures::poll!(&mut shaking).is_pending());
            assert_eq!(tls.handshakes.free(), HANDSHAKES_MAX);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[test]
    fn the_answer_to_plain_http_has_the_length_that_it_says() {
        let text = std::str::from_utf8(NOT_TLS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
