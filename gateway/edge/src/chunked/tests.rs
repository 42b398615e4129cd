//! The published examples of chunked uploads, every way to break them, and any split of the input.

use super::super::authorization;
use super::super::payload::Trailers;
use super::super::query::Query;
use super::super::signing_keys::SigningKeys;
use super::*;
use crate::arrived::Arrived;
use crate::credentials::Credentials;
use http::{HeaderMap, HeaderValue};
use pocket_access::refusal::ErrorCode;
use pocket_api::names::TenantName;
use proptest::prelude::*;

/// Decodes `body` cut into pieces of at most `step` bytes; an unfinished body is `None`.
fn decode(decoder: &mut ChunkDecoder, body: &[u8], step: usize) -> Result<Option<Vec<u8>>, ErrorCode> {
    let mut decoded = Vec::new();
    for (i, part) in body.chunks(step).enumerate() {
        let mut input = Bytes::copy_from_slice(part);
        loop {
            match decoder.next(&mut input).map_err(|refusal| refusal.code)? {
                ChunkPiece::Data(data) => decoded.extend_from_slice(&data),
                ChunkPiece::More => break,
                ChunkPiece::End => {
                    assert!(input.is_empty() && body.len() <= (i + 1) * step, "bytes behind the end");
                    return Ok(Some(decoded));
                }
            }
        }
    }
    Ok(None)
}

fn unsigned(body: &str, announced: Announced) -> Result<Option<Vec<u8>>, ErrorCode> {
    decode(&mut ChunkDecoder::new(None, announced), body.as_bytes(), 7)
}

const CRC32: Announced = Announced::Must("x-amz-checksum-crc32");

#[test]
fn framing_and_trailers_are_taken_off() {
    let whole = "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
    for step in 1..whole.len() + 1 {
        let mut decoder = ChunkDecoder::new(None, CRC32);
        let decoded = decode(&mut decoder, whole.as_bytes(), step).unwrap().unwrap();
        assert_eq!((&*decoded, decoder.trailer()), (&b"abc0123456789"[..], Some(&b"AAAAAA=="[..])));
    }
    assert_eq!(unsigned("0\r\n\r\n", Announced::None), Ok(Some(vec![])));
    let may = Announced::May("x-amz-checksum-crc32");
    assert_eq!(unsigned("1\r\nx\r\n0\r\n\r\n", may), Ok(Some(b"x".to_vec())), "it may be missing");
    assert_eq!(unsigned("1\r\nx\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n", may), Ok(Some(b"x".to_vec())));
    assert_eq!(unsigned("1\r\nx\r\n0\r\nX-Amz-Checksum-CRC32 : AA== \n\r\n", CRC32), Ok(Some(b"x".to_vec())));
}

#[test]
fn broken_framing_is_refused() {
    let malformed_trailer = || ErrorCode::MalformedTrailerError;
    for (body, announced, code) in [
        ("x\r\n", Announced::None, ErrorCode::InvalidRequest),
        ("\r\n", Announced::None, ErrorCode::InvalidRequest),
        ("-1\r\n", Announced::None, ErrorCode::InvalidRequest),
        ("00000000000000001\r\n", Announced::None, ErrorCode::InvalidRequest),
        ("1;chunk-signature=0\r\n", Announced::None, ErrorCode::InvalidRequest),
        ("1\r\nxy\r\n", Announced::None, ErrorCode::InvalidRequest),
        (&"0".repeat(600), Announced::None, ErrorCode::InvalidRequest),
        ("0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", Announced::None, malformed_trailer()),
        ("0\r\nx-amz-checksum-sha1:AAAAAA==\r\n\r\n", CRC32, malformed_trailer()),
        ("0\r\nx-amz-checksum-crc32\r\n\r\n", CRC32, malformed_trailer()),
        ("0\r\n\r\n", CRC32, malformed_trailer()),
        ("0\r\nx-amz-checksum-crc32:A\r\nx-amz-checksum-crc32:B\r\n\r\n", CRC32, malformed_trailer()),
    ] {
        assert_eq!(unsigned(body, announced), Err(code), "{body:?}");
    }
    for cut in ["", "3", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "3\r\nabc\r\n0\r\n"] {
        assert_eq!(unsigned(cut, Announced::None), Ok(None), "{cut:?}");
    }
}

#[test]
fn one_huge_chunk_streams_through_without_being_collected() {
    let mut decoder = ChunkDecoder::new(None, Announced::None);
    let mut input = Bytes::from_static(b"40000000\r\n");
    assert_eq!(decoder.next(&mut input), Ok(ChunkPiece::More));
    let block = Bytes::from(vec![7; 1 << 20]);
    for _ in 0..1_024 {
        let mut input = block.clone();
        match decoder.next(&mut input) {
            // The very memory that came in.
            Ok(ChunkPiece::Data(data)) => {
                assert_eq!((data.as_ptr(), data.len()), (block.as_ptr(), block.len()))
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(decoder.next(&mut input), Ok(ChunkPiece::More));
    }
    let mut input = Bytes::from_static(b"\r\n0\r\n\r\n");
    assert_eq!(decoder.next(&mut input), Ok(ChunkPiece::End));
}

pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Signer for the published examples, whose requests carry `seed`.
pub(crate) fn signer(seed: &str, trailers: Trailers) -> ChunkSigner {
    let mut credentials = Credentials::default();
    assert!(credentials.add("AKIAIOSFODNN7EXAMPLE", SECRET, TenantName::parse("t").unwrap()));
    let claim = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders=host,Signature=0";
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static(claim));
    headers.insert("x-amz-date", HeaderValue::from_static("20130524T000000Z"));
    let query = Query::default();
    let arrived = Arrived::of(&headers);
    let claim = authorization::read(&arrived, &query).unwrap().unwrap();
    let key = SigningKeys::new(credentials).find(&claim).unwrap();
    let signature = seed.as_bytes().try_into().unwrap();
    ChunkSigner::new(ChunkSeed { key, stamp: claim.stamp, signature }, trailers)
}

/// The body of AWS's example: 66,560 times `a` in two chunks.
fn published(signatures: [&str; 3], trailer: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (len, signature) in [65_536, 1_024, 0].into_iter().zip(signatures) {
        body.extend(format!("{len:x};chunk-signature={signature}\r\n").bytes());
        if len > 0 {
            body.extend(std::iter::repeat_n(b'a', len));
            body.extend(b"\r\n");
        }
    }
    body.extend(trailer.bytes());
    body.extend(b"\r\n");
    body
}

pub(crate) const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
const SIGNATURES: [&str; 3] = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
];
const TRAILER_SEED: &str = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
const TRAILER_SIGNATURES: [&str; 3] = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
];
const TRAILER: &str = "x-amz-checksum-crc32c:sOO8/Q==\r\n\
    x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n";

fn signed(seed: &str, trailers: Trailers, body: &[u8]) -> Result<Option<usize>, ErrorCode> {
    let announced = match trailers {
        Trailers::None => Announced::None,
        Trailers::Signed => Announced::Must("x-amz-checksum-crc32c"),
    };
    let mut decoder = ChunkDecoder::new(Some(signer(seed, trailers)), announced);
    decode(&mut decoder, body, 9_973).map(|decoded| decoded.map(|decoded| decoded.len()))
}

#[test]
fn the_chunked_examples_of_aws_verify() {
    assert_eq!(signed(SEED, Trailers::None, &published(SIGNATURES, "")), Ok(Some(66_560)));
    let with_trailer = published(TRAILER_SIGNATURES, TRAILER);
    assert_eq!(signed(TRAILER_SEED, Trailers::Signed, &with_trailer), Ok(Some(66_560)));
    let blank_line = TRAILER.replace("\r\nx-amz-trailer", "\n\r\nx-amz-trailer");
    assert_eq!(
        signed(TRAILER_SEED, Trailers::Signed, &published(TRAILER_SIGNATURES, &blank_line)),
        Ok(Some(66_560))
    );
}

#[test]
fn chunks_that_are_not_what_was_signed_are_refused() {
    let wrong = Err(ErrorCode::SignatureDoesNotMatch);
    let body = published(SIGNATURES, "");
    assert_eq!(signed(TRAILER_SEED, Trailers::None, &body), wrong);
    for at in [120, 65_700] {
        let mut changed = body.clone();
        changed[at] = b'b';
        assert_eq!(signed(SEED, Trailers::None, &changed), wrong, "byte {at}");
    }
    let mut last = SIGNATURES;
    last[2] = SIGNATURES[1];
    assert_eq!(signed(SEED, Trailers::None, &published(last, "")), wrong);
    let text = String::from_utf8(body).unwrap();
    for (from, to) in [(";chunk-signature=b6", ";chunk-signature=B6"), (";chunk-signature=", ";signature=")] {
        assert_eq!(signed(SEED, Trailers::None, text.replace(from, to).as_bytes()), wrong);
    }
    // The second chunk left out: nobody may drop a piece from the middle.
    let second = text.find("400;").unwrap()..text.find("\r\n0;").unwrap() + 2;
    let mut shortened = text.clone();
    shortened.replace_range(second, "");
    assert_eq!(signed(SEED, Trailers::None, shortened.as_bytes()), wrong);
}

#[test]
fn trailers_that_are_not_what_was_signed_are_refused() {
    let wrong = Err(ErrorCode::SignatureDoesNotMatch);
    let unsigned = TRAILER.split_inclusive('\n').next().unwrap().to_owned();
    for trailer in [TRAILER.replace("sOO8", "sOO9"), TRAILER.replace(":d8", ":d9"), unsigned + "\r\n\r\n"] {
        let body = published(TRAILER_SIGNATURES, &trailer);
        let outcome = signed(TRAILER_SEED, Trailers::Signed, &body);
        assert!(outcome == wrong || outcome == Ok(None), "{trailer:?}: {outcome:?}");
    }
}

proptest! {
    #[test]
    fn any_split_of_any_body_decodes_to_the_same_bytes(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..6),
        step in 1_usize..64,
    ) {
        let mut body = Vec::new();
        for chunk in &chunks {
            body.extend(format!("{:x}\r\n", chunk.len()).bytes());
            body.extend(chunk);
            body.extend(b"\r\n");
        }
        body.extend(b"0\r\n\r\n");
        let decoded = decode(&mut ChunkDecoder::new(None, Announced::None), &body, step);
        prop_assert_eq!(decoded, Ok(Some(chunks.concat())));
    }

    #[test]
    fn no_input_makes_the_decoder_panic(
        body in prop::collection::vec(prop::sample::select(b"0123af;:\r\n=x".to_vec()), 0..80),
        step in 1_usize..9,
    ) {
        for part in [Announced::None, CRC32] {
            let mut decoder = ChunkDecoder::new(None, part);
            for piece in body.chunks(step) {
                let mut input = Bytes::copy_from_slice(piece);
                while let Ok(ChunkPiece::Data(_)) = decoder.next(&mut input) {}
            }
        }
    }
}
