//! The fields of a form: what they say of the object, as the headers of a PUT would say it. Pure.

use super::multipart::malformed;
use crate::arrived::is_ours;
use crate::operation::Operation;
use crate::{document, header_rules};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use s3s::dto::Tagging;
use s3s::xml::{Deserialize, Deserializer};

/// What stands for the file's name in the other fields.
const FILENAME: &str = "${filename}";

/// Fields that are about the form itself.
const OF_THE_FORM: [&str; 10] = [
    "key",
    "bucket",
    "policy",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-signature",
    "success_action_status",
    "success_action_redirect",
    "redirect",
];

/// Headers of a PUT that are not `x-amz-*` and may come as fields.
const HTTP_HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];

/// Headers that say of a PUT, its body or its sender, what is not so with a form.
const NOT_OF_FORMS: [&str; 5] = [
    "x-amz-content-sha256",
    "x-amz-decoded-content-length",
    "x-amz-s3session-token",
    "x-amz-trailer",
    "x-amz-write-offset-bytes",
];

/// Every field before the file, in the order in which they came. Names are compared without case.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Of fields with the same name S3 makes one, with commas between.
    pub(crate) fn add(&mut self, name: String, value: Vec<u8>) -> Result<(), Refusal> {
        let value = String::from_utf8(value).map_err(|_| malformed("the form is not UTF-8"))?;
        match self.0.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            Some((_, before)) => {
                before.push(',');
                before.push_str(&value);
            }
            None => self.0.push((name, value)),
        }
        Ok(())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Names as they came, with their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Puts in the file's name, without the path that some browsers send with it. S3 leaves the variable as it is
    /// where the file has none. Refuses what would have more than `max_bytes` then: a name may stand in many places.
    pub(crate) fn expand(&mut self, filename: Option<&str>, max_bytes: usize) -> Result<(), Refusal> {
        let Some(filename) = filename else { return Ok(()) };
        let filename = filename.rsplit(['/', '\\']).next().unwrap_or(filename);
        let signed = |name: &str| name.eq_ignore_ascii_case("policy");
        let mut bytes: usize = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        for (name, value) in self.0.iter_mut().filter(|(name, _)| !signed(name)) {
            let places = value.matches(FILENAME).count();
            if places == 0 {
                continue;
            }
            bytes = bytes - places * FILENAME.len() + places * filename.len();
            if bytes > max_bytes {
                let message = format!(
                    "Your POST request fields were too large with the name of the file in the field {:?}: at \
                     most {max_bytes} bytes.",
                    shortened(name)
                );
                return Err(Refusal::new(ErrorCode::MaxPostPreDataLengthExceededError, message));
            }
            *value = value.replace(FILENAME, filename);
        }
        Ok(())
    }

    /// What the fields say of the object. One that has no meaning for S3 is the application's own and says nothing; one
    /// that has a meaning which nobody here acts on is refused.
    pub(crate) fn object_headers(&self) -> Result<HeaderMap, Refusal> {
        let mut found = HeaderMap::new();
        for (name, value) in self.iter() {
            let name = name.to_ascii_lowercase();
            let name = match &*name {
                "acl" => "x-amz-acl",
                "tagging" => {
                    let tags = tags_as_header(value)?;
                    found.insert("x-amz-tagging", header_value("tagging", &tags)?);
                    continue;
                }
                name if OF_THE_FORM.contains(&name) => continue,
                name if NOT_OF_FORMS.contains(&name) => {
                    let message = format!("a form does not take the field {name}");
                    return Err(Refusal::invalid(name, value, message));
                }
                name if name.starts_with("if-") => {
                    let message = format!("the field {name:.80} is not implemented");
                    return Err(Refusal::new(ErrorCode::NotImplemented, message));
                }
                name if is_ours(name) || HTTP_HEADERS.contains(&name) => name,
                _ => continue,
            };
            let bad = |_| {
                let message = format!("bad field name {:?}", shortened(name));
                Refusal::invalid(name, value, message)
            };
            found.insert(HeaderName::from_bytes(name.as_bytes()).map_err(bad)?, header_value(name, value)?);
        }
        header_rules::check(&found, Operation::PutObject)?;
        Ok(found)
    }
}

/// Text that is not ASCII passes as it is: where it may be, it is read as UTF-8.
fn header_value(name: &str, value: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| {
        let message = format!("the field {name:.80} has characters that no header can carry");
        Refusal::invalid(name, value, message)
    })
}

/// Tags come as a document in a form and as a query in a header.
fn tags_as_header(document: &str) -> Result<String, Refusal> {
    let document = document::checked(Bytes::copy_from_slice(document.as_bytes()))?;
    let mut xml = Deserializer::new(&document);
    let tagging = Tagging::deserialize(&mut xml).and_then(|tagging| xml.expect_eof().map(|()| tagging));
    let pairs = tagging.ok().and_then(|tagging| {
        let pair = |tag: s3s::dto::Tag| Some((tag.key?, tag.value?));
        tagging.tag_set.into_iter().map(pair).collect::<Option<Vec<_>>>()
    });
    let pairs = pairs.ok_or_else(document::malformed)?;
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| encode(key) + "=" + &encode(value)).collect();
    Ok(pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        pairs.iter().for_each(|(name, value)| fields.add(name.to_string(), value.as_bytes().into()).unwrap());
        fields
    }

    fn headers_of(pairs: &[(&str, &str)]) -> Result<Vec<(String, String)>, ErrorCode> {
        let headers = fields(pairs).object_headers().map_err(|refusal| refusal.code)?;
        let shown = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
        Ok(headers.iter().map(|(name, value)| (name.to_string(), shown(value))).collect())
    }

    #[test]
    fn fields_become_the_headers_of_a_put() {
        for (field, value, header, expected) in [
            ("Content-Type", "text/plain", "content-type", "text/plain"),
            ("cache-CONTROL", " max-age=5 ", "cache-control", "max-age=5"),
            ("acl", "private", "x-amz-acl", "private"),
            ("X-Amz-Meta-Colour", "hellblau, grün", "x-amz-meta-colour", "hellblau, grün"),
            ("x-amz-meta-pocket-ttl", "5s", "x-amz-meta-pocket-ttl", "5s"),
            ("x-pocket-ttl", "5s", "x-pocket-ttl", "5s"),
            ("x-amz-storage-class", "STANDARD", "x-amz-storage-class", "STANDARD"),
            ("x-amz-checksum-crc32", "AAAAAA==", "x-amz-checksum-crc32", "AAAAAA=="),
            (
                "tagging",
                "<Tagging><TagSet><Tag><Key>a b</Key><Value>&amp;c</Value></Tag></TagSet></Tagging>",
                "x-amz-tagging",
                "a%20b=%26c",
            ),
        ] {
            assert_eq!(headers_of(&[(field, value)]), Ok(vec![(header.into(), expected.into())]), "{field}");
        }
    }

    #[test]
    fn fields_of_the_form_and_of_the_application_say_nothing_of_the_object() {
        let names =
            ["key", "Policy", "X-Amz-Signature", "x-amz-date", "bucket", "redirect", "name", "x-ignore-a"];
        assert_eq!(headers_of(&names.map(|name| (name, "x"))), Ok(vec![]));
    }

    #[test]
    fn fields_that_nobody_acts_on_are_refused() {
        use ErrorCode as C;
        for (field, value, code) in [
            ("x-amz-server-side-encryption", "AES256", C::NotImplemented),
            ("x-amz-website-redirect-location", "/", C::NotImplemented),
            ("x-amz-grant-write", "id=1", C::InvalidArgument),
            ("x-amz-security-token", "t", C::InvalidToken),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD", C::InvalidArgument),
            ("x-amz-write-offset-bytes", "1", C::InvalidArgument),
            ("x-amz-s3session-token", "t", C::InvalidArgument),
            ("x-amz-copy-source", "/b/k", C::InvalidArgument),
            ("If-None-Match", "*", C::NotImplemented),
            ("x-pocket-tll", "5s", C::InvalidArgument),
            ("x-amz-meta-a", "b\nc", C::InvalidArgument),
            ("x-amz-meta-a b", "c", C::InvalidArgument),
            ("tagging", "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", C::MalformedXML),
            ("tagging", "not xml", C::MalformedXML),
        ] {
            assert_eq!(headers_of(&[(field, value)]), Err(code), "{field}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_a_long_name_whole() {
        for name in [format!("x-amz-meta-{}", " ".repeat(1_000)), format!("if-{}", "x".repeat(1_000))] {
            let refusal = fields(&[(&name, "x")]).object_headers().unwrap_err();
            assert!(refusal.message.contains(&name[..20]) && refusal.message.len() < 200, "{refusal:?}");
        }
    }

    #[test]
    fn fields_of_one_name_are_one() {
        let fields = fields(&[("x-amz-meta-tag", "Ninja"), ("key", "k"), ("X-Amz-Meta-Tag", "Stallman")]);
        assert_eq!(fields.get("x-amz-meta-TAG"), Some("Ninja,Stallman"));
        assert_eq!(
            Fields::default().add("a".into(), vec![0xff]).unwrap_err().code,
            ErrorCode::MalformedPOSTRequest
        );
    }

    #[test]
    fn the_name_of_the_file_comes_without_its_path() {
        for (filename, key) in [
            (Some("photo.jpg"), "a/photo.jpg/b"),
            (Some("/tmp/photo.jpg"), "a/photo.jpg/b"),
            (Some(r"C:\Program Files\photo.jpg"), "a/photo.jpg/b"),
            (Some(""), "a//b"),
            (None, "a/${filename}/b"),
        ] {
            let mut fields = fields(&[("key", "a/${filename}/b"), ("policy", "${filename}")]);
            fields.expand(filename, 100).unwrap();
            assert_eq!((fields.get("key"), fields.get("policy")), (Some(key), Some("${filename}")));
        }
    }

    #[test]
    fn the_name_of_the_file_in_many_places_does_not_make_much_of_little() {
        let (places, filename) = ("${filename}".repeat(100), "x".repeat(1_000));
        let with = |value: &str| fields(&[("key", "k"), ("x-ignore-much", value)]);
        let fits = with(&places).expand(Some(&filename), 100_017);
        assert_eq!(fits, Ok(()));
        let mut fields = with(&places);
        let refusal = fields.expand(Some(&filename), 100_016).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::MaxPostPreDataLengthExceededError);
        assert!(refusal.message.contains("x-ignore-much"), "{}", refusal.message);
        assert_eq!(fields, with(&places), "nothing was put in");
    }
}
