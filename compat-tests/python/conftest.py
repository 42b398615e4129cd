"""Fixtures: clients for every gateway, a bucket a test, and request headers that boto3 has no parameter for."""

import contextlib
import os
import uuid

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config

ENDPOINTS = os.environ["POCKET_ENDPOINTS"].split(",")
REGION = os.environ.get("AWS_REGION", "us-east-1")


def make_client(endpoint=ENDPOINTS[0], style="path", keys=(None, None), **options):
    """A client as an application would make it: endpoint, region and addressing style, no retries to hide errors."""
    s3 = {"addressing_style": style, **options.pop("s3", {})}
    config = Config(s3=s3, retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30, **options)
    names = ("aws_access_key_id", "aws_secret_access_key")
    return boto3.client("s3", endpoint_url=endpoint, region_name=REGION, config=config, **dict(zip(names, keys)))


@contextlib.contextmanager
def headers(client, **extra):
    """Adds headers to every request made inside, before it is signed; `_` stands for `-`."""

    def add(request, **_):
        for name, value in extra.items():
            request.headers[name.replace("_", "-")] = value

    client.meta.events.register("before-sign.s3.*", add)
    try:
        yield client
    finally:
        client.meta.events.unregister("before-sign.s3.*", add)


def end_job(client, bucket):
    with headers(client, x_pocket_force_delete="true"):
        client.delete_bucket(Bucket=bucket)


def error_of(call, **arguments):
    """(HTTP status, S3 code) of a call that must fail."""
    with pytest.raises(Exception) as caught:
        call(**arguments)
    response = getattr(caught.value, "response", None)
    assert response is not None, f"not an S3 error: {caught.value!r}"
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def exists(client, bucket, key):
    """Whether a HEAD finds the object; for conditions that are waited for, where `error_of` would fail at the first look."""
    try:
        client.head_object(Bucket=bucket, Key=key)
    except client.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        return False
    return True


def new_name(prefix="t"):
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def s3():
    return make_client()


@pytest.fixture(scope="session")
def other_gateway():
    """A client of the last gateway: another process where there are several."""
    return make_client(ENDPOINTS[-1])


OTHER_KEYS = (os.environ["POCKET_OTHER_ACCESS_KEY_ID"], os.environ["POCKET_OTHER_SECRET_ACCESS_KEY"])


@pytest.fixture(scope="session")
def other_tenant():
    """Another tenant's client of the last gateway."""
    return make_client(ENDPOINTS[-1], keys=OTHER_KEYS)


@pytest.fixture(scope="session")
def nobody():
    """A client of the last gateway that signs nothing."""
    return make_client(ENDPOINTS[-1], signature_version=UNSIGNED)


@pytest.fixture
def signed():
    """Sends a request with exactly these headers, all of them signed unless `unsigned` names them."""

    def send(method, path, body=b"", unsigned=(), **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
        of_signature = {name: value for name, value in headers.items() if name not in unsigned}
        url = ENDPOINTS[0] + path
        request = AWSRequest(method, url, of_signature, body)
        auth = S3SigV4Auth(boto3.Session().get_credentials(), "s3", REGION)
        auth.add_auth(request)
        return requests.request(method, url, headers={**headers, **dict(request.headers)}, data=body, timeout=30)

    return send


@pytest.fixture
def bucket(s3):
    name = new_name()
    s3.create_bucket(Bucket=name)
    yield name
    with contextlib.suppress(s3.exceptions.NoSuchBucket):
        end_job(s3, name)


@pytest.fixture
def make_bucket(s3):
    """Makes buckets with hints and ends them after the test."""
    made = []

    def make(**hints):
        name = new_name()
        with headers(s3, **{f"x_pocket_{hint}": value for hint, value in hints.items()}):
            s3.create_bucket(Bucket=name)
        made.append(name)
        return name

    yield make
    for name in made:
        with contextlib.suppress(s3.exceptions.NoSuchBucket):
            end_job(s3, name)


def content(size, seed=0):
    """Bytes that repeat nowhere near a chunk or part border."""
    import random

    return random.Random(seed).randbytes(size)
