//! Reading S3's XML as far as a test needs it: the texts of elements by name.

/// Texts of all elements of that name, in order, unescaped. Elements of one name are never nested in S3's answers.
pub fn texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let empty = format!("<{name}/>");
    let mut found = Vec::new();
    let mut rest = xml;
    loop {
        let next_open = rest.find(&open);
        let next_empty = rest.find(&empty);
        match (next_open, next_empty) {
            (Some(at), other) if other.is_none_or(|e| at < e) => {
                rest = &rest[at + open.len()..];
                let end = rest.find(&close).expect("every element is closed");
                found.push(unescape(&rest[..end]));
                rest = &rest[end + close.len()..];
            }
            (_, Some(at)) => {
                found.push(String::new());
                rest = &rest[at + empty.len()..];
            }
            _ => return found,
        }
    }
}

/// The text of the first element of that name.
pub fn text(xml: &str, name: &str) -> Option<String> {
    texts(xml, name).into_iter().next()
}

/// For text inside an element.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let end = at + rest[at..].find(';').expect("every entity ends");
        out.push(match &rest[at + 1..end] {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => {
                let hex = other.strip_prefix("#x").map(|h| u32::from_str_radix(h, 16));
                let number = hex.or_else(|| other.strip_prefix('#').map(str::parse));
                number.and_then(Result::ok).and_then(char::from_u32).expect("a known entity")
            }
        });
        rest = &rest[end + 1..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_in_order_and_unescaped() {
        let xml = "<a><Key>x&amp;y</Key><Key/><Key>&#x1F600;&#34;</Key></a>";
        assert_eq!(texts(xml, "Key"), ["x&y", "", "\u{1F600}\""]);
        assert_eq!(text(xml, "Code"), None);
        assert_eq!(unescape(&escape("<&>")), "<&>");
    }
}
