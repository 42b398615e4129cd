//! The aws-chunked framing, whole and in pieces.

use super::assert_refusal;
use crate::chunked::tests::{SECRET, SEED, signer};
use crate::chunked::{Announced, ChunkDecoder, ChunkPiece};
use crate::payload::Trailers;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use bytes::Bytes;
use pocket_access::refusal::Refusal;
use pocket_fuzz::{Mutant, Mutants, check, produce, within_memory};
use sha2::{Digest, Sha256};
use std::time::{Duration, UNIX_EPOCH};

const TRAILER: &str = "x-amz-checksum-crc32";
/// Data is slices of what came; a line and a trailer are all that is copied.
const MEMORY_FACTOR: usize = 1;

/// What came out, and how it ended: the bytes left behind the end, or none when the end was not reached.
#[derive(Debug, PartialEq)]
struct Decoded {
    data: Vec<u8>,
    trailer: Option<Vec<u8>>,
    end: Result<Option<usize>, Refusal>,
}

/// Decodes `body` cut into pieces of these sizes, over and over.
fn decode(mut decoder: ChunkDecoder, body: &Bytes, sizes: &[u8]) -> Decoded {
    let mut rest = body.clone();
    let mut sizes = sizes.iter().map(|&size| usize::from(size).max(1)).cycle();
    let mut data = Vec::with_capacity(body.len());
    let mut end = Ok(None);
    'pieces: while !rest.is_empty() && end == Ok(None) {
        let size = sizes.next().unwrap_or(usize::MAX).min(rest.len());
        let mut input = rest.split_to(size);
        loop {
            match decoder.next(&mut input) {
                Ok(ChunkPiece::Data(piece)) => {
                    assert!(!piece.is_empty(), "no data is no piece");
                    data.extend_from_slice(&piece);
                }
                Ok(ChunkPiece::More) => {
                    assert!(input.is_empty(), "it wants more than it took");
                    break;
                }
                Ok(ChunkPiece::End) => {
                    end = Ok(Some(input.len() + rest.len()));
                    break 'pieces;
                }
                Err(refusal) => {
                    end = Err(refusal);
                    break 'pieces;
                }
            }
        }
    }
    Decoded { data, trailer: decoder.trailer().map(<[u8]>::to_vec), end }
}

#[track_caller]
fn assert_same_in_pieces(body: &[u8], sizes: &[u8], decoder: impl Fn() -> ChunkDecoder) -> Decoded {
    let body = Bytes::copy_from_slice(body);
    let whole = within_memory(body.len(), 1 + MEMORY_FACTOR, || decode(decoder(), &body, &[]));
    assert_eq!(decode(decoder(), &body, sizes), whole);
    assert!(whole.data.len() <= body.len(), "it has become more");
    if let Err(refusal) = &whole.end {
        assert_refusal(refusal);
    }
    whole
}

#[test]
fn framed_bodies_decode_to_the_same_however_they_are_cut() {
    let seeds = Mutants::of([
        "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        "0\r\n\r\n",
        "1\r\nx\r\n0\r\nX-Amz-Checksum-CRC32 : AA== \n\r\n",
        "5;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\nhello\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
        "0000000000000004\r\n1\r\n\n\r\n0\r\n\r\nmore",
    ]);
    let input = (seeds, produce::<Vec<u8>>(), produce::<bool>());
    check!(20_000, input, |(mutant, sizes, announced): &(Mutant, Vec<u8>, bool)| {
        let announced = if *announced { Announced::Must(TRAILER) } else { Announced::None };
        assert_same_in_pieces(mutant, sizes, || ChunkDecoder::new(None, announced));
    },);
}

#[test]
fn what_was_framed_comes_out_as_it_went_in() {
    let input = (Mutants::of(["some bytes\r\n", "\0"]), produce::<Vec<u8>>(), produce::<Vec<u8>>());
    check!(10_000, input, |(data, chunks, sizes): &(Mutant, Vec<u8>, Vec<u8>)| {
        let mut body = Vec::new();
        let mut rest = &data[..];
        let mut chunks = chunks.iter().map(|&size| usize::from(size) + 1).cycle();
        while !rest.is_empty() {
            let chunk;
            (chunk, rest) = rest.split_at(chunks.next().unwrap_or(usize::MAX).min(rest.len()));
            body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        let decoded = assert_same_in_pieces(&body, sizes, || ChunkDecoder::new(None, Announced::None));
        assert_eq!(decoded, Decoded { data: data.to_vec(), trailer: None, end: Ok(Some(0)) });
    },);
}

#[test]
fn signed_chunks_are_what_was_signed_or_refused() {
    let bodies = [&[][..], &["one chunk"], &["two", "chunks"], &["and", "three", "more of them"]];
    let data: Vec<Vec<u8>> = bodies.iter().map(|chunks| chunks.concat().into_bytes()).collect();
    for trailer in [None, Some(format!("{TRAILER}:sOO8/Q=="))] {
        let seeds = Mutants::of(bodies.map(|chunks| signed_body(chunks, trailer.as_deref())));
        let trailers = if trailer.is_some() { Trailers::Signed } else { Trailers::None };
        let announced = if trailer.is_some() { Announced::Must(TRAILER) } else { Announced::None };
        let decoder = || ChunkDecoder::new(Some(signer(SEED, trailers)), announced);
        for seed in seeds.seeds() {
            assert_eq!(decode(decoder(), &Bytes::copy_from_slice(seed), &[1]).end, Ok(Some(0)));
        }
        let input = (seeds, produce::<Vec<u8>>());
        check!(2_000, input, |(mutant, sizes): &(Mutant, Vec<u8>)| {
            let decoded = assert_same_in_pieces(mutant, sizes, decoder);
            if let Ok(Some(_)) = decoded.end {
                assert!(data.contains(&decoded.data), "{:?}", Mutant(decoded.data));
                assert_eq!(decoded.trailer.is_some(), trailer.is_some());
            }
        },);
    }
}

/// Framed and signed as the owner of the published examples does it.
fn signed_body(chunks: &[&str], trailer: Option<&str>) -> Vec<u8> {
    let moment = UNIX_EPOCH + Duration::from_secs(1_369_353_600);
    let key = generate_signing_key(SECRET, moment, "us-east-1", "s3");
    let sign = |kind: &str, text: String| {
        let scope = "20130524T000000Z\n20130524/us-east-1/s3/aws4_request";
        calculate_signature(&key, format!("AWS4-HMAC-SHA256-{kind}\n{scope}\n{text}").as_bytes())
    };
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let (mut body, mut previous) = (Vec::new(), SEED.to_owned());
    for chunk in chunks.iter().copied().chain([""]) {
        let text = format!("{previous}\n{}\n{}", digest(b""), digest(chunk.as_bytes()));
        previous = sign("PAYLOAD", text);
        body.extend(format!("{:x};chunk-signature={previous}\r\n{chunk}", chunk.len()).bytes());
        if !chunk.is_empty() || trailer.is_none() {
            body.extend(b"\r\n");
        }
    }
    if let Some(trailer) = trailer {
        let signature = sign("TRAILER", format!("{previous}\n{}", digest(format!("{trailer}\n").as_bytes())));
        body.extend(format!("{trailer}\r\nx-amz-trailer-signature:{signature}\r\n\r\n").bytes());
    }
    body
}
