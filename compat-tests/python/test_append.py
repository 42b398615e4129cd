"""Append: PutObject with an offset adds behind what is there, if the offset is the object's size."""

import base64
import concurrent.futures
import zlib

import pytest
from conftest import content, error_of, make_client


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


@pytest.fixture
def where(bucket):
    return {"Bucket": bucket, "Key": "log"}


def test_appends_of_all_sizes_make_one_object(s3, other_gateway, where):
    whole = b""
    for seed, size in enumerate([7, 100, 200_000, 1, 3_000_000, 16_384, 16_384, 9]):
        body = content(size, seed)
        put = (s3, other_gateway)[seed % 2].put_object(**where, Body=body, WriteOffsetBytes=len(whole))
        whole += body
        assert put["Size"] == len(whole)
        got = other_gateway.get_object(**where)
        assert got["Body"].read() == whole and got["ETag"] == put["ETag"]
    assert s3.list_objects_v2(Bucket=where["Bucket"])["Contents"][0]["Size"] == len(whole)
    assert s3.get_object(**where, Range="bytes=90-200110")["Body"].read() == whole[90:200_111]
    assert "-" in s3.head_object(**where)["ETag"]


def test_many_small_appends(s3, where):
    lines = [f"line {n}\n".encode() * 20 for n in range(300)]
    offset = 0
    for line in lines:
        offset = s3.put_object(**where, Body=line, WriteOffsetBytes=offset)["Size"]
    assert s3.get_object(**where)["Body"].read() == b"".join(lines)


def test_a_wrong_offset_is_refused_and_changes_nothing(s3, where):
    assert error_of(s3.put_object, **where, Body=b"x", WriteOffsetBytes=1) == (400, "InvalidWriteOffset")
    assert error_of(s3.head_object, **where) == (404, "404")
    etag = s3.put_object(**where, Body=b"hello")["ETag"]
    for offset in [0, 4, 6, 1 << 40]:
        for body in [b"x", content(100_000)]:
            refused = error_of(s3.put_object, **where, Body=body, WriteOffsetBytes=offset)
            assert refused == (400, "InvalidWriteOffset")
    assert error_of(s3.put_object, **where, Body=b"", WriteOffsetBytes=5) == (400, "InvalidRequest")
    assert error_of(s3.put_object, **where, Body=b"x", WriteOffsetBytes=-1)[0] == 400
    got = s3.get_object(**where)
    assert got["Body"].read() == b"hello" and got["ETag"] == etag


def test_an_append_keeps_what_was_said_at_creation(s3, where):
    s3.put_object(**where, Body=b"a", WriteOffsetBytes=0, ContentType="a/b", Metadata={"m": "1"})
    refused = error_of(s3.put_object, **where, Body=b"b", WriteOffsetBytes=1, Metadata={"m": "2"})
    assert refused == (400, "InvalidRequest")
    s3.put_object(**where, Body=b"b", WriteOffsetBytes=1)
    got = s3.get_object(**where)
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"ab", "a/b", {"m": "1"})


def test_conditions_of_appends(s3, where):
    etag = s3.put_object(**where, Body=b"a", WriteOffsetBytes=0, IfNoneMatch="*")["ETag"]
    append = {**where, "Body": b"b", "WriteOffsetBytes": 1}
    assert error_of(s3.put_object, **append, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert error_of(s3.put_object, **append, IfMatch='"' + "0" * 32 + '"') == (412, "PreconditionFailed")
    s3.put_object(**append, IfMatch=etag)
    assert s3.get_object(**where)["Body"].read() == b"ab"


def test_checksums_are_combined(s3, other_gateway, where):
    bodies = [content(1_000), content(50_000, 1), b"end"]
    offset = 0
    for body in bodies:
        offset = s3.put_object(**where, Body=body, WriteOffsetBytes=offset, ChecksumAlgorithm="CRC32")["Size"]
    got = other_gateway.get_object(**where, ChecksumMode="ENABLED")
    assert got["ChecksumCRC32"] == crc32(b"".join(bodies)) and got["Body"].read() == b"".join(bodies)
    other = error_of(s3.put_object, **where, Body=b"x", WriteOffsetBytes=offset, ChecksumAlgorithm="SHA256")
    assert other == (400, "InvalidRequest")
    plain = make_client(request_checksum_calculation="when_required")
    plain.put_object(**where, Body=b"x", WriteOffsetBytes=offset)
    assert "ChecksumCRC32" not in s3.head_object(**where, ChecksumMode="ENABLED")


def test_a_checksum_that_cannot_be_combined_is_dropped(s3, where):
    s3.put_object(**where, Body=b"a", ChecksumAlgorithm="SHA256")
    s3.put_object(**where, Body=b"b", WriteOffsetBytes=1, ChecksumAlgorithm="SHA256")
    assert "ChecksumSHA256" not in s3.head_object(**where, ChecksumMode="ENABLED")


def test_of_racing_appends_one_wins(s3, other_gateway, where):
    for offset in range(5):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:

            def append(n, offset=offset):
                client = (s3, other_gateway)[n % 2]
                try:
                    client.put_object(**where, Body=bytes([n]), WriteOffsetBytes=offset)
                except client.exceptions.ClientError as error:
                    return error.response["Error"]["Code"]

            outcomes = list(pool.map(append, range(8)))
        assert sorted(outcomes, key=str) == ["InvalidWriteOffset"] * 7 + [None]
    assert s3.head_object(**where)["ContentLength"] == 5


def test_an_uploaded_object_can_be_appended_to_and_copied(s3, where):
    upload_id = s3.create_multipart_upload(**where)["UploadId"]
    tag = s3.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=b"part")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    s3.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload=parts)
    s3.put_object(**where, Body=b" and more", WriteOffsetBytes=4)
    for i in range(6):  # several destinations, so that some live on another shard
        s3.copy_object(Bucket=where["Bucket"], Key=f"copy{i}", CopySource=where)
        assert s3.get_object(Bucket=where["Bucket"], Key=f"copy{i}")["Body"].read() == b"part and more"
