//! What is said over connections, byte by byte, as `tests/format.txt` has it: who changes it has to raise the version
//! that the handshake compares, or processes of two builds meet that do not understand each other.
//!
//! `POCKET_REWRITE_FORMAT=1 cargo test -p pocket-wire --lib format` writes that file anew: after a new version, or where there
//! are new messages. Where only a seed is another, its line has to go first.

use crate::control;
use crate::frame::{FrameHeader, FrameKind};
use crate::fuzz::handshake::genuine;
use crate::fuzz::{Written, bytes_of};
use crate::handshake::VERSION;
use crate::queue::FrameQueue;
use crate::seeds;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::{Debug, Write};
use std::path::Path;

const HEAD: &str = "What is said over connections, in hexadecimal digits. Written by `cargo test -p pocket-wire --lib format`,\n\
    with `POCKET_REWRITE_FORMAT=1` in its environment; a line that changes needs a new VERSION in wire/src/handshake.rs.\n\n";

fn row(text: &mut String, name: &str, bytes: &[u8]) {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(text, "{name}: {digits}").unwrap();
}

/// Frames with a payload of one byte.
fn frames<M: Written + Debug>(text: &mut String, messages: Vec<M>) {
    let header =
        FrameHeader { kind: FrameKind::Cancel, header_bytes: 0, payload_bytes: 0, id: 1, deadline_ms: 9 };
    for message in messages {
        let mut queue = FrameQueue::default();
        message.push_to(&mut queue, &header, Bytes::from_static(b"p")).unwrap();
        // The first names of variants in it say which message it is.
        let shown = format!("{message:?}");
        let words = shown.split(|c: char| !c.is_alphanumeric());
        let mut names: Vec<&str> = words.filter(|word| word.starts_with(char::is_uppercase)).collect();
        names.retain(|name| !["JobRef", "JobId", "Epoch"].contains(name));
        names.dedup();
        names.truncate(3);
        let name = names.join(" ");
        row(text, &name, &bytes_of(queue));
    }
}

/// The file, as it must be in the repository.
fn document() -> String {
    let mut text = format!("{HEAD}version {VERSION}\n");
    let (client, server) = genuine(Some("secret"));
    row(&mut text, "handshake of the client", &client);
    row(&mut text, "handshake of the server", &server);
    frames(&mut text, seeds::calls());
    frames(&mut text, seeds::responses());
    for (name, bytes) in control::fuzz::messages() {
        row(&mut text, name, &bytes);
    }
    text
}

#[test]
fn what_is_said_changes_only_with_the_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format.txt");
    let (said, written) = (document(), std::fs::read_to_string(&path).unwrap_or_default());
    let version = format!("\nversion {VERSION}\n");
    let rows_of_this_version = written.split_once(&version).map_or("", |(_, rows)| rows);
    for line in rows_of_this_version.lines() {
        assert!(
            said.lines().any(|said| said == line),
            "the encoding has changed, so raise VERSION in wire/src/handshake.rs; it was {line}"
        );
    }
    if std::env::var_os("POCKET_REWRITE_FORMAT").is_some() {
        std::fs::write(&path, said).unwrap();
        return;
    }
    assert!(said == written, "VERSION is new, or there are new messages: see the head of this file");
}

/// Looks whether there is a seed of each variant of `T`.
#[track_caller]
fn assert_complete<T: Serialize + DeserializeOwned + Debug>(seeds: Vec<T>) {
    let shown: BTreeSet<u8> = seeds.iter().map(|seed| postcard::to_stdvec(seed).unwrap()[0]).collect();
    for variant in 0..128 {
        // Of a variant that there is, at most the rest is missing.
        let is_known = !matches!(postcard::from_bytes::<T>(&[variant]), Err(postcard::Error::SerdeDeCustom));
        assert_eq!(shown.contains(&variant), is_known, "variant {variant} of {}", std::any::type_name::<T>());
    }
}

#[test]
fn there_is_a_seed_of_each_kind_of_message() {
    assert_complete(seeds::requests());
    assert_complete(seeds::shard_requests());
    assert_complete(seeds::chunk_requests());
    assert_complete(seeds::replies());
    assert_complete(seeds::metadata_errors());
    assert_complete(seeds::shard_replies());
    assert_complete(seeds::chunk_replies());
    assert_complete(seeds::chunk_errors());
}
