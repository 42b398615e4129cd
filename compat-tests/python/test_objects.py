"""Objects: bytes in are bytes out, with what belongs to them."""

import hashlib

import pytest
from conftest import content, error_of, make_client

SIZES = [0, 1, 1023, 16 * 1024, 16 * 1024 + 1, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, 3_500_000]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_put_is_got_from_every_gateway(s3, other_gateway, bucket, size):
    body = content(size, seed=size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body)
    got = other_gateway.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body
    assert got["ContentLength"] == size
    head = other_gateway.head_object(Bucket=bucket, Key="k")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert put["ETag"] == got["ETag"] == head["ETag"] == listed["ETag"]
    assert head["ContentLength"] == listed["Size"] == size
    if size <= 16 * 1024:
        assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    else:
        assert "-" in put["ETag"] or put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'


def test_with_content_md5_the_etag_is_the_md5(s3, bucket):
    import base64

    body = content(300_000)
    digest = hashlib.md5(body)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, ContentMD5=base64.b64encode(digest.digest()).decode())
    assert put["ETag"] == f'"{digest.hexdigest()}"'
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert error_of(s3.put_object, Bucket=bucket, Key="w", Body=body, ContentMD5=wrong) == (400, "BadDigest")
    assert error_of(s3.put_object, Bucket=bucket, Key="w", Body=body, ContentMD5="nonsense") == (400, "InvalidDigest")
    assert error_of(s3.head_object, Bucket=bucket, Key="w") == (404, "404")


def test_overwriting_replaces_whole(s3, other_gateway, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=content(2_000_000, 1), ContentType="a/b", Metadata={"x": "1"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"short")
    got = other_gateway.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"short"
    assert got["Metadata"] == {} and got["ContentType"] == "binary/octet-stream"


def test_headers_and_metadata_come_back(s3, other_gateway, bucket):
    given = {
        "ContentType": "application/x-thing",
        "ContentEncoding": "gzip",
        "ContentDisposition": 'attachment; filename="a b.txt"',
        "ContentLanguage": "de-CH",
        "CacheControl": "max-age=7",
        "Metadata": {"stage": "map-1", "empty": ""},
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **given)
    head = other_gateway.head_object(Bucket=bucket, Key="k")
    assert {k: head[k] for k in given} == given


def test_metadata_beyond_2_kib_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"a": "v" * 2000})
    too_much = {"a": "v" * 2048}
    assert error_of(s3.put_object, Bucket=bucket, Key="l", Body=b"x", Metadata=too_much) == (400, "MetadataTooLarge")


ODD_KEYS = [
    "a", "a/b", "a//b", "//x", "/", "dir/", ".", "..", "../up", "a/./b", "sp ace", "pl+us", "per%cent", "per%20cent",
    "q?m=1&n", "hash#tag", "ünï/cödé", "日本語", "emoji-😀", "quote'\"", "<xml>&amp;", "tilde~", "star*(x)", "back\\slash",
    "tab\there", "k" * 1024, "semi;colon:", "a=b,c@d$e!f", "trailing ", " leading",
]


def test_odd_keys_are_plain_bytes(s3, other_gateway, bucket):
    for i, key in enumerate(ODD_KEYS):
        s3.put_object(Bucket=bucket, Key=key, Body=f"body {i}".encode())
    for i, key in enumerate(ODD_KEYS):
        assert other_gateway.get_object(Bucket=bucket, Key=key)["Body"].read() == f"body {i}".encode(), key
    listed = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(ODD_KEYS, key=str.encode)
    for key in ODD_KEYS:
        other_gateway.delete_object(Bucket=bucket, Key=key)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_key_of_1025_bytes_is_refused(s3, bucket):
    assert error_of(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"x") == (400, "KeyTooLongError")


def test_deleting_is_idempotent(s3, other_gateway, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for _ in range(2):
        assert other_gateway.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error_of(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    assert error_of(s3.head_object, Bucket=bucket, Key="k") == (404, "404")


def test_bulk_delete_reports_missing_keys_as_deleted(s3, bucket):
    keys = [f"k{i:04}" for i in range(1000)]
    for key in keys[:20]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys]})
    assert sorted(d["Key"] for d in answer["Deleted"]) == keys and "Errors" not in answer
    s3.put_object(Bucket=bucket, Key="q", Body=b"x")
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "q"}], "Quiet": True})
    assert "Deleted" not in quiet and "Errors" not in quiet
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_bulk_delete_of_more_than_1000_keys_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k0", Body=b"x")
    keys = [{"Key": f"k{i}"} for i in range(1001)]
    assert error_of(s3.delete_objects, Bucket=bucket, Delete={"Objects": keys}) == (400, "MalformedXML")
    s3.head_object(Bucket=bucket, Key="k0")


def test_storage_classes_are_known_or_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass="STANDARD_IA")
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "STANDARD_IA"
    bad = error_of(s3.put_object, Bucket=bucket, Key="l", Body=b"x", StorageClass="PLATINUM")
    assert bad == (400, "InvalidStorageClass")


@pytest.mark.parametrize("size", [0, 100, 16_385, 3_000_000])
def test_the_same_content_has_the_same_etag(s3, other_gateway, bucket, make_bucket, size):
    fast = make_bucket(etag="fast")
    for name in (bucket, fast):
        first = s3.put_object(Bucket=name, Key="k", Body=content(size))["ETag"]
        other = s3.put_object(Bucket=name, Key="k", Body=content(size, 1) + b"!")["ETag"]
        again = other_gateway.put_object(Bucket=name, Key="k", Body=content(size))["ETag"]
        assert first == again != other


@pytest.mark.parametrize("archive", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_is_shown_but_not_read(s3, bucket, make_bucket, archive):
    elsewhere, where = make_bucket(), {"Bucket": bucket, "Key": "k"}
    for body in (b"", b"x", content(50_000)):
        s3.put_object(**where, Body=body, StorageClass=archive)
        assert s3.head_object(**where)["StorageClass"] == archive
        assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == archive
        for arguments in ({}, {"Range": "bytes=0-0"} if body else {}):
            assert error_of(s3.get_object, **where, **arguments) == (403, "InvalidObjectState")
        for target in (bucket, elsewhere):
            copy = {"Bucket": target, "Key": "l", "CopySource": where}
            assert error_of(s3.copy_object, **copy) == (403, "InvalidObjectState")
    s3.put_object(**where, Body=b"y", StorageClass="GLACIER_IR")
    assert s3.get_object(**where)["Body"].read() == b"y"



def test_object_attributes(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm="SHA256")
    wanted = ["ETag", "Checksum", "ObjectSize", "StorageClass"]
    got = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=wanted)
    assert got["ETag"] == put["ETag"].strip('"')
    assert got["ObjectSize"] == 5
    assert got["Checksum"]["ChecksumSHA256"] == put["ChecksumSHA256"]
    assert got["StorageClass"] == "STANDARD"


@pytest.mark.parametrize(
    "options",
    [
        {"s3": {"payload_signing_enabled": True}},
        {"s3": {"payload_signing_enabled": False}},
        {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"},
        {"request_checksum_calculation": "when_supported", "response_checksum_validation": "when_supported"},
    ],
    ids=["signed payload", "unsigned payload", "checksums when required", "checksums when supported"],
)
@pytest.mark.parametrize("size", [0, 5, 100_000])
def test_every_payload_mode(bucket, options, size):
    client = make_client(**options)
    body = content(size)
    client.put_object(Bucket=bucket, Key="k", Body=body)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_a_stream_of_unknown_kind_but_known_length(s3, bucket, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(content(400_000))
    with path.open("rb") as file:
        s3.put_object(Bucket=bucket, Key="k", Body=file)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == path.read_bytes()


def test_response_overrides(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="a/b")
    overrides = {
        "ContentType": "c/d",
        "CacheControl": "no-store",
        "ContentDisposition": "inline",
        "ContentLanguage": "fr",
        "ContentEncoding": "identity",
    }
    for call in [s3.get_object, s3.head_object]:
        got = call(Bucket=bucket, Key="k", **{f"Response{name}": value for name, value in overrides.items()})
        assert {name: got[name] for name in overrides} == overrides
