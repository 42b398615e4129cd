"""Presigned URLs, addressing styles, keys and clocks."""

import urllib.error
import urllib.request

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import ENDPOINTS, REGION, content, error_of, make_client


def fetch(method, url, body=None, **headers):
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture(params=["s3", "s3v4", None], ids=["SigV2", "SigV4", "default"])
def presigner(request):
    """Unless told otherwise, boto3 presigns with SigV2 in us-east-1."""
    return make_client(signature_version=request.param) if request.param else make_client()


def put(url, body, **headers):
    """PUT with no Content-Type but a given one: SigV2 covers it, and urllib would add its own."""
    return requests.put(url, data=body, headers=headers, timeout=20)


def test_presigned_urls(presigner, bucket):
    where = {"Bucket": bucket, "Key": "dir/a b+c~ü.bin"}

    def url(operation, **more):
        return presigner.generate_presigned_url(operation, Params={**where, **more}, ExpiresIn=60)

    body = content(100_000)
    assert put(url("put_object"), body).status_code == 200
    assert fetch("GET", url("get_object")) == (200, body)
    assert fetch("HEAD", url("head_object")) == (200, b"")
    answer = requests.get(
        url("get_object", ResponseContentDisposition='attachment; filename="a+b c.txt"', ResponseContentType="text/x"),
        timeout=20,
    )
    assert answer.headers["content-disposition"] == 'attachment; filename="a+b c.txt"'
    assert (answer.content, answer.headers["content-type"]) == (body, "text/x")
    listed = presigner.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket, "Prefix": "dir/"})
    status, text = fetch("GET", listed)
    assert status == 200 and b"<KeyCount>1</KeyCount>" in text
    assert fetch("DELETE", url("delete_object"))[0] == 204
    status, text = fetch("GET", url("get_object"))
    assert status == 404 and b"<Code>NoSuchKey</Code>" in text


def test_presigned_puts_carry_what_their_signer_said_of_the_object(presigner, s3, bucket):
    said = {"ContentType": "text/plain", "Metadata": {"colour": "light blue"}, "StorageClass": "STANDARD"}
    sent = {"content-type": "text/plain", "x-amz-meta-colour": "light blue", "x-amz-storage-class": "STANDARD"}
    url = presigner.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k", **said})
    assert put(url, b"x", **sent).status_code == 200
    found = s3.head_object(Bucket=bucket, Key="k")
    assert (found["ContentType"], found["Metadata"]) == ("text/plain", {"colour": "light blue"})
    for changed in [{"content-type": "text/html"}, {"x-amz-meta-colour": "red"}, {"x-amz-meta-size": "1"}]:
        answer = put(url, b"y", **{**sent, **changed})
        assert answer.status_code in (400, 403), answer.text
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_presigned_put_may_name_a_checksum_before_there_is_a_body(bucket):
    """With SigV4 boto3 makes headers of it, which the sender has to send."""
    for said in [{"ChecksumAlgorithm": "CRC32"}, {"ChecksumCRC32": "AAAAAA=="}]:
        url = make_client(signature_version="s3").generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k", **said})
        answer = put(url, b"body")
        assert answer.status_code == 200, (said, answer.text)


def test_a_multipart_upload_by_presigned_urls(presigner, s3, bucket):
    where = {"Bucket": bucket, "Key": "dir/parts.bin"}
    parts = [content(5 << 20, seed=1), content(1_000, seed=2)]

    def url(operation, **more):
        return presigner.generate_presigned_url(operation, Params={**where, **more})

    def begin():
        answer = requests.post(url("create_multipart_upload"), timeout=20)
        return answer.text.split("<UploadId>")[1].split("</UploadId>")[0]

    upload = begin()
    tags = [
        put(url("upload_part", UploadId=upload, PartNumber=number), part).headers["ETag"]
        for number, part in enumerate(parts, 1)
    ]
    status, text = fetch("GET", url("list_parts", UploadId=upload))
    assert status == 200 and text.count(b"<Part>") == 2
    listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>" for n, tag in enumerate(tags, 1))
    document = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
    answer = requests.post(url("complete_multipart_upload", UploadId=upload), data=document, timeout=20)
    assert answer.status_code == 200, answer.text
    assert s3.get_object(**where)["Body"].read() == b"".join(parts)
    second = begin()
    assert fetch("DELETE", url("abort_multipart_upload", UploadId=second))[0] == 204
    assert fetch("GET", url("list_parts", UploadId=second))[0] == 404


def test_requests_signed_with_sigv2_by_header_are_refused_with_advice(bucket):
    old = make_client(signature_version="s3")
    with pytest.raises(ClientError) as caught:
        old.get_object(Bucket=bucket, Key="k")
    error = caught.value.response
    assert (error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]) == (400, "InvalidRequest")
    advice = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
    assert error["Error"]["Message"] == advice


def test_presigned_urls_end(presigner, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = presigner.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=-2)
    status, text = fetch("GET", url)
    assert status in (400, 403) and (b"AccessDenied" in text or b"AuthorizationQueryParametersError" in text)
    longest = presigner.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=604_800)
    assert fetch("GET", longest) == (200, b"x")


def test_a_presigned_url_is_for_its_request_alone(presigner, bucket):
    url = presigner.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    for method, changed in [("DELETE", url), ("GET", url.replace("/k?", "/l?")), ("GET", url + "&versionId=null")]:
        status, text = fetch(method, changed)
        assert status == 403 and b"SignatureDoesNotMatch" in text


def test_an_unsigned_copy_source_on_a_presigned_put_is_refused(s3, presigner, bucket):
    s3.put_object(Bucket=bucket, Key="secret", Body=b"secret")
    url = presigner.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    answer = put(url, b"", **{"x-amz-copy-source": f"/{bucket}/secret"})
    # SigV4 names the headers that it covers; SigV2 covers all of them, so that one more is another signature.
    assert answer.status_code == 403 and ("AccessDenied" in answer.text or "SignatureDoesNotMatch" in answer.text)
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
