"""CreateSession: what SDKs do by themselves where a bucket's name ends like that of an Express zone."""

import datetime

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
import requests
from conftest import ENDPOINTS, REGION, content, error_of, make_client, new_name

GOOD_FOR = datetime.timedelta(minutes=5)


@pytest.fixture
def zone_bucket(s3):
    """A bucket that SDKs take for one of an Express zone. It is made by a client that does not know of zones."""
    name = new_name() + "--use1-az4--x-s3"
    assert signed("PUT", f"/{name}").status_code == 200
    yield name
    assert signed("DELETE", f"/{name}", x_pocket_force_delete="true").status_code == 204


def signed(method, path, body=b"", keys=None, service="s3", endpoint=ENDPOINTS[0], **headers):
    """A request signed by hand, with plain credentials or with those of a session."""
    mine = boto3.Session().get_credentials()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
    if keys:
        headers["x-amz-s3session-token"] = keys["SessionToken"]
        mine = botocore.credentials.Credentials(keys["AccessKeyId"], keys["SecretAccessKey"])
    request = botocore.awsrequest.AWSRequest(method, endpoint + path, headers, body)
    botocore.auth.S3SigV4Auth(mine, service, REGION).add_auth(request)
    return requests.request(method, endpoint + path, headers=dict(request.headers), data=body, timeout=30)


def code_of(answer):
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_boto3_opens_sessions_by_itself_and_does_its_work_in_them(zone_bucket):
    client = make_client()
    opened = []
    client.meta.events.register("before-send.s3.CreateSession", lambda **_: opened.append(1))
    tokens = []
    keep = lambda request, **_: tokens.append(request.headers.get("x-amz-s3session-token"))  # noqa: E731
    client.meta.events.register("before-send.s3.PutObject", keep)
    body = content(300_000)
    client.put_object(Bucket=zone_bucket, Key="dir/k", Body=body, Metadata={"a": "b"})
    assert opened and tokens[0], "the SDK did not take it for an Express zone"
    found = client.get_object(Bucket=zone_bucket, Key="dir/k")
    assert (found["Body"].read(), found["Metadata"]) == (body, {"a": "b"})
    assert client.head_object(Bucket=zone_bucket, Key="dir/k")["ContentLength"] == len(body)
    client.copy_object(Bucket=zone_bucket, Key="copy", CopySource={"Bucket": zone_bucket, "Key": "dir/k"})
    upload = client.create_multipart_upload(Bucket=zone_bucket, Key="parts")["UploadId"]
    where = {"Bucket": zone_bucket, "Key": "parts", "UploadId": upload}
    tag = client.upload_part(**where, PartNumber=1, Body=body)["ETag"]
    client.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    listed = client.list_objects_v2(Bucket=zone_bucket)["Contents"]
    assert [o["Key"] for o in listed] == ["copy", "dir/k", "parts"]
    client.delete_objects(Bucket=zone_bucket, Delete={"Objects": [{"Key": "copy"}, {"Key": "parts"}]})
    client.delete_object(Bucket=zone_bucket, Key="dir/k")
    assert client.list_objects_v2(Bucket=zone_bucket)["KeyCount"] == 0
    assert len(opened) == 1, "one session serves many requests"


def open_session(s3, bucket, mode):
    answer = signed("GET", f"/{bucket}?session", service="s3express", x_amz_create_session_mode=mode)
    assert answer.status_code == 200, answer.text
    cut = lambda tag: answer.text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]  # noqa: E731
    keys = {name: cut(name) for name in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"]}
    ends = datetime.datetime.fromisoformat(keys["Expiration"].replace("Z", "+00:00"))
    left = ends - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=4) < left <= GOOD_FOR
    return keys


def test_a_session_is_good_at_every_gateway_for_its_bucket_and_mode(s3, bucket, make_bucket):
    other = make_bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_object(Bucket=other, Key="secret", Body=b"secret")
    reads, writes = open_session(s3, bucket, "ReadOnly"), open_session(s3, bucket, "ReadWrite")
    assert reads["SecretAccessKey"] != boto3.Session().get_credentials().secret_key
    for endpoint in ENDPOINTS:

        def ask(method, path, keys, **headers):
            return code_of(signed(method, path, keys=keys, service="s3express", endpoint=endpoint, **headers))

        denied = (403, "AccessDenied")
        assert ask("GET", f"/{bucket}/k", reads) == (200, "")
        assert ask("GET", f"/{bucket}?list-type=2", reads) == (200, "")
        assert ask("PUT", f"/{bucket}/new", reads) == denied
        assert ask("DELETE", f"/{bucket}/k", reads) == denied
        assert ask("PUT", f"/{bucket}/new", writes) == (200, "")
        assert ask("DELETE", f"/{bucket}/new", writes) == (204, "")
        for keys in [reads, writes]:
            assert ask("GET", f"/{other}/secret", keys) == denied
            assert ask("DELETE", f"/{bucket}", keys) == denied
            assert ask("GET", f"/{bucket}?session", keys) == denied
            assert ask("GET", "/", keys) == denied
        source = {"x_amz_copy_source": f"/{other}/secret"}
        assert ask("PUT", f"/{bucket}/stolen", writes, **source) == denied
        assert ask("PUT", f"/{bucket}/copy", writes, x_amz_copy_source=f"/{bucket}/k") == (200, "")
    assert error_of(s3.head_object, Bucket=bucket, Key="stolen") == (404, "404")


def test_a_bent_session_is_refused(s3, bucket):
    keys = open_session(s3, bucket, "ReadOnly")
    token = keys["SessionToken"]
    for bent in [token[:-8] + "AAAAAAA=", "x", token[4:]]:
        answer = signed("GET", f"/{bucket}?list-type=2", keys={**keys, "SessionToken": bent}, service="s3express")
        assert code_of(answer) == (400, "InvalidToken")
    # The token of one mode with the secret of the other.
    writes = open_session(s3, bucket, "ReadWrite")
    mixed = {**writes, "SecretAccessKey": keys["SecretAccessKey"]}
    answer = signed("PUT", f"/{bucket}/k", keys=mixed, service="s3express")
    assert code_of(answer) == (403, "SignatureDoesNotMatch")
    mine = boto3.Session().get_credentials()
    own = {**writes, "AccessKeyId": mine.access_key, "SecretAccessKey": mine.secret_key}
    assert code_of(signed("PUT", f"/{bucket}/k", keys=own))[1] == "SignatureDoesNotMatch"
    unsigned = requests.get(f"{ENDPOINTS[0]}/{bucket}/k", headers={"x-amz-s3session-token": token}, timeout=20)
    assert code_of(unsigned) == (400, "InvalidToken")


def test_sessions_are_refused_where_they_cannot_be(s3, bucket):
    def ask(path, **headers):
        return code_of(signed("GET", path, service="s3express", **headers))

    assert ask(f"/{bucket}?session", x_amz_create_session_mode="Write") == (400, "InvalidArgument")
    assert ask(f"/{new_name()}?session") == (404, "NoSuchBucket")
    assert ask(f"/{bucket}?session", x_amz_server_side_encryption="AES256") == (501, "NotImplemented")
    assert ask(f"/{bucket}/k?session")[0] in (400, 501)
    assert code_of(requests.get(f"{ENDPOINTS[0]}/{bucket}?session", timeout=20)) == (403, "AccessDenied")
