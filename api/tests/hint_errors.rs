//! Every error about hints, word by word, so that a change of the words is seen.

use pocket_api::hints::{JobHints, ObjectHints, parse_wait};

const ALL: &str = "workers, capacity, throughput, latency-sensitive, ttl, idle-ttl, object-ttl, reads, wait, wait-on, \
                   tier, etag, seal, backing, replicas, on-full, persist, class";
const FORMS: &str = "in d, h, m, s or ms, such as 90s, 15m or 1h30m; a number alone is seconds";

/// For lists that begin with what is nearest.
fn sorted(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = text.split(", ").collect();
    names.sort_unstable();
    names
}

#[test]
fn values_are_refused_with_what_they_may_be() {
    let ttl = format!("a time above 0, of at most 10 years, {FORMS}");
    let wait = format!("a time of at most 5m, {FORMS}");
    for (name, value, wanted) in [
        ("workers", "0", "a whole number from 1"),
        ("reads", "1.5", "a whole number from 1"),
        ("replicas", "0", "a whole number from 1"),
        ("capacity", "10 parsecs", "a size, such as 512MiB or 10GB"),
        ("throughput", "fast", "a size, such as 512MiB or 10GB"),
        ("latency-sensitive", "rather", "yes or no"),
        ("ttl", "15M", &ttl),
        ("idle-ttl", "1 week", &ttl),
        ("object-ttl", "0s", &ttl),
        ("wait", "6m", &wait),
        ("wait-on", "head", "get or get,head"),
        ("tier", "tape", "dram, nvme, ssd or hdd"),
        ("etag", "sha1", "md5 or fast"),
        ("seal", "maybe", "on or off"),
        ("persist", "maybe", "on or off"),
        ("on-full", "panic", "spill, evict or reject"),
        ("backing", "", "a name"),
        ("class", "", "a name"),
    ] {
        let refused = JobHints::parse([(name, value)]).unwrap_err().to_string();
        assert_eq!(refused, format!("hint {name:?} has the bad value {value:?}: {wanted}"));
    }
    assert_eq!(
        parse_wait("1h").unwrap_err().to_string(),
        format!("hint \"wait\" has the bad value \"1h\": {wait}")
    );
    for (name, value, wanted) in [("ttl", "15M", &*ttl), ("reads", "0", "a whole number from 1")] {
        let refused = ObjectHints::parse([(name, value)]).unwrap_err().to_string();
        assert_eq!(refused, format!("hint {name:?} has the bad value {value:?}: {wanted}"));
    }
}

#[test]
fn what_is_not_built_is_refused_by_name_and_value() {
    for (name, value) in [
        ("tier", "nvme"),
        ("seal", "on"),
        ("persist", "on"),
        ("replicas", "2"),
        ("on-full", "spill"),
        ("on-full", "evict"),
        ("backing", "s3://b"),
        ("class", "nightly"),
    ] {
        let refused = JobHints::parse([(name, value)]).unwrap_err().to_string();
        assert_eq!(refused, format!("hint {name:?} with the value {value:?} is not implemented"));
    }
}

#[test]
fn names_are_refused_with_those_that_there_are() {
    let refused = JobHints::parse([("idel-ttl", "5s")]).unwrap_err().to_string();
    let (said, names) = refused.split_once("; a bucket takes ").unwrap();
    assert_eq!(said, "unknown hint \"idel-ttl\" (did you mean idle-ttl?)");
    assert!(names.starts_with("idle-ttl, "), "{names}");
    assert_eq!(sorted(names), sorted(ALL));
    for (name, text) in [
        ("tll", "unknown hint \"tll\" (did you mean ttl?); an object takes ttl, reads"),
        ("colour", "unknown hint \"colour\"; an object takes ttl, reads"),
    ] {
        assert_eq!(ObjectHints::parse([(name, "5s")]).unwrap_err().to_string(), text);
    }
    let twice = JobHints::parse([("ttl", "5s"), ("ttl", "5s")]).unwrap_err().to_string();
    assert_eq!(twice, "hint \"ttl\" is given twice");
}
