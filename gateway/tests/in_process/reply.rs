//! An answer as a client has it when it has read all of it.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use pocket_edge::context::Connection;
use pocket_edge::front::Body;

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// Reads a body to its end and tells the connection so, as the server does when all of it is in the socket.
    pub(crate) async fn read(response: Response<Body>, connection: &Connection, asks_for_head: bool) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body that does not break off").to_bytes();
        connection.flushed();
        if !asks_for_head && let Some(length) = head.headers.get(CONTENT_LENGTH) {
            assert_eq!(length.to_str().unwrap(), body.len().to_string());
        }
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub(crate) fn is_ok(&self) -> bool {
        StatusCode::from_u16(self.status).unwrap().is_success()
    }

    /// Must have worked.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.is_ok(), "{} {}", self.status, String::from_utf8_lossy(&self.body));
        self
    }

    /// S3's code of what must be an error with a document; "no error" where it worked.
    pub(crate) fn code(&self) -> String {
        match self.is_ok() {
            true => "no error".into(),
            false => self.text("Code").unwrap_or_else(|| panic!("an error without a document: {self:?}")),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The ETag of the head, without its quotes.
    pub(crate) fn tag(&self) -> String {
        unquoted(self.header("etag").expect("an ETag"))
    }

    /// The ETag of the document, likewise.
    pub(crate) fn tag_inside(&self) -> String {
        unquoted(&self.text("ETag").expect("an ETag"))
    }

    /// The text of the first element at `path`: names below the root, with slashes between.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.texts(path).into_iter().next()
    }

    /// Whether the document says that there is more.
    pub(crate) fn is_truncated(&self) -> bool {
        self.text("IsTruncated").expect("a list says whether it is all") == "true"
    }

    /// The texts of all elements at `path`, in their order.
    pub(crate) fn texts(&self, path: &str) -> Vec<String> {
        let text = std::str::from_utf8(&self.body).unwrap();
        let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let mut found = vec![document.root_element()];
        for name in path.split('/') {
            let children = found.iter().flat_map(|node| node.children());
            found = children.filter(|child| child.tag_name().name() == name).collect();
        }
        found.iter().map(|node| node.text().unwrap_or("").to_owned()).collect()
    }
}

fn unquoted(tag: &str) -> String {
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).expect("quotes").to_owned()
}
