//! What many clients that do little take of a gateway's memory: by how much it grows, and what the kernel holds for its sockets.
//! The clients are tasks of this program, with receive buffers as small as the kernel makes them.

use crate::Line;
use crate::servers::{ACCESS_KEY, SECRET_KEY, Server};
use crate::turns::Side;
use anyhow::{Context, ensure};
use pocket_bench::{ProcessUse, queued_bytes, signed_get};
use procfs::process::{LimitValue, Process};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const MIB: f64 = (1 << 20) as f64;
const IPV4: u8 = 2;
/// The kernel makes of it the least that it gives.
const RECEIVE_BUFFER_BYTES: u32 = 1 << 10;
/// For what is no connection of a crowd.
const FILES_SPARE: u64 = 200;
/// Connections that are opened one after the other before others have a turn.
const OPENED_AT_ONCE: usize = 100;
/// How often a server is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKED_AT_FOR: Duration = Duration::from_secs(15);
/// No client takes longer for what it does.
const PATIENCE: Duration = Duration::from_secs(60);

/// Below what a gateway takes by default.
const SLOW_READERS: usize = 9_900;
/// Taken in a quarter of a second, so that no reader is cut for being too slow.
const SLOW_BYTES: usize = 4 << 10;
const UNSIGNED_SENDERS: usize = 1_000;
const UNSIGNED_BODY_BYTES: usize = 8 << 20;
const IDLE_CONNECTIONS: usize = 5_000;

/// Of a cluster: there the bytes that are read lie in the gateway.
pub(crate) async fn slow_readers() -> anyhow::Result<Vec<Line>> {
    let crowd = Crowd::before(Server::cluster()?, "64MiB").await?;
    let request = crowd.get();
    let mut readers = JoinSet::new();
    let reading = async {
        for nth in 0..SLOW_READERS {
            readers.spawn(read_slowly(crowd.address, request.clone()));
            if nth % OPENED_AT_ONCE == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        }
        sleep(LOOKED_AT_FOR).await;
        let ended = std::iter::from_fn(|| readers.try_join_next()).count();
        ensure!(ended == 0, "{ended} readers broke off");
        Ok(())
    };
    let most = crowd.most_while(reading).await?;
    Ok(most.lines(&format!("{SLOW_READERS} slow readers of 64 MiB, MiB"), MIB, 512.0))
}

pub(crate) async fn unsigned_senders() -> anyhow::Result<Vec<Line>> {
    let crowd = Crowd::before(Server::embedded("1GiB")?, "1KiB").await?;
    let sending = async {
        let senders: JoinSet<_> = (0..UNSIGNED_SENDERS).map(|_| send_unsigned(crowd.address)).collect();
        let refused = senders.join_all().await.into_iter().filter(|answer| matches!(answer, Ok(403))).count();
        ensure!(refused == UNSIGNED_SENDERS, "only {refused} of {UNSIGNED_SENDERS} senders read a refusal");
        Ok(())
    };
    let most = crowd.most_while(sending).await?;
    Ok(most.lines(&format!("{UNSIGNED_SENDERS} unsigned senders of 8 MiB, MiB"), MIB, 64.0))
}

pub(crate) async fn idle_connections() -> anyhow::Result<Vec<Line>> {
    let crowd = Crowd::before(Server::embedded("1GiB")?, "1KiB").await?;
    let request = crowd.get();
    let kernel_before = kernel_objects_bytes()?;
    let mut idle = Vec::new();
    for _ in 0..IDLE_CONNECTIONS {
        let mut stream = connect(crowd.address).await?;
        stream.write_all(request.as_bytes()).await?;
        ensure!(read_answer(&mut stream).await? == 200, "a GET was refused");
        idle.push(stream);
    }
    // So long a server keeps what it needs to talk with them.
    sleep(Duration::from_secs(32)).await;
    let waiting = async {
        sleep(Duration::from_secs(1)).await;
        Ok(())
    };
    let most = crowd.most_while(waiting).await?;
    // Each connection has two ends on this machine.
    let objects = kernel_objects_bytes()?.saturating_sub(kernel_before) / 2;
    let each = |bytes: u64| bytes as f64 / 1024.0 / IDLE_CONNECTIONS as f64;
    let what = format!("an idle connection of {IDLE_CONNECTIONS}, KiB");
    let mut lines = most.lines(&what, 1024.0 * IDLE_CONNECTIONS as f64, 16.0);
    lines.push(line("  the kernel's objects for it, beside that", each(objects), None));
    Ok(lines)
}

/// A server, before many come.
struct Crowd {
    /// Ends with this.
    _server: Server,
    /// The process that has the connections.
    pid: i32,
    address: SocketAddr,
    before: Use,
}

/// Of one process, in bytes.
#[derive(Clone, Copy, Default)]
struct Use {
    resident: u64,
    queued: u64,
}

impl Crowd {
    /// With one object in the server, of this size, which has been read.
    async fn before(server: Server, size: &str) -> anyhow::Result<Self> {
        let limits = Process::myself()?.limits()?.max_open_files;
        let needed = SLOW_READERS as u64 + FILES_SPARE;
        ensure!(
            !matches!(limits.soft_limit, LimitValue::Value(files) if files < needed),
            "{needed} open files are needed: ulimit -n {needed}"
        );
        let load = format!("--size {size} --keys 1 --concurrency 4 --requests 16 --mix get");
        Side::new(&server, load).run("").await?;
        let pid = server.gateway as i32;
        let address =
            server.endpoint.trim_start_matches("http://").parse().context("no address to connect to")?;
        let mut crowd = Self { _server: server, pid, address, before: Use::default() };
        crowd.before = crowd.now()?;
        Ok(crowd)
    }

    /// A request for the object.
    fn get(&self) -> String {
        signed_get(&self.address.to_string(), ACCESS_KEY, SECRET_KEY, "/bars/k000000000")
    }

    fn now(&self) -> anyhow::Result<Use> {
        let resident = ProcessUse::of(self.pid)?.rss_bytes;
        Ok(Use { resident, queued: queued_bytes(IPV4, self.address.port())? })
    }

    /// The most that the server has taken since the beginning, while something is done.
    async fn most_while(&self, done: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Use> {
        let mut done = std::pin::pin!(done);
        let mut most = Use::default();
        loop {
            let ended = timeout(LOOK_EVERY, done.as_mut()).await;
            let now = self.now()?;
            let since = Use {
                resident: now.resident.saturating_sub(self.before.resident),
                queued: now.queued.saturating_sub(self.before.queued),
            };
            if since.total() > most.total() {
                most = since;
            }
            if let Ok(ended) = ended {
                return ended.map(|()| most);
            }
        }
    }
}

impl Use {
    fn total(self) -> u64 {
        self.resident + self.queued
    }

    fn lines(self, what: &str, unit_bytes: f64, bar: f64) -> Vec<Line> {
        vec![
            line(what, self.total() as f64 / unit_bytes, Some(bar)),
            line("  of it resident in the process", self.resident as f64 / unit_bytes, None),
            line("  of it in the kernel, for its sockets", self.queued as f64 / unit_bytes, None),
        ]
    }
}

fn line(what: &str, value: f64, bar: Option<f64>) -> Line {
    Line { what: what.into(), measured: format!("{value:.1}"), against: "-".into(), value, bar }
}

/// What the kernel has for its own objects, sockets among them.
fn kernel_objects_bytes() -> anyhow::Result<u64> {
    use procfs::Current;
    Ok(procfs::Meminfo::current()?.slab)
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.connect(address).await
}

/// Ends only when it is cut.
async fn read_slowly(address: SocketAddr, request: String) -> io::Result<()> {
    let mut stream = connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut piece = [0; SLOW_BYTES];
    while stream.read(&mut piece).await? > 0 {
        sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

/// Sends until it is answered; the status of the answer.
async fn send_unsigned(address: SocketAddr) -> io::Result<u16> {
    let stream = connect(address).await?;
    let (mut from, mut to) = stream.into_split();
    let sending = tokio::spawn(async move {
        let head = format!(
            "PUT /bars/unsigned HTTP/1.1\r\nhost: {address}\r\ncontent-length: {UNSIGNED_BODY_BYTES}\r\n\r\n"
        );
        to.write_all(head.as_bytes()).await?;
        let piece = [7; 64 << 10];
        for _ in 0..UNSIGNED_BODY_BYTES / piece.len() {
            to.write_all(&piece).await?;
        }
        io::Result::Ok(())
    });
    let status = read_answer(&mut from).await;
    // How much of it was taken is the server's to say.
    let _ = sending.await;
    status
}

/// Reads an answer to its end; its status.
async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<u16> {
    timeout(PATIENCE, async {
        let mut received = Vec::new();
        loop {
            ensure_more(stream.read_buf(&mut received).await?)?;
            let text = String::from_utf8_lossy(&received);
            let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
            let status = head.get(9..12).and_then(|status| status.parse().ok());
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let end = head.len() + 4 + length.unwrap_or(0_usize);
            while received.len() < end {
                ensure_more(stream.read_buf(&mut received).await?)?;
            }
            return status.ok_or_else(|| io::Error::other("an answer without a status"));
        }
    })
    .await?
}

fn ensure_more(received: usize) -> io::Result<()> {
    if received == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
