//! A client's socket as the HTTP state machine sees it: counts bytes, tells the connection when everything written is
//! in the kernel, and slips in what hyper leaves out: interim answers, and a document with the errors that it answers
//! by itself.

use super::link::Link;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// hyper sends this when a body is read. For a request that expects it and has an empty body it sends nothing, and
/// aws-cli then waits a minute.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

pub(crate) struct Socket {
    stream: TcpStream,
    link: Arc<Link>,
    /// What is left of an answer that has to go first.
    interim: &'static [u8],
    /// It goes in place of what hyper writes.
    replaces: bool,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, link: Arc<Link>) -> Self {
        Self { stream, link, interim: &[], replaces: false }
    }

    /// Answers in S3's words where hyper could not read the first head of a connection and says so with a bare status;
    /// `first` is the beginning of what it writes, of `len` bytes. Later on a connection such a status cannot be told
    /// from the bytes of an object, and stays as it is.
    fn poll_unread_head(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        len: usize,
    ) -> Poll<io::Result<Option<usize>>> {
        if !self.replaces {
            let answer = if self.link.is_fresh() { unread_head(first) } else { None };
            let Some(answer) = answer else { return Poll::Ready(Ok(None)) };
            (self.interim, self.replaces) = (answer, true);
        }
        ready!(self.poll_interim(cx))?;
        self.replaces = false;
        self.link.sent(len);
        Poll::Ready(Ok(Some(len)))
    }

    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.take_continue() {
            self.interim = CONTINUE;
        }
        while !self.interim.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, self.interim))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim = &self.interim[written..];
        }
        Poll::Ready(Ok(()))
    }
}

/// What S3 says of a head that could not be read, by the status that hyper gives it.
fn unread_head(answer: &[u8]) -> Option<&'static [u8]> {
    static ANSWERS: LazyLock<[(&str, Vec<u8>); 3]> = LazyLock::new(|| {
        let answer = |code: &str, message: &str| {
            let document = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            );
            let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/xml\r\nconnection: close\r\ncontent-length:";
            format!("{head} {}\r\n\r\n{document}", document.len()).into_bytes()
        };
        [
            ("HTTP/1.1 400 ", answer("BadRequest", "An error occurred when parsing the HTTP request.")),
            ("HTTP/1.1 414 ", answer("InvalidURI", "Couldn't parse the specified URI: it is too long.")),
            (
                "HTTP/1.1 431 ",
                answer(
                    "RequestHeaderSectionTooLarge",
                    "Your request header section exceeds the maximum allowed size.",
                ),
            ),
        ]
    });
    ANSWERS.iter().find(|(begin, _)| answer.starts_with(begin.as_bytes())).map(|(_, answer)| &answer[..])
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.link.received(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(replaced) = ready!(self.poll_unread_head(cx, buf, buf.len()))? {
            return Poll::Ready(Ok(replaced));
        }
        ready!(self.poll_interim(cx))?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.link.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.first().map_or(&[][..], |buf| buf);
        if let Some(replaced) = ready!(self.poll_unread_head(cx, first, bufs.iter().map(|b| b.len()).sum()))?
        {
            return Poll::Ready(Ok(replaced));
        }
        ready!(self.poll_interim(cx))?;
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.link.sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when its own buffer is empty: then all that was handed out is in the kernel.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.link.connection.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.link.connection.ended();
    }
}
