//! One HTTP/1.1 connection of a load driver: bytes of a request out, an answer in, nothing kept.
//!
//! An answer that comes before the body is out ends the sending, as S3 clients do: a server that refuses early must
//! not look like one that broke the connection. The caller bounds the time of an exchange.

use crate::response::{Framing, Head, find, parse_head};
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;

/// Read at once: large enough that a body of 1 MiB takes few system calls, small enough to stay in the cache.
const BUFFER_BYTES: usize = 256 << 10;
/// Kept of an error's body: its `<Code>` is at the beginning.
const ERROR_KEPT_BYTES: usize = 1 << 10;
/// Longest line of a chunked body's framing.
const CHUNK_LINE_MAX_BYTES: usize = 1 << 10;

/// What becomes of an answer's body.
#[derive(Debug, Default)]
pub(crate) struct Sink<'a> {
    /// Compare with these bytes.
    pub(crate) expected: Option<&'a [u8]>,
    pub(crate) received_bytes: u64,
    pub(crate) differs: bool,
    /// The beginning of an error's body.
    pub(crate) error: Vec<u8>,
}

impl Sink<'_> {
    fn take(&mut self, status: u16, bytes: &[u8]) {
        if status >= 300 {
            let room = ERROR_KEPT_BYTES - self.error.len();
            self.error.extend_from_slice(&bytes[..bytes.len().min(room)]);
        } else if let Some(expected) = self.expected {
            let from = self.received_bytes as usize;
            self.differs |= expected.get(from..from + bytes.len()) != Some(bytes);
        }
        self.received_bytes += bytes.len() as u64;
    }
}

/// A connection that is opened when it is needed.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Box<[u8]>,
    /// `buffer[from..to]` was received and not yet looked at.
    from: usize,
    to: usize,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: vec![0; BUFFER_BYTES].into(), from: 0, to: 0 }
    }

    /// Sends a request and takes its answer in whole. `bodiless`: the answer has none whatever its head says (HEAD).
    /// After an error, and when the future is dropped, the next exchange opens a new connection.
    pub(crate) async fn exchange(
        &mut self,
        head: &[u8],
        body: &[u8],
        bodiless: bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<u16> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                (self.from, self.to) = (0, 0);
                stream
            }
        };
        let mut stream = stream;
        let sent = self.send(&stream, head, body).await?;
        let answer = loop {
            let answer = self.read_head(&mut stream).await?;
            if answer.status >= 200 {
                break answer;
            }
        };
        if !bodiless {
            self.read_body(&mut stream, &answer, sink).await?;
        }
        if self.from != self.to {
            return Err(io::Error::new(ErrorKind::InvalidData, "bytes after the answer's end"));
        }
        if sent && answer.keep_alive {
            self.stream = Some(stream);
        }
        Ok(answer.status)
    }

    /// False when the answer began, or the server stopped reading, before all was out.
    async fn send(&mut self, stream: &TcpStream, head: &[u8], body: &[u8]) -> io::Result<bool> {
        let mut sent = 0;
        while sent < head.len() + body.len() {
            let rest = match sent.checked_sub(head.len()) {
                None => [IoSlice::new(&head[sent..]), IoSlice::new(body)],
                Some(of_body) => [IoSlice::new(&body[of_body..]), IoSlice::new(&[])],
            };
            match stream.try_write_vectored(&rest) {
                Ok(n) => sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    let ready = stream.ready(Interest::READABLE | Interest::WRITABLE).await?;
                    if ready.is_readable() && self.answer_began(stream)? {
                        return Ok(false);
                    }
                }
                // It refused the rest; what it said may be in the socket.
                Err(_) if sent >= head.len() => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    fn answer_began(&mut self, stream: &TcpStream) -> io::Result<bool> {
        match stream.try_read(&mut self.buffer[self.to..]) {
            Ok(n) => {
                self.to += n;
                Ok(true)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn read_head(&mut self, stream: &mut TcpStream) -> io::Result<Head> {
        loop {
            let parsed = parse_head(&self.buffer[self.from..self.to]);
            match parsed.map_err(|e| io::Error::new(ErrorKind::InvalidData, e))? {
                Some(head) => {
                    self.from += head.len;
                    return Ok(head);
                }
                None => self.read_more(stream).await?,
            }
        }
    }

    async fn read_body(
        &mut self,
        stream: &mut TcpStream,
        head: &Head,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        match head.framing {
            Framing::Length(length) => self.read_exactly(stream, length, head.status, sink).await,
            Framing::Close => loop {
                sink.take(head.status, &self.buffer[self.from..self.to]);
                (self.from, self.to) = (0, 0);
                match self.read_more(stream).await {
                    Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                    other => other?,
                }
            },
            Framing::Chunked => loop {
                let line = self.read_line(stream).await?;
                let size = line.split(';').next().and_then(|s| u64::from_str_radix(s.trim(), 16).ok());
                let size = size.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "bad chunk size"))?;
                if size == 0 {
                    while !self.read_line(stream).await?.is_empty() {}
                    return Ok(());
                }
                self.read_exactly(stream, size, head.status, sink).await?;
                self.read_line(stream).await?;
            },
        }
    }

    async fn read_exactly(
        &mut self,
        stream: &mut TcpStream,
        mut left: u64,
        status: u16,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        loop {
            let here = left.min((self.to - self.from) as u64) as usize;
            sink.take(status, &self.buffer[self.from..self.from + here]);
            self.from += here;
            left -= here as u64;
            if left == 0 {
                return Ok(());
            }
            self.read_more(stream).await?;
        }
    }

    async fn read_line(&mut self, stream: &mut TcpStream) -> io::Result<String> {
        loop {
            if let Some(len) = find(&self.buffer[self.from..self.to], b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[self.from..self.from + len]).into_owned();
                self.from += len + 2;
                return Ok(line);
            }
            if self.to - self.from > CHUNK_LINE_MAX_BYTES {
                return Err(io::Error::new(ErrorKind::InvalidData, "a chunk's line is too long"));
            }
            self.read_more(stream).await?;
        }
    }

    /// At least one byte more behind `to`; the end of the stream is an error.
    async fn read_more(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        } else if self.to == self.buffer.len() {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        match stream.read(&mut self.buffer[self.to..]).await? {
            0 => Err(io::Error::new(ErrorKind::UnexpectedEof, "connection closed before the answer's end")),
            n => {
                self.to += n;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// Gives each request on each connection the next of `answers`; a request is `len` bytes long, or as long as what
    /// arrives when that is `None`.
    async fn server(answers: Vec<&'static [u8]>, len: Option<usize>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; len.unwrap_or(10)];
                while stream.read_exact(&mut request).await.is_ok() {
                    let Some(answer) = answers.next() else { return };
                    stream.write_all(answer).await.unwrap();
                    if find(answer, b"connection: close").is_some() {
                        break;
                    }
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn answers_of_every_framing_are_taken_in_whole() {
        let answers: Vec<&[u8]> = vec![
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhullo",
        ];
        let address = server(answers, Some(10)).await;
        let mut connection = Connection::new(address);
        for differs in [false, false, false, false, true] {
            let mut sink = Sink { expected: Some(b"hello"), ..Sink::default() };
            let status = connection.exchange(b"0123456", b"789", false, &mut sink).await.unwrap();
            assert_eq!((status, sink.received_bytes, sink.differs), (200, 5, differs));
        }
    }

    #[tokio::test]
    async fn a_head_request_has_no_body_whatever_its_length_says() {
        let answers: Vec<&[u8]> = vec![b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n"; 2];
        let mut connection = Connection::new(server(answers, Some(10)).await);
        for _ in 0..2 {
            let mut sink = Sink::default();
            assert_eq!(connection.exchange(b"0123456789", b"", true, &mut sink).await.unwrap(), 200);
        }
    }

    #[tokio::test]
    async fn an_early_refusal_of_a_large_body_is_read() {
        let refusal =
            b"HTTP/1.1 503 Slow Down\r\nconnection: close\r\ncontent-length: 21\r\n\r\n<Code>SlowDown</Code>";
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let held = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(refusal).await.unwrap();
            // Open until the client has read it, and never reading: the body cannot get out.
            let mut end = [0; 1];
            let _ = stream.readable().await;
            stream.shutdown().await.unwrap();
            let _ = stream.peek(&mut end).await;
            stream
        });
        let body = vec![7; 64 << 20];
        let mut sink = Sink::default();
        let status = Connection::new(address).exchange(b"PUT", &body, false, &mut sink).await.unwrap();
        assert_eq!((status, sink.error.as_slice()), (503, &b"<Code>SlowDown</Code>"[..]));
        drop(held.await.unwrap());
    }

    #[tokio::test]
    async fn an_answer_cut_short_is_an_error() {
        let answers: Vec<&[u8]> =
            vec![b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\nconnection: close\r\n\r\nonly this"];
        let mut connection = Connection::new(server(answers, Some(10)).await);
        let error = connection.exchange(b"0123456789", b"", false, &mut Sink::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
