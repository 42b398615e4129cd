//! CORSConfiguration: which pages may read what.

use super::{parsed, write};
use crate::answer::Body;
use crate::errors::{malformed_xml, s3};
use bytes::Bytes;
use http::Response;
use pocket_access::cors::{Cors, CorsRule};
use pocket_access::refusal::{ErrorCode, Refusal};
use s3s::dto::{CORSConfiguration, CORSRule};

pub(crate) fn read(document: Bytes) -> Result<Cors, Refusal> {
    let rules = parsed::<CORSConfiguration>(&document)?.cors_rules;
    if rules.is_empty() || rules.iter().any(|r| r.allowed_origins.is_empty() || r.allowed_methods.is_empty())
    {
        return Err(malformed_xml());
    }
    let rules = rules.into_iter().map(|rule| CorsRule {
        id: rule.id,
        origins: rule.allowed_origins,
        methods: rule.allowed_methods,
        headers: rule.allowed_headers.unwrap_or_default(),
        expose: rule.expose_headers.unwrap_or_default(),
        max_age_secs: rule.max_age_seconds,
    });
    let cors = Cors { rules: rules.collect() };
    cors.check().map_err(|message| s3(ErrorCode::InvalidRequest, message))?;
    Ok(cors)
}

pub(crate) fn shown(cors: &Cors) -> Response<Body> {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let rules = cors.rules.iter().map(|rule| CORSRule {
        allowed_headers: some(&rule.headers),
        allowed_methods: rule.methods.clone(),
        allowed_origins: rule.origins.clone(),
        expose_headers: some(&rule.expose),
        id: rule.id.clone(),
        max_age_seconds: rule.max_age_secs,
    });
    write("CORSConfiguration", &CORSConfiguration { cors_rules: rules.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(rules: &str) -> Bytes {
        format!("<CORSConfiguration>{rules}</CORSConfiguration>").into()
    }

    #[test]
    fn what_is_shown_can_be_put_again() {
        let rules = "<CORSRule><ID>a&#13;b</ID><AllowedOrigin>https://*.example</AllowedOrigin><AllowedOrigin>null</AllowedOrigin>\
                     <AllowedMethod>GET</AllowedMethod><AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
                     <MaxAgeSeconds>5</MaxAgeSeconds></CORSRule>\
                     <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>PUT</AllowedMethod></CORSRule>";
        let cors = read(document(rules)).unwrap();
        assert_eq!((cors.rules[0].id.as_deref(), cors.rules[0].origins.len()), (Some("a\rb"), 2));
        assert_eq!(read(shown(&cors).body().bytes().unwrap()), Ok(cors));
    }

    #[test]
    fn rules_need_an_origin_and_a_method_and_are_held_to_s3s_limits() {
        let origin = "<AllowedOrigin>*</AllowedOrigin>";
        for (rules, code) in [
            (String::new(), ErrorCode::MalformedXML),
            (format!("<CORSRule>{origin}</CORSRule>"), ErrorCode::MalformedXML),
            ("<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>".into(), ErrorCode::MalformedXML),
            (
                format!("<CORSRule>{origin}<AllowedMethod>PATCH</AllowedMethod></CORSRule>"),
                ErrorCode::InvalidRequest,
            ),
        ] {
            assert_eq!(read(document(&rules)).unwrap_err().code, code, "{rules}");
        }
    }
}
