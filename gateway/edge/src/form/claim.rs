//! Who signed a form: the fields of SigV4 or SigV2, and the signature over the policy as it came. A form without any of
//! them has an anonymous sender; one with some of them is refused. Pure; the time is an argument.

use super::fields::Fields;
use crate::authorization::{ALGORITHM, Authorization, EXPIRES_MAX_SECS, TWO_MECHANISMS, read_scope};
use crate::proof::{does_not_match, expired};
use crate::signature_v2;
use crate::signing_keys::SigningKeys;
use crate::stamp::Stamp;
use pocket_access::caller::{Caller, Principal, SignatureVersion, SignedIn, Signing};
use pocket_access::refusal::Refusal;
use pocket_api::clock::Timestamp;
use std::borrow::Cow;
use std::sync::Arc;
use subtle::ConstantTimeEq;

const V4: [&str; 4] = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"];
/// What boto3 writes unless told otherwise.
const V2: [&str; 2] = ["AWSAccessKeyId", "Signature"];

/// Who sent a form, and how that was signed.
#[derive(Debug, PartialEq)]
pub(crate) struct Sender {
    pub(crate) caller: Caller,
    pub(crate) signing: Option<Signing>,
}

/// Finds out who sent a form.
pub(crate) fn verify(fields: &Fields, keys: &SigningKeys, now: Timestamp) -> Result<Sender, Refusal> {
    let has_any = |names: &[&str]| names.iter().any(|name| fields.get(name).is_some());
    match (has_any(&V4), has_any(&V2)) {
        (true, true) => Err(Refusal::invalid(V2[0], fields.get(V2[0]).unwrap_or(""), TWO_MECHANISMS)),
        (true, false) => verify_v4(fields, keys, now),
        (false, true) => verify_v2(fields, keys),
        (false, false) => Ok(Sender { caller: Caller::Anonymous, signing: None }),
    }
}

fn verify_v4(fields: &Fields, keys: &SigningKeys, now: Timestamp) -> Result<Sender, Refusal> {
    let [algorithm, credential, date, signature] = needed(fields, V4)?;
    let [policy] = needed(fields, ["policy"])?;
    if algorithm != ALGORITHM {
        return Err(Refusal::invalid(V4[0], algorithm, "X-Amz-Algorithm only supports AWS4-HMAC-SHA256"));
    }
    let stamp = Stamp::parse(date).ok_or_else(|| {
        let why = "X-Amz-Date must be formatted via ISO8601 Long format: 20130524T000000Z";
        Refusal::invalid(V4[2], date, why)
    })?;
    let bad = |why: &'static str| Refusal::invalid(V4[1], credential, why);
    let claim = Authorization {
        credential: Cow::Borrowed(credential),
        scope: read_scope(credential).map_err(bad)?,
        signed_headers: Cow::Borrowed(""),
        signature: Cow::Borrowed(signature),
        stamp,
        expires_secs: None,
    };
    if claim.day().as_bytes() != stamp.day() {
        return Err(bad("the day of X-Amz-Credential is not the one of X-Amz-Date"));
    }
    let key = keys.find(&claim)?;
    if !bool::from(key.sign(&[policy.as_bytes()]).ct_eq(signature.as_bytes())) {
        return Err(does_not_match(claim.access_key_id(), signature, policy.as_bytes()));
    }
    // However long the policy says: S3's signing keys do not live longer.
    if now.as_secs() > stamp.secs + EXPIRES_MAX_SECS {
        return Err(expired(now.as_secs(), stamp.secs + EXPIRES_MAX_SECS));
    }
    keys.keep(&claim, &key);
    Ok(signed(key.principal.clone(), SignatureVersion::V4, Some(stamp.secs)))
}

fn verify_v2(fields: &Fields, keys: &SigningKeys) -> Result<Sender, Refusal> {
    let [access_key_id, signature] = needed(fields, V2)?;
    let [policy] = needed(fields, ["policy"])?;
    let credential = keys.credential(access_key_id)?;
    let expected = signature_v2::signature(policy.as_bytes(), &credential.secret);
    if !bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) {
        return Err(does_not_match(access_key_id, signature, policy.as_bytes()));
    }
    let tenant = credential.tenant.clone();
    let principal = Arc::new(Principal { tenant, access_key_id: access_key_id.into() });
    Ok(signed(principal, SignatureVersion::V2, None))
}

fn signed(principal: Arc<Principal>, version: SignatureVersion, at_secs: Option<u64>) -> Sender {
    let signing = Some(Signing { signed_in: SignedIn::Form, version, at_secs });
    Sender { caller: Caller::Key(principal), signing }
}

fn needed<'a, const N: usize>(fields: &'a Fields, names: [&str; N]) -> Result<[&'a str; N], Refusal> {
    let mut found = [""; N];
    for (slot, name) in found.iter_mut().zip(names) {
        *slot = fields.get(name).ok_or_else(|| missing_field(name))?;
    }
    Ok(found)
}

/// In S3's own words.
pub(crate) fn missing_field(name: &str) -> Refusal {
    let message = format!(
        "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
    );
    Refusal::invalid(name, "", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use pocket_access::refusal::ErrorCode;
    use pocket_api::names::TenantName;

    fn keys() -> SigningKeys {
        let mut credentials = Credentials::default();
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        assert!(credentials.add("AKIAIOSFODNN7EXAMPLE", secret, TenantName::parse("t").unwrap()));
        SigningKeys::new(credentials)
    }

    /// What botocore 1.43 makes of these credentials at 2015-12-29T00:00:00Z.
    const SIGNED: [(&str, &str); 5] = [
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
        ("X-Amz-Date", "20151229T000000Z"),
        (
            "Policy",
            "eyJleHBpcmF0aW9uIjogIjIwMTUtMTItMjlUMDE6MDA6MDBaIiwgImNvbmRpdGlvbnMiOiBbeyJidWNrZXQiOiAic2lndjRleGFt\
             cGxlYnVja2V0In0sIHsia2V5IjogInVzZXIvdXNlcjEvcGhvdG8uanBnIn0sIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1B\
             Qy1TSEEyNTYifSwgeyJ4LWFtei1jcmVkZW50aWFsIjogIkFLSUFJT1NGT0ROTjdFWEFNUExFLzIwMTUxMjI5L3VzLWVhc3QtMS9z\
             My9hd3M0X3JlcXVlc3QifSwgeyJ4LWFtei1kYXRlIjogIjIwMTUxMjI5VDAwMDAwMFoifV19",
        ),
        ("x-amz-signature", "3364624b39010d9b06f5d9b8c9a18a6e478d261c048159c92f2fd6fa885f14e6"),
    ];

    /// 2015-12-29T00:00:00Z.
    const SIGNED_AT_SECS: u64 = 1_451_347_200;

    fn verify_at(fields: &Fields, secs_later: u64) -> Result<Caller, Refusal> {
        let sender = verify(fields, &keys(), Timestamp((SIGNED_AT_SECS + secs_later) * 1_000))?;
        assert_eq!(sender.signing.is_some(), sender.caller != Caller::Anonymous);
        Ok(sender.caller)
    }

    /// The example with some values replaced; without a field where the value is empty.
    fn sender(changes: &[(&str, &str)]) -> Result<Caller, Refusal> {
        let mut fields = Fields::default();
        for (name, value) in SIGNED {
            let change = changes.iter().find(|(changed, _)| changed.eq_ignore_ascii_case(name));
            let value = change.map_or(value, |(_, value)| value);
            if !value.is_empty() {
                fields.add(name.into(), value.into()).unwrap();
            }
        }
        let is_new = |name: &str| SIGNED.iter().all(|(known, _)| !known.eq_ignore_ascii_case(name));
        for (name, value) in changes.iter().filter(|(name, _)| is_new(name)) {
            fields.add(name.to_string(), value.to_owned().into()).unwrap();
        }
        verify_at(&fields, 3_600)
    }

    #[test]
    fn the_signature_is_over_the_policy_as_it_came() {
        assert_eq!(sender(&[]).unwrap().principal().unwrap().access_key_id.as_ref(), "AKIAIOSFODNN7EXAMPLE");
        let cut = SIGNED[3].1.strip_suffix("fV19").unwrap();
        let other = format!("{}0", SIGNED[4].1.strip_suffix('6').unwrap());
        for change in [("policy", cut), ("x-amz-signature", &other), ("x-amz-signature", "x")] {
            assert_eq!(sender(&[change]).unwrap_err().code, ErrorCode::SignatureDoesNotMatch, "{change:?}");
        }
    }

    #[test]
    fn a_form_is_signed_whole_or_not_at_all() {
        assert_eq!(verify_at(&Fields::default(), 0), Ok(Caller::Anonymous));
        for (name, _) in SIGNED {
            let refusal = sender(&[(name, "")]).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::InvalidArgument);
            assert!(
                refusal.message.to_ascii_lowercase().contains(&format!("'{}'", name.to_ascii_lowercase()))
            );
        }
    }

    #[test]
    fn bad_claims_are_refused_with_their_codes() {
        use ErrorCode as C;
        for (name, value, code) in [
            ("x-amz-algorithm", "AWS4-ECDSA-P256-SHA256", C::InvalidArgument),
            ("x-amz-credential", "AKIA/20151229/us-east-1/s3/aws4_request", C::InvalidAccessKeyId),
            (
                "x-amz-credential",
                "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/ec2/aws4_request",
                C::InvalidArgument,
            ),
            ("x-amz-credential", "nonsense", C::InvalidArgument),
            ("x-amz-date", "20151230T000000Z", C::InvalidArgument),
            ("x-amz-date", "yesterday", C::InvalidArgument),
            ("AWSAccessKeyId", "AKIAIOSFODNN7EXAMPLE", C::InvalidArgument),
            ("signature", "x", C::InvalidArgument),
        ] {
            assert_eq!(sender(&[(name, value)]).unwrap_err().code, code, "{name} {value}");
        }
    }

    #[test]
    fn a_signature_is_good_for_a_week() {
        let mut fields = Fields::default();
        SIGNED.iter().for_each(|(name, value)| fields.add((*name).into(), (*value).into()).unwrap());
        assert!(verify_at(&fields, 604_800).is_ok());
        assert_eq!(verify_at(&fields, 604_801).unwrap_err().code, ErrorCode::AccessDenied);
    }

    #[test]
    fn sigv2_is_over_the_policy_too() {
        let sender = |pairs: &[(&str, &str)]| {
            let mut fields = Fields::default();
            pairs.iter().for_each(|(name, value)| fields.add((*name).into(), (*value).into()).unwrap());
            verify_at(&fields, 0)
        };
        let key = ("awsaccesskeyid", "AKIAIOSFODNN7EXAMPLE");
        let (policy, signature) = (("policy", SIGNED[3].1), ("signature", "qZqKDGwdd0KvzWNyBFF6I+V5h78="));
        assert!(sender(&[key, policy, signature]).unwrap().principal().is_some());
        for (pairs, code) in [
            (&[key, policy, ("signature", "x")][..], ErrorCode::SignatureDoesNotMatch),
            (&[key, ("policy", "e30="), signature], ErrorCode::SignatureDoesNotMatch),
            (&[("AWSAccessKeyId", "foo"), policy, signature], ErrorCode::InvalidAccessKeyId),
            (&[key, policy], ErrorCode::InvalidArgument),
            (&[key, signature], ErrorCode::InvalidArgument),
            (&[policy, signature], ErrorCode::InvalidArgument),
        ] {
            assert_eq!(sender(pairs).unwrap_err().code, code, "{pairs:?}");
        }
    }
}
