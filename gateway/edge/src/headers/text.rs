//! Values of headers that are text.

use http::header::AsHeaderName;
use http::{HeaderMap, HeaderValue};
use pocket_access::refusal::{Refusal, shortened};
use std::fmt::Display;

/// A header's value where there is one and it is text.
pub(crate) fn text(
    headers: &HeaderMap,
    name: impl AsHeaderName + Display + Copy,
) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| not_text(&name.to_string(), value, "plain ASCII text"))
}

pub(super) fn not_text(name: &str, value: &HeaderValue, what: &str) -> Refusal {
    Refusal::invalid(name, String::from_utf8_lossy(value.as_bytes()), format!("header {name} is not {what}"))
}

/// A header that says true or false.
pub(crate) fn flag(headers: &HeaderMap, name: &str) -> Result<bool, Refusal> {
    match text(headers, name)? {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => {
            let text = format!("{name} has the bad value {:?}: true or false", shortened(other));
            Err(Refusal::invalid(name, other, text))
        }
    }
}
