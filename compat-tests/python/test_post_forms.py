"""POST of an object by an HTML form, as boto3 signs it, browsers send it and S3 answers it."""

import base64
import datetime
import hashlib
import hmac
import json
import urllib.parse

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from conftest import ENDPOINTS, REGION, content, error_of, exists, make_client, new_name

EXPIRED = "Invalid according to Policy: Policy expired."


@pytest.fixture(params=["s3v4", None], ids=["SigV4", "default"])
def form(request, bucket):
    """Makes forms for the bucket, as an application makes them for a browser. Unless told otherwise, boto3 signs them with
    SigV2 in us-east-1."""
    client = make_client(signature_version=request.param) if request.param else make_client()

    def make(key="k", fields=None, conditions=None, expires=60):
        conditions = [{name: value} for name, value in (fields or {}).items()] if conditions is None else conditions
        return client.generate_presigned_post(bucket, key, Fields=fields, Conditions=conditions, ExpiresIn=expires)

    return make


def send(form, body=b"file", filename="file.txt", more=None, **options):
    """Posts a form; the file comes last."""
    fields = {**form["fields"], **(more or {})}
    files = {"file": (filename, body)}
    return requests.post(form["url"], data=fields, files=files, allow_redirects=False, timeout=60, **options)


def code_of(answer):
    """(status, code) of an S3 error."""
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


def message_of(answer):
    return answer.text.partition("<Message>")[2].partition("</Message>")[0].replace("&quot;", '"')


def sign(policy, bucket, key="k", **fields):
    """A form with any policy, signed by hand: boto3 adds conditions of its own and always writes good JSON."""
    keys = boto3.Session().get_credentials()
    now = datetime.datetime.now(datetime.timezone.utc)
    day, stamp = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    credential = f"{keys.access_key}/{day}/{REGION}/s3/aws4_request"
    own = {"x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": credential, "x-amz-date": stamp}
    if isinstance(policy, list):
        expiration = (now + datetime.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        policy = json.dumps({"expiration": expiration, "conditions": policy + [{n: v} for n, v in own.items()]})
    text = base64.b64encode(policy.encode()).decode()
    signing = ("AWS4" + keys.secret_key).encode()
    for part in [day, REGION, "s3", "aws4_request", text]:
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    signed = {"key": key, **own, **fields, "policy": text, "x-amz-signature": signing.hex()}
    return {"url": f"{ENDPOINTS[0]}/{bucket}", "fields": signed}


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 1 << 20, 5_000_011])
def test_a_file_of_any_size_becomes_an_object(s3, other_gateway, bucket, form, size):
    body = content(size)
    answer = send(form(), body)
    assert (answer.status_code, answer.content) == (204, b"")
    found = other_gateway.get_object(Bucket=bucket, Key="k")
    assert found["Body"].read() == body
    assert found["ETag"] == answer.headers["ETag"] and found["ContentType"] == "binary/octet-stream"
    if size <= 16_384:
        assert answer.headers["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert answer.headers["Location"] == f"{ENDPOINTS[0]}/{bucket}/k"
    # A range across the chunks, as one that was put.
    if size > 1 << 20:
        part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={(1 << 20) - 7}-{(1 << 20) + 9}")["Body"].read()
        assert part == body[(1 << 20) - 7 : (1 << 20) + 10]


def test_the_key_takes_the_name_of_the_file(s3, bucket, form):
    for filename, key in [("a b+ü.txt", "dir/a b+ü.txt"), ("C:\\dir\\photo.jpg", "dir/photo.jpg"), ("/x/y.z", "dir/y.z")]:
        answer = send(form("dir/${filename}", {"success_action_status": "201"}), filename=filename)
        assert answer.status_code == 201, answer.text
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"file"
        assert f"<Key>{key}</Key>" in answer.text
        location = f"{ENDPOINTS[0]}/{bucket}/{urllib.parse.quote(key, safe='')}"
        assert f"<Location>{location}</Location>" in answer.text and answer.headers["Location"] == location


def test_the_fields_say_what_a_put_would_say(s3, bucket, form):
    said = {
        "Content-Type": "text/plain; charset=utf-8",
        "Cache-Control": "max-age=5",
        "Content-Disposition": 'attachment; filename="x.txt"',
        "Content-Language": "de",
        "x-amz-meta-Colour": "hellblau",
        "x-amz-storage-class": "STANDARD",
        "acl": "private",
        "tagging": "<Tagging><TagSet><Tag><Key>a b</Key><Value>c+d</Value></Tag></TagSet></Tagging>",
    }
    assert send(form(fields=said)).status_code == 204
    found = s3.head_object(Bucket=bucket, Key="k")
    assert found["ContentType"] == "text/plain; charset=utf-8"
    assert (found["CacheControl"], found["ContentLanguage"]) == ("max-age=5", "de")
    assert found["ContentDisposition"] == 'attachment; filename="x.txt"'
    assert found["Metadata"] == {"colour": "hellblau"}
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a b", "Value": "c+d"}]


def test_metadata_of_a_form_may_be_any_text(s3, bucket, form):
    assert send(form(fields={"x-amz-meta-name": "grün — 日本"})).status_code == 204
    encoded = s3.head_object(Bucket=bucket, Key="k")["Metadata"]["name"]
    import email.header

    assert str(email.header.make_header(email.header.decode_header(encoded))) == "grün — 日本"


def test_hints_come_as_metadata_as_tags_and_as_fields(s3, bucket, form):
    tag = "<Tagging><TagSet><Tag><Key>pocket:ttl</Key><Value>1h</Value></Tag></TagSet></Tagging>"
    for fields in [{"x-amz-meta-pocket-ttl": "1h"}, {"tagging": tag}, {"x-pocket-ttl": "1h"}]:
        assert send(form(fields=fields)).status_code == 204
        assert "expiry-date" in s3.head_object(Bucket=bucket, Key="k")["Expiration"]
    once = form("once", {"x-amz-meta-pocket-reads": "1"})
    assert send(once).status_code == 204
    assert s3.get_object(Bucket=bucket, Key="once")["Body"].read() == b"file"
    assert error_of(s3.get_object, Bucket=bucket, Key="once") == (404, "NoSuchKey")
    assert code_of(send(form(fields={"x-amz-meta-pocket-ttl": "soon"}))) == (400, "InvalidArgument")


def test_success_is_answered_as_the_form_asks(form):
    for status, expected in [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204)]:
        answer = send(form(fields={"success_action_status": status}))
        assert answer.status_code == expected
        assert answer.headers["ETag"] == f'"{hashlib.md5(b"file").hexdigest()}"'
        assert ("<PostResponse>" in answer.text) == (expected == 201)


def test_success_may_redirect(bucket, form):
    etag = hashlib.md5(b"file").hexdigest()
    for name in ["success_action_redirect", "redirect"]:
        answer = send(form("a b/c", {name: "http://example.com/done?x=1"}))
        assert answer.status_code == 303 and answer.content == b""
        query = f"bucket={bucket}&key=a+b%2Fc&etag=%22{etag}%22"
        assert answer.headers["Location"] == f"http://example.com/done?x=1&{query}"
    # What is no URL counts as not said.
    assert send(form(fields={"success_action_redirect": "/relative"})).status_code == 204


def test_names_of_fields_and_conditions_have_no_case(s3, bucket):
    conditions = [{"bUcKeT": bucket}, ["StArTs-WiTh", "$KeY", "foo"], {"AcL": "private"}]
    made = sign(conditions, bucket, key="foo.txt", aCl="private")
    fields = {name.upper(): value for name, value in made["fields"].items()}
    assert send({**made, "fields": fields}).status_code == 204
    assert exists(s3, bucket, "foo.txt")


def test_every_condition_is_held(s3, bucket):
    base = [{"bucket": bucket}, ["starts-with", "$key", "user/"]]
    for condition, fields, shown in [
        ({"acl": "private"}, {"acl": "bucket-owner-full-control"}, '["eq", "$acl", "private"]'),
        (["eq", "$acl", "private"], {"acl": "Private"}, '["eq", "$acl", "private"]'),
        (["starts-with", "$x-amz-meta-a", "b"], {"x-amz-meta-a": "cb"}, '["starts-with", "$x-amz-meta-a", "b"]'),
        (["starts-with", "$Content-Type", ""], {}, '["starts-with", "$Content-Type", ""]'),
        (
            ["starts-with", "$Content-Type", "image/"],
            {"Content-Type": "image/png,text/plain"},
            '["starts-with", "$Content-Type", "image/"]',
        ),
    ]:
        answer = send(sign(base + [condition], bucket, key="user/k", **fields))
        assert code_of(answer) == (403, "AccessDenied")
        assert message_of(answer) == f"Invalid according to Policy: Policy Condition failed: {shown}"
    answer = send(sign(base, bucket, key="other/k"))
    assert message_of(answer).endswith('Policy Condition failed: ["starts-with", "$key", "user/"]')
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_field_that_no_condition_is_about_is_refused(s3, bucket, form):
    answer = send(form(), more={"x-amz-meta-extra": "1"})
    assert code_of(answer) == (403, "AccessDenied")
    assert message_of(answer) == "Invalid according to Policy: Extra input fields: x-amz-meta-extra"
    answer = send(sign([{"key": "k"}], bucket))
    assert message_of(answer) == "Invalid according to Policy: Extra input fields: bucket"
    assert not exists(s3, bucket, "k")
    assert send(form(), more={"x-ignore-me": "1"}).status_code == 204


@pytest.mark.parametrize("size, expected", [(4, "EntityTooSmall"), (5, None), (10, None), (11, "EntityTooLarge")])
def test_the_file_has_an_allowed_length(s3, bucket, form, size, expected):
    answer = send(form(conditions=[["content-length-range", 5, 10]]), b"x" * size)
    if expected is None:
        assert answer.status_code == 204
    else:
        assert code_of(answer) == (400, expected)
        bound = "<MinSizeAllowed>5</MinSizeAllowed>" if size < 5 else "<MaxSizeAllowed>10</MaxSizeAllowed>"
        assert f"<ProposedSize>{size}</ProposedSize>{bound}" in answer.text
    assert exists(s3, bucket, "k") == (expected is None)


def test_a_large_file_outside_of_its_range_leaves_nothing(s3, bucket, form):
    for conditions, expected in [
        ([["content-length-range", 0, 1_000_000]], "EntityTooLarge"),
        ([["content-length-range", 9_000_000, 10_000_000]], "EntityTooSmall"),
    ]:
        assert code_of(send(form(conditions=conditions), content(3_000_000))) == (400, expected)
        assert not exists(s3, bucket, "k")


def test_a_policy_ends(bucket, form):
    answer = send(form(expires=-1))
    assert (code_of(answer), message_of(answer)) == ((403, "AccessDenied"), EXPIRED)


def test_bad_policies_are_refused(bucket):
    now = datetime.datetime.now(datetime.timezone.utc)
    good = (now + datetime.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for policy in [
        "not json",
        '{"expiration": "%s"}' % good,
        '{"conditions": []}',
        '{"EXPIRATION": "%s", "conditions": []}' % good,
        '{"expiration": "%s", "CONDITIONS": []}' % good,
        '{"expiration": "%s", "conditions": [{}]}' % good,
        '{"expiration": "%s", "conditions": []}' % now,
        '{"expiration": "%s", "conditions": [["content-length-range", 0]]}' % good,
        '{"expiration": "%s", "conditions": [["content-length-range", -1, 0]]}' % good,
        '{"expiration": "%s", "conditions": [{"a": "b", "c": "d"}]}' % good,
    ]:
        answer = send(sign(policy, bucket))
        assert code_of(answer) == (400, "InvalidPolicyDocument"), (policy, answer.text)


@pytest.mark.parametrize(
    "version, names",
    [
        ("s3v4", ["x-amz-signature", "x-amz-credential", "x-amz-algorithm", "x-amz-date", "policy", "key"]),
        ("s3", ["AWSAccessKeyId", "signature", "policy", "key"]),
    ],
    ids=["SigV4", "SigV2"],
)
def test_a_form_needs_its_signature(s3, bucket, version, names):
    made = make_client(signature_version=version).generate_presigned_post(bucket, "k")
    wrong = {**made["fields"], names[0]: made["fields"][names[0]][::-1]}
    assert code_of(send({**made, "fields": wrong}))[0] == 403
    cut = {**made["fields"], "policy": made["fields"]["policy"][:-4]}
    assert code_of(send({**made, "fields": cut})) == (403, "SignatureDoesNotMatch")
    for name in names:
        fields = {other: value for other, value in made["fields"].items() if other != name}
        answer = send({**made, "fields": fields})
        assert code_of(answer) == (400, "InvalidArgument")
        assert f"must contain a field named '{name.lower()}'" in message_of(answer).lower()
    unknown = boto3.client(
        "s3",
        endpoint_url=ENDPOINTS[0],
        region_name=REGION,
        aws_access_key_id="AKIANOBODY",
        aws_secret_access_key="x",
        config=Config(signature_version=version),
    )
    assert code_of(send(unknown.generate_presigned_post(bucket, "k"))) == (403, "InvalidAccessKeyId")
    assert not exists(s3, bucket, "k")


def test_a_form_that_nobody_signed_writes_to_no_private_bucket(s3, bucket):
    config = Config(signature_version=UNSIGNED)
    client = boto3.client("s3", endpoint_url=ENDPOINTS[0], region_name=REGION, config=config)
    made = client.generate_presigned_post(bucket, "k")
    assert "policy" not in made["fields"]
    assert code_of(send(made)) == (403, "AccessDenied")
    assert not exists(s3, bucket, "k")


def test_a_form_is_for_its_bucket_alone(s3, make_bucket, form):
    other = make_bucket()
    assert code_of(send({**form(), "url": f"{ENDPOINTS[0]}/{other}"})) == (403, "AccessDenied")
    missing = new_name()
    assert code_of(send(s3.generate_presigned_post(missing, "k"))) == (404, "NoSuchBucket")
    assert not exists(s3, other, "k")


def test_what_is_no_form_is_refused(s3, bucket, form):
    made = form()
    answer = requests.post(made["url"], data=made["fields"], timeout=20)
    assert code_of(answer) == (412, "PreconditionFailed")
    no_boundary = {"Content-Type": "multipart/form-data"}
    assert code_of(requests.post(made["url"], data=b"--x--", headers=no_boundary, timeout=20))[0] == 400
    # requests makes a form of files alone: this one has every field, and no file.
    fields = {name: (None, value) for name, value in made["fields"].items()}
    answer = requests.post(made["url"], files=fields, timeout=20)
    assert code_of(answer) == (400, "InvalidArgument")
    assert message_of(answer) == "POST requires exactly one file upload per request."
    two = [("file", ("a", b"1")), ("file", ("b", b"2"))]
    assert code_of(requests.post(made["url"], data=made["fields"], files=two, timeout=20)) == (400, "InvalidArgument")
    assert not exists(s3, bucket, "k")


def test_fields_before_the_file_have_a_bound(s3, bucket, form):
    answer = send(form(), more={"x-ignore-long": "x" * 21_000})
    assert code_of(answer) == (400, "MaxPostPreDataLengthExceededError")
    assert send(form(), more={"x-ignore-long": "x" * 15_000}).status_code == 204


def test_fields_that_nobody_acts_on_are_refused(s3, bucket, form):
    for field, value, expected in [
        ("x-amz-server-side-encryption", "AES256", (501, "NotImplemented")),
        ("x-amz-storage-class", "NO_SUCH_CLASS", (400, "InvalidStorageClass")),
        ("x-amz-website-redirect-location", "/x", (501, "NotImplemented")),
        ("tagging", "not xml", (400, "MalformedXML")),
        ("x-amz-security-token", "t", (400, "InvalidToken")),
    ]:
        assert code_of(send(form(fields={field: value}))) == expected, field
    assert not exists(s3, bucket, "k")


def test_checksums_of_a_form_are_held_and_kept(s3, bucket, form):
    body = content(200_000)
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    made = form(fields={"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": digest})
    assert code_of(send(made, body[:-1] + b"?")) == (400, "BadDigest")
    assert not exists(s3, bucket, "k")
    assert send(made, body).status_code == 204
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == digest
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    answer = send(form(fields={"Content-MD5": md5}), body)
    assert answer.headers["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert code_of(send(form(fields={"Content-MD5": md5}), b"other")) == (400, "BadDigest")
