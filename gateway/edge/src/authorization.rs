//! What a request says about its signature, in the header `Authorization` or in the query of a presigned URL. Only
//! reads; [`super::signature`] decides whether it is true.

use super::arrived::Arrived;
use super::presigned::Presigned;
use super::query::Query;
use super::stamp::Stamp;
use crate::arrived::LINES_MAX;
use http::HeaderValue;
use http::header::{AUTHORIZATION, DATE};
use pocket_access::refusal::{ErrorCode, Refusal};
use std::borrow::Cow;

/// Most names in SignedHeaders: S3A and the SDKs sign below 20, and each piece of user metadata is one more.
const SIGNED_HEADERS_MAX: usize = LINES_MAX;
/// S3's longest life of a presigned URL: a week.
pub(crate) const EXPIRES_MAX_SECS: u64 = 604_800;
/// `YYYYMMDD`.
const DAY_DIGITS: usize = 8;
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A claim: this key signed these headers at that moment.
#[derive(Debug, PartialEq)]
pub(crate) struct Authorization<'a> {
    /// `key/day/region/s3/aws4_request`.
    pub(crate) credential: Cow<'a, str>,
    pub(crate) scope: Scope,
    /// Names in lower case with `;` between, as they were signed; none twice.
    pub(crate) signed_headers: Cow<'a, str>,
    pub(crate) signature: Cow<'a, str>,
    pub(crate) stamp: Stamp,
    /// Of a presigned URL.
    pub(crate) expires_secs: Option<u64>,
}

/// Where the parts of a credential are in its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scope {
    key_end: usize,
    day_end: usize,
    region_end: usize,
}

impl Authorization<'_> {
    pub(crate) fn access_key_id(&self) -> &str {
        &self.credential[..self.scope.key_end]
    }

    pub(crate) fn day(&self) -> &str {
        &self.credential[self.scope.key_end + 1..self.scope.day_end]
    }

    pub(crate) fn region(&self) -> &str {
        &self.credential[self.scope.day_end + 1..self.scope.region_end]
    }

    /// `s3`, or `s3express`, which SDKs sign for where they see an Express zone.
    pub(crate) fn service(&self) -> &str {
        let rest = &self.credential[self.scope.region_end + 1..];
        rest.strip_suffix("/aws4_request").unwrap_or(rest)
    }

    /// `day/region/s3/aws4_request`.
    pub(crate) fn scope(&self) -> &str {
        &self.credential[self.scope.key_end + 1..]
    }

    /// One by one, as they were signed.
    pub(crate) fn signed_names(&self) -> impl Iterator<Item = &str> {
        pieces(&self.signed_headers, b';')
    }

    pub(crate) fn is_presigned(&self) -> bool {
        self.expires_secs.is_some()
    }
}

/// Reads the claim of a request. `None` only for one that has nothing of a signature: what is there in part is refused.
pub(crate) fn read<'a>(
    arrived: &Arrived<'a>,
    query: &'a Query<'_>,
) -> Result<Option<Authorization<'a>>, Refusal> {
    refuse_token(query)?;
    let presigned = query.iter().any(|pair| Presigned::V4.is_signature(&pair.name));
    match arrived.get(AUTHORIZATION.as_str()) {
        Some(_) if presigned => Err(two_mechanisms(arrived)),
        Some(value) => {
            let value = value.to_str().map_err(|_| malformed("Authorization is not ASCII"))?;
            from_header(value, arrived).map(Some)
        }
        None if presigned => from_query(query).map(Some),
        None => Ok(None),
    }
}

/// Keys here have no session tokens.
pub(crate) fn refuse_token(query: &Query<'_>) -> Result<(), Refusal> {
    if query.has("X-Amz-Security-Token") || query.has("x-amz-security-token") {
        let message = "there are no session tokens here: sign without one";
        return Err(Refusal::new(ErrorCode::InvalidToken, message));
    }
    Ok(())
}

pub(crate) const TWO_MECHANISMS: &str =
    "only one auth mechanism allowed: the header Authorization or one signature in the query";

/// `arrived`: the headers of the request.
pub(crate) fn two_mechanisms(arrived: &Arrived<'_>) -> Refusal {
    bad_authorization(arrived, TWO_MECHANISMS)
}

/// Says what came, as S3 does.
fn bad_authorization(arrived: &Arrived<'_>, message: &'static str) -> Refusal {
    let value = arrived.get(AUTHORIZATION.as_str()).map_or(&b""[..], HeaderValue::as_bytes);
    Refusal::invalid("Authorization", String::from_utf8_lossy(value), message)
}

fn from_header<'a>(value: &'a str, arrived: &Arrived<'_>) -> Result<Authorization<'a>, Refusal> {
    let known = value.strip_prefix(ALGORITHM).and_then(|rest| rest.strip_prefix(' '));
    let Some(fields) = known else {
        let mechanism = value.split_once(' ').map_or(value, |(mechanism, _)| mechanism);
        let is_aws = mechanism.starts_with("AWS");
        let unsupported = || bad_authorization(arrived, "unsupported Authorization type");
        return Err(match mechanism {
            ALGORITHM => malformed("it has no fields"),
            _ if is_aws => old_mechanism(),
            _ => unsupported(),
        });
    };
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in pieces(fields, b',') {
        let field = field.trim_ascii();
        let at =
            memchr::memchr(b'=', field.as_bytes()).ok_or_else(|| malformed("a field without a value"))?;
        let (name, value) = (&field[..at], &field[at + 1..]);
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(malformed("an unknown field")),
        };
        if slot.replace(value).is_some() {
            return Err(malformed("a field is given twice"));
        }
    }
    let (Some(credential), Some(signed_headers), Some(signature)) = (credential, signed_headers, signature)
    else {
        return Err(malformed("it needs Credential, SignedHeaders and Signature"));
    };
    let stamp = match (arrived.get("x-amz-date"), arrived.get(DATE.as_str())) {
        (Some(date), _) => date.to_str().ok().and_then(Stamp::parse),
        (None, Some(date)) => {
            date.to_str().ok().and_then(|text| Stamp::parse(text).or_else(|| Stamp::parse_http(text)))
        }
        (None, None) => None,
    };
    let no_date = "AWS authentication requires a valid Date or x-amz-date header";
    let stamp = stamp.ok_or_else(|| Refusal::new(ErrorCode::AccessDenied, no_date))?;
    let authorization = Authorization {
        credential: Cow::Borrowed(credential),
        scope: read_scope(credential).map_err(malformed)?,
        signed_headers: Cow::Borrowed(signed_headers),
        signature: Cow::Borrowed(signature),
        stamp,
        expires_secs: None,
    };
    check(&authorization).map_err(malformed)?;
    Ok(authorization)
}

fn from_query<'a>(query: &'a Query<'_>) -> Result<Authorization<'a>, Refusal> {
    let get = |name: &str| {
        let missing = || {
            bad_parameters(
                "a presigned URL needs X-Amz-Algorithm, X-Amz-Credential, X-Amz-Date, X-Amz-Expires, X-Amz-SignedHeaders and X-Amz-Signature",
            )
        };
        query.get(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    };
    if get("X-Amz-Algorithm")? != ALGORITHM {
        return Err(bad_parameters("X-Amz-Algorithm only supports AWS4-HMAC-SHA256"));
    }
    let credential = get("X-Amz-Credential")?;
    let stamp = Stamp::parse(get("X-Amz-Date")?);
    let expires = get("X-Amz-Expires")?;
    let expires_secs = Some(expires)
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|secs| (1..=EXPIRES_MAX_SECS).contains(secs));
    let authorization = Authorization {
        credential: Cow::Borrowed(credential),
        scope: read_scope(credential).map_err(bad_parameters)?,
        signed_headers: Cow::Borrowed(get("X-Amz-SignedHeaders")?),
        signature: Cow::Borrowed(get("X-Amz-Signature")?),
        stamp: stamp.ok_or_else(|| bad_parameters("X-Amz-Date must be formatted as 20130524T000000Z"))?,
        expires_secs: Some(
            expires_secs
                .ok_or_else(|| bad_parameters("X-Amz-Expires must be 1 to 604800 seconds (a week)"))?,
        ),
    };
    check(&authorization).map_err(bad_parameters)?;
    Ok(authorization)
}

/// What stands between separators, which are ASCII.
fn pieces(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match memchr::memchr(separator, text.as_bytes()) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => {
                rest = None;
                Some(text)
            }
        }
    })
}

/// Finds the parts of `key/day/region/s3/aws4_request`; a key may have slashes in it.
pub(crate) fn read_scope(credential: &str) -> Result<Scope, &'static str> {
    let shape = "the credential must be <key>/<YYYYMMDD>/<region>/s3/aws4_request";
    let rest = credential.strip_suffix("/aws4_request").ok_or(shape)?;
    let rest = rest.strip_suffix("/s3").or(rest.strip_suffix("/s3express")).ok_or(shape)?;
    let region_end = rest.len();
    let day_end = memchr::memrchr(b'/', rest.as_bytes()).ok_or(shape)?;
    let key_end = memchr::memrchr(b'/', &rest.as_bytes()[..day_end]).ok_or(shape)?;
    if key_end == 0 || day_end + 1 == region_end || day_end - key_end != 1 + DAY_DIGITS {
        return Err(shape);
    }
    Ok(Scope { key_end, day_end, region_end })
}

/// What holds for both ways of signing.
fn check(authorization: &Authorization<'_>) -> Result<(), &'static str> {
    if authorization.day().as_bytes() != authorization.stamp.day() {
        return Err("the day of the credential is not the one of x-amz-date");
    }
    let names = authorization.signed_names();
    let (mut count, mut has_host, mut in_order, mut before) = (0, false, true, "");
    for name in names {
        if name.is_empty() || name.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii_graphic()) {
            return Err("SignedHeaders must be names in lower case with ; between");
        }
        count += 1;
        in_order &= before < name;
        has_host |= name == "host";
        before = name;
    }
    if count > SIGNED_HEADERS_MAX {
        return Err("too many SignedHeaders");
    }
    // Names in order are all different.
    if !in_order {
        let mut names: Vec<&str> = authorization.signed_names().collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("SignedHeaders must not name a header twice");
        }
    }
    if has_host { Ok(()) } else { Err("the header host must be signed") }
}

fn malformed(why: &'static str) -> Refusal {
    let message = format!("the authorization header is malformed: {why}");
    Refusal::new(ErrorCode::AuthorizationHeaderMalformed, message)
}

fn bad_parameters(why: &'static str) -> Refusal {
    Refusal::new(ErrorCode::AuthorizationQueryParametersError, why)
}

fn old_mechanism() -> Refusal {
    // S3's own words.
    let message =
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
    Refusal::new(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    fn headers(authorization: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        headers.insert("x-amz-date", HeaderValue::from_static("20130524T000000Z"));
        headers
    }

    fn refused(headers: &HeaderMap, query: &Query<'_>) -> ErrorCode {
        read(&Arrived::of(headers), query).unwrap_err().code
    }

    fn header_code(authorization: &str) -> ErrorCode {
        refused(&headers(authorization), &Query::default())
    }

    fn query_code(query: &str) -> ErrorCode {
        refused(&HeaderMap::new(), &Query::parse(query).unwrap())
    }

    const CREDENTIAL: &str = "Credential=A/K/20130524/eu west/s3/aws4_request";

    #[test]
    fn a_header_is_read_with_and_without_spaces() {
        for comma in [",", ", "] {
            let text = format!(
                "AWS4-HMAC-SHA256 {CREDENTIAL}{comma}SignedHeaders=host;x-amz-date{comma}Signature=f0"
            );
            let headers = headers(&text);
            let query = Query::default();
            let arrived = Arrived::of(&headers);
            let claim = read(&arrived, &query).unwrap().unwrap();
            assert_eq!((claim.access_key_id(), claim.day(), claim.region()), ("A/K", "20130524", "eu west"));
            assert_eq!(claim.scope(), "20130524/eu west/s3/aws4_request");
            assert_eq!((&*claim.signed_headers, &*claim.signature), ("host;x-amz-date", "f0"));
            assert!(!claim.is_presigned());
        }
    }

    #[test]
    fn malformed_headers_are_refused_with_their_codes() {
        let fields = "SignedHeaders=host,Signature=f0";
        for bad in [
            "AWS4-HMAC-SHA256".to_owned(),
            format!("AWS4-HMAC-SHA256 {fields}"),
            format!("AWS4-HMAC-SHA256 {CREDENTIAL},{fields},Signature=f1"),
            format!("AWS4-HMAC-SHA256 {CREDENTIAL},{fields},Colour=blue"),
            format!("AWS4-HMAC-SHA256 {CREDENTIAL},SignedHeaders=x-amz-date,Signature=f0"),
            format!("AWS4-HMAC-SHA256 {CREDENTIAL},SignedHeaders=Host,Signature=f0"),
            format!("AWS4-HMAC-SHA256 {CREDENTIAL},SignedHeaders=host;;a,Signature=f0"),
            format!("AWS4-HMAC-SHA256 {CREDENTIAL},SignedHeaders=host;a;host,Signature=f0"),
            format!("AWS4-HMAC-SHA256 Credential=A/20130525/r/s3/aws4_request,{fields}"),
            format!("AWS4-HMAC-SHA256 Credential=A/20130524/r/ec2/aws4_request,{fields}"),
            format!("AWS4-HMAC-SHA256 Credential=20130524/r/s3/aws4_request,{fields}"),
        ] {
            assert_eq!(header_code(&bad), ErrorCode::AuthorizationHeaderMalformed, "{bad}");
        }
        assert_eq!(header_code("AWS key:signature"), ErrorCode::InvalidRequest);
        assert_eq!(header_code("Bearer token"), ErrorCode::InvalidArgument);
        let mut no_date = headers(&format!("AWS4-HMAC-SHA256 {CREDENTIAL},{fields}"));
        no_date.remove("x-amz-date");
        let query = Query::default();
        assert_eq!(refused(&no_date, &query), ErrorCode::AccessDenied);
    }

    #[test]
    fn only_a_request_without_any_part_of_a_signature_has_no_claim() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-date", HeaderValue::from_static("20130524T000000Z"));
        let query = Query::parse("prefix=Signature&x-id=X-Amz-Date").unwrap();
        assert_eq!(read(&Arrived::of(&headers), &query), Ok(None));
        headers.insert(AUTHORIZATION, HeaderValue::from_static(""));
        assert_eq!(refused(&headers, &Query::default()), ErrorCode::InvalidArgument);
    }

    #[test]
    fn malformed_presigned_urls_are_refused_with_their_codes() {
        let good = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20130524%2Fr%2Fs3%2Faws4_request\
                    &X-Amz-Date=20130524T000000Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature=f0";
        let query = Query::parse(good).unwrap();
        let expires = read(&Arrived::of(&HeaderMap::new()), &query)
            .map(|claim| claim.and_then(|claim| claim.expires_secs));
        assert_eq!(expires, Ok(Some(604_800)));
        for (part, bad) in [
            ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            ("=604800", "=604801"),
            ("=604800", "=0"),
            ("=604800", "=-1"),
            ("=604800", "=%2B5"),
            ("&X-Amz-Expires=604800", ""),
            ("20130524T", "20130525T"),
            ("000000Z", "0"),
            ("=f0", "="),
            ("Headers=host", "Headers=range"),
        ] {
            let query = good.replace(part, bad);
            assert_eq!(query_code(&query), ErrorCode::AuthorizationQueryParametersError, "{query}");
        }
        for alone in ["X-Amz-Date=20130524T000000Z", "X-Amz-Expires=5", "X-Amz-SignedHeaders=host"] {
            assert_eq!(query_code(alone), ErrorCode::AuthorizationQueryParametersError, "{alone}");
        }
        assert_eq!(query_code("X-Amz-Security-Token=x"), ErrorCode::InvalidToken);
        let both = headers("AWS4-HMAC-SHA256 x=y");
        assert_eq!(refused(&both, &query), ErrorCode::InvalidArgument);
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(
            text in "(AWS4-HMAC-SHA256 )?(Credential|SignedHeaders|Signature|[a-z=,;/ 0-9]{0,9}){0,6}"
        ) {
            let headers = headers(&text);
            let query = Query::default();
            let _ = read(&Arrived::of(&headers), &query);
        }

        #[test]
        fn no_credential_makes_the_parser_panic(text in "[a/é0-9]{0,12}(/s3)?(/aws4_request)?") {
            let _ = read_scope(&text);
        }
    }
}
