"""Ranges and conditions."""

import datetime

import pytest
from conftest import content, error_of

SIZE = 2_500_000


@pytest.fixture
def object_(s3, bucket):
    body = content(SIZE)
    etag = s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"]
    return {"Bucket": bucket, "Key": "k"}, body, etag


@pytest.mark.parametrize(
    "text, first, last",
    [
        ("bytes=0-0", 0, 0),
        ("bytes=5-9", 5, 9),
        ("bytes=1048570-1048585", 1048570, 1048585),
        ("bytes=1000000-", 1_000_000, SIZE - 1),
        ("bytes=-1", SIZE - 1, SIZE - 1),
        ("bytes=-99999999", 0, SIZE - 1),
        ("bytes=2499999-99999999", SIZE - 1, SIZE - 1),
        (f"bytes=5-{2**63 - 1}", 5, SIZE - 1),
        (f"bytes=5-{2**64 - 1}", 5, SIZE - 1),
        (f"bytes=-{2**64}", 0, SIZE - 1),
    ],
)
def test_ranges(other_gateway, object_, text, first, last):
    where, body, _ = object_
    got = other_gateway.get_object(**where, Range=text)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {first}-{last}/{SIZE}"
    assert got["Body"].read() == body[first : last + 1]
    head = other_gateway.head_object(**where, Range=text)
    assert head["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert (head["ContentLength"], head["ContentRange"]) == (last - first + 1, got["ContentRange"])


def test_a_range_behind_the_end_is_416(s3, object_):
    where, _, _ = object_
    for first in [SIZE, 2**63 - 1, 2**63, 2**64]:
        assert error_of(s3.get_object, **where, Range=f"bytes={first}-") == (416, "InvalidRange")


@pytest.mark.parametrize("text", ["bytes=0-1,4-5", "bytes=5-2", "bytes=0--1", "items=0-1", "nonsense"])
def test_what_is_not_one_range_is_none(s3, object_, text):
    where, body, _ = object_
    got = s3.get_object(**where, Range=text)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 200 and "ContentRange" not in got
    assert got["Body"].read() == body
    assert s3.head_object(**where, Range=text)["ContentLength"] == SIZE


def test_the_last_bytes_of_an_empty_object_are_all_of_it_and_other_ranges_416(s3, bucket):
    where = {"Bucket": bucket, "Key": "e"}
    s3.put_object(**where, Body=b"")
    for text in ["bytes=0-0", "bytes=0-", "bytes=-0"]:
        assert error_of(s3.get_object, **where, Range=text) == (416, "InvalidRange")
    for asked in [{}, {"Range": "bytes=-3"}]:
        for read in [s3.get_object, s3.head_object]:
            got = read(**where, **asked)
            assert got["ResponseMetadata"]["HTTPStatusCode"] == 200 and "ContentRange" not in got
            assert got["ContentLength"] == 0


def test_read_conditions(s3, object_):
    where, body, etag = object_
    modified = s3.head_object(**where)["LastModified"]
    earlier, later = modified - datetime.timedelta(hours=1), modified + datetime.timedelta(hours=1)
    for good in [
        {"IfMatch": etag},
        {"IfMatch": etag.strip('"')},
        {"IfMatch": "*"},
        {"IfMatch": f'"0123456789abcdef0123456789abcdef", {etag}'},
        {"IfNoneMatch": '"0123456789abcdef0123456789abcdef"'},
        {"IfModifiedSince": earlier},
        {"IfUnmodifiedSince": later},
    ]:
        assert s3.get_object(**where, **good)["Body"].read() == body
        s3.head_object(**where, **good)
    for failed in [{"IfMatch": '"0123456789abcdef0123456789abcdef"'}, {"IfUnmodifiedSince": earlier}]:
        assert error_of(s3.get_object, **where, **failed) == (412, "PreconditionFailed")
        assert error_of(s3.head_object, **where, **failed) == (412, "412")
    several = {"IfNoneMatch": f'{etag}, "0123456789abcdef0123456789abcdef"'}
    for unmodified in [{"IfNoneMatch": etag}, {"IfNoneMatch": "*"}, several, {"IfModifiedSince": later}]:
        assert error_of(s3.get_object, **where, **unmodified)[0] == 304
        assert error_of(s3.head_object, **where, **unmodified)[0] == 304


def test_a_ranged_read_of_a_changed_object_fails(s3, other_gateway, object_):
    where, _, etag = object_
    other_gateway.put_object(**where, Body=b"changed")
    assert error_of(s3.get_object, **where, Range="bytes=0-3", IfMatch=etag) == (412, "PreconditionFailed")


def test_a_broken_download_goes_on_where_the_object_is_still_the_same(s3, other_gateway, signed, object_):
    """As browsers resume one: the rest of what they have, or all of what is there now."""
    where, body, etag = object_
    path, rest = "/{Bucket}/{Key}".format(**where), {"range": "bytes=1000000-"}
    modified = signed("HEAD", path).headers["last-modified"]
    for same in [etag, modified]:
        got = signed("GET", path, **rest, if_range=same)
        assert (got.status_code, got.content) == (206, body[1_000_000:])
    for other in ['"0123456789abcdef0123456789abcdef"', f"W/{etag}", etag.strip('"'), "soon", "Thu, 01 Jan 1970 00:00:02 GMT"]:
        got = signed("GET", path, **rest, if_range=other)
        assert (got.status_code, got.content) == (200, body) and "content-range" not in got.headers
    assert signed("GET", path, if_range=etag).content == body
    assert signed("GET", path, **rest, if_range=etag, if_none_match=etag).status_code == 304
    assert signed("GET", path, **rest, if_range=etag, if_match=etag).status_code == 501
    changed = content(SIZE, 1)
    other_gateway.put_object(**where, Body=changed)
    got = signed("GET", path, **rest, if_range=etag)
    assert (got.status_code, got.content) == (200, changed)


def test_put_if_none_match_makes_only_what_is_missing(s3, other_gateway, bucket):
    where = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**where, Body=b"first", IfNoneMatch="*")
    again = error_of(other_gateway.put_object, **where, Body=b"second", IfNoneMatch="*")
    assert again == (412, "PreconditionFailed")
    assert s3.get_object(**where)["Body"].read() == b"first"
    s3.delete_object(**where)
    other_gateway.put_object(**where, Body=b"third", IfNoneMatch="*")


def test_put_if_match_replaces_only_what_is_known(s3, bucket):
    where = {"Bucket": bucket, "Key": "k"}
    assert error_of(s3.put_object, **where, Body=b"x", IfMatch='"' + "0" * 32 + '"') == (404, "NoSuchKey")
    etag = s3.put_object(**where, Body=b"one")["ETag"]
    s3.put_object(**where, Body=b"two", IfMatch=etag)
    assert error_of(s3.put_object, **where, Body=b"three", IfMatch=etag) == (412, "PreconditionFailed")
    assert s3.get_object(**where)["Body"].read() == b"two"


def test_delete_if_match(s3, bucket):
    where = {"Bucket": bucket, "Key": "k"}
    old = s3.put_object(**where, Body=b"one")["ETag"]
    new = s3.put_object(**where, Body=b"two")["ETag"]
    assert error_of(s3.delete_object, **where, IfMatch=old) == (412, "PreconditionFailed")
    s3.delete_object(**where, IfMatch=new)
    assert error_of(s3.head_object, **where) == (404, "404")


def test_copies_hold_conditions_on_their_destination(s3, other_gateway, bucket, make_bucket):
    for source in (bucket, make_bucket()):
        s3.put_object(Bucket=source, Key="source", Body=b"new")
        there = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["ETag"]
        copy = {"Bucket": bucket, "CopySource": f"{source}/source"}
        for client, condition in [(s3, {"IfNoneMatch": "*"}), (other_gateway, {"IfMatch": '"' + "0" * 32 + '"'})]:
            assert error_of(client.copy_object, **copy, Key="k", **condition) == (412, "PreconditionFailed")
        assert error_of(s3.copy_object, **copy, Key="none", IfMatch=there) == (404, "NoSuchKey")
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old"
        other_gateway.copy_object(**copy, Key="k", IfMatch=there)
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"
        s3.delete_object(Bucket=bucket, Key="k")
        s3.copy_object(**copy, Key="k", IfNoneMatch="*")
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"
