//! Memory that the kernel holds for the TCP sockets of a server, as `ss -tm` shows it: asked of Linux over netlink
//! (`sock_diag(7)`), socket by socket, so that the other ends on the same machine are not counted.

use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read};

const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const IPPROTO_TCP: u8 = 6;
/// The attribute with the memory of a socket, as nine numbers of 32 bits.
const INET_DIAG_SKMEMINFO: u16 = 7;
const NETLINK_HEADER_BYTES: usize = 16;
/// Of a socket in an answer, before its attributes.
const DIAG_MESSAGE_BYTES: usize = 72;

/// What is queued at the sockets of `family` (2: IPv4, 10: IPv6) whose own port is `port`, in bytes, the kernel's overhead
/// included: received and not read, written and not acknowledged, and taken in advance for either.
pub fn queued_bytes(family: u8, port: u16) -> io::Result<u64> {
    let mut socket =
        Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
    socket.send(&request(family, port))?;
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        let received = socket.read(&mut buffer)?;
        let mut left = &buffer[..received];
        while let Some(length) = u32_at(left, 0).map(|length| length as usize) {
            if length < NETLINK_HEADER_BYTES || length > left.len() {
                return Err(io::Error::other("a message of the kernel that cannot be read"));
            }
            match u16_at(left, 4) {
                Some(NLMSG_DONE) => return Ok(total),
                Some(NLMSG_ERROR) => return Err(io::Error::other("the kernel does not tell about sockets")),
                _ => total += of_socket(&left[NETLINK_HEADER_BYTES..length]).unwrap_or(0),
            }
            left = &left[aligned(length).min(left.len())..];
        }
    }
}

/// All sockets of a family and a port, in whatever state, with their memory.
fn request(family: u8, port: u16) -> Vec<u8> {
    let length = NETLINK_HEADER_BYTES + 56;
    let mut out = Vec::with_capacity(length);
    out.extend_from_slice(&(length as u32).to_ne_bytes());
    out.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out.extend_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    // Sequence and sender: one question, from whoever has the socket.
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&[family, IPPROTO_TCP, 1 << (INET_DIAG_SKMEMINFO - 1), 0]);
    out.extend_from_slice(&u32::MAX.to_ne_bytes());
    out.extend_from_slice(&port.to_be_bytes());
    out.resize(length, 0);
    out
}

fn of_socket(message: &[u8]) -> Option<u64> {
    let mut attributes = message.get(DIAG_MESSAGE_BYTES..)?;
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        if u16_at(attributes, 2)? == INET_DIAG_SKMEMINFO {
            let number = |nth: usize| u32_at(attributes, 4 + 4 * nth).map(u64::from);
            let (received, ahead, written, backlog) = (number(0)?, number(4)?, number(5)?, number(7)?);
            return Some(received + ahead + written + backlog);
        }
        attributes = attributes.get(aligned(length.max(4))..)?;
    }
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn what_nobody_reads_is_counted_at_the_side_that_has_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[7; 20_000]).unwrap();
        server.peek(&mut [0; 1]).unwrap();
        let at_server = queued_bytes(2, address.port()).unwrap();
        assert!((20_000..200_000).contains(&at_server), "{at_server}");
        server.read_exact(&mut [0; 20_000]).unwrap();
        assert!(queued_bytes(2, address.port()).unwrap() < 20_000);
    }
}
