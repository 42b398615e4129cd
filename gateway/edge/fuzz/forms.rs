//! Forms: multipart/form-data against a slow reader that has all of it at once, and the policies within them.

use super::assert_refusal;
use crate::form::fields::Fields;
use crate::form::multipart::{FormDecoder, FormPiece, boundary};
use crate::form::policy::PostPolicy;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use pocket_access::refusal::Refusal;
use pocket_api::clock::Timestamp;
use pocket_fuzz::{GUIDED, Mutant, Mutants, check, produce, within_memory};
use std::sync::atomic::{AtomicU64, Ordering};

const BOUNDARY: &str = "x-y";
/// Contents as this test keeps them. The decoder itself copies a line at a time.
const MEMORY_FACTOR: usize = 4;
/// JSON as a tree, and the conditions made of it.
const POLICY_MEMORY_FACTOR: usize = 64;

/// Contents of all parts of a form that comes in pieces of these sizes, over and over.
fn decode(form: &[u8], sizes: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Refusal> {
    let mut decoder = FormDecoder::new(BOUNDARY);
    let mut sizes = sizes.iter().map(|&size| usize::from(size).max(1)).cycle();
    let (mut contents, mut rest) = (Vec::<Vec<u8>>::new(), Bytes::copy_from_slice(form));
    while !rest.is_empty() {
        let mut input = rest.split_to(sizes.next().unwrap_or(usize::MAX).min(rest.len()));
        loop {
            match decoder.next(&mut input)? {
                FormPiece::Part(part) => {
                    assert!(part.name.len() <= form.len(), "{part:?}");
                    contents.push(Vec::new());
                }
                FormPiece::Content(data) => {
                    contents.last_mut().expect("a part began").extend_from_slice(&data)
                }
                FormPiece::More => break,
                FormPiece::End => return Ok(Some(contents)),
            }
        }
        assert!(input.is_empty(), "it wants more than it took");
    }
    Ok(None)
}

/// The same by searching. Heads are skipped: that they are good is the decoder's to say.
fn search(form: &[u8]) -> Option<Vec<Vec<u8>>> {
    let form = [b"\r\n", form].concat();
    let delimiter = format!("\r\n--{BOUNDARY}");
    let find = |what: &[u8], from: usize| {
        form.get(from..)?.windows(what.len()).position(|window| window == what).map(|at| from + at)
    };
    let (mut at, mut contents) = (find(delimiter.as_bytes(), 0)?, Vec::new());
    loop {
        at += delimiter.len();
        if form[at..].starts_with(b"--") {
            return Some(contents);
        }
        // The lines above a part begin behind the delimiter's own and end with an empty one.
        let begin = find(b"\r\n\r\n", find(b"\r\n", at)?)? + 4;
        at = find(delimiter.as_bytes(), begin)?;
        contents.push(form[begin..at].to_vec());
    }
}

#[test]
fn forms_have_the_parts_that_a_search_finds_however_they_are_cut() {
    let seeds = Mutants::of([
        "--x-y\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na/${filename}\r\n--x-y\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n\
         content\r\n--x-\r\n-\r\n\r\n--x-y--\r\n",
        "preamble\r\n--x-y \t\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n--x-y--",
        "--x-y--",
        "--x-y\r\nContent-Disposition: form-data; filename*=UTF-8''%e2%82%ac; name=file\r\n\r\n\r\n--x-y--epilogue",
    ]);
    let whole = AtomicU64::new(0);
    check!(20_000, (seeds, produce::<Vec<u8>>()), |(form, sizes): &(Mutant, Vec<u8>)| {
        let read = within_memory(form.len(), MEMORY_FACTOR, || decode(form, &[]));
        assert_eq!(decode(form, sizes), read);
        match read {
            Err(refusal) => assert_refusal(&refusal),
            Ok(None) => {}
            Ok(Some(contents)) => {
                assert_eq!(Some(contents), search(form));
                whole.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    assert!(GUIDED || whole.into_inner() > 1_000);
}

#[test]
fn boundaries_are_short_and_of_plain_signs() {
    let seeds = Mutants::of([
        "multipart/form-data; boundary=x-y",
        "Multipart/Form-Data; charset=utf-8; boundary=\"a b'()+_,-./:=?c\"",
        "multipart/mixed; boundary=x",
    ]);
    check!(10_000, seeds, |mutant: &Mutant| {
        let Ok(value) = HeaderValue::from_bytes(mutant) else { return };
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, value)]);
        match within_memory(mutant.len(), MEMORY_FACTOR, || boundary(&headers)) {
            Err(refusal) => assert_refusal(&refusal),
            Ok(boundary) => assert!(
                (1..=70).contains(&boundary.len()) && boundary.bytes().all(|b| matches!(b, b' '..=b'z')),
                "{boundary:?}"
            ),
        }
    });
}

#[test]
fn a_policy_lets_no_field_pass_that_it_does_not_name() {
    let seeds = Mutants::blocks(include_str!("seeds/form_policies.json"));
    let judged = AtomicU64::new(0);
    check!(10_000, seeds, |mutant: &Mutant| {
        let text = BASE64_STANDARD.encode(&**mutant);
        let policy = match within_memory(text.len(), POLICY_MEMORY_FACTOR, || PostPolicy::parse(&text)) {
            Err(refusal) => return assert_refusal(&refusal),
            Ok(policy) => policy,
        };
        let mut fields = Fields::default();
        for (name, value) in [("key", "user/a"), ("acl", "public-read"), ("Content-Type", "image/png")] {
            fields.add(name.into(), value.into()).unwrap();
        }
        for now in [Timestamp(0), Timestamp(4_000_000_000_000)] {
            let judge = |fields: &Fields| policy.check(fields, "bucket", now);
            if let Err(refusal) = judge(&fields) {
                assert_refusal(&refusal);
            }
            let mut more = fields.clone();
            more.add("nobody-names-this".into(), b"x".to_vec()).unwrap();
            assert!(judge(&more).is_err(), "{policy:?}");
            judged.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!(GUIDED || judged.into_inner() > 1_000);
}
