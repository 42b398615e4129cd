"""Lifecycle rules: taken as S3 takes them, given back as sent, and acted on to the moment.

S3 counts whole days. Pocket's extension counts in another unit, so that what the rules do can be seen within seconds."""

import datetime
import email.utils
import re
import time

import pytest
from conftest import content, error_of, exists, headers, make_client, new_name

EVERYTHING = {"Filter": {}}
WITHIN = 30


def rule(name="r", days=None, **more):
    expiration = {"Expiration": {"Days": days}} if days else {}
    return {"ID": name, "Status": "Enabled", **EVERYTHING, **expiration, **more}


def put_rules(client, bucket, *rules, unit=None):
    """`unit` is what a day is in this document; without one S3's days count."""
    with headers(client, **({"x_pocket_lifecycle_unit": unit} if unit else {})):
        return client.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)}
        )


def rules_of(client, bucket):
    return client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]


def no_rules(client, bucket):
    return error_of(client.get_bucket_lifecycle_configuration, Bucket=bucket) == (
        404,
        "NoSuchLifecycleConfiguration",
    )


def ends_exactly(made, seconds, is_there):
    """Polls something made in `made` (before, after) that lives so long: it is there before its end and never after it. A
    busy machine makes the answers late and the proof weaker, never wrong."""
    give_up = time.monotonic() + seconds + WITHIN
    while time.monotonic() < give_up:
        asked = time.monotonic()
        there = is_there()
        answered = time.monotonic()
        if not there:
            assert answered > made[0] + seconds - 0.01, "gone before its end"
            return
        assert asked < made[1] + seconds + 0.01, "served after its end"
    raise AssertionError("it never ended")


def timed(call, **arguments):
    before = time.monotonic()
    answer = call(**arguments)
    return (before, time.monotonic()), answer


def eventually(holds):
    end = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.05)


def before_its_end(attempt):
    """Does something that has to be done before so many seconds are over; with more of them where the machine is too busy."""
    assert any(attempt(seconds) for seconds in (2, 8, 24)), "the machine is too busy"


def expiration(answer):
    """Date and rule of x-amz-expiration."""
    date, name = re.fullmatch(r'expiry-date="([^"]+)", rule-id="([^"]+)"', answer["Expiration"]).groups()
    return email.utils.parsedate_to_datetime(date), name


# ---- the document ----


def test_a_bucket_has_no_rules_until_it_is_given_some(s3, bucket):
    assert no_rules(s3, bucket)
    put_rules(s3, bucket, rule(days=1))
    assert s3.delete_bucket_lifecycle(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert no_rules(s3, bucket)
    assert s3.delete_bucket_lifecycle(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204


@pytest.mark.parametrize(
    "sent",
    [
        rule(days=1),
        rule(days=2147483647),
        rule(Filter={"Prefix": ""}, days=3),
        rule(Filter={"Prefix": "a&<ü>/"}, days=3),
        rule(Filter={"Tag": {"Key": "k", "Value": ""}}, days=3),
        rule(Filter={"ObjectSizeGreaterThan": 0}, days=3),
        rule(Filter={"ObjectSizeLessThan": 5 << 40}, days=3),
        rule(
            Filter={
                "And": {
                    "Prefix": "p",
                    "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
                    "ObjectSizeGreaterThan": 1,
                    "ObjectSizeLessThan": 9,
                }
            },
            days=3,
        ),
        rule(Status="Disabled", days=1),
        rule(Expiration={"Date": datetime.datetime(2099, 1, 1, tzinfo=datetime.timezone.utc)}),
        rule(Expiration={"ExpiredObjectDeleteMarker": True}),
        rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}),
        rule(NoncurrentVersionExpiration={"NoncurrentDays": 5, "NewerNoncurrentVersions": 3}),
        rule(NoncurrentVersionTransitions=[{"NoncurrentDays": 5, "StorageClass": "GLACIER"}]),
        rule(Status="Disabled", Transitions=[{"Days": 5, "StorageClass": "GLACIER"}]),
        rule("i" * 255, days=1),
    ],
    ids=lambda sent: "-".join(sorted(sent["Filter"]) + [key for key in sent if key not in ("ID", "Status", "Filter")])
    or "rule",
)
def test_a_document_is_given_back_as_it_was_sent(s3, other_gateway, bucket, sent):
    put_rules(s3, bucket, sent)
    assert rules_of(other_gateway, bucket) == [sent]


def test_many_rules_keep_their_order_and_a_second_document_replaces_the_first(s3, bucket):
    many = [rule(f"r{i}", days=i + 1, Filter={"Prefix": f"p{i}/"}) for i in range(1_000)]
    put_rules(s3, bucket, *many)
    assert rules_of(s3, bucket) == many
    put_rules(s3, bucket, many[7])
    assert rules_of(s3, bucket) == [many[7]]


def test_rules_without_an_id_are_given_one_that_stays(s3, bucket):
    unnamed = {key: value for key, value in rule(days=1).items() if key != "ID"}
    put_rules(s3, bucket, unnamed, {**unnamed, "Filter": {"Prefix": "p"}}, rule("rule-1", days=2))
    first = rules_of(s3, bucket)
    assert len({kept["ID"] for kept in first}) == 3 and all(kept["ID"] for kept in first)
    assert rules_of(s3, bucket) == first
    put_rules(s3, bucket, *first)
    assert rules_of(s3, bucket) == first


def test_the_older_form_with_the_prefix_beside_the_actions(s3, bucket):
    older = {"ID": "old", "Prefix": "logs/", "Status": "Enabled", "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle(Bucket=bucket, LifecycleConfiguration={"Rules": [older]})
    assert rules_of(s3, bucket) == [older]
    assert s3.get_bucket_lifecycle(Bucket=bucket)["Rules"] == [older]
    assert expiration(s3.put_object(Bucket=bucket, Key="logs/a", Body=b"x"))[1] == "old"
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="data", Body=b"x")


def test_the_smallest_object_of_transitions_is_kept_with_the_document(s3, bucket):
    header = "TransitionDefaultMinimumObjectSize"
    put = lambda **more: s3.put_bucket_lifecycle_configuration(  # noqa: E731
        Bucket=bucket, LifecycleConfiguration={"Rules": [rule(days=1)]}, **more
    )
    for sent, kept in [({}, "all_storage_classes_128K"), ({header: "varies_by_storage_class"}, "varies_by_storage_class")]:
        assert put(**sent)[header] == kept
        assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)[header] == kept
    assert error_of(put, **{header: "tiny"}) == (400, "InvalidArgument")


NOON = datetime.datetime(2099, 1, 1, 12, tzinfo=datetime.timezone.utc)
TAG = {"Tag": {"Key": "k", "Value": "v"}}
ABORT = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}


@pytest.mark.parametrize(
    "bad, status, code",
    [
        ([], 400, "MalformedXML"),
        ([rule(f"r{i}", days=1) for i in range(1_001)], 400, "MalformedXML"),
        ([rule(days=1), rule(days=2)], 400, "InvalidArgument"),
        ([rule("i" * 256, days=1)], 400, "InvalidArgument"),
        ([rule(Status="enabled", days=1)], 400, "MalformedXML"),
        ([{"ID": "r", "Status": "Enabled", "Expiration": {"Days": 1}}], 400, "MalformedXML"),
        ([rule(days=1, Prefix="p")], 400, "MalformedXML"),
        ([rule(days=1, Filter={"Prefix": "p", **TAG})], 400, "MalformedXML"),
        ([rule(days=1, Filter={"Prefix": "p" * 1_025})], 400, "InvalidRequest"),
        (
            [rule(days=1, Filter={"And": {"ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 5}})],
            400,
            "InvalidRequest",
        ),
        ([rule()], 400, "InvalidRequest"),
        ([rule(Expiration={})], 400, "MalformedXML"),
        ([rule(Expiration={"Days": 0})], 400, "InvalidArgument"),
        ([rule(Expiration={"Days": -1})], 400, "InvalidArgument"),
        ([rule(Expiration={"Date": NOON})], 400, "InvalidArgument"),
        ([rule(Expiration={"Days": 1, "Date": NOON})], 400, "MalformedXML"),
        ([rule(Expiration={"Days": 1, "ExpiredObjectDeleteMarker": True})], 400, "MalformedXML"),
        ([rule(Filter=TAG, Expiration={"ExpiredObjectDeleteMarker": True})], 400, "InvalidRequest"),
        ([rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 0})], 400, "InvalidArgument"),
        ([rule(Filter=TAG, **ABORT)], 400, "InvalidRequest"),
        ([rule(Filter={"ObjectSizeLessThan": 5}, **ABORT)], 400, "InvalidRequest"),
        ([rule(NoncurrentVersionExpiration={"NoncurrentDays": 0})], 400, "InvalidArgument"),
        ([rule(Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])], 501, "NotImplemented"),
    ],
    ids=str,
)
def test_a_document_that_s3_would_not_take_changes_nothing(s3, bucket, bad, status, code):
    put_rules(s3, bucket, rule("before", days=9))
    with pytest.raises(s3.exceptions.ClientError) as refused:
        put_rules(s3, bucket, *bad)
    response = refused.value.response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (status, code)
    assert rules_of(s3, bucket) == [rule("before", days=9)]


def test_a_document_that_does_not_match_its_digest_changes_nothing(s3, bucket):
    with headers(s3, content_md5="AAAAAAAAAAAAAAAAAAAAAA=="):
        put = s3.put_bucket_lifecycle_configuration
        document = {"Rules": [rule(days=1)]}
        assert error_of(put, Bucket=bucket, LifecycleConfiguration=document) == (400, "BadDigest")
    assert no_rules(s3, bucket)
    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration=document, ChecksumAlgorithm=algorithm
        )


def test_buckets_that_are_not_there_have_no_rules(s3):
    missing = new_name()
    for call in [s3.get_bucket_lifecycle_configuration, s3.delete_bucket_lifecycle]:
        assert error_of(call, Bucket=missing) == (404, "NoSuchBucket")
    document = {"Rules": [rule(days=1)]}
    put = s3.put_bucket_lifecycle_configuration
    assert error_of(put, Bucket=missing, LifecycleConfiguration=document) == (404, "NoSuchBucket")


# ---- what S3 shows of rules that count days ----


def test_days_end_at_the_next_midnight_and_answers_say_so(s3, other_gateway, bucket):
    put_rules(s3, bucket, rule("two days/ä", days=2, Filter={"Prefix": "logs/"}))
    s3.put_object(Bucket=bucket, Key="logs/a", Body=b"x")
    written = other_gateway.head_object(Bucket=bucket, Key="logs/a")["LastModified"]
    midnight = written.replace(hour=0, minute=0, second=0, microsecond=0) + datetime.timedelta(days=3)
    for answer in [
        s3.head_object(Bucket=bucket, Key="logs/a"),
        s3.get_object(Bucket=bucket, Key="logs/a"),
        other_gateway.get_object(Bucket=bucket, Key="logs/a", Range="bytes=0-0"),
    ]:
        assert expiration(answer) == (midnight, "two%20days%2F%C3%A4")
    copied = s3.copy_object(Bucket=bucket, Key="logs/b", CopySource=f"{bucket}/logs/a")
    assert expiration(copied)[1] == "two%20days%2F%C3%A4"
    elsewhere = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/logs/a")
    assert "Expiration" not in elsewhere
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="c")


def test_a_completed_upload_is_told_its_end_by_its_tags_too(s3, bucket):
    put_rules(s3, bucket, rule("tagged", days=1, Filter=TAG))
    for tagging, named in [("k=v", "tagged"), ("k=w", None)]:
        upload = s3.create_multipart_upload(Bucket=bucket, Key="k", Tagging=tagging)["UploadId"]
        etag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
        assert ("Expiration" in done and expiration(done)[1]) == (named or False)


def test_a_date_in_the_past_ends_everything_that_it_names_at_once(s3, other_gateway, bucket):
    for key in ["old/a", "old/b", "new"]:
        s3.put_object(Bucket=bucket, Key=key, Body=content(100_000))
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    put_rules(s3, bucket, rule(Filter={"Prefix": "old/"}, Expiration={"Date": past}))
    assert [o["Key"] for o in other_gateway.list_objects_v2(Bucket=bucket)["Contents"]] == ["new"]
    assert error_of(other_gateway.get_object, Bucket=bucket, Key="old/a") == (404, "NoSuchKey")


# ---- rules in seconds ----


def test_objects_end_to_the_moment_those_that_were_there_and_those_that_come(s3, other_gateway, bucket):
    before, _ = timed(s3.put_object, Bucket=bucket, Key="logs/before", Body=content(200_000))
    s3.put_object(Bucket=bucket, Key="kept", Body=b"x")
    put_rules(s3, bucket, rule(days=3, Filter={"Prefix": "logs/"}), unit="1s")
    after, _ = timed(other_gateway.put_object, Bucket=bucket, Key="logs/after", Body=b"x")
    ends_exactly(before, 3, lambda: exists(other_gateway, bucket, "logs/before"))
    ends_exactly(after, 3, lambda: exists(s3, bucket, "logs/after"))
    for client in (s3, other_gateway):
        assert [o["Key"] for o in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["kept"]
    s3.delete_object(Bucket=bucket, Key="kept")
    s3.delete_bucket(Bucket=bucket)


def test_a_list_never_shows_what_has_ended(s3, other_gateway, bucket):
    put_rules(s3, bucket, rule(days=2), unit="1s")
    made, _ = timed(s3.put_object, Bucket=bucket, Key="k", Body=b"x")
    ends_exactly(made, 2, lambda: other_gateway.list_objects_v2(Bucket=bucket)["KeyCount"] == 1)


def test_a_copy_counts_from_its_own_time(s3, bucket):
    put_rules(s3, bucket, rule(days=2), unit="1s")
    first, _ = timed(s3.put_object, Bucket=bucket, Key="first", Body=b"x")
    time.sleep(0.5)
    try:
        copied, _ = timed(s3.copy_object, Bucket=bucket, Key="copy", CopySource=f"{bucket}/first")
    except s3.exceptions.ClientError:
        # The machine was so busy that the source had ended.
        assert time.monotonic() > first[0] + 2
        return
    ends_exactly(first, 2, lambda: exists(s3, bucket, "first"))
    ends_exactly(copied, 2, lambda: exists(s3, bucket, "copy"))


def test_tags_and_sizes_choose_what_ends(s3, bucket):
    both = {"And": {"Tags": [{"Key": "keep", "Value": "no"}], "ObjectSizeGreaterThan": 3}}
    put_rules(s3, bucket, rule("both", days=1, Filter=both), unit="1s")
    named, _ = timed(s3.put_object, Bucket=bucket, Key="named", Body=b"1234", Tagging="a=b&keep=no")
    s3.put_object(Bucket=bucket, Key="small", Body=b"123", Tagging="keep=no")
    s3.put_object(Bucket=bucket, Key="untagged", Body=b"1234")
    s3.put_object(Bucket=bucket, Key="other", Body=b"1234", Tagging="keep=yes")
    ends_exactly(named, 1, lambda: exists(s3, bucket, "named"))
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 3
    tags = {"TagSet": [{"Key": "keep", "Value": "no"}]}
    s3.put_object_tagging(Bucket=bucket, Key="other", Tagging=tags)
    eventually(lambda: not exists(s3, bucket, "other"))
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 2


def test_a_rule_that_is_gone_stops_and_a_longer_one_counts_anew(s3, bucket):
    def attempt(seconds):
        made, _ = timed(s3.put_object, Bucket=bucket, Key="k", Body=b"x")
        put_rules(s3, bucket, rule(days=9 * seconds), unit="1s")
        put_rules(s3, bucket, rule(days=seconds), unit="1s")
        s3.delete_bucket_lifecycle(Bucket=bucket)
        if time.monotonic() > made[0] + seconds:
            return False
        while time.monotonic() < made[1] + seconds + 0.5:
            assert exists(s3, bucket, "k")
            time.sleep(0.1)
        assert "Expiration" not in s3.head_object(Bucket=bucket, Key="k")
        put_rules(s3, bucket, rule(days=2 * seconds), unit="1s")
        ends_exactly(made, 2 * seconds, lambda: exists(s3, bucket, "k"))
        s3.delete_bucket_lifecycle(Bucket=bucket)
        assert not exists(s3, bucket, "k"), "what has ended does not come back"
        return True

    before_its_end(attempt)


def test_the_earlier_of_ttl_and_rule_ends_an_object_and_is_shown(s3, bucket):
    put_rules(s3, bucket, rule("hour", days=1), unit="1h")

    def put(key, **hints):
        with headers(make_client(), **hints) as client:
            answer = client.put_object(Bucket=bucket, Key=key, Body=b"x")
        assert answer["Expiration"] == s3.head_object(Bucket=bucket, Key=key)["Expiration"]
        assert answer["Expiration"] == s3.get_object(Bucket=bucket, Key=key)["Expiration"]
        date, name = expiration(answer)
        return name, round((date - s3.head_object(Bucket=bucket, Key=key)["LastModified"]).total_seconds() / 60)

    assert put("plain") == ("hour", 60)
    assert put("short", x_pocket_ttl="30m") == ("pocket-ttl", 30)
    assert put("long", x_pocket_ttl="2h") == ("hour", 60)


def test_uploads_say_when_they_are_aborted(s3, other_gateway, bucket):
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}}
    put_rules(s3, bucket, rule("ab/ort", Filter={"Prefix": "up/"}, **abort), unit="1h")
    created = s3.create_multipart_upload(Bucket=bucket, Key="up/a")
    shown = other_gateway.list_parts(Bucket=bucket, Key="up/a", UploadId=created["UploadId"])
    initiated = s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["Initiated"]
    assert round((created["AbortDate"] - initiated).total_seconds() / 60) == 180
    assert (shown["AbortDate"], shown["AbortRuleId"]) == (created["AbortDate"], created["AbortRuleId"])
    assert created["AbortRuleId"] == "ab%2Fort"
    elsewhere = s3.create_multipart_upload(Bucket=bucket, Key="elsewhere")
    assert not {"AbortDate", "AbortRuleId"} & elsewhere.keys()


def test_uploads_are_aborted_to_the_moment(s3, other_gateway, bucket):
    made, old = timed(s3.create_multipart_upload, Bucket=bucket, Key="up/old")
    s3.upload_part(Bucket=bucket, Key="up/old", UploadId=old["UploadId"], PartNumber=1, Body=content(200_000))
    s3.create_multipart_upload(Bucket=bucket, Key="elsewhere")
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}
    put_rules(s3, bucket, rule(Filter={"Prefix": "up/"}, **abort), unit="1s")
    new = s3.create_multipart_upload(Bucket=bucket, Key="up/new")

    def listed():
        uploads = other_gateway.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        return [upload["Key"] for upload in uploads]

    ends_exactly(made, 2, lambda: "up/old" in listed())
    eventually(lambda: listed() == ["elsewhere"])
    for key, upload in [("up/old", old), ("up/new", new)]:
        where = {"Bucket": bucket, "Key": key, "UploadId": upload["UploadId"]}
        assert error_of(s3.upload_part, PartNumber=1, Body=b"x", **where) == (404, "NoSuchUpload")
        assert error_of(s3.list_parts, **where) == (404, "NoSuchUpload")
        assert s3.abort_multipart_upload(**where)["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_an_upload_that_was_completed_in_time_is_an_object_like_others(s3, bucket):
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 30}}
    put_rules(s3, bucket, rule(**abort), unit="1s")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    put_rules(s3, bucket, rule(**abort), unit="1ms")
    assert exists(s3, bucket, "k")


# ---- Pocket's own ----


def test_the_unit_of_a_document_may_stand_in_a_tag_of_the_bucket(s3, other_gateway, bucket):
    def tag(*tags):
        tag_set = [{"Key": key, "Value": value} for key, value in tags]
        other_gateway.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_set})

    put_rules(s3, bucket, rule(days=2))
    made, _ = timed(s3.put_object, Bucket=bucket, Key="k", Body=b"x")
    assert expiration(s3.head_object(Bucket=bucket, Key="k"))[0].hour == 0
    tag(("team", "blue"), ("pocket:lifecycle-unit", "1h"))
    head = s3.head_object(Bucket=bucket, Key="k")
    assert round((expiration(head)[0] - head["LastModified"]).total_seconds() / 3600) == 2
    tag(("pocket:lifecycle-unit", "1s"))
    assert rules_of(s3, bucket) == [rule(days=2)]
    ends_exactly(made, 2, lambda: exists(s3, bucket, "k"))
    s3.delete_bucket_tagging(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert expiration(s3.head_object(Bucket=bucket, Key="k"))[0].hour == 0, "days again"
    tag_set = {"TagSet": [{"Key": "pocket:lifecycle-unit", "Value": "soon"}]}
    assert error_of(s3.put_bucket_tagging, Bucket=bucket, Tagging=tag_set) == (400, "InvalidArgument")


def test_the_unit_of_the_document_itself_is_before_the_tag_and_is_shown(s3, bucket):
    tag_set = [{"Key": "pocket:lifecycle-unit", "Value": "1ms"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_set})
    put_rules(s3, bucket, rule(days=1), unit="1h")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert exists(s3, bucket, "k")
    answer = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-pocket-lifecycle-unit"] == "1h"
    with pytest.raises(s3.exceptions.ClientError, match="lifecycle-unit"):
        put_rules(s3, bucket, rule(days=1), unit="0s")
    noon = rule(Expiration={"Date": NOON})
    put_rules(s3, bucket, noon, unit="1s")
    assert rules_of(s3, bucket) == [noon], "a date needs no midnight where days are no days"


def test_a_rule_can_end_the_bucket(s3, other_gateway):
    def attempt(seconds):
        bucket = new_name()
        made, _ = timed(s3.create_bucket, Bucket=bucket)
        end_job = rule("pocket:end-job", days=seconds)
        try:
            s3.put_object(Bucket=bucket, Key="k", Body=content(100_000))
            put_rules(s3, bucket, end_job, unit="1s")
            assert rules_of(s3, bucket) == [end_job]
        except s3.exceptions.ClientError:
            assert time.monotonic() > made[0] + seconds
            return False
        ends_exactly(made, seconds, lambda: exists(other_gateway, bucket, "k"))
        assert error_of(other_gateway.list_objects_v2, Bucket=bucket) == (404, "NoSuchBucket")
        eventually(lambda: bucket not in [b["Name"] for b in other_gateway.list_buckets()["Buckets"]])
        return True

    before_its_end(attempt)


def test_a_rule_that_ends_the_bucket_is_about_all_of_it_and_can_be_taken_back(s3, bucket):
    for partial in [
        rule("pocket:end-job", days=1, Filter={"Prefix": "p"}),
        rule("pocket:endjob", days=1),
        rule("pocket:end-job", Filter={}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}),
    ]:
        with pytest.raises(s3.exceptions.ClientError, match="pocket:end-job"):
            put_rules(s3, bucket, partial, unit="1h")
    put_rules(s3, bucket, rule("pocket:end-job", days=1), unit="1h")
    s3.delete_bucket_lifecycle(Bucket=bucket)
    put_rules(s3, bucket, rule("pocket:end-job", days=1, Status="Disabled"), unit="1ms")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert exists(s3, bucket, "k")
