"""Tags of buckets: S3's own, and the ones that change a job's hints while it lives."""

import base64
import concurrent.futures as futures
import contextlib
import hashlib
import time

import pytest
from conftest import content, end_job, error_of, headers, make_client, new_name
from test_jobs import wait_until
from test_tagging import tag_set


def hints(**given):
    return {f"pocket:{name.replace('_', '-')}": value for name, value in given.items()}


def put_tags(client, bucket, tags):
    client.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(**tags))


def tags_of(client, bucket):
    return {t["Key"]: t["Value"] for t in client.get_bucket_tagging(Bucket=bucket)["TagSet"]}


def granted(client, bucket, hint):
    answer = client.head_bucket(Bucket=bucket)
    return answer["ResponseMetadata"]["HTTPHeaders"].get(f"x-pocket-{hint}")


def is_gone(client, bucket):
    return bucket not in [b["Name"] for b in client.list_buckets()["Buckets"]]


# ---- S3's tags ----


def test_a_bucket_has_no_tags_until_somebody_tags_it(s3, bucket):
    assert error_of(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")
    answer = s3.delete_bucket_tagging(Bucket=bucket)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_tags_are_set_replaced_and_deleted(s3, other_gateway, bucket):
    put_tags(s3, bucket, {"team": "blue", "stage": "1"})
    assert tags_of(other_gateway, bucket) == {"team": "blue", "stage": "1"}
    put_tags(other_gateway, bucket, {"only": "this ü +"})
    assert tags_of(s3, bucket) == {"only": "this ü +"}
    other_gateway.delete_bucket_tagging(Bucket=bucket)
    assert error_of(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")


def test_tags_come_with_the_creation(s3, other_gateway):
    name = new_name()
    tags = [{"Key": "team", "Value": "blue"}, {"Key": "pocket:ttl", "Value": "3600"}]
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": tags})
    assert tags_of(other_gateway, name) == {"team": "blue", "pocket:ttl": "3600"}
    end_job(s3, name)


def test_tags_change_nothing_in_the_bucket(s3, other_gateway, bucket):
    body = content(3_000_000)
    s3.put_object(Bucket=bucket, Key="large", Body=body)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="up")["UploadId"]
    put_tags(s3, bucket, {"team": "blue", **hints(object_ttl="1h", capacity="64MiB")})
    assert other_gateway.get_object(Bucket=bucket, Key="large")["Body"].read() == body
    part = other_gateway.upload_part(Bucket=bucket, Key="up", UploadId=upload, PartNumber=1, Body=body)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="up", UploadId=upload, MultipartUpload=parts)
    assert s3.get_object(Bucket=bucket, Key="up")["Body"].read() == body


def test_tags_of_a_bucket_that_is_not_there_are_not_there_either(s3):
    name = new_name()
    assert error_of(s3.get_bucket_tagging, Bucket=name) == (404, "NoSuchBucket")
    assert error_of(s3.put_bucket_tagging, Bucket=name, Tagging=tag_set(a="b")) == (404, "NoSuchBucket")
    assert error_of(s3.delete_bucket_tagging, Bucket=name) == (404, "NoSuchBucket")


@pytest.mark.parametrize(
    "tags, code",
    [
        ({f"k{i}": "v" for i in range(51)}, "BadRequest"),
        ({"k" * 129: "v"}, "InvalidTag"),
        ({"k": "v" * 257}, "InvalidTag"),
        ({"k*": "v"}, "InvalidTag"),
        ({"aws:k": "v"}, "InvalidTag"),
    ],
)
def test_tags_beyond_the_limits_are_refused_and_change_nothing(s3, bucket, tags, code):
    put_tags(s3, bucket, {"a": "b"})
    assert error_of(s3.put_bucket_tagging, Bucket=bucket, Tagging=tag_set(**tags)) == (400, code)
    assert tags_of(s3, bucket) == {"a": "b"}


def test_the_most_tags_are_kept(s3, other_gateway, bucket):
    tags = {f"{i:03}{'k' * 125}": "ü" * 256 for i in range(50)}
    put_tags(s3, bucket, tags)
    assert tags_of(other_gateway, bucket) == tags


def test_a_key_twice_is_refused(s3, bucket):
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert error_of(s3.put_bucket_tagging, Bucket=bucket, Tagging=twice) == (400, "InvalidTag")


def test_the_body_is_held_against_what_was_promised_of_it(s3, bucket):
    wrong = base64.b64encode(hashlib.md5(b"another").digest()).decode()
    bad = error_of(s3.put_bucket_tagging, Bucket=bucket, Tagging=tag_set(a="b"), ContentMD5=wrong)
    assert bad == (400, "BadDigest")
    assert error_of(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")


def test_a_body_that_is_too_long_is_refused(s3, bucket):
    client = make_client()
    bend = lambda params, **_: params.update(body=b" " * (300 << 10) + b"<Tagging><TagSet/></Tagging>")  # noqa: E731
    client.meta.events.register("before-call.s3.PutBucketTagging", bend)
    bad = error_of(client.put_bucket_tagging, Bucket=bucket, Tagging=tag_set(a="b"))
    assert bad == (400, "MaxMessageLengthExceeded")


@pytest.mark.parametrize("header", ["x_pocket_ttl", "x_amz_acl", "x_amz_tagging"])
def test_no_header_comes_with_tags(s3, bucket, header):
    with headers(make_client(), **{header: "1s"}) as client:
        status, code = error_of(client.put_bucket_tagging, Bucket=bucket, Tagging=tag_set(a="b"))
    assert (status, code) == (400, "InvalidArgument")
    assert error_of(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")


def test_racing_sets_of_tags_leave_one_of_them_whole(s3, other_gateway, bucket):
    sets = [{f"writer-{i}": "", "n": str(i), "pocket:reads": str(i + 1)} for i in range(6)]

    def put(n):
        client = make_client() if n % 2 else make_client(other_gateway.meta.endpoint_url)
        with contextlib.suppress(client.exceptions.ClientError):
            put_tags(client, bucket, sets[n])
            return True

    with futures.ThreadPoolExecutor(6) as pool:
        assert any(pool.map(put, range(6)))
    tags = tags_of(s3, bucket)
    assert tags in sets
    for client in [s3, other_gateway]:
        assert granted(client, bucket, "reads") == tags["pocket:reads"]


# ---- hints ----


def test_hints_are_shown_among_the_tags_however_they_were_said(s3, other_gateway, make_bucket):
    bucket = make_bucket(ttl="1h", reads="2")
    assert tags_of(s3, bucket) == hints(ttl="1h", reads="2")
    put_tags(other_gateway, bucket, {"team": "blue", **hints(reads="3", wait="2s")})
    assert tags_of(s3, bucket) == {"team": "blue", **hints(reads="3", wait="2s", ttl="1h")}
    for hint, value in [("ttl", "1h"), ("reads", "3"), ("wait", "2s")]:
        assert granted(s3, bucket, hint) == value


def test_hints_that_tags_had_set_go_with_them_and_the_others_stay(s3, other_gateway, make_bucket):
    bucket = make_bucket(ttl="1h", reads="2")
    put_tags(s3, bucket, hints(ttl="2h", wait="2s"))
    put_tags(s3, bucket, {"team": "blue"})
    assert tags_of(other_gateway, bucket) == {"team": "blue", **hints(ttl="1h", reads="2")}
    put_tags(s3, bucket, hints(reads="none"))
    assert tags_of(other_gateway, bucket) == hints(ttl="1h", reads="none")
    assert granted(other_gateway, bucket, "reads") is None
    s3.delete_bucket_tagging(Bucket=bucket)
    assert tags_of(other_gateway, bucket) == hints(ttl="1h", reads="2")
    assert granted(other_gateway, bucket, "reads") == "2"


@pytest.mark.parametrize(
    "bad, code",
    [
        ({"ttl": "soon"}, 400),
        ({"idle_ttl": "0s"}, 400),
        ({"wait": "6m"}, 400),
        ({"tll": "5s"}, 400),
        ({"ttl": "0s", "wait": "6m"}, 400),
        ({"replicas": "3"}, 501),
    ],
)
def test_a_bad_hint_is_refused_by_name_and_nothing_changes(s3, bucket, bad, code):
    put_tags(s3, bucket, {"team": "blue", **hints(ttl="1h")})
    with pytest.raises(s3.exceptions.ClientError) as caught:
        put_tags(s3, bucket, {"team": "red", **hints(reads="1", **bad)})
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == code
    assert list(bad)[-1].replace("_", "-") in response["Error"]["Message"]
    assert tags_of(s3, bucket) == {"team": "blue", **hints(ttl="1h")}
    assert granted(s3, bucket, "reads") is None


@pytest.mark.parametrize("slip", ["pocket-ttl", "Pocket:ttl", "pocket_ttl", "pocket:tll"])
def test_a_slip_in_the_name_of_a_hint_is_refused_with_the_right_spelling(s3, bucket, slip):
    with pytest.raises(s3.exceptions.ClientError) as caught:
        put_tags(s3, bucket, {"team": "red", slip: "1h"})
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidArgument" and "did you mean pocket:ttl?" in error["Message"]
    with pytest.raises(s3.exceptions.ClientError) as caught:
        s3.create_bucket(Bucket=new_name(), CreateBucketConfiguration={"Tags": [{"Key": slip, "Value": "1h"}]})
    assert "did you mean pocket:ttl?" in caught.value.response["Error"]["Message"]
    put_tags(s3, bucket, {"pockets": "2"})


def test_a_ttl_counts_from_the_creation(s3, other_gateway, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=content(100_000))
    time.sleep(1.2)
    put_tags(s3, bucket, hints(ttl="1s"))
    assert error_of(other_gateway.get_object, Bucket=bucket, Key="k") == (404, "NoSuchBucket")
    assert wait_until(lambda: is_gone(other_gateway, bucket), 20)


def test_a_ttl_is_put_off_and_taken_back(s3, other_gateway, make_bucket):
    bucket = make_bucket(ttl="1h")
    put_tags(s3, bucket, hints(ttl="2h"))
    assert granted(other_gateway, bucket, "ttl") == "2h"
    put_tags(other_gateway, bucket, hints(ttl="none"))
    assert granted(s3, bucket, "ttl") is None


def test_a_ttl_of_nothing_ends_the_job_with_everything_in_it(s3, other_gateway, bucket):
    s3.put_object(Bucket=bucket, Key="large", Body=content(3_000_000))
    other_gateway.put_object(Bucket=bucket, Key="small", Body=b"x")
    put_tags(s3, bucket, hints(ttl="0s"))
    for client in [s3, other_gateway]:
        assert error_of(client.get_object, Bucket=bucket, Key="small") == (404, "NoSuchBucket")
        assert error_of(client.head_bucket, Bucket=bucket) == (404, "404")
    other_gateway.create_bucket(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_an_idle_ttl_ends_a_job_that_had_none(s3, other_gateway, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    put_tags(s3, bucket, hints(idle_ttl="1s"))
    assert wait_until(lambda: is_gone(other_gateway, bucket), 25)


def test_the_ttl_of_objects_is_that_of_their_writing(s3, other_gateway, bucket):
    s3.put_object(Bucket=bucket, Key="before", Body=b"x")
    other_gateway.head_object(Bucket=bucket, Key="before")
    put_tags(s3, bucket, hints(object_ttl="1s"))
    assert "Expiration" in other_gateway.put_object(Bucket=bucket, Key="after", Body=b"x")
    assert "Expiration" not in other_gateway.head_object(Bucket=bucket, Key="before")
    keys = lambda: [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]  # noqa: E731
    assert wait_until(lambda: keys() == ["before"], 20)


def test_reads_are_counted_from_the_next_object_on(s3, other_gateway, bucket):
    s3.put_object(Bucket=bucket, Key="before", Body=b"x")
    put_tags(s3, bucket, hints(reads="1"))
    other_gateway.put_object(Bucket=bucket, Key="after", Body=b"x")
    for _ in range(3):
        assert other_gateway.get_object(Bucket=bucket, Key="before")["Body"].read() == b"x"
    assert other_gateway.get_object(Bucket=bucket, Key="after")["Body"].read() == b"x"
    assert error_of(s3.get_object, Bucket=bucket, Key="after") == (404, "NoSuchKey")


def test_readers_wait_from_then_on_at_every_gateway(s3, other_gateway, bucket):
    assert error_of(other_gateway.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    put_tags(s3, bucket, hints(wait="25s"))
    with futures.ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: other_gateway.get_object(Bucket=bucket, Key="k")["Body"].read())
        time.sleep(0.3)
        s3.put_object(Bucket=bucket, Key="k", Body=b"late")
        assert reading.result() == b"late"


def test_capacity_and_throughput_are_granted_anew(s3, other_gateway, bucket):
    before = granted(s3, bucket, "capacity")
    put_tags(s3, bucket, hints(capacity="64MiB", throughput="50MB/s"))
    for client in [s3, other_gateway]:
        assert granted(client, bucket, "capacity") == str(64 << 20)
        assert granted(client, bucket, "throughput") == "50000000"
    s3.put_object(Bucket=bucket, Key="k", Body=content(3_000_000))
    assert other_gateway.get_object(Bucket=bucket, Key="k")["Body"].read() == content(3_000_000)
    s3.delete_bucket_tagging(Bucket=bucket)
    assert granted(other_gateway, bucket, "capacity") == before
