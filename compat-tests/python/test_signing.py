"""Presigned URLs, addressing styles, keys and clocks."""

import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from conftest import ENDPOINTS, REGION, content, error_of, make_client


def fetch(method, url, body=None, **headers):
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture
def presigner():
    """boto3 presigns with SigV2 in us-east-1 unless told otherwise."""
    return make_client(signature_version="s3v4")


def test_presigned_urls(presigner, bucket):
    s3 = presigner
    where = {"Bucket": bucket, "Key": "dir/a b+c.bin"}
    body = content(100_000)
    put = s3.generate_presigned_url("put_object", Params=where, ExpiresIn=60)
    assert fetch("PUT", put, body)[0] == 200
    assert fetch("GET", s3.generate_presigned_url("get_object", Params=where)) == (200, body)
    assert fetch("HEAD", s3.generate_presigned_url("head_object", Params=where)) == (200, b"")
    assert fetch("DELETE", s3.generate_presigned_url("delete_object", Params=where))[0] == 204
    status, text = fetch("GET", s3.generate_presigned_url("get_object", Params=where))
    assert status == 404 and b"<Code>NoSuchKey</Code>" in text


def test_urls_presigned_with_sigv2_are_refused_with_advice(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    old = make_client(signature_version="s3")
    url = old.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert "AWSAccessKeyId=" in url and "Signature=" in url
    status, text = fetch("GET", url)
    assert status == 400 and b"<Code>InvalidRequest</Code>" in text
    advice = b"The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
    assert advice in text
    assert error_of(old.get_object, Bucket=bucket, Key="k") == (400, "InvalidRequest")


def test_a_presigned_url_is_for_its_request_alone(presigner, bucket):
    url = presigner.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    for method, changed in [("DELETE", url), ("GET", url.replace("/k?", "/l?")), ("GET", url + "&versionId=null")]:
        status, text = fetch(method, changed)
        assert status == 403 and b"SignatureDoesNotMatch" in text


def test_an_unsigned_copy_source_on_a_presigned_put_is_refused(s3, presigner, bucket):
    s3.put_object(Bucket=bucket, Key="secret", Body=b"secret")
    url = presigner.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    status, text = fetch("PUT", url, b"", **{"x-amz-copy-source": f"/{bucket}/secret"})
    assert status == 403 and b"AccessDenied" in text
    assert error_of(s3.head_object, Bucket=bucket, Key="k") == (404, "404")


def test_wrong_keys_are_refused(bucket):
    def client(**keys):
        return boto3.client("s3", endpoint_url=ENDPOINTS[0], region_name=REGION, **keys)

    unknown = client(aws_access_key_id="AKIANOBODY0000000000", aws_secret_access_key="x")
    assert error_of(unknown.list_buckets) == (403, "InvalidAccessKeyId")
    known = boto3.Session().get_credentials().access_key
    wrong = client(aws_access_key_id=known, aws_secret_access_key="wrong")
    assert error_of(wrong.list_buckets) == (403, "SignatureDoesNotMatch")


def test_anonymous_requests_are_refused(bucket):
    from botocore import UNSIGNED

    config = Config(signature_version=UNSIGNED)
    client = boto3.client("s3", endpoint_url=ENDPOINTS[0], region_name=REGION, config=config)
    assert error_of(client.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "auto"])
def test_any_region_may_sign(bucket, region):
    client = boto3.client("s3", endpoint_url=ENDPOINTS[0], region_name=region)
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_errors_carry_a_request_id(s3, bucket):
    with pytest.raises(s3.exceptions.NoSuchKey) as caught:
        s3.get_object(Bucket=bucket, Key="none")
    answer = caught.value.response
    assert answer["ResponseMetadata"]["RequestId"]
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]


def test_plain_clients_need_nothing_but_endpoint_and_keys(bucket):
    client = boto3.client("s3", endpoint_url=ENDPOINTS[0], region_name=REGION)
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert make_client(style="auto").head_object(Bucket=bucket, Key="k")["ContentLength"] == 1
