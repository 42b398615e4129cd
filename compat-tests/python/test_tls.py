"""Over TLS that the server itself speaks, by an authority of its own that AWS_CA_BUNDLE names."""

import json

import boto3
import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from conftest import ENDPOINTS, REGION


def deny_transport(bucket, secure):
    """The policy that buckets of AWS have to be reached in TLS alone, or its opposite."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": secure}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def by_header(s3, bucket):
    url = f"{ENDPOINTS[0]}/{bucket}/k"
    # What a proxy would say of a connection before it is not believed.
    headers = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-forwarded-proto": "http"}
    request = AWSRequest("GET", url, headers)
    S3SigV4Auth(boto3.Session().get_credentials(), "s3", REGION).add_auth(request)
    return requests.get(url, headers=dict(request.headers), timeout=20).status_code


def by_url(s3, bucket):
    link = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    return requests.get(link, timeout=20).status_code


def by_form(s3, bucket):
    form = s3.generate_presigned_post(bucket, "k")
    return requests.post(form["url"], data=form["fields"], files={"file": b"body"}, timeout=20).status_code


@pytest.mark.parametrize("send", [by_header, by_url, by_form])
def test_policies_see_a_secure_transport(s3, bucket, send):
    assert ENDPOINTS[0].startswith("https://")
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    s3.put_bucket_policy(Bucket=bucket, Policy=deny_transport(bucket, "false"))
    assert send(s3, bucket) in (200, 204)
    s3.put_bucket_policy(Bucket=bucket, Policy=deny_transport(bucket, "true"))
    assert send(s3, bucket) == 403


def test_locations_are_secure(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    etag = s3.upload_part(**where, PartNumber=1, Body=b"part")["ETag"]
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert done["Location"] == f"{ENDPOINTS[0]}/{bucket}/k"
    form = s3.generate_presigned_post(bucket, "f")
    answer = requests.post(form["url"], data=form["fields"], files={"file": b"body"}, timeout=20)
    assert answer.headers["location"] == f"{ENDPOINTS[0]}/{bucket}/f"


def test_a_client_that_does_not_trust_the_authority_says_nothing(bucket):
    with requests.Session() as stranger:
        stranger.trust_env = False
        with pytest.raises(requests.exceptions.SSLError):
            stranger.get(f"{ENDPOINTS[0]}/{bucket}/k", timeout=20)
