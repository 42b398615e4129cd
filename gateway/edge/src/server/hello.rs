//! The first message of a TLS client. It is collected here as it came, within a bound, and read once the connection has a place to
//! shake hands in: what is made of a hello takes twenty times its bytes, and anybody may send one.

use rustls::server::{Accepted, Acceptor};
use std::io;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Largest hello that is read. With keys that quantum computers do not break and a ticket of another server a client sends some 4 KiB.
pub(crate) const HELLO_MAX_BYTES: usize = 8 << 10;
/// Type, version and length of a record.
const RECORD_HEAD_BYTES: usize = 5;
/// Type and length of a message.
const MESSAGE_HEAD_BYTES: usize = 4;
/// A fatal alert: `record_overflow`.
const TOO_LONG: &[u8] = &[21, 3, 1, 0, 2, 2, 22];

/// What a record of a handshake begins with.
pub(super) const HANDSHAKE_RECORD: u8 = 22;

/// A whole hello, or what is none. Waits for the client as long as it takes.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut hello = Vec::new();
    while !is_whole(&hello) {
        if hello.len() == HELLO_MAX_BYTES {
            stream.write_all(TOO_LONG).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the hello is too long"));
        }
        stream.readable().await?;
        // A hello comes in one or two packets.
        let mut bytes = [0; 2 << 10];
        let most = bytes.len().min(HELLO_MAX_BYTES - hello.len());
        match stream.try_read(&mut bytes[..most]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => hello.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hello)
}

/// Reads what [`read`] has collected. A client that is not understood is told so.
pub(super) async fn accept(hello: &[u8], stream: &mut TcpStream) -> io::Result<Accepted> {
    let mut acceptor = Acceptor::default();
    let mut rest = hello;
    while !rest.is_empty() {
        acceptor.read_tls(&mut rest)?;
    }
    match acceptor.accept() {
        Ok(Some(accepted)) => Ok(accepted),
        Ok(None) => Err(io::Error::new(io::ErrorKind::InvalidData, "that is no hello")),
        Err((error, mut alert)) => {
            let mut told = Vec::new();
            alert.write_all(&mut told)?;
            stream.write_all(&told).await?;
            Err(io::Error::new(io::ErrorKind::InvalidData, error))
        }
    }
}

/// Whether the first message, which may be cut into several records, has come to its end; also whether there is none.
fn is_whole(bytes: &[u8]) -> bool {
    let (mut rest, mut message_bytes, mut head) = (bytes, 0, [0; MESSAGE_HEAD_BYTES]);
    while let Some((record, behind)) = rest.split_first_chunk::<RECORD_HEAD_BYTES>() {
        let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
        if record[0] != HANDSHAKE_RECORD || length == 0 {
            return true;
        }
        let part = &behind[..length.min(behind.len())];
        for (to, &byte) in head.iter_mut().skip(message_bytes).zip(part) {
            *to = byte;
        }
        message_bytes += part.len();
        let [_, high, middle, low] = head.map(usize::from);
        let is_known = message_bytes >= MESSAGE_HEAD_BYTES;
        if is_known && message_bytes - MESSAGE_HEAD_BYTES >= (high << 16 | middle << 8 | low) {
            return true;
        }
        rest = &behind[part.len()..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::pair;

    /// A message of so many bytes in records of at most `cut`.
    fn records(message_bytes: usize, cut: usize) -> Vec<u8> {
        let mut message = vec![1, 0, (message_bytes >> 8) as u8, message_bytes as u8];
        message.resize(MESSAGE_HEAD_BYTES + message_bytes, 7);
        let record = |part: &[u8]| {
            [&[HANDSHAKE_RECORD, 3, 1, (part.len() >> 8) as u8, part.len() as u8], part].concat()
        };
        message.chunks(cut).flat_map(record).collect()
    }

    #[test]
    fn a_hello_is_whole_with_its_last_byte_however_it_is_cut() {
        for cut in [1, 3, 4, 5, 100, 1_000] {
            let hello = records(517, cut);
            assert!(is_whole(&hello), "{cut}");
            for missing in 1..hello.len() {
                assert!(!is_whole(&hello[..hello.len() - missing]), "{missing} of {cut}");
            }
        }
        assert!(is_whole(b"\x17\x03\x03\x00\x05"), "another record is for whoever reads them");
        assert!(is_whole(b"\x16\x03\x03\x00\x00"), "and an empty one, of which there could be many");
    }

    #[tokio::test]
    async fn a_hello_that_is_too_long_is_told_so_and_read_no_further() {
        let (mut near, mut far) = pair().await;
        near.write_all(&records(60_000, 16_000)).await.unwrap();
        let refused = read(&mut far).await.unwrap_err();
        assert_eq!(refused.to_string(), "the hello is too long");
        let mut told = [0; TOO_LONG.len()];
        tokio::io::AsyncReadExt::read_exact(&mut near, &mut told).await.unwrap();
        assert_eq!(told, TOO_LONG);
    }
}
