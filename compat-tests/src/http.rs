//! HTTP/1.1 by hand and blocking: bytes out, an answer in. What an answer breaks off at stays visible.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Nothing that a test waits for takes longer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// All bytes came that the head promised.
    pub whole: bool,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// S3's error code; empty without one.
    pub fn code(&self) -> String {
        crate::xml::text(&self.text(), "Code").unwrap_or_default()
    }

    /// Panics unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert!(self.whole, "the answer broke off: {} {:?}", self.status, self.headers);
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }

    /// Panics unless this is S3's error of that status and code.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{:?}\n{}",
            self.headers,
            self.text()
        );
        self
    }
}

/// A connection that can be used for several requests.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// `address`: `host:port`.
    pub fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        Ok(Self { stream, received: Vec::new() })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// No more bytes will come from here; the answer can still be read.
    pub fn end_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// The next answer that is no 1xx. `bodiless` for HEAD. Fails when the connection ends before a head.
    pub fn receive(&mut self, bodiless: bool) -> io::Result<Response> {
        loop {
            let response = self.receive_any(bodiless)?;
            if response.status >= 200 {
                return Ok(response);
            }
        }
    }

    /// The next answer, whatever it is.
    pub fn receive_any(&mut self, bodiless: bool) -> io::Result<Response> {
        let mut response = self.receive_head()?;
        let length = response.header("content-length").and_then(|v| v.parse::<usize>().ok());
        let chunked = response.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
        if bodiless || response.status < 200 || matches!(response.status, 204 | 304) {
            return Ok(response);
        }
        if chunked {
            response.whole = self.read_chunks(&mut response.body)?;
        } else if let Some(length) = length {
            response.whole = self.fill(length)?;
            let here = length.min(self.received.len());
            response.body = self.received.drain(..here).collect();
        } else {
            while self.more()? {}
            response.body = std::mem::take(&mut self.received);
        }
        Ok(response)
    }

    /// Reads a head and leaves the body where it is: for readers that stall.
    pub fn receive_head(&mut self) -> io::Result<Response> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if !self.more()? {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "connection ended before an answer",
                ));
            }
        };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|l| l.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Ok(Response {
            status: status.ok_or_else(|| io::Error::other(format!("no status in {head:?}")))?,
            headers: headers.map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())).collect(),
            body: Vec::new(),
            whole: true,
        })
    }

    /// The body after [`Connection::receive_head`]; shorter where the connection ended before.
    pub fn take_body(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.fill(length)?;
        Ok(self.received.drain(..length.min(self.received.len())).collect())
    }

    /// True when the server ends the connection within the time, without another byte.
    pub fn is_closed_within(&mut self, time: Duration) -> bool {
        let _ = self.stream.set_read_timeout(Some(time));
        let ended = match self.stream.read(&mut [0; 1]) {
            Ok(n) => n == 0,
            Err(e) => matches!(e.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe),
        };
        let _ = self.stream.set_read_timeout(Some(ANSWER_WITHIN));
        ended
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            let Some(line) = self.line()? else { return Ok(false) };
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
            let size = size.map_err(|_| io::Error::other(format!("bad chunk size {line:?}")))?;
            if size == 0 {
                while self.line()?.is_some_and(|line| !line.is_empty()) {}
                return Ok(true);
            }
            let whole = self.fill(size + 2)?;
            body.extend(self.received.drain(..size.min(self.received.len())));
            if !whole {
                return Ok(false);
            }
            self.received.drain(..2);
        }
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(at) = self.received.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..at + 2).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..at]).into_owned()));
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// False when the connection ended before so many bytes were there.
    fn fill(&mut self, bytes: usize) -> io::Result<bool> {
        while self.received.len() < bytes {
            if !self.more()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// False at the connection's end. A reset counts as one: a server that dies resets.
    fn more(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(n) => {
                self.received.extend_from_slice(&buffer[..n]);
                Ok(n > 0)
            }
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// One plain GET, as of `/metrics`.
pub fn get(address: &str, path: &str) -> io::Result<Response> {
    let mut connection = Connection::open(address)?;
    connection
        .send(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())?;
    connection.receive(false)
}
