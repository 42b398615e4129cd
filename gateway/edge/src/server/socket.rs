//! A client's socket as the HTTP state machine sees it: counts bytes, tells the connection when everything written is
//! in the kernel, and slips in what hyper leaves out: interim answers, and a document with the errors that it answers
//! by itself.

use super::handshake::HANDSHAKE_FAILURE;
use super::hello::HANDSHAKE_RECORD;
use super::link::Link;
use super::stream::Stream;
use super::unsent::Unsent;
use crate::calls::ServeAll;
use crate::edge::Edge;
use bytes::{Buf, Bytes};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::budget::ByteBudget;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// hyper sends this when a body is read. For a request that expects it and has an empty body it sends nothing, and
/// aws-cli then waits a minute.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a read takes of bytes that nobody wants: below what hyper's buffer holds at first, so that it never makes a larger one.
const NARROW_READ_BYTES: usize = 4 << 10;
/// What the kernel may keep of them, and as much again for its own use: 6 MB pass in the 5 s that a client has, at a distance of 20 ms.
/// With less the two ends on one machine wait for each other: its packets have up to 64 KiB.
const NARROW_QUEUE_BYTES: usize = 24 << 10;

pub(crate) struct Socket<O> {
    stream: Stream,
    unsent: Unsent,
    link: Arc<Link>,
    edge: Arc<Edge<O>>,
    /// Nothing has come yet.
    is_fresh: bool,
    /// Room for what comes was taken away.
    is_narrow: bool,
    /// Bytes that were read and not yet taken for a request.
    unread: Bytes,
    /// What is left of an answer that has to go first.
    interim: Bytes,
    /// It goes in place of what hyper writes.
    replaces: bool,
}

impl<O: ServeAll> Socket<O> {
    pub(super) fn new(mut stream: Stream, link: Arc<Link>, edge: Arc<Edge<O>>, buffers: ByteBudget) -> Self {
        let unsent = Unsent::new(&mut stream, buffers);
        Self {
            stream,
            unsent,
            link,
            edge,
            is_fresh: true,
            is_narrow: false,
            unread: Bytes::new(),
            interim: Bytes::new(),
            replaces: false,
        }
    }

    /// The same, whose next reads begin with these bytes; in memory of their size, and not in the buffer that they came in.
    pub(super) fn with_unread(mut self, unread: &[u8]) -> Self {
        self.unread = Bytes::copy_from_slice(unread);
        self
    }

    /// Bytes have come that were not read, or the client has left. Only after a read that found nothing: TLS may have some that it
    /// took from the network already.
    pub(super) async fn readable(&self) {
        // An error is found by the read.
        let _ = self.stream.tcp().readable().await;
    }

    fn before(&mut self, bytes: usize) {
        let Self { unsent, stream, link, .. } = self;
        unsent.before(bytes, stream, link);
    }

    fn sent(&mut self, written: usize, of: usize) {
        let Self { unsent, stream, link, .. } = self;
        link.sent(written);
        unsent.after(written, of, stream, link);
    }

    /// Answers in S3's words where hyper could not read a head and says so with a bare status; `first` is the beginning
    /// of what it writes, of `len` bytes. Only between calls: nothing else can be told from the bytes of an object. A bad
    /// head right behind a good one, whose answer is still being sent, keeps the bare status.
    fn poll_unread_head(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        len: usize,
    ) -> Poll<io::Result<Option<usize>>> {
        if !self.replaces {
            let refusal = if self.link.is_between_calls() { unread_head(first) } else { None };
            let Some(refusal) = refusal else { return Poll::Ready(Ok(None)) };
            (self.interim, self.replaces) = (self.edge.unread(&refusal), true);
            self.link.ends();
        }
        ready!(self.poll_interim(cx))?;
        self.replaces = false;
        self.link.sent(len);
        Poll::Ready(Ok(Some(len)))
    }

    /// Reads what nobody wants through small buffers. The kernel and hyper would make them larger the faster it comes.
    fn poll_narrow(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.is_narrow {
            self.is_narrow = true;
            // A failure costs memory, not correctness.
            let _ = SockRef::from(self.stream.tcp()).set_recv_buffer_size(NARROW_QUEUE_BYTES);
        }
        let room = buf.remaining().min(NARROW_READ_BYTES);
        let mut little = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut little))?;
        let read = little.filled().len();
        buf.advance(read);
        Poll::Ready(Ok(()))
    }

    /// A client that speaks TLS where nobody does is answered in TLS; to plain HTTP its hello is a bad request, and the answer to that
    /// would be no TLS.
    fn refuse_hello(&mut self, first: &[u8]) -> io::Result<()> {
        let Stream::Plain(tcp) = &self.stream else { return Ok(()) };
        if first.first() != Some(&HANDSHAKE_RECORD) {
            return Ok(());
        }
        // The socket is fresh, so it takes these few bytes.
        let _ = tcp.try_write(HANDSHAKE_FAILURE);
        self.link.spoke_tls();
        Err(io::Error::new(io::ErrorKind::InvalidData, "a client speaks TLS to a plain port"))
    }

    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.take_continue() {
            self.interim = Bytes::from_static(CONTINUE);
        }
        while !self.interim.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.interim))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// What S3 says of a head that could not be read, by the status that hyper gives it.
fn unread_head(answer: &[u8]) -> Option<Refusal> {
    let (code, message) = match answer.strip_prefix(b"HTTP/1.1 ")?.get(..4)? {
        b"400 " => (ErrorCode::BadRequest, "An error occurred when parsing the HTTP request."),
        b"414 " => (ErrorCode::InvalidURI, "Couldn't parse the specified URI: it is too long."),
        b"431 " => (
            ErrorCode::RequestHeaderSectionTooLarge,
            "Your request header section exceeds the maximum allowed size.",
        ),
        _ => return None,
    };
    Some(Refusal::new(code, message))
}

impl<O: ServeAll> AsyncRead for Socket<O> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            let len = self.unread.len().min(buf.remaining());
            buf.put_slice(&self.unread.split_to(len));
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        if self.link.is_draining() {
            ready!(self.poll_narrow(cx, buf))?;
        } else {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        }
        if self.is_fresh {
            self.is_fresh = false;
            self.refuse_hello(buf.filled())?;
        }
        self.link.received(buf.filled().len() - before);
        if self.link.is_between_calls() {
            self.unsent.taken();
        }
        Poll::Ready(Ok(()))
    }
}

impl<O: ServeAll> AsyncWrite for Socket<O> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(replaced) = ready!(self.poll_unread_head(cx, buf, buf.len()))? {
            return Poll::Ready(Ok(replaced));
        }
        ready!(self.poll_interim(cx))?;
        self.before(buf.len());
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.sent(written, buf.len());
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
        let bytes = bufs.iter().map(|buf| buf.len()).sum();
        self.before(bytes);
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.sent(written, bytes);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when its own buffer is empty: then all that was handed out is in the kernel.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.link.flushed();
        Poll::Ready(Ok(()))
    }

    /// No request follows, whatever still comes: TLS may take a while to say so.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.ends();
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<O> Drop for Socket<O> {
    fn drop(&mut self) {
        self.link.connection.ended();
    }
}
