"""CORS: configurations, preflights, and what a browser's page may read of an answer."""

import http.client
import json
from urllib.parse import urlsplit

import pytest
from conftest import ENDPOINTS, error_of, new_name

PAGE = "https://app.example.com"
RULE = {
    "ID": "app",
    "AllowedOrigins": ["https://*.example.com", "http://localhost:5173"],
    "AllowedMethods": ["GET", "PUT"],
    "AllowedHeaders": ["x-amz-*", "Content-Type"],
    "ExposeHeaders": ["ETag", "x-amz-request-id"],
    "MaxAgeSeconds": 600,
}


def send(method, path, endpoint=ENDPOINTS[-1], **headers):
    """Status, headers by name in lower case, and body of a request that nobody signed; `_` stands for `-`."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def preflight(path, origin=PAGE, method="PUT", headers=None):
    asked = {"Origin": origin, "Access_Control_Request_Method": method}
    if headers is not None:
        asked["Access_Control_Request_Headers"] = headers
    return send("OPTIONS", path, **asked)


@pytest.fixture
def shared(s3, bucket):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [RULE]})
    return bucket


def test_a_configuration_comes_back_as_it_was_sent_and_goes(s3, bucket):
    assert error_of(s3.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")
    rules = [RULE, {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD", "POST", "DELETE"]}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == rules
    for _ in range(2):
        assert s3.delete_bucket_cors(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error_of(s3.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"AllowedMethods": ["OPTIONS"]}, "InvalidRequest"),
        ({"AllowedMethods": ["get"]}, "InvalidRequest"),
        ({"AllowedOrigins": ["http://*.*"]}, "InvalidRequest"),
        ({"AllowedHeaders": ["*-*"]}, "InvalidRequest"),
        ({"ExposeHeaders": ["x-amz-*"]}, "InvalidRequest"),
        ({"ID": "x" * 256}, "InvalidRequest"),
        ({"AllowedMethods": []}, "MalformedXML"),
        ({"AllowedOrigins": []}, "MalformedXML"),
    ],
)
def test_rules_that_s3_refuses_are_refused(s3, shared, change, code):
    rules = {"CORSRules": [{**RULE, **change}]}
    assert error_of(s3.put_bucket_cors, Bucket=shared, CORSConfiguration=rules) == (400, code)
    assert s3.get_bucket_cors(Bucket=shared)["CORSRules"] == [RULE]


def test_a_bucket_has_a_hundred_rules_and_no_more(s3, bucket):
    rules = [{"AllowedOrigins": [f"https://{i}.example"], "AllowedMethods": ["GET"]} for i in range(101)]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules[:100]})
    assert preflight(f"/{bucket}/k", origin="https://99.example", method="GET")[0] == 200
    too_many = error_of(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    assert too_many == (400, "InvalidRequest")


def test_a_preflight_is_answered_without_a_signature(shared):
    status, headers, body = preflight(f"/{shared}/any/key?uploads", headers="content-type, X-Amz-Meta-A")
    assert (status, body) == (200, "")
    assert headers["access-control-allow-origin"] == PAGE
    assert headers["access-control-allow-methods"] == "GET, PUT"
    assert headers["access-control-allow-headers"] == "content-type, x-amz-meta-a"
    assert headers["access-control-expose-headers"] == "ETag, x-amz-request-id"
    assert headers["access-control-max-age"] == "600"
    assert headers["access-control-allow-credentials"] == "true"
    assert "Origin" in headers["vary"]
    assert preflight(f"/{shared}", method="GET")[0] == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"origin": "https://example.com"},
        {"origin": "https://app.example.com.evil.example"},
        {"method": "DELETE"},
        {"headers": "authorization"},
        {"headers": "content-type, authorization"},
    ],
)
def test_a_preflight_that_no_rule_fits_is_forbidden(shared, asked):
    status, headers, body = preflight(f"/{shared}/k", **asked)
    assert status == 403 and "<Code>AccessForbidden</Code>" in body and "CORSResponse: This CORS request" in body
    assert "access-control-allow-origin" not in headers or asked.get("origin", PAGE) == PAGE


def test_preflights_that_say_too_little_or_aim_at_nothing(s3, shared, bucket):
    status, _, body = send("OPTIONS", f"/{shared}/k")
    assert status == 400 and "Origin request header needed" in body
    status, _, body = send("OPTIONS", f"/{shared}/k", Origin=PAGE)
    assert status == 400 and "Invalid Access-Control-Request-Method" in body
    status, _, body = preflight(f"/{shared}/k", method="PATCH")
    assert status == 400 and "PATCH" in body
    status, _, body = preflight(f"/{new_name()}/k")
    assert status == 403 and "CORSResponse: Bucket not found" in body
    assert preflight("/")[0] == 405
    s3.delete_bucket_cors(Bucket=shared)
    status, _, body = preflight(f"/{shared}/k")
    assert status == 403 and "CORS is not enabled for this bucket" in body


def test_every_origin_is_a_star_and_has_no_credentials(s3, bucket):
    rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    status, headers, _ = preflight(f"/{bucket}/k", origin="null", method="GET", headers="range,x-anything")
    assert status == 200 and headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers


def test_a_page_may_read_answers_and_refusals(s3, shared):
    s3.put_object(Bucket=shared, Key="k", Body=b"body")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": shared, "Key": "k"})
    target = urlsplit(url)
    path = f"{target.path}?{target.query}"
    first = ENDPOINTS[0]
    status, headers, body = send("GET", path, first, Origin=PAGE)
    assert (status, body, headers["access-control-allow-origin"]) == (200, "body", PAGE)
    assert headers["access-control-expose-headers"] == "ETag, x-amz-request-id"
    # Refused, but the page can read why.
    status, headers, body = send("GET", f"/{shared}/k", first, Origin=PAGE)
    assert status == 403 and "AccessDenied" in body and headers["access-control-allow-origin"] == PAGE
    for other in [{"Origin": "https://elsewhere.example"}, {}]:
        status, headers, _ = send("GET", path, first, **other)
        assert status == 200 and "access-control-allow-origin" not in headers
    # No rule allows HEAD.
    status, headers, _ = send("HEAD", f"/{shared}/k", first, Origin=PAGE)
    assert status == 403 and "access-control-allow-origin" not in headers


def test_a_page_reads_a_public_object(s3, shared):
    off = dict.fromkeys(["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], False)
    s3.put_public_access_block(Bucket=shared, PublicAccessBlockConfiguration=off)
    read = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{shared}/*"}
    s3.put_bucket_policy(Bucket=shared, Policy=json.dumps({"Version": "2012-10-17", "Statement": read}))
    s3.put_object(Bucket=shared, Key="k", Body=b"body")
    status, headers, body = send("GET", f"/{shared}/k", Origin=PAGE)
    assert (status, body, headers["access-control-allow-origin"]) == (200, "body", PAGE)


def test_what_holds_is_what_was_said_last_at_every_gateway(s3, bucket):
    for method in ["GET", "PUT"] * 3:
        rule = {"AllowedOrigins": [PAGE], "AllowedMethods": [method]}
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
        other = "PUT" if method == "GET" else "GET"
        assert preflight(f"/{bucket}/k", method=method)[0] == 200
        assert preflight(f"/{bucket}/k", method=other)[0] == 403
