"""RenameObject: an object gets another key in one step. In a cluster most pairs of keys lie on two shards."""

import concurrent.futures
import datetime
import email.utils

import pytest
from conftest import content, end_job, error_of, headers, new_name


@pytest.fixture
def bucket(s3):
    """Of so many workers that its keys lie on all shards that there are."""
    name = new_name()
    with headers(s3, x_pocket_workers="100"):
        s3.create_bucket(Bucket=name)
    yield name
    end_job(s3, name)


def code(call, **arguments):
    """The error of a call, or none."""
    try:
        call(**arguments)
    except Exception as error:
        return error.response["Error"]["Code"]


def end_of(head):
    return email.utils.parsedate_to_datetime(head["Expiration"].split('"')[1])


@pytest.mark.parametrize("size", [0, 100, 3_000_000])
def test_a_renamed_object_is_the_same_object(s3, other_gateway, bucket, size):
    body = content(size)
    said = {"ContentType": "a/b", "Metadata": {"m": "1"}, "StorageClass": "STANDARD_IA"}
    s3.put_object(Bucket=bucket, Key="k0", Body=body, Tagging="a=b", ChecksumAlgorithm="SHA256", **said)
    first = s3.head_object(Bucket=bucket, Key="k0", ChecksumMode="ENABLED")
    same = ["ETag", "LastModified", "ContentLength", "ChecksumSHA256", *said]
    for n in range(12):  # many keys, so that it goes from shard to shard
        client = (s3, other_gateway)[n % 2]
        client.rename_object(Bucket=bucket, Key=f"k{n + 1}", RenameSource=f"k{n}")
        assert error_of(s3.head_object, Bucket=bucket, Key=f"k{n}") == (404, "404")
        head = other_gateway.head_object(Bucket=bucket, Key=f"k{n + 1}", ChecksumMode="ENABLED")
        assert [head[name] for name in same] == [first[name] for name in same]
        assert s3.get_object(Bucket=bucket, Key=f"k{n + 1}")["Body"].read() == body
    assert s3.get_object_tagging(Bucket=bucket, Key="k12")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k12"]


def test_odd_keys(s3, bucket):
    names = ["a/b c+d%", "ü/日本", "x/../y//", "plain"]
    sources = ["a/b%20c%2Bd%25", "%C3%BC/%E6%97%A5%E6%9C%AC", "/x/../y//", "/plain"]
    s3.put_object(Bucket=bucket, Key=names[0], Body=b"x")
    for i, source in enumerate(sources):
        s3.rename_object(Bucket=bucket, Key=names[(i + 1) % 4], RenameSource=source)
        assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"] == names[(i + 1) % 4]


def test_an_uploaded_object_keeps_its_parts(s3, other_gateway, bucket):
    bodies = [content(5 << 20), content(1_000, 1)]
    created = s3.create_multipart_upload(Bucket=bucket, Key="k0", ChecksumAlgorithm="SHA256")
    where, parts = {"Bucket": bucket, "Key": "k0", "UploadId": created["UploadId"]}, []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    for n in range(4):
        s3.rename_object(Bucket=bucket, Key=f"k{n + 1}", RenameSource=f"k{n}")
        wanted = {"Bucket": bucket, "Key": f"k{n + 1}", "ObjectAttributes": ["ETag", "Checksum", "ObjectParts"]}
        found = other_gateway.get_object_attributes(**wanted)
        assert found["ETag"] == done["ETag"].strip('"')
        shown = [part["ChecksumSHA256"] for part in found["ObjectParts"]["Parts"]]
        assert shown == [part["ChecksumSHA256"] for part in parts]
        assert s3.get_object(Bucket=bucket, Key=f"k{n + 1}", PartNumber=2)["Body"].read() == bodies[1]
        # A copy that is renamed refers to bytes of several shards.
        s3.copy_object(Bucket=bucket, Key="copy0", CopySource=f"{bucket}/k{n + 1}")
        s3.rename_object(Bucket=bucket, Key=f"renamed{n}", RenameSource="copy0")
        assert s3.get_object(Bucket=bucket, Key=f"renamed{n}")["Body"].read() == b"".join(bodies)


def test_refusals_change_nothing(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert error_of(s3.rename_object, Bucket=bucket, Key="l", RenameSource="none") == (404, "NoSuchKey")
    assert error_of(s3.rename_object, Bucket=bucket, Key="k", RenameSource="k") == (400, "InvalidRequest")
    assert error_of(s3.rename_object, Bucket=new_name(), Key="l", RenameSource="k") == (404, "NoSuchBucket")
    with headers(s3, x_amz_meta_late="1"):
        assert error_of(s3.rename_object, Bucket=bucket, Key="l", RenameSource="k") == (400, "InvalidArgument")
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]


def test_conditions_on_both_ends(s3, other_gateway, bucket):
    past = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
    future = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    wrong = '"' + "0" * 32 + '"'
    for n in range(6):  # destinations on several shards
        to = f"to{n}"
        tag = s3.put_object(Bucket=bucket, Key="from", Body=b"new")["ETag"]
        there = s3.put_object(Bucket=bucket, Key=to, Body=b"old")["ETag"]
        rename = {"Bucket": bucket, "Key": to, "RenameSource": "from"}
        for failing in [
            {"DestinationIfNoneMatch": "*"},
            {"DestinationIfMatch": wrong},
            {"DestinationIfUnmodifiedSince": past},
            {"DestinationIfModifiedSince": future},
            {"SourceIfMatch": wrong},
            {"SourceIfNoneMatch": tag},
            {"SourceIfModifiedSince": future},
            {"SourceIfUnmodifiedSince": past},
        ]:
            client = (s3, other_gateway)[n % 2]
            assert error_of(client.rename_object, **rename, **failing) == (412, "PreconditionFailed"), failing
        missing = {**rename, "Key": f"none{n}"}
        assert error_of(s3.rename_object, **missing, DestinationIfMatch=there) == (404, "NoSuchKey")
        assert s3.get_object(Bucket=bucket, Key="from")["Body"].read() == b"new"
        assert s3.get_object(Bucket=bucket, Key=to)["Body"].read() == b"old"
        holding = {"DestinationIfMatch": there, "DestinationIfUnmodifiedSince": future, "SourceIfMatch": tag}
        s3.rename_object(**rename, **holding, SourceIfModifiedSince=past)
        assert s3.get_object(Bucket=bucket, Key=to)["Body"].read() == b"new"
        assert error_of(s3.head_object, Bucket=bucket, Key="from") == (404, "404")


def test_a_repeated_token_is_answered_and_not_done_again(s3, other_gateway, bucket):
    for n in range(4):
        s3.put_object(Bucket=bucket, Key="from", Body=b"first")
        rename = {"Bucket": bucket, "Key": f"to{n}", "RenameSource": "from", "ClientToken": f"token{n}"}
        s3.rename_object(**rename)
        s3.put_object(Bucket=bucket, Key="from", Body=b"second")
        other_gateway.rename_object(**rename)
        assert s3.get_object(Bucket=bucket, Key=f"to{n}")["Body"].read() == b"first"
        mismatch = {**rename, "Key": "elsewhere"}
        assert error_of(s3.rename_object, **mismatch) == (400, "IdempotencyParameterMismatch")
        assert s3.get_object(Bucket=bucket, Key="from")["Body"].read() == b"second"


def test_of_racing_renames_of_one_object_one_wins(s3, other_gateway, bucket):
    for turn in range(5):
        s3.put_object(Bucket=bucket, Key="from", Body=content(turn * 10_000))

        def rename(n, turn=turn):
            client = (s3, other_gateway)[n % 2]
            while (found := code(client.rename_object, Bucket=bucket, Key=f"{turn}-{n}", RenameSource="from")) == "SlowDown":
                pass
            return found

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(rename, range(8)))
        assert sorted(outcomes, key=str) == ["NoSuchKey"] * 7 + [None]
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{turn}-")["Contents"]
        assert [item["Key"] for item in found] == [f"{turn}-{outcomes.index(None)}"]


def test_of_racing_renames_to_one_key_one_wins(s3, other_gateway, bucket):
    for n in range(8):
        s3.put_object(Bucket=bucket, Key=f"from{n}", Body=str(n).encode())

    def rename(n):
        there = {"Bucket": bucket, "Key": "to", "RenameSource": f"from{n}", "DestinationIfNoneMatch": "*"}
        while (found := code((s3, other_gateway)[n % 2].rename_object, **there)) == "SlowDown":
            pass
        return found

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(rename, range(8)))
    assert sorted(outcomes, key=str) == [None] + ["PreconditionFailed"] * 7
    won = outcomes.index(None)
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == str(won).encode()
    left = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="from")["Contents"]]
    assert left == [f"from{n}" for n in range(8) if n != won]


def test_two_objects_that_want_each_others_keys_never_get_stuck(s3, other_gateway, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    s3.put_object(Bucket=bucket, Key="b", Body=b"2")

    def swap(n):
        client, (to, source) = (s3, other_gateway)[n % 2], [("a", "b"), ("b", "a")][n % 2]
        return code(client.rename_object, Bucket=bucket, Key=to, RenameSource=source)

    for _ in range(10):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            assert set(pool.map(swap, range(2))) <= {None, "NoSuchKey", "SlowDown"}
    assert 1 <= s3.list_objects_v2(Bucket=bucket)["KeyCount"] <= 2


def test_bounds_go_with_the_object(s3, bucket):
    for n in range(4):
        with headers(s3, x_pocket_ttl="1h", x_pocket_reads="1"):
            s3.put_object(Bucket=bucket, Key="from", Body=b"once")
        end = end_of(s3.head_object(Bucket=bucket, Key="from"))
        s3.rename_object(Bucket=bucket, Key=f"to{n}", RenameSource="from")
        head = s3.head_object(Bucket=bucket, Key=f"to{n}")
        assert head["ResponseMetadata"]["HTTPHeaders"]["x-pocket-reads-left"] == "1"
        # What is left of its life travels as a duration: late by as long as the message took.
        assert datetime.timedelta(seconds=-1) <= end_of(head) - end <= datetime.timedelta(seconds=30)
        assert s3.get_object(Bucket=bucket, Key=f"to{n}")["Body"].read() == b"once"
        assert error_of(s3.get_object, Bucket=bucket, Key=f"to{n}") == (404, "NoSuchKey")
