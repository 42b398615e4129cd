//! Histories with one fault each, as small as it can be, and beside each the one that differs by being right.

use super::*;
use crate::history::{Bounds, ByteRange, Condition, Item, ListAsked};
use crate::judges::declared::{Loss, Lost};

const LINEARIZABLE: &str = "linearizable";

fn delete() -> Asked {
    Asked::Delete { key: key(), condition: Condition::None }
}

fn put_if_absent(number: u32) -> Asked {
    Asked::Put { key: key(), piece: piece(number), bounds: Bounds::default(), condition: Condition::Absent }
}

fn put_for(number: u32, bounds: Bounds) -> Asked {
    Asked::Put { key: key(), piece: piece(number), bounds, condition: Condition::None }
}

fn append(number: u32, offset_bytes: u64) -> Asked {
    Asked::Append { key: key(), offset_bytes, piece: piece(number) }
}

fn missing() -> Outcome {
    refused(Refusal::NoSuchKey)
}

fn rename(from: &str, to: &str) -> Asked {
    Asked::Rename { from: from.into(), to: to.into(), condition: Condition::None }
}

fn get_of(key: &str) -> Asked {
    Asked::Get { key: key.into(), range: None }
}

#[test]
fn a_lost_write_is_seen() {
    let written = ByHand::new().put(2.0, 1);
    written.objects_to_a_later_get(missing(), &["kept", LINEARIZABLE]);
    ByHand::new().put(2.0, 1).get(4.0, shows(1, &[piece(1)])).is_fine();
}

impl ByHand {
    /// A GET of the key after ten seconds.
    #[track_caller]
    fn objects_to_a_later_get(self, outcome: Outcome, judges: &[&str]) {
        self.get(10.0, outcome).is_objected_to_by(judges);
    }
}

#[test]
fn a_write_that_nobody_answered_may_be_lost_or_come_late() {
    let asked = || ByHand::new().then(2.0, put(1), unknown());
    asked().get(4.0, missing()).is_fine();
    asked().get(4.0, missing()).get(6.0, shows(1, &[piece(1)])).is_fine();
    asked().get(4.0, shows(1, &[piece(1)])).get(6.0, missing()).is_objected_to_by(&[LINEARIZABLE]);
}

#[test]
fn a_stale_read_is_seen() {
    ByHand::new().put(2.0, 1).put(4.0, 2).objects_to_a_later_get(shows(1, &[piece(1)]), &[LINEARIZABLE]);
    let beside = ByHand::new().put(2.0, 1).within(4.0, 12.0, put(2), wrote(2));
    beside.get(10.0, shows(1, &[piece(1)])).is_fine();
}

#[test]
fn a_read_that_goes_back_is_seen_though_the_write_goes_on() {
    let both = ByHand::new().put(2.0, 1).within(4.0, 20.0, put(2), wrote(2)).get(6.0, shows(2, &[piece(2)]));
    both.objects_to_a_later_get(shows(1, &[piece(1)]), &[LINEARIZABLE]);
}

#[test]
fn what_was_refused_is_not_read() {
    let refused = refused(Refusal::PreconditionFailed);
    let history = ByHand::new().put(2.0, 1).then(4.0, put_if_absent(2), refused);
    history.objects_to_a_later_get(shows(2, &[piece(2)]), &["bodies", LINEARIZABLE]);
}

#[test]
fn what_was_deleted_does_not_come_back() {
    let deleted = || ByHand::new().put(2.0, 1).then(4.0, delete(), done());
    deleted().get(6.0, missing()).is_fine();
    deleted().get(6.0, missing()).objects_to_a_later_get(shows(1, &[piece(1)]), &[LINEARIZABLE]);
}

#[test]
fn an_append_that_is_done_twice_is_seen() {
    let size = piece(1).size_bytes();
    let appended = || ByHand::new().put(2.0, 1).then(4.0, append(2, size), wrote(9));
    appended().get(6.0, shows(9, &[piece(1), piece(2)])).is_fine();
    appended().objects_to_a_later_get(shows(9, &[piece(1), piece(2), piece(2)]), &[LINEARIZABLE]);
}

#[test]
fn of_two_appends_at_one_offset_one_wins() {
    let size = piece(1).size_bytes();
    let both =
        ByHand::new().put(2.0, 1).then(4.0, append(2, size), wrote(8)).then(4.5, append(3, size), wrote(9));
    both.is_objected_to_by(&[LINEARIZABLE]);
}

#[test]
fn of_two_who_create_one_wins() {
    let race =
        |second| ByHand::new().then(2.0, put_if_absent(1), wrote(1)).then(2.5, put_if_absent(2), second);
    race(refused(Refusal::PreconditionFailed)).is_fine();
    race(wrote(2)).is_objected_to_by(&[LINEARIZABLE]);
}

#[test]
fn of_two_who_replace_the_same_one_wins() {
    let replace = |number| Asked::Put {
        key: key(),
        piece: piece(number),
        bounds: Bounds::default(),
        condition: Condition::Matches(tag(1)),
    };
    let race = |third| ByHand::new().put(2.0, 1).then(4.0, replace(2), wrote(2)).then(4.5, replace(3), third);
    race(refused(Refusal::PreconditionFailed)).is_fine();
    race(wrote(3)).is_objected_to_by(&[LINEARIZABLE]);
}

#[test]
fn a_read_that_is_counted_is_given_once() {
    let once = || {
        let bounds = Bounds { ttl: None, reads: Some(1) };
        ByHand::new().then(2.0, put_for(1, bounds), wrote(1)).get(4.0, shows(1, &[piece(1)]))
    };
    once().get(10.0, missing()).is_fine();
    once().objects_to_a_later_get(shows(1, &[piece(1)]), &["counted reads", LINEARIZABLE]);
}

#[test]
fn a_counted_object_is_missing_only_while_somebody_may_hold_its_last_read() {
    let bounds = Bounds { ttl: None, reads: Some(1) };
    let twice = || ByHand::new().then(2.0, put_for(1, bounds), wrote(1));
    twice().objects_to_a_later_get(missing(), &["kept", LINEARIZABLE]);
    // It held the read and gave it back.
    twice().then(9.0, get(), unknown()).get(10.0, missing()).get(12.0, shows(1, &[piece(1)])).is_fine();
}

#[test]
fn reads_that_are_left_are_those_that_nobody_used() {
    let bounds = Bounds { ttl: None, reads: Some(3) };
    let left = |left| {
        let shown = ObjectShown { etag: tag(1), size_bytes: 64, reads_left: Some(left), body: None };
        let read = ByHand::new().then(2.0, put_for(1, bounds), wrote(1)).get(4.0, shows(1, &[piece(1)]));
        let head = Asked::Head { key: key() };
        let read = read.then(6.0, head, Outcome::Done(Answer::Object(shown)));
        judge(&read.0, &Declared::calm(seconds(6.0)))
    };
    assert_eq!(left(2), []);
    assert_eq!(left(3).len(), 1, "a read that was not counted");
    assert_eq!(left(1).len(), 1, "a read that nobody had");
}

#[test]
fn what_has_expired_is_not_served() {
    let bounds = Bounds { ttl: Some(seconds(4.0)), reads: None };
    let written = || ByHand::new().then(2.0, put_for(1, bounds), wrote(1));
    written().get(6.0, shows(1, &[piece(1)])).is_fine();
    written().get(6.5, missing()).is_fine();
    written().get(4.0, missing()).is_objected_to_by(&["kept", LINEARIZABLE]);
    written().objects_to_a_later_get(shows(1, &[piece(1)]), &[LINEARIZABLE]);
}

#[test]
fn a_bucket_s_own_ttl_and_that_of_its_objects_count() {
    let of_objects =
        BucketHints { objects: Bounds { ttl: Some(seconds(4.0)), reads: None }, ..BucketHints::default() };
    ByHand::with(of_objects).put(2.0, 1).objects_to_a_later_get(shows(1, &[piece(1)]), &[LINEARIZABLE]);
    let of_bucket = BucketHints { ttl: Some(seconds(4.0)), ..BucketHints::default() };
    ByHand::with(of_bucket).put(2.0, 1).objects_to_a_later_get(shows(1, &[piece(1)]), &[LINEARIZABLE]);
    ByHand::with(of_bucket).put(2.0, 1).get(10.0, refused(Refusal::NoSuchBucket)).is_fine();
    ByHand::new().put(2.0, 1).objects_to_a_later_get(refused(Refusal::NoSuchBucket), &["kept", LINEARIZABLE]);
}

#[test]
fn a_renamed_object_is_under_one_of_both_keys() {
    let renamed = || ByHand::new().put(2.0, 1).then(4.0, rename("k", "l"), done());
    renamed().then(6.0, get_of("l"), shows(1, &[piece(1)])).get(8.0, missing()).is_fine();
    renamed().then(6.0, get_of("l"), missing()).is_objected_to_by(&["kept", LINEARIZABLE]);
    renamed().objects_to_a_later_get(shows(1, &[piece(1)]), &[LINEARIZABLE]);
    // Whoever sees it under its new key does not see it under the old one afterwards.
    let slow = || ByHand::new().put(2.0, 1).within(4.0, 20.0, rename("k", "l"), done());
    slow()
        .then(6.0, get_of("l"), shows(1, &[piece(1)]))
        .objects_to_a_later_get(shows(1, &[piece(1)]), &[LINEARIZABLE]);
    slow().get(6.0, missing()).then(8.0, get_of("l"), missing()).is_objected_to_by(&[LINEARIZABLE]);
}

#[test]
fn a_copy_has_what_its_source_had_at_some_moment_of_it() {
    let copy = || Asked::Copy { from_bucket: "b".into(), from: key(), to: "l".into() };
    let copied =
        |tag| ByHand::new().put(2.0, 1).within(4.0, 8.0, put(2), wrote(2)).then(6.0, copy(), wrote(tag));
    copied(1).then(10.0, get_of("l"), shows(1, &[piece(1)])).is_fine();
    copied(2).then(10.0, get_of("l"), shows(2, &[piece(2)])).is_fine();
    copied(2).then(10.0, get_of("l"), shows(1, &[piece(1)])).is_objected_to_by(&[LINEARIZABLE]);
    let late = ByHand::new().put(2.0, 1).put(3.5, 2).then(6.0, copy(), wrote(1));
    late.is_objected_to_by(&[LINEARIZABLE]);
}

#[test]
fn torn_bodies_and_those_of_other_keys_are_seen() {
    let torn = ObjectShown {
        etag: tag(1),
        size_bytes: 64,
        reads_left: None,
        body: Some(Body::Torn("a hole".into())),
    };
    ByHand::new().put(2.0, 1).objects_to_a_later_get(Outcome::Done(Answer::Object(torn)), &["bodies"]);
    let other = Asked::Put {
        key: "other".into(),
        piece: piece(2),
        bounds: Bounds::default(),
        condition: Condition::None,
    };
    let other = ByHand::new().put(2.0, 1).then(4.0, other, wrote(2));
    other.objects_to_a_later_get(shows(2, &[piece(2)]), &["bodies", LINEARIZABLE]);
}

#[test]
fn a_range_is_of_the_object_that_is_there() {
    let range = ByteRange { offset_bytes: 16, len_bytes: 32 };
    let get = || Asked::Get { key: key(), range: Some(range) };
    let shown = |etag, number| {
        let run = crate::history::Run { piece: piece(number), first: 1, blocks: 2 };
        let body = Some(Body::Runs(vec![run]));
        Outcome::Done(Answer::Object(ObjectShown { etag: tag(etag), size_bytes: 64, reads_left: None, body }))
    };
    let written = || ByHand::new().put(2.0, 1).put(4.0, 2);
    written().then(6.0, get(), shown(2, 2)).is_fine();
    written().then(6.0, get(), shown(1, 1)).is_objected_to_by(&[LINEARIZABLE]);
    // Of two objects at once.
    written().then(6.0, get(), shown(2, 1)).is_objected_to_by(&[LINEARIZABLE]);
}

#[test]
fn what_was_in_an_earlier_life_of_the_bucket_is_gone() {
    let again = || {
        let job = Outcome::Done(Answer::Bucket { job: "2".into() });
        let ended = ByHand::new().put(2.0, 1).then(4.0, Asked::DeleteBucket { force: true }, done());
        ended.then(6.0, Asked::CreateBucket(BucketHints::default()), job)
    };
    again().get(8.0, missing()).is_fine();
    again().objects_to_a_later_get(shows(1, &[piece(1)]), &["bodies", LINEARIZABLE]);
}

#[test]
fn a_bucket_with_objects_is_not_deleted_as_an_empty_one() {
    let plain = Asked::DeleteBucket { force: false };
    ByHand::new().put(2.0, 1).then(4.0, plain.clone(), done()).is_objected_to_by(&[LINEARIZABLE]);
    ByHand::new().put(2.0, 1).then(4.0, plain, refused(Refusal::NotEmpty)).is_fine();
}

#[test]
fn a_bucket_that_is_there_is_not_made_anew() {
    let again = |job: &str| {
        let job = Outcome::Done(Answer::Bucket { job: job.into() });
        ByHand::new().then(2.0, Asked::CreateBucket(BucketHints::default()), job)
    };
    again("1").is_fine();
    again("2").is_objected_to_by(&[LINEARIZABLE]);
}

#[test]
fn lists_show_what_is_there_and_nothing_else() {
    let list = |names: &[&str], more| {
        let items = names.iter().map(|name| Item { name: (*name).into(), is_prefix: name.ends_with('/') });
        let page = Outcome::Done(Answer::Page { items: items.collect(), more });
        let put_of = |key: &str, number| Asked::Put {
            key: key.into(),
            piece: piece(number),
            bounds: Bounds::default(),
            condition: Condition::None,
        };
        let asked = ListAsked { delimiter: Some("/".into()), max_keys: 10, ..ListAsked::default() };
        let written = ByHand::new().put(2.0, 1).then(3.0, put_of("a/1", 2), wrote(2)).then(
            4.0,
            put_of("z", 3),
            wrote(3),
        );
        let deleted =
            written.then(6.0, Asked::Delete { key: "z".into(), condition: Condition::None }, done());
        deleted.then(10.0, Asked::List(asked), page)
    };
    list(&["k", "a/"], false).is_fine();
    list(&["k"], false).is_objected_to_by(&["lists"]);
    list(&["a/"], false).is_objected_to_by(&["lists"]);
    list(&["a/"], true).is_fine();
    list(&["k", "z", "a/"], false).is_objected_to_by(&["lists"]);
    list(&["k", "k", "a/"], false).is_objected_to_by(&["lists"]);
    list(&["k", "a/", "b/"], false).is_objected_to_by(&["lists"]);
}

#[test]
fn what_is_declared_lost_may_be_missing_where_the_answer_says_so() {
    let large = Piece { blocks: 4_096, ..piece(1) };
    let put = Asked::Put { key: key(), piece: large, bounds: Bounds::default(), condition: Condition::None };
    let findings = |at, refusal| {
        let mut declared = Declared::calm(seconds(1e6));
        declared.losses.push(Loss { at: seconds(at), what: Lost::Chunks });
        let history = ByHand::new().then(2.0, put.clone(), wrote(1)).get(6.0, refused(refusal));
        judge(&history.0, &declared).iter().map(|finding| finding.judge).collect::<Vec<_>>()
    };
    assert_eq!(findings(4.0, Refusal::Lost), [""; 0]);
    assert_eq!(findings(8.0, Refusal::Lost), ["kept", LINEARIZABLE], "before anything was lost");
    assert_eq!(findings(1.0, Refusal::Lost), ["kept", LINEARIZABLE], "what was lost is older");
}

#[test]
fn a_finding_shows_the_few_events_that_it_takes() {
    let mut history = ByHand::new();
    for number in 1..40 {
        history = history.put(f64::from(number) * 4.0, number);
        history = history.get(f64::from(number) * 4.0 + 2.0, shows(number, &[piece(number)]));
    }
    let findings = history.get(400.0, shows(20, &[piece(20)])).is_objected_to_by(&[LINEARIZABLE]);
    // The bucket, the write that is read, one that replaced it, and the read.
    assert_eq!(findings[0].events.len(), 4, "{}", findings[0]);
}
