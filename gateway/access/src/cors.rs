//! CORS: which pages of a browser may read which answers. It protects readers from pages, not objects from readers: who
//! may do what is decided elsewhere.

use serde::{Deserialize, Serialize};

/// S3's bound on the rules of a bucket.
const RULES_MAX: usize = 100;
/// S3's bound on a rule's id.
const ID_MAX_CHARS: usize = 255;
/// Most headers that a page may ask to send at once: far more than any library does, and few enough for the rules to be
/// held against each, since nobody has to sign a preflight.
const ASKED_HEADERS_MAX: usize = 100;

/// A bucket's configuration: the first rule that fits counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    pub rules: Vec<CorsRule>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    pub id: Option<String>,
    /// With one `*` at most.
    pub origins: Vec<String>,
    pub methods: Vec<String>,
    /// With one `*` at most. In any case.
    pub headers: Vec<String>,
    pub expose: Vec<String>,
    pub max_age_secs: Option<i32>,
}

/// What a page is about to send.
#[derive(Clone, Copy, Debug)]
pub struct Preflight<'a> {
    pub origin: &'a str,
    pub method: &'a str,
    /// Names of headers.
    pub headers: &'a [&'a str],
}

impl Cors {
    /// S3's rules on rules. The error is its text; the code is InvalidRequest.
    pub fn check(&self) -> Result<(), String> {
        if self.rules.len() > RULES_MAX {
            return Err(format!(
                "The number of CORS rules should not exceed allowed limit of {RULES_MAX} rules."
            ));
        }
        self.rules.iter().try_for_each(CorsRule::check)
    }

    /// The rule by which a page may send what it is about to; `None` where no rule fits, or too many headers are asked for.
    pub fn lets_send(&self, asked: Preflight<'_>) -> Option<&CorsRule> {
        if asked.headers.len() > ASKED_HEADERS_MAX {
            return None;
        }
        self.rules.iter().find(|rule| {
            rule.takes(asked.origin, asked.method) && asked.headers.iter().all(|name| rule.takes_header(name))
        })
    }

    /// The rule by which a page may read the answer to a request; `None` where no rule fits.
    pub fn lets_read(&self, origin: &str, method: &str) -> Option<&CorsRule> {
        self.rules.iter().find(|rule| rule.takes(origin, method))
    }
}

impl CorsRule {
    fn check(&self) -> Result<(), String> {
        let known = ["GET", "PUT", "POST", "DELETE", "HEAD"];
        if let Some(method) = self.methods.iter().find(|method| !known.contains(&method.as_str())) {
            return Err(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            ));
        }
        for (what, patterns) in [("AllowedOrigin", &self.origins), ("AllowedHeader", &self.headers)] {
            if let Some(pattern) = patterns.iter().find(|pattern| pattern.matches('*').count() > 1) {
                return Err(format!("{what} \"{pattern}\" can not have more than one wildcard."));
            }
        }
        if let Some(name) = self.expose.iter().find(|name| name.contains('*')) {
            return Err(format!(
                "ExposeHeader \"{name}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            ));
        }
        // What is not a header's name could not be sent as one.
        if let Some(name) = self.expose.iter().find(|name| !is_token(name)) {
            return Err(format!("ExposeHeader \"{name}\" is not the name of a header."));
        }
        if let Some(id) = self.id.as_deref().filter(|id| id.chars().count() > ID_MAX_CHARS) {
            return Err(format!("The ID of a rule can have {ID_MAX_CHARS} characters: {id:.40}"));
        }
        Ok(())
    }

    fn takes(&self, origin: &str, method: &str) -> bool {
        let is_listed = |pattern: &String| star_matches(pattern, origin, |a, b| a == b);
        self.methods.iter().any(|m| m == method) && self.origins.iter().any(is_listed)
    }

    fn takes_header(&self, name: &str) -> bool {
        self.headers.iter().any(|pattern| star_matches(pattern, name, str::eq_ignore_ascii_case))
    }

    /// Whether any page at all is one of its origins.
    pub fn takes_every_origin(&self) -> bool {
        self.origins.iter().any(|allowed| allowed == "*")
    }
}

/// As HTTP demands of the names of headers.
fn is_token(name: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_sign)
}

/// Only `*` is special here: a `?` is one.
fn star_matches(pattern: &str, text: &str, same: impl Fn(&str, &str) -> bool) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return same(pattern, text) };
    let end = text.len().checked_sub(after.len()).filter(|&end| before.len() <= end);
    let ends = end.and_then(|end| Some((text.get(..before.len())?, text.get(end..)?)));
    ends.is_some_and(|(start, end)| same(before, start) && same(after, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CorsRule {
        CorsRule {
            origins: texts(origins),
            methods: texts(methods),
            headers: texts(headers),
            ..CorsRule::default()
        }
    }

    fn ask<'a>(origin: &'a str, method: &'a str, headers: &'a [&'a str]) -> Preflight<'a> {
        Preflight { origin, method, headers }
    }

    #[test]
    fn the_first_rule_that_fits_lets_a_page_send() {
        let first = rule(&["https://*.example.com"], &["PUT", "GET"], &["x-amz-*", "Content-Type"]);
        let cors = Cors { rules: vec![first, rule(&["*"], &["GET"], &[])] };
        let by = |asked| cors.lets_send(asked).unwrap();
        let of_page = by(ask("https://a.example.com", "PUT", &["Content-Type", "X-Amz-Date"]));
        assert_eq!(of_page, &cors.rules[0]);
        assert!(!of_page.takes_every_origin());
        let everybody = by(ask("https://example.org", "GET", &[]));
        assert_eq!(everybody, &cors.rules[1]);
        assert!(everybody.takes_every_origin());
    }

    #[test]
    fn what_no_rule_fits_is_not_let_through() {
        let cors = Cors { rules: vec![rule(&["https://*.example.com"], &["GET"], &["x-amz-*"])] };
        for asked in [
            ask("https://example.com", "GET", &[]),
            ask("http://a.example.com", "GET", &[]),
            ask("https://a.example.com.evil.org", "GET", &[]),
            ask("https://a.example.com", "PUT", &[]),
            ask("https://a.example.com", "get", &[]),
            ask("https://a.example.com", "GET", &["x-amz-date", "authorization"]),
        ] {
            assert!(cors.lets_send(asked).is_none(), "{asked:?}");
        }
        assert!(cors.lets_read("https://a.example.com", "GET").is_some());
        assert!(cors.lets_read("https://a.example.com", "PUT").is_none());
        let overlapping = Cors { rules: vec![rule(&["http://aba*aba"], &["GET"], &[])] };
        assert!(overlapping.lets_read("http://aba", "GET").is_none());
    }

    #[test]
    fn names_of_headers_are_alike_in_any_case_and_bounded_in_number() {
        let cors = Cors { rules: vec![rule(&["*"], &["GET"], &["X-Amz-*-é", "ETag"])] };
        let fits = |headers: &[&str]| cors.lets_send(ask("http://a", "GET", headers)).is_some();
        assert!(fits(&["etag"]));
        assert!(fits(&["ETAG"]));
        assert!(!fits(&["x-amz-a"]));
        assert!(!fits(&["x-amz-aé-"]));
        assert!(!fits(&["etags"]));
        assert!(fits(&["etag"; ASKED_HEADERS_MAX]));
        assert!(!fits(&["etag"; ASKED_HEADERS_MAX + 1]));
    }

    #[test]
    fn rules_that_s3_refuses_are_refused() {
        let fine = || rule(&["*"], &["GET", "PUT", "POST", "DELETE", "HEAD"], &["*"]);
        assert_eq!(Cors { rules: vec![fine(); RULES_MAX] }.check(), Ok(()));
        for (bad, reason) in [
            (rule(&["*"], &["OPTIONS"], &[]), "OPTIONS"),
            (rule(&["http://*.*"], &["GET"], &[]), "more than one wildcard"),
            (rule(&["*"], &["GET"], &["*-*"]), "more than one wildcard"),
            (CorsRule { expose: texts(&["x-*"]), ..fine() }, "wildcard for ExposeHeader"),
            (CorsRule { expose: texts(&["a b"]), ..fine() }, "a b"),
            (CorsRule { expose: texts(&["é"]), ..fine() }, "é"),
            (CorsRule { expose: texts(&[""]), ..fine() }, "name of a header"),
            (CorsRule { id: Some("x".repeat(256)), ..fine() }, "255"),
        ] {
            let error = Cors { rules: vec![bad] }.check().unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(Cors { rules: vec![fine(); RULES_MAX + 1] }.check().unwrap_err().contains("100"));
    }
}
