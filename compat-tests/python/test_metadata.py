"""What is stored beside the bytes and how it is written in headers."""

import datetime
import email.header

import pytest
from conftest import content, error_of

VALUES = {
    "empty": "",
    "spaces inside": "a  b",
    "quotes": "\"a\" 'b'",
    "punctuation": "!#$%&()*+,-./:;<=>?@[]^_`{|}~",
    "long": "v" * 1900,
    "looks encoded": "%41%20",
    "json": '{"stage": 3, "parts": [1, 2]}',
    "base64": "dGhlIHF1aWNr==",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize("how", ["put", "multipart", "replaced by a copy"])
def test_metadata_come_back_as_they_were_sent(s3, other_gateway, bucket, value, how):
    metadata, where = {"it": value}, {"Bucket": bucket, "Key": "k"}
    if how == "put":
        s3.put_object(**where, Body=b"x", Metadata=metadata)
    elif how == "multipart":
        upload = s3.create_multipart_upload(**where, Metadata=metadata)["UploadId"]
        etag = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
        s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    else:
        s3.put_object(**where, Body=b"x", Metadata={"it": "other"})
        s3.copy_object(**where, CopySource=where, MetadataDirective="REPLACE", Metadata=metadata)
    assert other_gateway.head_object(**where)["Metadata"] == metadata
    assert other_gateway.get_object(**where)["Metadata"] == metadata


def test_metadata_that_are_not_ascii_travel_as_rfc_2047_says(s3, other_gateway, bucket):
    encoded = email.header.Header("grüße 日本", "utf-8").encode()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"it": encoded})
    back = other_gateway.head_object(Bucket=bucket, Key="k")["Metadata"]["it"]
    assert str(email.header.make_header(email.header.decode_header(back))) == "grüße 日本"


def test_names_of_metadata_have_no_case(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"MiXed-Case": "Value"})
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"mixed-case": "Value"}


@pytest.mark.parametrize("bytes_, taken", [(2048, True), (2049, False)])
def test_names_and_values_together_have_at_most_2_kib(s3, bucket, bytes_, taken):
    metadata = {"abcd": "v" * (bytes_ - 4)}
    if taken:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata=metadata)
        assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == metadata
    else:
        assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"x", Metadata=metadata) == (400, "MetadataTooLarge")
        assert error_of(s3.head_object, Bucket=bucket, Key="k")[0] == 404


@pytest.mark.parametrize(
    "name, value",
    [
        ("ContentType", "text/html; charset=utf-8"),
        ("ContentType", "application/vnd.apache.parquet"),
        ("ContentEncoding", "zstd"),
        ("ContentEncoding", "gzip, br"),
        ("ContentDisposition", "attachment; filename*=UTF-8''na%C3%AFve.txt"),
        ("ContentLanguage", "en, de"),
        ("CacheControl", "public, max-age=31536000, immutable"),
    ],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_headers_of_an_object(s3, other_gateway, bucket, name, value, size):
    s3.put_object(Bucket=bucket, Key="k", Body=content(size), **{name: value})
    assert other_gateway.head_object(Bucket=bucket, Key="k")[name] == value
    got = other_gateway.get_object(Bucket=bucket, Key="k", Range="bytes=0-0")
    assert got[name] == value


def test_expires_is_a_date_that_comes_back(s3, bucket):
    date = datetime.datetime(2031, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Expires=date)
    assert s3.head_object(Bucket=bucket, Key="k")["ExpiresString"] == "Tue, 06 May 2031 07:08:09 GMT"


@pytest.mark.parametrize("said", ["0", "-1", "never", "Sunday, 06-Nov-94 08:49:37 GMT", "2031-05-06T07:08:09Z"])
def test_expires_is_any_text_that_comes_back(signed, bucket, said):
    """Pages are told to keep nothing by a date that is none, and S3 keeps what it is given."""
    assert signed("PUT", f"/{bucket}/k", b"x", expires=said).status_code == 200
    for method in ["GET", "HEAD"]:
        assert signed(method, f"/{bucket}/k").headers["expires"] == said


def test_what_is_not_said_has_s3s_defaults(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentType"] == "binary/octet-stream" and head["Metadata"] == {} and head["AcceptRanges"] == "bytes"
    for absent in ["ContentEncoding", "CacheControl", "StorageClass", "VersionId", "Expiration", "ServerSideEncryption"]:
        assert absent not in head
