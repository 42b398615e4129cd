//! What the bytes of a connection go through on their way to the network: nothing, or TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What TLS may keep of an answer, encrypted and not yet with the kernel, however much the kernel takes: four records in one system
/// call.
const TLS_UNSENT_MAX_BYTES: usize = 64 << 10;

pub(super) enum Stream {
    Plain(TcpStream),
    /// In a box, so that those without it need no room for it.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// TLS keeps no more of an answer than the kernel may, which is `bytes`.
    pub(super) fn limit_unsent(&mut self, bytes: usize) {
        if let Self::Tls(tls) = self {
            tls.get_mut().1.set_buffer_limit(Some(bytes.min(TLS_UNSENT_MAX_BYTES)));
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::{connect, pair, served};
    use std::io::Write;
    use tokio_rustls::TlsAcceptor;

    #[tokio::test]
    async fn tls_keeps_no_more_of_an_answer_than_the_kernel_may_and_never_much() {
        for (bytes, kept) in [(8 << 10, 8 << 10), (1 << 20, TLS_UNSENT_MAX_BYTES)] {
            let ((server, client), (near, far)) = (served(), pair().await);
            let acceptor = TlsAcceptor::from(server.config());
            let (accepted, _connected) =
                tokio::try_join!(acceptor.accept(far), connect(client, near)).unwrap();
            let mut stream = Stream::Tls(Box::new(accepted));
            stream.limit_unsent(bytes);
            let Stream::Tls(tls) = &mut stream else { unreachable!("as it was made") };
            assert_eq!(tls.get_mut().1.writer().write(&vec![7; 2 << 20]).unwrap(), kept);
        }
    }
}
