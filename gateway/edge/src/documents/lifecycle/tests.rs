use super::*;
use pocket_access::refusal::Refusal;
use proptest::prelude::*;
use std::time::Duration;

const SECONDS: LifecycleUnit = LifecycleUnit::Of(Duration::from_secs(1));

/// As it comes from the client, through s3s.
fn document(rules: &str, unit: Option<&str>) -> Result<LifecycleDocument, Refusal> {
    let text = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
    Ok(LifecycleDocument::new(LifecycleRules::read(text.into())?, LifecycleTerms::new(unit, None)?))
}

fn lifecycle(rules: &str, unit: Option<&str>, tags: &[(String, String)]) -> Result<Lifecycle, String> {
    let lifecycle = document(rules, unit).and_then(|document| document.lifecycle(tags));
    lifecycle.map_err(|error| error.to_string())
}

fn rule(inside: &str) -> String {
    format!("<Rule><ID>r</ID><Status>Enabled</Status>{inside}</Rule>")
}

fn code(rules: &str) -> Option<String> {
    lifecycle(rules, None, &[]).err().map(|text| text.split(':').next().unwrap_or_default().to_owned())
}

const DAY: &str = "<Expiration><Days>1</Days></Expiration>";

#[test]
fn rules_become_what_shards_act_on() {
    let text = rule(
        "<Filter><And><Prefix>logs/</Prefix><Tag><Key>a</Key><Value>b</Value></Tag>\
         <ObjectSizeGreaterThan>10</ObjectSizeGreaterThan><ObjectSizeLessThan>20</ObjectSizeLessThan></And></Filter>\
         <Expiration><Days>3</Days></Expiration>",
    );
    let read = lifecycle(&text, None, &[]).unwrap();
    let filter = LifecycleFilter {
        prefix: "logs/".into(),
        tags: vec![("a".into(), "b".into())],
        larger_than: Some(10),
        smaller_than: Some(20),
    };
    let expires = Some(LifecycleEnd::After(3));
    let expected = LifecycleRule { id: "r".into(), filter, expires, aborts_uploads_after: None };
    assert_eq!(read, Lifecycle { rules: vec![expected], unit: LifecycleUnit::Days, job_ends: None });

    let everything = LifecycleFilter::default();
    for (filter, expected) in [
        ("<Filter/>", everything.clone()),
        ("<Filter><Prefix/></Filter>", everything.clone()),
        ("<Prefix/>", everything.clone()),
        ("<Prefix>p</Prefix>", LifecycleFilter { prefix: "p".into(), ..everything.clone() }),
        ("<Filter><Prefix>p</Prefix></Filter>", LifecycleFilter { prefix: "p".into(), ..everything.clone() }),
        (
            "<Filter><ObjectSizeLessThan>0</ObjectSizeLessThan></Filter>",
            LifecycleFilter { smaller_than: Some(0), ..everything.clone() },
        ),
        (
            "<Filter><Tag><Key>k</Key><Value/></Tag></Filter>",
            LifecycleFilter { tags: vec![("k".into(), String::new())], ..everything },
        ),
    ] {
        let read = lifecycle(&rule(&format!("{filter}{DAY}")), None, &[]).unwrap();
        assert_eq!(read.rules[0].filter, expected, "{filter}");
    }
    let abort = "<Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>\
                 </AbortIncompleteMultipartUpload>";
    let read = lifecycle(&rule(abort), None, &[]).unwrap();
    assert_eq!((read.rules[0].aborts_uploads_after, read.rules[0].expires), (Some(7), None));
}

#[test]
fn what_can_never_take_effect_without_versions_is_taken_and_disabled_rules_do_nothing() {
    for inside in [
        "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>",
        "<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
        "<Filter/><NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays><StorageClass>GLACIER</StorageClass>\
         </NoncurrentVersionTransition>",
    ] {
        assert_eq!(lifecycle(&rule(inside), None, &[]), Ok(Lifecycle::default()), "{inside}");
    }
    let transition = "<Filter/><Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>";
    let refused = lifecycle(&rule(transition), None, &[]).unwrap_err();
    assert!(refused.starts_with("NotImplemented: ") && refused.contains("Transition"), "{refused}");
    for inside in [transition, &format!("<Filter/>{DAY}")] {
        let disabled = rule(inside).replace("Enabled", "Disabled");
        assert_eq!(lifecycle(&disabled, None, &[]), Ok(Lifecycle::default()), "{inside}");
    }
}

#[test]
fn documents_that_s3_does_not_take_are_refused_with_its_errors() {
    let tag = "<Tag><Key>k</Key><Value>v</Value></Tag>";
    let abort = |days| {
        format!(
            "<AbortIncompleteMultipartUpload><DaysAfterInitiation>{days}</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
        )
    };
    for (inside, expected) in [
        (DAY.to_owned(), "MalformedXML"),
        (format!("<Prefix/><Filter/>{DAY}"), "MalformedXML"),
        (format!("<Filter><Prefix/>{tag}</Filter>{DAY}"), "MalformedXML"),
        (format!("<Filter><Prefix/><And><Prefix/></And></Filter>{DAY}"), "MalformedXML"),
        (format!("<Filter><Tag><Key>k</Key></Tag></Filter>{DAY}"), "MalformedXML"),
        (format!("<Filter><And>{tag}{tag}</And></Filter>{DAY}"), "InvalidTag"),
        (format!("<Filter><Prefix>{}</Prefix></Filter>{DAY}", "p".repeat(1_025)), "InvalidRequest"),
        (format!("<Filter><ObjectSizeGreaterThan>-1</ObjectSizeGreaterThan></Filter>{DAY}"), "InvalidRequest"),
        (
            format!(
                "<Filter><And><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan>\
                 </And></Filter>{DAY}"
            ),
            "InvalidRequest",
        ),
        ("<Filter/>".into(), "InvalidRequest"),
        ("<Filter/><Expiration/>".into(), "MalformedXML"),
        ("<Filter/><Expiration><Days>0</Days></Expiration>".into(), "InvalidArgument"),
        ("<Filter/><Expiration><Days>-1</Days></Expiration>".into(), "InvalidArgument"),
        (
            "<Filter/><Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
                .into(),
            "MalformedXML",
        ),
        (
            format!(
                "<Filter>{tag}</Filter><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
            ),
            "InvalidRequest",
        ),
        ("<Filter/><Expiration><Date>2030-01-01T00:00:01Z</Date></Expiration>".into(), "InvalidArgument"),
        ("<Filter/><Expiration><Date>1969-01-01T00:00:00Z</Date></Expiration>".into(), "InvalidArgument"),
        (format!("<Filter/>{}", abort(0)), "InvalidArgument"),
        (format!("<Filter>{tag}</Filter>{}", abort(1)), "InvalidRequest"),
        (
            format!("<Filter><ObjectSizeLessThan>5</ObjectSizeLessThan></Filter>{}", abort(1)),
            "InvalidRequest",
        ),
        ("<Filter/><AbortIncompleteMultipartUpload/>".into(), "MalformedXML"),
        (
            "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>0</NoncurrentDays></NoncurrentVersionExpiration>"
                .into(),
            "InvalidArgument",
        ),
        (
            "<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
             <NewerNoncurrentVersions>101</NewerNoncurrentVersions></NoncurrentVersionExpiration>"
                .into(),
            "InvalidArgument",
        ),
    ] {
        assert_eq!(code(&rule(&inside)).as_deref(), Some(expected), "{inside}");
    }
    assert_eq!(
        code(&rule(&format!("<Filter/>{DAY}")).replace("Enabled", "On")).as_deref(),
        Some("MalformedXML")
    );
    assert_eq!(code("").as_deref(), Some("MalformedXML"), "no rule");
    let good = rule(&format!("<Filter/>{DAY}"));
    assert_eq!(code(&good.repeat(2)).as_deref(), Some("InvalidArgument"), "the same id twice");
    let unnamed = good.replace("<ID>r</ID>", "");
    assert_eq!(code(&unnamed.repeat(RULES_MAX)), None);
    assert_eq!(code(&unnamed.repeat(RULES_MAX + 1)).as_deref(), Some("MalformedXML"));
    let named = |chars| good.replace("<ID>r</ID>", &format!("<ID>{}</ID>", "ü".repeat(chars)));
    assert_eq!(code(&named(255)), None);
    assert_eq!(code(&named(256)).as_deref(), Some("InvalidArgument"));
    assert!(LifecycleTerms::new(None, Some("tiny")).is_err());
}

#[test]
fn the_unit_comes_from_the_header_before_the_tag_and_frees_dates_from_midnight() {
    let rules = rule("<Filter/><Expiration><Date>2030-01-01T00:00:01.5Z</Date></Expiration>");
    let tags = |value: &str| [(UNIT_TAG.to_owned(), value.to_owned())];
    let by_tag = lifecycle(&rules, None, &tags("1s")).unwrap();
    let at = LifecycleEnd::At(Timestamp(1_893_456_001_500));
    assert_eq!((by_tag.unit, by_tag.rules[0].expires), (SECONDS, Some(at)));
    let both = lifecycle(&rules, Some("1m"), &tags("1s")).unwrap();
    assert_eq!(both.unit, LifecycleUnit::Of(Duration::from_secs(60)));
    assert!(lifecycle(&rules, Some("days"), &tags("1s")).unwrap_err().contains("midnight"));
    for (header, tag) in [(Some("soon"), "1s"), (Some("1s"), "soon"), (Some("0s"), "1s"), (None, "")] {
        let refused = lifecycle(&rules, header, &tags(tag)).unwrap_err();
        assert!(refused.starts_with("InvalidArgument: lifecycle-unit"), "{refused}");
    }
}

#[test]
fn a_rule_of_one_name_ends_the_job() {
    let end = |inside: &str| {
        lifecycle(
            &format!("<Rule><ID>pocket:end-job</ID><Status>Enabled</Status>{inside}</Rule>"),
            Some("1s"),
            &[],
        )
    };
    let job_ends = Some(LifecycleEnd::After(1));
    assert_eq!(end(&format!("<Filter/>{DAY}")), Ok(Lifecycle { rules: vec![], unit: SECONDS, job_ends }));
    assert_eq!(end(&format!("<Prefix></Prefix>{DAY}")).unwrap().job_ends, job_ends);
    for partial in [
        format!("<Prefix>p</Prefix>{DAY}"),
        "<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
            .into(),
    ] {
        assert!(end(&partial).unwrap_err().starts_with("InvalidArgument: "), "{partial}");
    }
}

#[test]
fn documents_are_kept_as_they_were_sent_with_an_id_for_each_rule() {
    let rules = format!(
        "<Rule><Status>Enabled</Status><Prefix>a&amp;b</Prefix>{DAY}</Rule>\
         <Rule><ID>rule-1</ID><Status>Disabled</Status><Filter/><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>\
         <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule>"
    );
    let sent = document(&rules, Some("1s")).unwrap();
    let mut settings = JobSettings::default();
    assert!(matches!(LifecycleDocument::of(&settings), Ok(None)));
    settings.documents.insert(DocumentKind::Lifecycle, sent.kept().unwrap());
    let kept = LifecycleDocument::of(&settings).unwrap().unwrap();
    assert_eq!(kept, sent);
    assert_eq!(of(&settings).unwrap().unit, SECONDS);
    let shown = kept.clone().shown();
    assert_eq!(shown.headers()[UNIT_HEADER], "1s");
    assert_eq!(shown.headers()[MINIMUM_HEADER], "all_storage_classes_128K");
    assert_eq!(LifecycleRules::read(shown.body().bytes().unwrap()), Ok(kept.rules.clone()));
    let rules = kept.rules.0.rules;
    let ids: Vec<&str> = rules.iter().filter_map(|rule| rule.id.as_deref()).collect();
    assert_eq!(ids, ["rule-2", "rule-1"]);
    assert_eq!(rules[0].prefix.as_deref(), Some("a&b"));
    assert!(rules[1].filter.is_some() && rules[1].noncurrent_version_expiration.is_some());
}

#[test]
fn rules_without_an_id_get_one_that_no_other_has() {
    let rule = |id: String| format!("<Rule>{id}<Status>Enabled</Status><Filter/>{DAY}</Rule>");
    let unnamed = (0..500).map(|_| rule(String::new()));
    let named = (1..=500).map(|number| rule(format!("<ID>rule-{number}</ID>")));
    let sent = document(&unnamed.chain(named).collect::<String>(), None).unwrap();
    assert!(sent.lifecycle(&[]).is_ok(), "no id is there twice");
    let ids: Vec<String> = sent.rules.0.rules.into_iter().filter_map(|rule| rule.id).collect();
    let expected = (501..=1_000).chain(1..=500).map(|number| format!("rule-{number}"));
    assert_eq!(ids, expected.collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn no_rule_makes_it_panic(
        id in ".{0,5}", prefix in prop::option::of(".{0,5}"), days in prop::option::of(any::<i32>()),
        seconds in prop::option::of(-99_999_999_999_i64..200_000_000_000), larger in prop::option::of(any::<i64>()),
        smaller in prop::option::of(any::<i64>()), tag in prop::option::of((".{0,3}", ".{0,3}")), unit in ".{0,4}",
    ) {
        let date = seconds.and_then(|s| time::OffsetDateTime::from_unix_timestamp(s).ok()).map(Into::into);
        let tags = tag.map(|(key, value)| vec![dto::Tag { key: Some(key), value: Some(value) }]);
        let and = dto::LifecycleRuleAndOperator {
            object_size_greater_than: larger, object_size_less_than: smaller, prefix, tags,
        };
        let rule = dto::LifecycleRule {
            abort_incomplete_multipart_upload: None,
            expiration: Some(dto::LifecycleExpiration { date, days, expired_object_delete_marker: None }),
            filter: Some(dto::LifecycleRuleFilter { and: Some(and), ..Default::default() }),
            id: Some(id),
            noncurrent_version_expiration: None,
            noncurrent_version_transitions: None,
            prefix: None,
            status: ExpirationStatus::from_static(ExpirationStatus::ENABLED),
            transitions: None,
        };
        let configuration = BucketLifecycleConfiguration { rules: vec![rule] };
        if let Ok(rules) = LifecycleRules::new(Some(configuration)) {
            let document = LifecycleDocument::new(rules, LifecycleTerms::new(None, None).unwrap());
            if let Ok(lifecycle) = document.lifecycle(&[]) {
                let settings = JobSettings {
                    documents: [(DocumentKind::Lifecycle, document.kept().unwrap())].into(),
                    ..JobSettings::default()
                };
                prop_assert_eq!(of(&settings).unwrap(), lifecycle, "what is kept says the same");
            }
            let _ = document.lifecycle(&[(UNIT_TAG.into(), unit)]);
        }
    }
}
