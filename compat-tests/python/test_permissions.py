"""Which of S3's actions each operation asks for: every line of the table of `docs/s3-coverage.md`, asked by another tenant.
With all that the table names it gets through; without any one of them it is refused."""

import json
import pathlib

import pytest
import requests
from conftest import ENDPOINTS, OTHER_KEYS, end_job, headers, make_client, new_name
from test_access import policy, statement

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "s3-coverage.md"
PART = {"PartNumber": 1, "Body": b"x"}


def table():
    """(operation, when, action, on) of each line."""
    section = PAGE.read_text().split("\n## Permissions\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]


ROWS = table()


def needed(operation, when):
    """What a request asks for that has what `when` names and nothing else."""
    applies = lambda said: said in ("always", when) or said.startswith("no ") and said != f"no {when}"  # noqa: E731
    return [(action.strip("`"), on) for name, said, action, on in ROWS if name == operation and applies(said)]


def with_headers(client, call, **more):
    with headers(client, **more):
        return call()


def post(bucket, **fields):
    """A form of the other tenant."""
    client = make_client(ENDPOINTS[-1], keys=OTHER_KEYS)
    form = client.generate_presigned_post(bucket, "k", Fields=fields, Conditions=[{n: v} for n, v in fields.items()])
    answer = requests.post(form["url"], data=form["fields"], files={"file": ("f", b"x")}, timeout=30)
    code = answer.text.partition("<Code>")[2].partition("</Code>")[0]
    if code:
        error = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": answer.status_code}}
        raise client.exceptions.ClientError(error, "PostObject")


TAGS = {"TagSet": [{"Key": "a", "Value": "b"}]}
FULL = "bucket-owner-full-control"
RULE = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "x"}, "Expiration": {"Days": 1}}
CORS = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
VERSION = {"VersionId": "null"}

# Of each operation, the requests that it is asked by: what they have -> the call. `c` is the other tenant's client, `b` the
# bucket, with the objects `k` and `source`, which is tagged unless it is renamed without tags, and `u` an open upload for `k`.
CASES = {
    "HeadBucket": {"always": lambda c, b, u: c.head_bucket(Bucket=b)},
    "ListObjects": {"always": lambda c, b, u: c.list_objects_v2(Bucket=b)},
    "ListObjectVersions": {"always": lambda c, b, u: c.list_object_versions(Bucket=b)},
    "ListMultipartUploads": {"always": lambda c, b, u: c.list_multipart_uploads(Bucket=b)},
    "CreateSession": {"always": lambda c, b, u: c.create_session(Bucket=b)},
    "DeleteBucket": {"always": lambda c, b, u: c.delete_bucket(Bucket=b)},
    "GetBucketLocation": {"always": lambda c, b, u: c.get_bucket_location(Bucket=b)},
    "GET of a bucket's setting": {
        "`accelerate`": lambda c, b, u: c.get_bucket_accelerate_configuration(Bucket=b),
        "`acl`": lambda c, b, u: c.get_bucket_acl(Bucket=b),
        "`analytics`": lambda c, b, u: c.list_bucket_analytics_configurations(Bucket=b),
        "`cors`": lambda c, b, u: c.get_bucket_cors(Bucket=b),
        "`encryption`": lambda c, b, u: c.get_bucket_encryption(Bucket=b),
        "`intelligent-tiering`": lambda c, b, u: c.list_bucket_intelligent_tiering_configurations(Bucket=b),
        "`inventory`": lambda c, b, u: c.list_bucket_inventory_configurations(Bucket=b),
        "`lifecycle`": lambda c, b, u: c.get_bucket_lifecycle_configuration(Bucket=b),
        "`logging`": lambda c, b, u: c.get_bucket_logging(Bucket=b),
        "`metrics`": lambda c, b, u: c.list_bucket_metrics_configurations(Bucket=b),
        "`notification`": lambda c, b, u: c.get_bucket_notification_configuration(Bucket=b),
        "`object-lock`": lambda c, b, u: c.get_object_lock_configuration(Bucket=b),
        "`ownershipControls`": lambda c, b, u: c.get_bucket_ownership_controls(Bucket=b),
        "`policy`": lambda c, b, u: c.get_bucket_policy(Bucket=b),
        "`policyStatus`": lambda c, b, u: c.get_bucket_policy_status(Bucket=b),
        "`publicAccessBlock`": lambda c, b, u: c.get_public_access_block(Bucket=b),
        "`replication`": lambda c, b, u: c.get_bucket_replication(Bucket=b),
        "`requestPayment`": lambda c, b, u: c.get_bucket_request_payment(Bucket=b),
        "`tagging`": lambda c, b, u: c.get_bucket_tagging(Bucket=b),
        "`versioning`": lambda c, b, u: c.get_bucket_versioning(Bucket=b),
        "`website`": lambda c, b, u: c.get_bucket_website(Bucket=b),
    },
    "PutBucketTagging": {"always": lambda c, b, u: c.put_bucket_tagging(Bucket=b, Tagging=TAGS)},
    "DeleteBucketTagging": {"always": lambda c, b, u: c.delete_bucket_tagging(Bucket=b)},
    "PutBucketLifecycleConfiguration": {
        "always": lambda c, b, u: c.put_bucket_lifecycle_configuration(Bucket=b, LifecycleConfiguration={"Rules": [RULE]})
    },
    "DeleteBucketLifecycle": {"always": lambda c, b, u: c.delete_bucket_lifecycle(Bucket=b)},
    "PutBucketAcl": {"always": lambda c, b, u: c.put_bucket_acl(Bucket=b, ACL="private")},
    "PutBucketCors": {"always": lambda c, b, u: c.put_bucket_cors(Bucket=b, CORSConfiguration=CORS)},
    "DeleteBucketCors": {"always": lambda c, b, u: c.delete_bucket_cors(Bucket=b)},
    "PutBucketOwnershipControls": {
        "always": lambda c, b, u: c.put_bucket_ownership_controls(
            Bucket=b, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        )
    },
    "DeleteBucketOwnershipControls": {"always": lambda c, b, u: c.delete_bucket_ownership_controls(Bucket=b)},
    "PutBucketPolicy": {"always": lambda c, b, u: c.put_bucket_policy(Bucket=b, Policy=json.dumps({"Statement": []}))},
    "DeleteBucketPolicy": {"always": lambda c, b, u: c.delete_bucket_policy(Bucket=b)},
    "PutPublicAccessBlock": {
        "always": lambda c, b, u: c.put_public_access_block(
            Bucket=b, PublicAccessBlockConfiguration={"BlockPublicAcls": True}
        )
    },
    "DeletePublicAccessBlock": {"always": lambda c, b, u: c.delete_public_access_block(Bucket=b)},
    "GetObject": {
        "always": lambda c, b, u: c.get_object(Bucket=b, Key="k"),
        "`versionId`": lambda c, b, u: c.get_object(Bucket=b, Key="k", **VERSION),
        "`x-pocket-delete-after-read`": lambda c, b, u: with_headers(
            c, lambda: c.get_object(Bucket=b, Key="k")["Body"].read(), x_pocket_delete_after_read="true"
        ),
    },
    "HeadObject": {
        "always": lambda c, b, u: c.head_object(Bucket=b, Key="k"),
        "`versionId`": lambda c, b, u: c.head_object(Bucket=b, Key="k", **VERSION),
    },
    "GetObjectAttributes": {
        "always": lambda c, b, u: c.get_object_attributes(Bucket=b, Key="k", ObjectAttributes=["ETag"]),
        "`versionId`": lambda c, b, u: c.get_object_attributes(
            Bucket=b, Key="k", ObjectAttributes=["ETag"], **VERSION
        ),
    },
    "GetObjectAcl": {
        "always": lambda c, b, u: c.get_object_acl(Bucket=b, Key="k"),
        "`versionId`": lambda c, b, u: c.get_object_acl(Bucket=b, Key="k", **VERSION),
    },
    "PutObjectAcl": {
        "always": lambda c, b, u: c.put_object_acl(Bucket=b, Key="k", ACL="private"),
        "`versionId`": lambda c, b, u: c.put_object_acl(Bucket=b, Key="k", ACL="private", **VERSION),
    },
    "GetObjectTagging": {
        "always": lambda c, b, u: c.get_object_tagging(Bucket=b, Key="k"),
        "`versionId`": lambda c, b, u: c.get_object_tagging(Bucket=b, Key="k", **VERSION),
    },
    "PutObjectTagging": {
        "always": lambda c, b, u: c.put_object_tagging(Bucket=b, Key="k", Tagging=TAGS),
        "`versionId`": lambda c, b, u: c.put_object_tagging(Bucket=b, Key="k", Tagging=TAGS, **VERSION),
    },
    "DeleteObjectTagging": {
        "always": lambda c, b, u: c.delete_object_tagging(Bucket=b, Key="k"),
        "`versionId`": lambda c, b, u: c.delete_object_tagging(Bucket=b, Key="k", **VERSION),
    },
    "DeleteObject": {
        "always": lambda c, b, u: c.delete_object(Bucket=b, Key="k"),
        "`versionId`": lambda c, b, u: c.delete_object(Bucket=b, Key="k", **VERSION),
        "`if-match`": lambda c, b, u: c.delete_object(Bucket=b, Key="k", IfMatch='"x"'),
    },
    "DeleteObjects": {
        "always": lambda c, b, u: delete_one(c, b),
        "`versionId`": lambda c, b, u: delete_one(c, b, **VERSION),
        "an `ETag` with the key": lambda c, b, u: delete_one(c, b, ETag='"x"'),
    },
    "PutObject": {
        "always": lambda c, b, u: c.put_object(Bucket=b, Key="k", Body=b"x"),
        "`x-amz-tagging`": lambda c, b, u: c.put_object(Bucket=b, Key="k", Body=b"x", Tagging="a=b"),
        "`x-amz-acl` or `x-amz-grant-*`": lambda c, b, u: c.put_object(Bucket=b, Key="k", Body=b"x", ACL=FULL),
        "`if-match`": lambda c, b, u: c.put_object(Bucket=b, Key="k", Body=b"x", IfMatch='"x"'),
    },
    "POST of an object": {
        "always": lambda c, b, u: post(b),
        "`tagging`": lambda c, b, u: post(
            b, tagging="<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
        ),
        "`acl`": lambda c, b, u: post(b, acl=FULL),
    },
    "CreateMultipartUpload": {
        "always": lambda c, b, u: c.create_multipart_upload(Bucket=b, Key="k"),
        "`x-amz-tagging`": lambda c, b, u: c.create_multipart_upload(Bucket=b, Key="k", Tagging="a=b"),
        "`x-amz-acl` or `x-amz-grant-*`": lambda c, b, u: c.create_multipart_upload(Bucket=b, Key="k", ACL=FULL),
    },
    "CopyObject": {
        "always": lambda c, b, u: copy(c, b, TaggingDirective="REPLACE"),
        "`x-amz-tagging`": lambda c, b, u: copy(c, b, TaggingDirective="REPLACE", Tagging="a=b"),
        "`x-amz-acl` or `x-amz-grant-*`": lambda c, b, u: copy(c, b, TaggingDirective="REPLACE", ACL=FULL),
        "`if-match`": lambda c, b, u: with_headers(c, lambda: copy(c, b, TaggingDirective="REPLACE"), if_match='"x"'),
        "`versionId` of the source": lambda c, b, u: copy(c, b, "source?versionId=null", TaggingDirective="REPLACE"),
        "tags that come along": lambda c, b, u: copy(c, b),
    },
    "UploadPart": {"always": lambda c, b, u: c.upload_part(Bucket=b, Key="k", UploadId=u, **PART)},
    "UploadPartCopy": {
        "always": lambda c, b, u: copy_part(c, b, u, "source"),
        "`versionId` of the source": lambda c, b, u: copy_part(c, b, u, "source?versionId=null"),
    },
    "CompleteMultipartUpload": {
        "always": lambda c, b, u: complete(c, b, u),
        "`if-match`": lambda c, b, u: complete(c, b, u, IfMatch='"x"'),
    },
    "AbortMultipartUpload": {"always": lambda c, b, u: c.abort_multipart_upload(Bucket=b, Key="k", UploadId=u)},
    "ListParts": {"always": lambda c, b, u: c.list_parts(Bucket=b, Key="k", UploadId=u)},
    "RenameObject": {
        "always": lambda c, b, u: c.rename_object(Bucket=b, Key="k", RenameSource="source"),
        "conditions on the new key": lambda c, b, u: c.rename_object(
            Bucket=b, Key="k", RenameSource="source", DestinationIfMatch='"x"'
        ),
        "tags that come along": lambda c, b, u: c.rename_object(Bucket=b, Key="k", RenameSource="source"),
    },
}


def copy(client, bucket, source="source", **more):
    return client.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/{source}", **more)


def copy_part(client, bucket, upload, source):
    return client.upload_part_copy(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, CopySource=f"{bucket}/{source}")


def complete(client, bucket, upload, **more):
    parts = {"Parts": [{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}]}
    return client.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts, **more)


def delete_one(client, bucket, **more):
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", **more}]})
    for error in answer.get("Errors", []):
        raise client.exceptions.ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 200}}, "DeleteObjects")


def is_denied(call, *arguments):
    """Whether the rules forbid it; it may fail for another reason."""
    try:
        call(*arguments)
    except Exception as error:
        response = getattr(error, "response", None)
        assert response is not None, f"not an S3 error: {error!r}"
        # A HEAD has no code, but its status.
        return response["Error"]["Code"] in ("AccessDenied", "403")
    return False


@pytest.fixture
def bucket(s3):
    name = new_name()
    s3.create_bucket(Bucket=name)
    yield name
    try:
        end_job(s3, name)
    except s3.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchBucket"


def allow(s3, bucket, rights):
    keys = {"bucket": None, "key": "k", "source": "source"}
    statements = [statement(bucket, action, {"AWS": "other"}, key=keys[on]) for action, on in rights]
    if statements:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(*statements))
    else:
        s3.delete_bucket_policy(Bucket=bucket)


@pytest.mark.parametrize(
    ("operation", "when"), [(operation, when) for operation, cases in CASES.items() for when in cases]
)
def test_an_operation_takes_what_the_page_says_and_no_less(s3, bucket, other_tenant, operation, when):
    s3.put_object(Bucket=bucket, Key="k", Body=b"k")
    is_tagged = operation != "RenameObject" or when == "tags that come along"
    s3.put_object(Bucket=bucket, Key="source", Body=b"source", Tagging="a=b" if is_tagged else "")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    rights = needed(operation, when)
    assert rights, "the page names nothing"
    call = CASES[operation][when]
    for missing in rights:
        allow(s3, bucket, [right for right in rights if right != missing])
        assert is_denied(call, other_tenant, bucket, upload), f"got through without {missing}"
    if operation == "DeleteBucket":
        s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "source"}]})
    allow(s3, bucket, rights)
    assert not is_denied(call, other_tenant, bucket, upload), f"refused with {rights}"


def test_every_line_of_the_page_has_a_case():
    for operation, when, _, _ in ROWS:
        if when == "a tenant's own":
            continue
        plain = "always" if when == "always" or when.startswith("no ") else when
        assert plain in CASES[operation], (operation, when)


def test_what_a_session_may_be_opened_for_takes_an_action_of_its_own(s3, bucket, other_tenant):
    """As S3 documents it: an action of the service s3express, which `s3:*` does not name."""
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, "s3:*", {"AWS": "other"}, key=None)))
    assert is_denied(lambda: other_tenant.create_session(Bucket=bucket))
    both = [statement(bucket, action, {"AWS": "other"}, key=None) for action in ["s3:*", "s3express:CreateSession"]]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(*both))
    assert other_tenant.create_session(Bucket=bucket)["Credentials"]["SessionToken"]


def test_a_rename_is_refused_where_its_new_key_may_not_be_written(s3, bucket, other_tenant):
    s3.put_object(Bucket=bucket, Key="in/k", Body=b"in")
    s3.put_object(Bucket=bucket, Key="out/k", Body=b"out")
    everything = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, everything, {"AWS": "other"}, key="in/*")))
    for source, key in [("in/k", "out/k"), ("in/k", "out/new"), ("out/k", "in/new")]:
        assert is_denied(lambda s=source, k=key: other_tenant.rename_object(Bucket=bucket, Key=k, RenameSource=s))
    owner = s3.list_buckets()["Owner"]["ID"]
    for named, expected in [("somebody", True), (owner, False)]:
        rename = lambda: other_tenant.rename_object(Bucket=bucket, Key="in/new", RenameSource="in/k")  # noqa: E731
        denied = is_denied(lambda n=named: with_headers(other_tenant, rename, x_amz_expected_bucket_owner=n))
        assert denied is expected
    assert s3.get_object(Bucket=bucket, Key="in/new")["Body"].read() == b"in"
    assert s3.get_object(Bucket=bucket, Key="out/k")["Body"].read() == b"out"
