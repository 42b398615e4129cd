//! Signature version 4 for the few shapes of request that a run sends, written straight into the request's bytes.
//!
//! Paths and queries arrive encoded and in canonical order; the caller answers for that. The signing key is derived
//! once a day, not once a request.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// How long a presigned request is good for.
const PRESIGNED_SECONDS: u32 = 3_600;

/// The digest of no bytes.
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// One request, without its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    /// Percent-encoded.
    pub(crate) path: &'a str,
    /// Percent-encoded, sorted by name, each with `=`; names begin with a lower-case letter.
    pub(crate) query: &'a str,
    /// One more header to sign and send.
    pub(crate) header: Option<(&'a str, &'a str)>,
    /// Value of `x-amz-content-sha256`.
    pub(crate) payload: &'a str,
    /// Sent when there is a body, or when the method usually has one.
    pub(crate) content_length: Option<u64>,
}

/// Signs for one identity, host and region.
pub(crate) struct Signer {
    host: String,
    access_key: String,
    secret_key: String,
    region: String,
    presigned: bool,
    /// Seconds since 1970 that `stamp` stands for.
    second: u64,
    /// `20130524T000000Z`
    stamp: String,
    /// `20130524/us-east-1/s3/aws4_request`
    scope: String,
    key: Hmac<Sha256>,
    canonical: String,
    to_sign: String,
}

impl Signer {
    pub(crate) fn new(host: &str, access_key: &str, secret_key: &str, region: &str, presigned: bool) -> Self {
        Self {
            host: host.into(),
            access_key: access_key.into(),
            secret_key: secret_key.into(),
            region: region.into(),
            presigned,
            second: u64::MAX,
            stamp: String::new(),
            scope: String::new(),
            key: hmac(b""),
            canonical: String::new(),
            to_sign: String::new(),
        }
    }

    /// Writes the signed head of a request, up to the empty line, at the end of `out`.
    pub(crate) fn write_head(&mut self, request: &Request<'_>, now: SystemTime, out: &mut String) {
        self.set_time(now);
        let mut headers: Vec<(&str, &str)> = vec![("host", &self.host)];
        headers.extend(request.header);
        if !self.presigned {
            headers.push(("x-amz-content-sha256", request.payload));
            headers.push(("x-amz-date", &self.stamp));
        } else if request.payload != "UNSIGNED-PAYLOAD" && request.payload != EMPTY_SHA256 {
            headers.push(("x-amz-content-sha256", request.payload));
        }
        headers.sort_unstable_by_key(|(name, _)| *name);
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let query =
            if self.presigned { self.presigned_query(request.query, &names) } else { request.query.into() };
        // What a presigned request says of its body unless a header says more.
        let payload = match (self.presigned, headers.iter().any(|(name, _)| *name == "x-amz-content-sha256"))
        {
            (true, false) => "UNSIGNED-PAYLOAD",
            _ => request.payload,
        };

        self.canonical.clear();
        let canonical = &mut self.canonical;
        let _ = write!(canonical, "{}\n{}\n{query}\n", request.method, request.path);
        for (name, value) in &headers {
            let _ = writeln!(canonical, "{name}:{value}");
        }
        let _ = write!(canonical, "\n{names}\n{payload}");
        let digest = hex::encode(Sha256::digest(canonical.as_bytes()));
        self.to_sign.clear();
        let _ = write!(self.to_sign, "AWS4-HMAC-SHA256\n{}\n{}\n{digest}", self.stamp, self.scope);
        let signature = hex::encode(self.key.clone().chain_update(&self.to_sign).finalize().into_bytes());

        let _ = write!(out, "{} {}", request.method, request.path);
        if !query.is_empty() {
            let _ = write!(out, "?{query}");
        }
        if self.presigned {
            let _ = write!(out, "&X-Amz-Signature={signature}");
        }
        out.push_str(" HTTP/1.1\r\n");
        for (name, value) in &headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        if !self.presigned {
            let _ = write!(
                out,
                "authorization: AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={names}, Signature={signature}\r\n",
                self.access_key, self.scope
            );
        }
        if let Some(length) = request.content_length {
            let _ = write!(out, "content-length: {length}\r\n");
        }
        out.push_str("\r\n");
    }

    /// The parameters that carry a presigned request's credentials, before `query`: capitals sort first.
    fn presigned_query(&self, query: &str, names: &str) -> String {
        let credential = format!("{}/{}", self.access_key, self.scope).replace('/', "%2F");
        let names = names.replace(';', "%3B");
        let mut out = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={}\
             &X-Amz-Expires={PRESIGNED_SECONDS}&X-Amz-SignedHeaders={names}",
            self.stamp
        );
        if !query.is_empty() {
            out.push('&');
            out.push_str(query);
        }
        out
    }

    fn set_time(&mut self, now: SystemTime) {
        let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        if second == self.second {
            return;
        }
        self.second = second;
        let whole = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let stamp = humantime::format_rfc3339_seconds(whole).to_string().replace(['-', ':'], "");
        if self.stamp.get(..8) != stamp.get(..8) {
            let day = &stamp[..8];
            self.scope = format!("{day}/{}/s3/aws4_request", self.region);
            let of_day = hmac(format!("AWS4{}", self.secret_key).as_bytes()).chain_update(day);
            let of_region = hmac(&of_day.finalize().into_bytes()).chain_update(&self.region);
            let of_service = hmac(&of_region.finalize().into_bytes()).chain_update("s3");
            let key = hmac(&of_service.finalize().into_bytes()).chain_update("aws4_request");
            self.key = hmac(&key.finalize().into_bytes());
        }
        self.stamp = stamp;
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningSettings, UriPathNormalizationMode, sign,
    };
    use aws_sigv4::sign::v4;

    const HOST: &str = "127.0.0.1:9000";
    const ACCESS: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    /// The signature that the SDK's own signer gives.
    fn judge(request: &Request<'_>, now: SystemTime, presigned: bool) -> String {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let payload =
            if presigned && request.payload == EMPTY_SHA256 { "UNSIGNED-PAYLOAD" } else { request.payload };
        if presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(PRESIGNED_SECONDS.into()));
            settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        }
        let identity = Credentials::from_keys(ACCESS, SECRET, None).into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-north-1")
            .name("s3")
            .time(now)
            .settings(settings)
            .build()
            .unwrap();
        let uri = match request.query {
            "" => format!("http://{HOST}{}", request.path),
            query => format!("http://{HOST}{}?{query}", request.path),
        };
        let body = match payload {
            "UNSIGNED-PAYLOAD" => SignableBody::UnsignedPayload,
            digest => SignableBody::Precomputed(digest.into()),
        };
        let mut headers: Vec<(&str, &str)> = request.header.into_iter().collect();
        if presigned && payload != "UNSIGNED-PAYLOAD" {
            headers.push(("x-amz-content-sha256", payload));
        }
        let signable = SignableRequest::new(request.method, uri, headers.into_iter(), body).unwrap();
        sign(signable, &params.into()).unwrap().into_parts().1
    }

    fn ours(request: &Request<'_>, now: SystemTime, presigned: bool) -> String {
        let mut signer = Signer::new(HOST, ACCESS, SECRET, "eu-north-1", presigned);
        let mut head = String::new();
        signer.write_head(request, now, &mut head);
        let (_, after) = head.split_once("Signature=").expect("a signature");
        after[..64].to_owned()
    }

    #[test]
    fn signatures_are_those_of_the_sdk() {
        let get = Request {
            method: "GET",
            path: "/bucket/k00000001",
            query: "",
            header: None,
            payload: EMPTY_SHA256,
            content_length: None,
        };
        let put = Request { method: "PUT", payload: "UNSIGNED-PAYLOAD", content_length: Some(10), ..get };
        let list =
            Request { query: "list-type=2&max-keys=1000&start-after=k00000001", path: "/bucket", ..get };
        let with = |header| Request { header: Some(header), ..put };
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let requests = [
            get,
            put,
            list,
            with(("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")),
            with(("x-amz-checksum-crc32", "y/Q5Jg==")),
            Request { payload: sha, ..put },
        ];
        for seconds in [1_369_353_600, 1_790_000_000] {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            for request in &requests {
                for presigned in [false, true] {
                    let (mine, theirs) = (ours(request, now, presigned), judge(request, now, presigned));
                    assert_eq!(mine, theirs, "presigned {presigned}: {request:?}");
                }
            }
        }
    }

    #[test]
    fn a_signer_that_lives_over_midnight_changes_its_key() {
        let get = Request {
            method: "GET",
            path: "/b/k",
            query: "",
            header: None,
            payload: EMPTY_SHA256,
            content_length: None,
        };
        let mut signer = Signer::new(HOST, "a", "b", "r", false);
        let mut heads = [86_399, 86_400].map(|second| {
            let mut head = String::new();
            signer.write_head(&get, SystemTime::UNIX_EPOCH + Duration::from_secs(second), &mut head);
            head
        });
        assert!(heads[0].contains("19700101/r/s3") && heads[1].contains("19700102/r/s3"), "{heads:?}");
        let mut fresh = Signer::new(HOST, "a", "b", "r", false);
        let mut head = String::new();
        fresh.write_head(&get, SystemTime::UNIX_EPOCH + Duration::from_secs(86_400), &mut head);
        assert_eq!(std::mem::take(&mut heads[1]), head);
    }
}
