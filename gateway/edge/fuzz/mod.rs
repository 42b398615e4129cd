//! Fuzz targets for what the gateway reads from strangers: one a parser, here because the parsers are this crate's own.
//! Whole requests, bodies and S3's documents go through `tests/requests`. See docs/fuzzing.md.

mod chunked;
mod claims;
mod documents;
mod edge;
mod forms;
mod lists;
mod settings;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use pocket_access::refusal::{ErrorCode, Refusal};

/// What strangers send is their mistake, or something that is not built: never ours.
#[track_caller]
fn assert_refusal(refusal: &Refusal) {
    let status = refusal.code.status();
    assert!((400..500).contains(&status) || status == 501, "refused with {status}: {refusal}");
    assert!(!refusal.message.is_empty(), "{refusal:?}");
    assert!(refusal.code != ErrorCode::InvalidArgument || refusal.has("ArgumentName"), "{refusal:?}");
}

/// The head of a request as HTTP lets it through.
struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Head {
    /// A request line, then a header a line. `None` for what is refused before it comes to us; bad headers are left out.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut line = lines.next()?.split(' ');
        let method = Method::from_bytes(line.next()?.as_bytes()).ok()?;
        let uri = Uri::try_from(line.next()?).ok()?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value.trim().as_bytes()).ok()?))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(header) {
            headers.append(name, value);
        }
        Some(Self { method, uri, headers })
    }
}
