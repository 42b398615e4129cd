"""Copies: what comes along, what is said anew, on which conditions."""

import datetime

import pytest
from conftest import content, error_of

NOBODYS = '"0123456789abcdef0123456789abcdef"'
SIZES = [0, 7, 16 * 1024, 16 * 1024 + 1, 2_500_000]
HEADERS = {
    "ContentType": "application/x-a",
    "ContentEncoding": "gzip",
    "ContentDisposition": "inline",
    "ContentLanguage": "fr",
    "CacheControl": "no-cache",
    "Metadata": {"colour": "blue"},
}


def put(s3, bucket, key="source", size=7, **more):
    return s3.put_object(Bucket=bucket, Key=key, Body=content(size), **more)


def copied(s3, bucket, key="copy", source="source", **more):
    return s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": source}, **more)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("directive", [None, "COPY"])
def test_bytes_headers_and_metadata_come_along(s3, other_gateway, bucket, size, directive):
    put(s3, bucket, size=size, **HEADERS)
    answer = copied(s3, bucket, **({"MetadataDirective": directive} if directive else {}))
    got = other_gateway.get_object(Bucket=bucket, Key="copy")
    assert got["Body"].read() == content(size)
    assert {name: got[name] for name in HEADERS} == HEADERS
    assert got["ETag"] == answer["CopyObjectResult"]["ETag"]
    assert got["LastModified"] == answer["CopyObjectResult"]["LastModified"]


@pytest.mark.parametrize("size", SIZES)
def test_replace_takes_all_headers_from_the_request(s3, other_gateway, bucket, size):
    put(s3, bucket, size=size, **HEADERS)
    copied(s3, bucket, MetadataDirective="REPLACE", ContentType="text/x", Metadata={"shape": "round"})
    got = other_gateway.get_object(Bucket=bucket, Key="copy")
    assert got["Body"].read() == content(size)
    assert got["ContentType"] == "text/x" and got["Metadata"] == {"shape": "round"}
    assert "CacheControl" not in got and "ContentEncoding" not in got
    source = other_gateway.head_object(Bucket=bucket, Key="source")
    assert {name: source[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("size", SIZES)
def test_an_object_is_changed_by_copying_it_onto_itself(s3, other_gateway, bucket, size):
    put(s3, bucket, size=size)
    copied(s3, bucket, key="source", MetadataDirective="REPLACE", Metadata={"a": "b"})
    got = other_gateway.get_object(Bucket=bucket, Key="source")
    assert got["Body"].read() == content(size) and got["Metadata"] == {"a": "b"}


@pytest.mark.parametrize("size", SIZES)
def test_a_copy_replaces_what_was_there(s3, other_gateway, bucket, size):
    put(s3, bucket, key="copy", size=1_500_000, Metadata={"old": "yes"})
    put(s3, bucket, size=size)
    copied(s3, bucket)
    got = other_gateway.get_object(Bucket=bucket, Key="copy")
    assert got["Body"].read() == content(size) and got["Metadata"] == {}


@pytest.mark.parametrize("size", SIZES)
def test_copies_live_on_when_their_source_is_deleted_or_overwritten(s3, other_gateway, bucket, size):
    put(s3, bucket, size=size)
    copied(s3, bucket, key="one")
    copied(s3, bucket, key="two", source="one")
    s3.put_object(Bucket=bucket, Key="source", Body=b"other")
    s3.delete_object(Bucket=bucket, Key="one")
    assert other_gateway.get_object(Bucket=bucket, Key="two")["Body"].read() == content(size)


@pytest.mark.parametrize("form", ["{}/{}", "/{}/{}"])
@pytest.mark.parametrize("key", ["plain", "a b", "a+b", "ü/ö", "100%", "a//b", "q?x", "h#y"])
def test_sources_are_given_in_either_form(s3, bucket, form, key):
    put(s3, bucket, key=key)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=form.format(bucket, key))
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == content(7)


@pytest.mark.parametrize(
    "condition, holds",
    [
        (lambda etag, at: {"CopySourceIfMatch": etag}, True),
        (lambda etag, at: {"CopySourceIfMatch": etag.strip('"')}, True),
        (lambda etag, at: {"CopySourceIfMatch": NOBODYS}, False),
        (lambda etag, at: {"CopySourceIfNoneMatch": NOBODYS}, True),
        (lambda etag, at: {"CopySourceIfNoneMatch": etag}, False),
        (lambda etag, at: {"CopySourceIfModifiedSince": at - datetime.timedelta(hours=1)}, True),
        (lambda etag, at: {"CopySourceIfModifiedSince": at}, False),
        (lambda etag, at: {"CopySourceIfUnmodifiedSince": at}, True),
        (lambda etag, at: {"CopySourceIfUnmodifiedSince": at - datetime.timedelta(hours=1)}, False),
        # The tag goes before the date, in both pairs.
        (
            lambda etag, at: {"CopySourceIfMatch": etag, "CopySourceIfUnmodifiedSince": at - datetime.timedelta(hours=1)},
            True,
        ),
        (lambda etag, at: {"CopySourceIfNoneMatch": etag, "CopySourceIfModifiedSince": at - datetime.timedelta(hours=1)}, False),
    ],
    ids=[
        "same tag", "same tag without quotes", "another tag", "not another tag", "not the same tag", "modified since before",
        "not modified since", "unmodified since", "modified after that", "tag before date", "no tag before date",
    ],
)  # fmt: skip
def test_copies_on_conditions(s3, bucket, condition, holds):
    etag = put(s3, bucket)["ETag"]
    said = condition(etag, s3.head_object(Bucket=bucket, Key="source")["LastModified"])
    if holds:
        copied(s3, bucket, **said)
        s3.head_object(Bucket=bucket, Key="copy")
    else:
        refused = error_of(copied, s3=s3, bucket=bucket, **said)
        assert refused == (412, "PreconditionFailed")
        assert error_of(s3.head_object, Bucket=bucket, Key="copy")[0] == 404


@pytest.mark.parametrize("size", [7, 2_500_000])
def test_parts_are_copied_from_ranges(s3, other_gateway, bucket, size):
    put(s3, bucket, size=6 * 1024 * 1024)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="joined")["UploadId"]
    where = {"Bucket": bucket, "Key": "joined", "UploadId": upload}
    source = {"Bucket": bucket, "Key": "source"}
    parts = []
    for number, first, length in [(1, 100, 5 * 1024 * 1024), (2, 0, size)]:
        answer = s3.upload_part_copy(
            **where, PartNumber=number, CopySource=source, CopySourceRange=f"bytes={first}-{first + length - 1}"
        )
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    whole = content(6 * 1024 * 1024)
    expected = whole[100 : 100 + 5 * 1024 * 1024] + whole[:size]
    assert other_gateway.get_object(Bucket=bucket, Key="joined")["Body"].read() == expected


@pytest.mark.parametrize("range_", ["bytes=0-7", "bytes=7-9", "bytes=5-", "bytes=-3", "0-3", "bytes=5-4"])
def test_ranges_of_copied_parts_lie_within_the_source_and_name_both_ends(s3, bucket, range_):
    put(s3, bucket)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="joined")["UploadId"]
    where = {"Bucket": bucket, "Key": "joined", "UploadId": upload, "PartNumber": 1}
    source = {"Bucket": bucket, "Key": "source"}
    status, code = error_of(s3.upload_part_copy, **where, CopySource=source, CopySourceRange=range_)
    assert (status, code) in [(400, "InvalidArgument"), (416, "InvalidRange")]


@pytest.mark.parametrize(
    "source, expected",
    [
        ({"Key": "never"}, (404, "NoSuchKey")),
        ({"Bucket": "never-made-0123", "Key": "k"}, (404, "NoSuchBucket")),
        ({"Key": "source", "VersionId": "0123"}, (404, "NoSuchVersion")),
    ],
    ids=["key", "bucket", "version"],
)
def test_sources_that_are_not_there(s3, bucket, source, expected):
    put(s3, bucket)
    said = {"Bucket": bucket, **source}
    refused = error_of(s3.copy_object, Bucket=bucket, Key="copy", CopySource=said)
    assert refused == expected or (expected[1] == "NoSuchVersion" and refused == (400, "InvalidArgument"))
    assert error_of(s3.head_object, Bucket=bucket, Key="copy")[0] == 404
