use super::*;
use http::HeaderValue;
use pocket_access::refusal::{ErrorCode, Refusal};
use proptest::prelude::*;

/// All parts with their content, fed in pieces of these lengths, round and round.
fn decode(body: &[u8], boundary: &str, lens: &[usize]) -> Result<Vec<(PartHead, Vec<u8>)>, Refusal> {
    let mut decoder = FormDecoder::new(boundary);
    let mut parts: Vec<(PartHead, Vec<u8>)> = Vec::new();
    let mut rest = Bytes::copy_from_slice(body);
    let mut lens = lens.iter().cycle();
    while !rest.is_empty() {
        let mut input = rest.split_to(rest.len().min(*lens.next().unwrap()));
        loop {
            match decoder.next(&mut input)? {
                FormPiece::Part(part) => parts.push((part, Vec::new())),
                FormPiece::Content(data) => {
                    assert!(!data.is_empty());
                    parts.last_mut().unwrap().1.extend_from_slice(&data);
                }
                FormPiece::More => break,
                FormPiece::End => return Ok(parts),
            }
        }
        assert!(input.is_empty());
    }
    Err(malformed("no end"))
}

fn part(name: &str, filename: Option<&str>) -> PartHead {
    PartHead { name: name.into(), filename: filename.map(str::to_owned) }
}

#[test]
fn a_form_is_the_same_however_it_is_cut() {
    let body = "ignored\r\n--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na\r\nb\r\n--\r\n--x \t\r\n\
                content-disposition: Form-Data; filename=\"a.txt\"; name=file\r\nContent-Type: text/plain\r\n\
                X-Other: y\r\n\r\n\r\n\r\n--\r\n--y\r\n--x--\r\nignored\r\n--x\r\n";
    let expected = vec![
        (part("key", None), b"a\r\nb\r\n--".to_vec()),
        (part("file", Some("a.txt")), b"\r\n\r\n--\r\n--y".to_vec()),
    ];
    for len in 1..=body.len() {
        assert_eq!(decode(body.as_bytes(), "x", &[len]).unwrap(), expected, "pieces of {len}");
    }
}

#[test]
fn the_smallest_forms_are_forms() {
    let empty = "--b\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n--b--";
    assert_eq!(decode(empty.as_bytes(), "b", &[7]).unwrap(), [(part("a", None), vec![])]);
    assert_eq!(decode(b"--b--", "b", &[2]).unwrap(), []);
}

#[test]
fn heads_are_read_as_browsers_and_tools_write_them() {
    for (parameters, filename) in [
        (r#"name="file""#, None),
        (r#"name="file"; filename="""#, Some("")),
        (r#"name="file"; filename="a;b=c.txt""#, Some("a;b=c.txt")),
        (r#"name="file"; filename="a\"b.txt""#, Some("a\"b.txt")),
        (r#"name="file"; filename="C:\dir\file.txt""#, Some(r"C:\dir\file.txt")),
        (r#"name="file"; filename="é 日本.txt""#, Some("é 日本.txt")),
        (r#"name="file"; filename="x"; filename*=UTF-8''%E2%82%AC%20a+b"#, Some("€ a+b")),
        ("name=file;filename=a.txt;size=5", Some("a.txt")),
    ] {
        let body = format!("--b\r\nContent-Disposition: form-data; {parameters}\r\n\r\n\r\n--b--");
        let parts = decode(body.as_bytes(), "b", &[64]).unwrap();
        assert_eq!(parts[0].0, part("file", filename), "{parameters}");
    }
}

#[test]
fn what_is_no_form_is_refused() {
    let long = format!("--b\r\nx: {}\r\n", "y".repeat(LINE_MAX_BYTES));
    let many = format!("--b\r\n{}", "x: y\r\n".repeat(HEAD_LINES_MAX + 1));
    let named = "content-disposition: form-data; name=a\r\n";
    for body in [
        "",
        "--b",
        "--b\r\n",
        "no boundary at all\r\n",
        "--b\r\n\r\nnameless\r\n--b--",
        "--bc\r\n",
        "--b\r\nno colon\r\n\r\n",
        "--b\ncontent-disposition: form-data; name=a\n\n\n--b--",
        "--b\r\ncontent-disposition: file; name=\"file\"\r\n\r\n\r\n--b--",
        "--b\r\ncontent-disposition: form-data\r\n\r\n\r\n--b--",
        "--b\r\ncontent-disposition: form-data; filename=x\r\n\r\n\r\n--b--",
        "--b\r\ncontent-disposition: form-data; name=\"a\r\n\r\n\r\n--b--",
        "--b\r\ncontent-disposition: form-data; name=a; name=b\r\n\r\n\r\n--b--",
        "--b\r\ncontent-disposition: form-data; name=a; filename*=latin1''x\r\n\r\n\r\n--b--",
        &format!("--b\r\n{named}{named}\r\n\r\n--b--"),
        &format!("--b\r\n{named}content-transfer-encoding: base64\r\n\r\nYQ==\r\n--b--"),
        &format!("--b\r\n{named}\r\nx\r\n--bc\r\n--b--"),
        &format!("--b\r\n{named}\r\nnever ends"),
        &long,
        &many,
    ] {
        let refusal = decode(body.as_bytes(), "b", &[50]).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::MalformedPOSTRequest, "{body:.80}");
    }
    assert!(decode(b"--b\r\n\xff: x\r\n", "b", &[50]).is_err());
}

#[test]
fn boundaries_are_read_as_clients_write_them() {
    let read = |value: &'static str| {
        boundary(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]))
            .map_err(|refusal| refusal.code)
    };
    for (value, expected) in [
        ("multipart/form-data; boundary=abc", "abc"),
        ("Multipart/Form-Data;boundary=\"a b:c=d/e?f\"", "a b:c=d/e?f"),
        (
            "multipart/form-data; charset=utf-8; BOUNDARY=----WebKitFormBoundary'()+_,-.",
            "----WebKitFormBoundary'()+_,-.",
        ),
    ] {
        assert_eq!(read(value).as_deref(), Ok(expected));
    }
    for bad in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a ",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a%b",
        "multipart/form-data; boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        assert_eq!(read(bad), Err(ErrorCode::MalformedPOSTRequest), "{bad}");
    }
    for other in ["multipart/mixed; boundary=a", "application/x-www-form-urlencoded", ""] {
        assert_eq!(read(other), Err(ErrorCode::PreconditionFailed), "{other}");
    }
    assert_eq!(boundary(&HeaderMap::new()).unwrap_err().code, ErrorCode::PreconditionFailed);
}

proptest! {
    #[test]
    fn what_is_written_is_read_whatever_the_content_and_the_cuts(
        contents in proptest::collection::vec("(a|b|-|\r|\n|\r\n|\r\n-|\r\n--|\r\n--b|é){0,12}", 0..4),
        lens in proptest::collection::vec(1_usize..20, 1..6),
    ) {
        // No content has the whole delimiter in it.
        let boundary = "bab!".replace('!', "0");
        let mut body = Vec::new();
        let mut expected = Vec::new();
        for (i, content) in contents.iter().enumerate() {
            let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{i}\"\r\n\r\n");
            body.extend([head.as_bytes(), content.as_bytes(), b"\r\n"].concat());
            expected.push((part(&i.to_string(), None), content.clone().into_bytes()));
        }
        body.extend(format!("--{boundary}--\r\n").into_bytes());
        prop_assert_eq!(decode(&body, &boundary, &lens).unwrap(), expected);
    }

    #[test]
    fn no_body_makes_the_decoder_panic(
        body in proptest::collection::vec(
            proptest::sample::select(vec![
                &b"--b"[..], b"\r\n", b"--", b"\r", b"\n", b"\"", b";", b"=\\", b"\xff",
                b"content-disposition: form-data; name=a", b"; filename=",
            ]),
            0..20,
        ),
        lens in proptest::collection::vec(1_usize..20, 1..4),
    ) {
        let _ = decode(&body.concat(), "b", &lens);
    }
}
