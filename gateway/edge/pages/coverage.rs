//! `docs/s3-coverage.md`, written from the tables that decide at the edge: nothing is said there that the edge does not
//! do. What a setting answers that nobody has made is said here; `compat-tests/tests/coverage.rs` sends every line of the
//! page to a running server.

use super::needs::{Need, needs};
use crate::allow_list::{NOT_BUILT, RULES, SETTINGS, SettingRule};
use crate::header_rules::{HeaderVerdict, verdict};
use crate::operation::Operation;
use crate::target::Level;
use std::collections::BTreeSet;
use std::path::Path;

/// What GET of a setting answers that nobody has made: S3's own error, or the document of what holds anyway.
const ABSENT: [(&str, &str); 21] = [
    ("accelerate", "200, empty"),
    ("acl", "200, the owner alone"),
    ("analytics", "200, an empty list; 404 NoSuchConfiguration by id"),
    ("cors", "404 NoSuchCORSConfiguration"),
    ("encryption", "404 ServerSideEncryptionConfigurationNotFoundError"),
    ("intelligent-tiering", "200, an empty list; 404 NoSuchConfiguration by id"),
    ("inventory", "200, an empty list; 404 NoSuchConfiguration by id"),
    ("lifecycle", "404 NoSuchLifecycleConfiguration"),
    ("logging", "200, empty"),
    ("metrics", "200, an empty list; 404 NoSuchConfiguration by id"),
    ("notification", "200, empty"),
    ("object-lock", "404 ObjectLockConfigurationNotFoundError"),
    ("ownershipControls", "200, BucketOwnerEnforced"),
    ("policy", "404 NoSuchBucketPolicy"),
    ("policyStatus", "404 NoSuchBucketPolicy"),
    ("publicAccessBlock", "200, all four on"),
    ("replication", "404 ReplicationConfigurationNotFoundError"),
    ("requestPayment", "200, BucketOwner"),
    ("tagging", "404 NoSuchTagSet"),
    ("versioning", "200, empty"),
    ("website", "404 NoSuchWebsiteConfiguration"),
];

/// Headers of S3 and of Pocket that change what a request does, each with those that are like it.
const HEADERS: &[(&str, &str)] = &[
    ("x-amz-acl", ""),
    ("x-amz-grant-read", "x-amz-grant-{full-control,read,read-acp,write-acp}"),
    ("x-amz-grant-write", ""),
    ("x-amz-object-ownership", ""),
    ("x-amz-confirm-remove-self-bucket-access", ""),
    ("x-amz-expected-bucket-owner", ""),
    ("x-amz-source-expected-bucket-owner", ""),
    ("x-amz-storage-class", ""),
    ("x-amz-tagging", ""),
    ("x-amz-tagging-directive", ""),
    ("x-amz-meta-a", "x-amz-meta-*"),
    ("x-amz-metadata-directive", ""),
    ("x-amz-copy-source", ""),
    ("x-amz-copy-source-if-match", "x-amz-copy-source-if-*"),
    ("x-amz-copy-source-range", ""),
    ("x-amz-checksum-crc32", "x-amz-checksum-{crc32,crc32c,crc64nvme,sha1,sha256}"),
    ("x-amz-checksum-algorithm", ""),
    ("x-amz-checksum-type", ""),
    ("x-amz-checksum-mode", ""),
    ("x-amz-trailer", "x-amz-trailer, x-amz-decoded-content-length"),
    ("x-amz-mp-object-size", ""),
    ("x-amz-object-attributes", "x-amz-object-attributes, x-amz-max-parts, x-amz-part-number-marker"),
    ("x-amz-optional-object-attributes", ""),
    ("x-amz-te", ""),
    ("x-amz-write-offset-bytes", ""),
    ("x-amz-rename-source", "x-amz-rename-source*"),
    ("x-amz-client-token", ""),
    ("x-amz-server-side-encryption", "x-amz-server-side-encryption*"),
    ("x-amz-copy-source-server-side-encryption-customer-key", "x-amz-copy-source-server-side-encryption-*"),
    ("x-amz-bucket-object-lock-enabled", ""),
    ("x-amz-object-lock-mode", "x-amz-object-lock-*"),
    ("x-amz-bypass-governance-retention", ""),
    ("x-amz-mfa", ""),
    ("x-amz-request-payer", ""),
    ("x-amz-website-redirect-location", ""),
    ("x-amz-security-token", ""),
    ("x-amz-s3session-token", ""),
    ("x-amz-create-session-mode", ""),
    ("if-match", ""),
    ("if-none-match", ""),
    ("if-modified-since", "if-modified-since, if-unmodified-since"),
    ("if-range", ""),
    ("content-range", ""),
    ("x-pocket-ttl", "x-pocket-ttl, x-pocket-reads"),
    ("x-pocket-wait", ""),
    ("x-pocket-delete-after-read", ""),
    ("x-pocket-force-delete", ""),
    ("x-pocket-idle-ttl", "x-pocket-* of the other hints"),
];

/// Every operation that the edge lets pass, in S3's words.
pub(crate) fn operations() -> Vec<Operation> {
    let mut all = vec![Operation::CopyObject, Operation::UploadPartCopy, Operation::GetBucketSetting];
    all.extend(RULES.iter().map(|rule| rule.operation));
    all.extend(SETTINGS.iter().flat_map(|setting| [setting.put, setting.delete]).flatten());
    all.sort_by_key(|operation| operation.name());
    all.dedup();
    all
}

fn document() -> String {
    let mut page = String::from(
        "# What of S3 is there\n\n\
         Written from the tables that decide at the gateway's edge (`gateway/edge/src`), and held against a running server by \
         `compat-tests/tests/coverage.rs`.\nWhatever is not listed is refused with S3's own error before anything happens: a \
         query parameter that an operation does not take is a\n400 InvalidArgument, a sub-resource of S3 that is not built a \
         501 NotImplemented, and never the plain operation beside it. GET and\nHEAD of objects, and lists, pass over a \
         parameter that means nothing anywhere, as S3 does.\n\n\
         ## Operations\n\n\
         | method | on | sub-resource | operation | takes besides |\n|---|---|---|---|---|\n",
    );
    for rule in RULES {
        let on = match rule.level {
            Level::Service => "service",
            Level::Bucket => "bucket",
            Level::Object => "object",
        };
        let operation = match rule.operation {
            Operation::PutObject => "PutObject; CopyObject with `x-amz-copy-source`",
            Operation::UploadPart => "UploadPart; UploadPartCopy with `x-amz-copy-source`",
            other => other.name(),
        };
        let line =
            [rule.method.as_str(), on, &code(rule.selectors), operation, &code(rule.takes)].join(" | ");
        page.push_str(&format!("| {line} |\n"));
    }
    page.push_str(
        "\n## Settings of buckets\n\nGET answers for every bucket: what was put, and where nothing was, what S3 says then.\n\n\
         | sub-resource | GET where nothing was put | PUT | DELETE |\n|---|---|---|---|\n",
    );
    let mut settings: Vec<&SettingRule> = SETTINGS.iter().collect();
    settings.sort_by_key(|setting| setting.name);
    for setting in settings {
        let absent = ABSENT.iter().find(|(name, _)| *name == setting.name).map_or("?", |(_, answer)| answer);
        let change = |operation: Option<Operation>| operation.map_or("501 NotImplemented", |o| o.name());
        let (put, delete) = (change(setting.put), change(setting.delete));
        page.push_str(&format!("| `{}` | {absent} | {put} | {delete} |\n", setting.name));
    }
    page.push_str(&format!(
        "\n## Sub-resources that are not built\n\n501 NotImplemented wherever no line above names them: {}.\n",
        code(&NOT_BUILT)
    ));
    page.push_str(
        "\n## Permissions\n\nWhat anybody but the bucket's owner needs, by S3's documentation: each action, where the request has \
         what the line says,\non what it names. `docs/access.md` says what gives it. Held against a running server by \
         `compat-tests/python/test_permissions.py`.\n\n| operation | where there is | action | on |\n|---|---|---|---|\n",
    );
    for operation in operations() {
        let name = operation.name();
        let needs = needs(operation);
        if needs.is_empty() {
            page.push_str(&format!("| {name} | a tenant's own | nobody else's | tenant |\n"));
        }
        for [when, service, action, on] in needs.iter().map(Need::shown) {
            page.push_str(&format!("| {name} | {when} | `{service}:{action}` | {on} |\n"));
        }
    }
    page.push_str(
        "\n## Headers\n\nOf `x-pocket-*`, conditions and those of S3's that change what comes of a request each is signed, known and \
         acted on, or refused: 501\nNotImplemented where S3 has it and it is not built, 400 InvalidArgument where it belongs to other \
         operations, 400 InvalidToken for\n`x-amz-security-token`. Any other `x-amz-*` is passed over, as S3 does \
         (`docs/decisions/0016-what-is-passed-over.md`).\n\n| header | taken by |\n|---|---|\n",
    );
    for (header, family) in HEADERS {
        let shown = if family.is_empty() { *header } else { *family };
        page.push_str(&format!("| `{}` | {} |\n", shown.replace(", ", "`, `"), takers(header)));
    }
    page
}

/// Names as code, each by itself.
fn code(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Who takes a header, and with which values where not with all.
fn takers(header: &str) -> String {
    let all = operations();
    let (mut takers, mut values, mut passed_over) = (Vec::new(), BTreeSet::new(), false);
    for operation in &all {
        match verdict(header, *operation) {
            HeaderVerdict::Takes => takers.push(operation.name()),
            HeaderVerdict::Only(only) => {
                takers.push(operation.name());
                values.extend(only);
            }
            HeaderVerdict::PassedOver => passed_over = true,
            HeaderVerdict::Misplaced | HeaderVerdict::NotBuilt | HeaderVerdict::NoSessions => {}
        }
    }
    let who = match takers.len() {
        0 if passed_over => return "passed over by all".into(),
        0 => return "nobody".into(),
        n if n == all.len() => "all".to_owned(),
        _ => takers.join(", "),
    };
    let values: Vec<&str> = values.into_iter().collect();
    if values.is_empty() { who } else { format!("{who}; only {}", code(&values)) }
}

#[test]
fn the_page_says_what_the_tables_decide() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/s3-coverage.md");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if written != document() {
        std::fs::write(&path, document()).unwrap();
        panic!("docs/s3-coverage.md did not match and was written anew: commit it");
    }
}

#[test]
fn every_setting_has_an_answer_where_there_is_none() {
    let named: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    assert_eq!(ABSENT.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), named);
}
