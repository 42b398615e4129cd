//! Signatures of requests and of the chunks of their bodies, made with the SDKs' own signer: the judge of the server's
//! verification is not its author.

use super::{Client, Framing, Request};
use crate::checksums::sha256_hex;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::{self, calculate_signature, generate_signing_key};
use std::time::SystemTime;

impl Request {
    /// The value of `x-amz-content-sha256`; adds the headers that go with the framing.
    pub(super) fn announce_payload(&mut self) -> String {
        let of_framing = match &self.framing {
            Framing::Plain => None,
            Framing::Unsigned { trailer } => {
                Some(("STREAMING-UNSIGNED-PAYLOAD-TRAILER", Some(trailer.0.clone())))
            }
            Framing::Signed => Some(("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", None)),
            Framing::SignedTrailer { trailer } => {
                Some(("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", Some(trailer.0.clone())))
            }
        };
        let Some((payload, trailer)) = of_framing else {
            let digest =
                || if self.presigned.is_some() { "UNSIGNED-PAYLOAD".into() } else { sha256_hex(&self.body) };
            return self.payload.clone().unwrap_or_else(digest);
        };
        let has = |name: &str| self.signed.iter().any(|(n, _)| n == name);
        let length = self.body.len().to_string();
        let mut more =
            vec![("content-encoding", "aws-chunked".to_owned()), ("x-amz-decoded-content-length", length)];
        more.extend(trailer.map(|name| ("x-amz-trailer", name)));
        more.retain(|(name, _)| !has(name));
        self.signed.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        payload.into()
    }

    /// Headers and query parameters that carry the signature, and the signature itself.
    #[allow(clippy::type_complexity)]
    pub(super) fn sign(
        &self,
        target: &str,
        payload: &str,
    ) -> (Vec<(String, String)>, Vec<(String, String)>, String) {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        if let Some(expires) = self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(expires);
            settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        }
        let identity = Credentials::from_keys(&self.client.access_key, &self.client.secret_key, None).into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.client.region)
            .name("s3")
            .time(self.time)
            .settings(settings)
            .build()
            .expect("all parameters are given");
        let uri = format!("http://{}{target}", self.client.address);
        let body = match payload {
            "UNSIGNED-PAYLOAD" => SignableBody::UnsignedPayload,
            other => SignableBody::Precomputed(other.into()),
        };
        let headers = self.signed.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let request =
            SignableRequest::new(self.method, uri, headers, body).expect("a request that can be signed");
        let (instructions, signature) =
            sign(request, &params.into()).expect("a request that can be signed").into_parts();
        let (headers, query) = instructions.into_parts();
        let headers = headers.into_iter().map(|h| (h.name().to_owned(), h.value().to_owned())).collect();
        let query = query.into_iter().map(|(n, v)| (n.to_owned(), v.into_owned())).collect();
        (headers, query, signature)
    }

    pub(super) fn framed_body(&self, seed: &str) -> Vec<u8> {
        let (signs, trailer) = match &self.framing {
            Framing::Plain => return self.body.clone(),
            Framing::Unsigned { trailer } => (false, Some(trailer)),
            Framing::Signed => (true, None),
            Framing::SignedTrailer { trailer } => (true, Some(trailer)),
        };
        let chain = ChunkSigner::new(&self.client, self.time);
        let mut previous = seed.to_owned();
        let mut out = Vec::new();
        for chunk in self.body.chunks(self.chunk_bytes).chain([&[][..]]) {
            out.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
            if signs {
                previous = chain.sign("AWS4-HMAC-SHA256-PAYLOAD", &previous, Some(chunk));
                out.extend_from_slice(format!(";chunk-signature={previous}").as_bytes());
            }
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(chunk);
            if !chunk.is_empty() || trailer.is_none() {
                out.extend_from_slice(b"\r\n");
            }
        }
        if let Some((name, value)) = trailer {
            out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
            if signs {
                let signature = chain.sign_trailer(&previous, &format!("{name}:{value}\n"));
                out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        }
        out
    }
}

/// The chain of signatures over a body in chunks.
struct ChunkSigner {
    key: Vec<u8>,
    stamp: String,
    scope: String,
}

impl ChunkSigner {
    fn new(client: &Client, time: SystemTime) -> Self {
        let key = generate_signing_key(&client.secret_key, time, &client.region, "s3").as_ref().to_vec();
        let stamp = stamp(time);
        let scope = format!("{}/{}/s3/aws4_request", &stamp[..8], client.region);
        Self { key, stamp, scope }
    }

    fn sign(&self, algorithm: &str, previous: &str, chunk: Option<&[u8]>) -> String {
        let (empty, digest) = (sha256_hex(b""), sha256_hex(chunk.unwrap_or_default()));
        let text = format!("{algorithm}\n{}\n{}\n{previous}\n{empty}\n{digest}", self.stamp, self.scope);
        calculate_signature(&self.key, text.as_bytes())
    }

    fn sign_trailer(&self, previous: &str, trailer: &str) -> String {
        let digest = sha256_hex(trailer.as_bytes());
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{previous}\n{digest}", self.stamp, self.scope);
        calculate_signature(&self.key, text.as_bytes())
    }
}

/// `20130524T000000Z`
fn stamp(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days to a date of the Gregorian calendar, years beginning in March.
    let z = days as i64 + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The example in AWS's documentation of chunked uploads: 66,560 bytes of "a" in two chunks.
    #[test]
    fn chunk_signatures_are_those_of_the_documentation() {
        let mut client = Client::new(
            "s3.amazonaws.com",
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        );
        client.region = "us-east-1".into();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let chain = ChunkSigner::new(&client, time);
        assert_eq!(chain.stamp, "20130524T000000Z");
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let first = chain.sign("AWS4-HMAC-SHA256-PAYLOAD", seed, Some(&[b'a'; 65_536]));
        assert_eq!(first, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
        let second = chain.sign("AWS4-HMAC-SHA256-PAYLOAD", &first, Some(&[b'a'; 1_024]));
        assert_eq!(second, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
        let last = chain.sign("AWS4-HMAC-SHA256-PAYLOAD", &second, None);
        assert_eq!(last, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
    }

    #[test]
    fn stamps_are_dates_of_the_calendar() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
        ] {
            assert_eq!(stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
