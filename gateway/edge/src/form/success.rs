//! What a form is answered when its object is there: nothing, a document, or a redirect, as its fields ask.

use super::fields::Fields;
use crate::answer::Body;
use crate::location::KEY;
use crate::xml::escape;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use percent_encoding::{CONTROLS, utf8_percent_encode};

/// How a form wants to be answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Success {
    action: Action,
    bucket: String,
    key: String,
    /// URL of the object.
    location: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Redirect(String),
    Document,
    Status(StatusCode),
}

impl Success {
    /// `location`: URL of the object.
    pub(crate) fn read(fields: &Fields, bucket: &str, key: &str, location: String) -> Self {
        let redirect = fields.get("success_action_redirect").or(fields.get("redirect"));
        // What cannot be understood counts as not said, for both fields.
        let action = match (redirect.and_then(url), fields.get("success_action_status")) {
            (Some(url), _) => Action::Redirect(url),
            (None, Some("200")) => Action::Status(StatusCode::OK),
            (None, Some("201")) => Action::Document,
            _ => Action::Status(StatusCode::NO_CONTENT),
        };
        Self { action, bucket: bucket.to_owned(), key: key.to_owned(), location }
    }

    /// Turns the answer to a PUT that has succeeded into the answer to the form.
    pub(crate) fn shape(self, response: &mut Response<Body>) {
        if response.status() != StatusCode::OK {
            return;
        }
        let etag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or("").to_owned();
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.remove(CONTENT_TYPE);
        let (status, location, body) = match self.action {
            Action::Status(status) => (status, self.location, Body::empty()),
            Action::Document => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
                let document = document(&self.location, &self.bucket, &self.key, &etag);
                (StatusCode::CREATED, self.location, Body::from(document))
            }
            Action::Redirect(url) => {
                let location =
                    with_query(&url, &[("bucket", &self.bucket), ("key", &self.key), ("etag", &etag)]);
                (StatusCode::SEE_OTHER, location, Body::empty())
            }
        };
        if let Ok(location) = HeaderValue::try_from(location) {
            headers.insert(LOCATION, location);
        }
        *response.status_mut() = status;
        *response.body_mut() = body;
    }
}

fn document(location: &str, bucket: &str, key: &str, etag: &str) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse>");
    for (name, value) in [("Location", location), ("Bucket", bucket), ("Key", key), ("ETag", etag)] {
        xml.push_str(&format!("<{name}>"));
        escape(value, &mut xml);
        xml.push_str(&format!("</{name}>"));
    }
    xml + "</PostResponse>"
}

/// A URL that a browser can be sent to. What no header can carry is escaped.
fn url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let is_web = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let has_host = !rest.is_empty() && !rest.starts_with(['/', '?', '#']);
    (is_web && has_host).then(|| utf8_percent_encode(text, CONTROLS).to_string())
}

/// Adds parameters to the query that a URL has.
fn with_query(url: &str, parameters: &[(&str, &str)]) -> String {
    let (url, fragment) = match url.find('#') {
        Some(at) => url.split_at(at),
        None => (url, ""),
    };
    let mut whole = url.to_owned();
    for (name, value) in parameters {
        whole.push(if whole.contains('?') { '&' } else { '?' });
        let value = utf8_percent_encode(value, KEY).to_string().replace("%20", "+");
        whole.push_str(&format!("{name}={value}"));
    }
    whole + fragment
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, `Location` and body of what a form with these fields is answered.
    fn answered(fields: &[(&str, &str)]) -> (u16, String, String) {
        let mut read = Fields::default();
        fields.iter().for_each(|(name, value)| read.add(name.to_string(), value.as_bytes().into()).unwrap());
        let mut response = Response::new(Body::from(String::from("of the put")));
        response.headers_mut().insert(ETAG, HeaderValue::from_static("\"e7\""));
        Success::read(&read, "bucket", "a b/ü&c", "http://h/bucket/a%20b%2F%C3%BC%26c".into())
            .shape(&mut response);
        let location = response.headers()[LOCATION].to_str().unwrap().to_owned();
        let body = String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap();
        (response.status().as_u16(), location, body)
    }

    const HERE: &str = "http://h/bucket/a%20b%2F%C3%BC%26c";

    #[test]
    fn a_status_is_answered_with_nothing_and_an_unknown_one_counts_as_none() {
        for (asked, status) in [(None, 204), (Some("204"), 204), (Some("200"), 200), (Some("404"), 204)] {
            let fields: Vec<_> = asked.map(|status| ("success_action_status", status)).into_iter().collect();
            assert_eq!(answered(&fields), (status, HERE.into(), String::new()), "{asked:?}");
        }
    }

    #[test]
    fn created_comes_with_a_document() {
        let (status, location, body) = answered(&[("success_action_status", "201")]);
        assert_eq!((status, location.as_str()), (201, HERE));
        let expected = format!(
            "<PostResponse><Location>{HERE}</Location><Bucket>bucket</Bucket><Key>a b/ü&amp;c</Key>\
             <ETag>\"e7\"</ETag></PostResponse>"
        );
        assert!(body.ends_with(&expected), "{body}");
    }

    #[test]
    fn redirects_name_what_was_stored_behind_the_query_that_is_there() {
        let added = "bucket=bucket&key=a+b%2F%C3%BC%26c&etag=%22e7%22";
        for (asked, expected) in [
            ("http://x.example/done", format!("http://x.example/done?{added}")),
            ("HTTPS://x.example", format!("HTTPS://x.example?{added}")),
            ("http://x.example/done?a=b c", format!("http://x.example/done?a=b c&{added}")),
            ("http://x.example/ü\r\nx: y#top", format!("http://x.example/%C3%BC%0D%0Ax: y?{added}#top")),
        ] {
            for name in ["success_action_redirect", "redirect"] {
                let found = answered(&[(name, asked), ("success_action_status", "201")]);
                assert_eq!(found, (303, expected.clone(), String::new()));
            }
        }
        for bad in ["/relative", "ftp://x.example/", "http://", "javascript:alert(1)", "http:///x"] {
            assert_eq!(answered(&[("success_action_redirect", bad)]).0, 204, "{bad}");
        }
    }

    #[test]
    fn errors_stay_as_they_are() {
        let mut response = Response::new(Body::from(String::from("<Error/>")));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Success::read(&Fields::default(), "bucket", "k", "http://h/bucket/k".into()).shape(&mut response);
        assert_eq!((response.status().as_u16(), response.body().bytes().unwrap().len()), (503, 8));
    }
}
