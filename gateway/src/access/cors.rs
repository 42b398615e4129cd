//! CORS: which pages of a browser may read which answers. It protects readers from pages, not objects from readers: who
//! may do what is decided elsewhere.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};

/// S3's bound on the rules of a bucket.
const RULES_MAX: usize = 100;
/// S3's bound on a rule's id.
const ID_MAX_CHARS: usize = 255;
/// Most headers that a page may ask to send at once: far more than any library does, and few enough for the rules to be
/// held against each, since nobody has to sign a preflight.
const ASKED_HEADERS_MAX: usize = 100;
/// What an answer to a page depends on, for caches on the way.
const VARIES_BY: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");

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
pub(crate) struct Preflight<'a> {
    pub(crate) origin: &'a str,
    pub(crate) method: &'a str,
    /// `Access-Control-Request-Headers`
    pub(crate) headers: Option<&'a str>,
}

impl Cors {
    /// S3's rules on rules. The error is its text; the code is InvalidRequest.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.rules.len() > RULES_MAX {
            return Err(format!(
                "The number of CORS rules should not exceed allowed limit of {RULES_MAX} rules."
            ));
        }
        self.rules.iter().try_for_each(CorsRule::check)
    }

    /// The headers of an answer to a preflight; `None` where no rule fits, or too many headers are asked for.
    pub(crate) fn preflight(&self, asked: Preflight<'_>) -> Option<HeaderMap> {
        let wanted: Vec<&str> =
            asked.headers.unwrap_or("").split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        if wanted.len() > ASKED_HEADERS_MAX {
            return None;
        }
        let rule = self.rules.iter().find(|rule| {
            rule.takes(asked.origin, asked.method) && wanted.iter().all(|name| rule.takes_header(name))
        })?;
        let mut answer = rule.answer(asked.origin)?;
        if !wanted.is_empty() {
            let names = wanted.join(", ").to_ascii_lowercase();
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::try_from(names).ok()?);
        }
        Some(answer)
    }

    /// The headers that go with an answer to a request of a page; `None` where no rule fits.
    pub(crate) fn headers(&self, origin: &str, method: &Method) -> Option<HeaderMap> {
        self.rules.iter().find(|rule| rule.takes(origin, method.as_str()))?.answer(origin)
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
        let is_name = |name: &str| HeaderName::try_from(name).is_ok();
        if let Some(name) = self.expose.iter().find(|name| !is_name(name)) {
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

    /// `None` where the origin is nothing that a header can carry.
    fn answer(&self, origin: &str) -> Option<HeaderMap> {
        let mut answer = HeaderMap::new();
        if self.origins.iter().any(|allowed| allowed == "*") {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_str(origin).ok()?);
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::try_from(self.methods.join(", ")).ok()?);
        if !self.expose.is_empty() {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::try_from(self.expose.join(", ")).ok()?);
        }
        if let Some(secs) = self.max_age_secs {
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(secs));
        }
        answer.insert(VARY, VARIES_BY);
        Some(answer)
    }
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

    fn ask<'a>(origin: &'a str, method: &'a str, headers: Option<&'a str>) -> Preflight<'a> {
        Preflight { origin, method, headers }
    }

    #[test]
    fn the_first_rule_that_fits_answers_a_preflight() {
        let first = CorsRule {
            expose: texts(&["ETag", "x-amz-request-id"]),
            max_age_secs: Some(600),
            ..rule(&["https://*.example.com"], &["PUT", "GET"], &["x-amz-*", "Content-Type"])
        };
        let cors = Cors { rules: vec![first, rule(&["*"], &["GET"], &[])] };
        let answer =
            cors.preflight(ask("https://a.example.com", "PUT", Some("Content-Type,X-Amz-Date"))).unwrap();
        for (name, value) in [
            ("access-control-allow-origin", "https://a.example.com"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "PUT, GET"),
            ("access-control-allow-headers", "content-type, x-amz-date"),
            ("access-control-expose-headers", "ETag, x-amz-request-id"),
            ("access-control-max-age", "600"),
        ] {
            assert_eq!(answer[name], value, "{name}");
        }
        let everybody = cors.preflight(ask("https://example.org", "GET", None)).unwrap();
        assert_eq!(everybody["access-control-allow-origin"], "*");
        assert!(!everybody.contains_key("access-control-allow-credentials"));
        assert!(!everybody.contains_key("access-control-allow-headers"));
    }

    #[test]
    fn what_no_rule_fits_has_no_answer() {
        let cors = Cors { rules: vec![rule(&["https://*.example.com"], &["GET"], &["x-amz-*"])] };
        for asked in [
            ask("https://example.com", "GET", None),
            ask("http://a.example.com", "GET", None),
            ask("https://a.example.com.evil.org", "GET", None),
            ask("https://a.example.com", "PUT", None),
            ask("https://a.example.com", "get", None),
            ask("https://a.example.com", "GET", Some("x-amz-date, authorization")),
        ] {
            assert!(cors.preflight(asked).is_none(), "{asked:?}");
        }
        assert!(cors.headers("https://a.example.com", &Method::GET).is_some());
        assert!(cors.headers("https://a.example.com", &Method::PUT).is_none());
        let overlapping = Cors { rules: vec![rule(&["http://aba*aba"], &["GET"], &[])] };
        assert!(overlapping.headers("http://aba", &Method::GET).is_none());
    }

    #[test]
    fn names_of_headers_are_alike_in_any_case_and_bounded_in_number() {
        let cors = Cors { rules: vec![rule(&["*"], &["GET"], &["X-Amz-*-é", "ETag"])] };
        let fits = |headers: &str| cors.preflight(ask("http://a", "GET", Some(headers))).is_some();
        assert!(fits("etag"));
        assert!(fits("ETAG"));
        assert!(!fits("x-amz-a"));
        assert!(!fits("x-amz-aé-"));
        assert!(!fits("etags"));
        assert!(fits(&["etag"; ASKED_HEADERS_MAX].join(",")));
        assert!(!fits(&["etag"; ASKED_HEADERS_MAX + 1].join(",")));
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
            (CorsRule { id: Some("x".repeat(256)), ..fine() }, "255"),
        ] {
            let error = Cors { rules: vec![bad] }.check().unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(Cors { rules: vec![fine(); RULES_MAX + 1] }.check().unwrap_err().contains("100"));
    }
}
