"""ACLs of single objects and the grants of requests: evaluated with every read, asked by the owner, another tenant and
nobody, at every gateway. Closed until the bucket's owner takes its public access block and its ownership away."""

import pytest
import requests
from botocore import UNSIGNED
from conftest import ENDPOINTS, content, end_job, error_of, headers, make_client, new_name
from test_access import DENIED, EVERYBODY, OPEN, own, policy, statement, unblock

EVERY_TENANT = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
BODY = b"for everybody"


@pytest.fixture
def bucket(s3):
    """A bucket whose objects may have ACLs, also public ones; of so many workers that its keys lie on all shards."""
    name = new_name()
    with headers(s3, x_pocket_workers="100"):
        s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    unblock(s3, name)
    yield name
    end_job(s3, name)


def granted(who, permission):
    kind = {"Type": "Group", "URI": who} if who.startswith("http") else {"Type": "CanonicalUser", "ID": who}
    return {"Grantee": kind, "Permission": permission}


def grants_of(answer):
    """(grantee, permission) of each grant, in order."""
    return [(g["Grantee"].get("URI") or g["Grantee"]["ID"], g["Permission"]) for g in answer["Grants"]]


def set_grants(s3, bucket, key, *grants, client=None):
    sent = {"Owner": {"ID": owner_of(s3)}, "Grants": [granted(*grant) for grant in grants]}
    (client or s3).put_object_acl(Bucket=bucket, Key=key, AccessControlPolicy=sent)


def owner_of(s3):
    return s3.list_buckets()["Owner"]["ID"]


def fetch(bucket, key, method="GET", endpoint=ENDPOINTS[-1], **options):
    """As a browser does: without any signature."""
    return requests.request(method, f"{endpoint}/{bucket}/{key}", timeout=30, **options)


def is_public(bucket, key):
    answers = [fetch(bucket, key, endpoint=endpoint) for endpoint in ENDPOINTS]
    assert {answer.status_code for answer in answers} <= {200, 403}, [answer.text for answer in answers]
    assert len({answer.status_code for answer in answers}) == 1, "the gateways do not agree"
    return answers[0].status_code == 200


# ---- how an object gets its ACL ----


def by_put(s3, bucket, acl):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ACL=acl)


def by_large_put(s3, bucket, acl):
    s3.put_object(Bucket=bucket, Key="k", Body=content(300_000), ACL=acl)


def by_upload(s3, bucket, acl):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ACL=acl)["UploadId"]
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    tag = s3.upload_part(PartNumber=1, Body=content(5 << 20), **named)["ETag"]
    s3.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}, **named)


def by_copy(s3, bucket, acl):
    s3.put_object(Bucket=bucket, Key="source", Body=BODY)
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/source", ACL=acl)


def by_form(s3, bucket, acl):
    form = s3.generate_presigned_post(bucket, "k", Fields={"acl": acl}, Conditions=[{"acl": acl}])
    answer = requests.post(form["url"], data=form["fields"], files={"file": ("f", BODY)}, timeout=30)
    if answer.status_code != 204:
        code = answer.text.partition("<Code>")[2].partition("</Code>")[0]
        raise s3.exceptions.ClientError(
            {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": answer.status_code}}, "PostObject"
        )


def by_put_acl(s3, bucket, acl):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    s3.put_object_acl(Bucket=bucket, Key="k", ACL=acl)


def by_presigned_url(s3, bucket, acl):
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k", "ACL": acl})
    answer = requests.put(url, data=BODY, headers={"x-amz-acl": acl}, timeout=30)
    if answer.status_code != 200:
        code = answer.text.partition("<Code>")[2].partition("</Code>")[0]
        raise s3.exceptions.ClientError(
            {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": answer.status_code}}, "PutObject"
        )


WAYS = [by_put, by_large_put, by_upload, by_copy, by_form, by_put_acl, by_presigned_url]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_was_made_public_anybody_reads_at_every_gateway(s3, bucket, nobody, way):
    way(s3, bucket, "public-read")
    for endpoint in ENDPOINTS:
        answer = fetch(bucket, "k", endpoint=endpoint)
        assert answer.status_code == 200 and answer.content == s3.get_object(Bucket=bucket, Key="k")["Body"].read()
        head = fetch(bucket, "k", "HEAD", endpoint)
        assert (head.status_code, head.headers["ETag"]) == (200, answer.headers["ETag"])
        part = fetch(bucket, "k", endpoint=endpoint, headers={"Range": "bytes=1-3"})
        assert (part.status_code, part.content) == (206, answer.content[1:4])
        same = fetch(bucket, "k", endpoint=endpoint, headers={"If-None-Match": answer.headers["ETag"]})
        assert same.status_code == 304
    assert grants_of(s3.get_object_acl(Bucket=bucket, Key="k")) == [
        (owner_of(s3), "FULL_CONTROL"),
        (EVERYBODY, "READ"),
    ]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_public_acl_is_refused_in_every_way_while_it_is_blocked(s3, bucket, way):
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**OPEN, "BlockPublicAcls": True})
    for acl in ["public-read", "public-read-write", "authenticated-read"]:
        assert error_of(way, s3=s3, bucket=bucket, acl=acl) == DENIED
    way(s3, bucket, "private")
    assert not is_public(bucket, "k")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_acls_are_refused_in_every_way_where_the_owner_is_enforced(s3, bucket, way):
    own(s3, bucket, "BucketOwnerEnforced")
    for acl in ["public-read", "authenticated-read"]:
        assert error_of(way, s3=s3, bucket=bucket, acl=acl) == (400, "AccessControlListNotSupported")
    way(s3, bucket, "bucket-owner-full-control")
    assert not is_public(bucket, "k")


def test_a_public_object_is_read_and_nothing_else(s3, bucket, nobody):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ACL="public-read-write", Tagging="a=b")
    s3.put_object(Bucket=bucket, Key="secret", Body=b"secret")
    for call, arguments in [
        (nobody.put_object, {"Key": "k", "Body": b"bent"}),
        (nobody.delete_object, {"Key": "k"}),
        (nobody.get_object_acl, {"Key": "k"}),
        (nobody.put_object_acl, {"Key": "k", "ACL": "private"}),
        (nobody.get_object_tagging, {"Key": "k"}),
        (nobody.put_object_tagging, {"Key": "k", "Tagging": {"TagSet": []}}),
        (nobody.get_object_attributes, {"Key": "k", "ObjectAttributes": ["ETag"]}),
        (nobody.rename_object, {"Key": "mine", "RenameSource": "k"}),
        (nobody.create_multipart_upload, {"Key": "k"}),
        (nobody.list_objects_v2, {}),
        (nobody.get_object, {"Key": "secret"}),
        (nobody.get_object, {"Key": "missing"}),
    ]:
        assert error_of(call, Bucket=bucket, **arguments) == DENIED, call
    with headers(nobody, x_pocket_delete_after_read="true"):
        assert error_of(nobody.get_object, Bucket=bucket, Key="k") == DENIED
    # S3 shows the WRITE of its canned list, and an object has nothing that it could mean.
    assert (EVERYBODY, "WRITE") in grants_of(s3.get_object_acl(Bucket=bucket, Key="k"))
    assert nobody.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


def test_an_acl_is_its_objects_and_goes_with_it(s3, bucket):
    public = lambda key: s3.put_object(Bucket=bucket, Key=key, Body=BODY, ACL="public-read")  # noqa: E731
    public("k")
    s3.put_object(Bucket=bucket, Key="k", Body=b"again")
    assert not is_public(bucket, "k"), "a new object is private"
    public("k")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    assert not is_public(bucket, "copy"), "a copy does not take it along"
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k", MetadataDirective="REPLACE")
    assert not is_public(bucket, "k"), "nor onto itself"
    public("k")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    assert not is_public(bucket, "k"), "deleted with its object"


def test_an_object_that_stays_the_same_keeps_its_acl(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k0", Body=BODY, ACL="public-read")
    for n in range(6):  # many keys, so that it goes from shard to shard
        s3.rename_object(Bucket=bucket, Key=f"k{n + 1}", RenameSource=f"k{n}")
        assert is_public(bucket, f"k{n + 1}") and not is_public(bucket, f"k{n}")
    s3.put_object_tagging(Bucket=bucket, Key="k6", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert is_public(bucket, "k6")
    s3.delete_object_tagging(Bucket=bucket, Key="k6")
    assert is_public(bucket, "k6")
    s3.put_object(Bucket=bucket, Key="k6", Body=b"!", WriteOffsetBytes=len(BODY))
    assert fetch(bucket, "k6").content == BODY + b"!"
    # Only its creation could have said so.
    refused = error_of(s3.put_object, Bucket=bucket, Key="k6", Body=b"!", WriteOffsetBytes=len(BODY) + 1, ACL="private")
    assert refused == (400, "InvalidRequest")


def test_the_object_stays_the_same_under_another_acl(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, Metadata={"a": "b"}, Tagging="t=1", ContentType="text/x")
    before = s3.head_object(Bucket=bucket, Key="k")
    for acl in ["public-read", "authenticated-read", "private"]:
        s3.put_object_acl(Bucket=bucket, Key="k", ACL=acl)
        after = s3.head_object(Bucket=bucket, Key="k")
        for name in ["ETag", "LastModified", "Metadata", "ContentType", "TagCount", "ContentLength"]:
            assert after.get(name) == before.get(name), name
    assert error_of(s3.put_object_acl, Bucket=bucket, Key="missing", ACL="private") == (404, "NoSuchKey")
    assert error_of(s3.get_object_acl, Bucket=bucket, Key="missing") == (404, "NoSuchKey")


@pytest.mark.parametrize(
    ("acl", "nobodys", "others"),
    [
        ("private", False, False),
        ("public-read", True, True),
        ("public-read-write", True, True),
        ("authenticated-read", False, True),
        ("bucket-owner-read", False, False),
        ("bucket-owner-full-control", False, False),
    ],
)
def test_canned_acls_let_in_whom_their_names_say(s3, bucket, other_tenant, acl, nobodys, others):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ACL=acl)
    assert is_public(bucket, "k") == nobodys
    if others:
        assert other_tenant.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY
        assert other_tenant.head_object(Bucket=bucket, Key="k", VersionId="null")["ContentLength"] == len(BODY)
    else:
        assert error_of(other_tenant.get_object, Bucket=bucket, Key="k") == DENIED
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


def test_acls_that_cannot_be_true_here_are_refused(s3, bucket):
    client = make_client(parameter_validation=False)
    for acl, expected in [
        ("aws-exec-read", (501, "NotImplemented")),
        ("log-delivery-write", (501, "NotImplemented")),
        ("publik", (400, "InvalidArgument")),
    ]:
        assert error_of(client.put_object, Bucket=bucket, Key="k", Body=b"x", ACL=acl) == expected
        assert error_of(client.put_bucket_acl, Bucket=bucket, ACL=acl) == expected
    assert error_of(s3.head_object, Bucket=bucket, Key="k")[0] == 404


# ---- grants ----


def test_grants_by_header_are_given_back_and_evaluated(s3, bucket, other_tenant):
    named = {"GrantRead": f'uri="{EVERY_TENANT}"', "GrantReadACP": "id=other, id=third", "GrantFullControl": f"id={owner_of(s3)}"}
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, **named)
    expected = [
        (owner_of(s3), "FULL_CONTROL"),
        (EVERY_TENANT, "READ"),
        ("other", "READ_ACP"),
        ("third", "READ_ACP"),
    ]
    assert grants_of(s3.get_object_acl(Bucket=bucket, Key="k")) == expected
    assert grants_of(other_tenant.get_object_acl(Bucket=bucket, Key="k")) == expected
    assert other_tenant.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY
    assert not is_public(bucket, "k")
    assert error_of(other_tenant.put_object_acl, Bucket=bucket, Key="k", ACL="private") == DENIED
    s3.put_object_acl(Bucket=bucket, Key="k", GrantRead=f"uri={EVERYBODY}")
    assert is_public(bucket, "k")
    assert grants_of(s3.get_object_acl(Bucket=bucket, Key="k")) == [(EVERYBODY, "READ")]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY, "the owner's rights depend on no grant"
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k", GrantRead="id=other")
    assert other_tenant.get_object(Bucket=bucket, Key="copy")["Body"].read() == BODY
    assert not is_public(bucket, "copy")


def test_grants_by_document_are_given_back_and_evaluated(s3, bucket, other_tenant):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    grants = [(owner_of(s3), "FULL_CONTROL"), ("other", "READ"), (EVERYBODY, "READ_ACP")]
    set_grants(s3, bucket, "k", *grants)
    answer = s3.get_object_acl(Bucket=bucket, Key="k")
    assert grants_of(answer) == grants and answer["Owner"]["ID"] == owner_of(s3)
    assert other_tenant.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY
    assert fetch(bucket, "k").status_code == 403
    assert "READ_ACP" in fetch(bucket, "k?acl").text


def test_what_was_read_is_written_again_with_one_grant_more(s3, bucket):
    """How s3cmd sets an ACL: it reads the document, adds a grant and puts it back."""
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    acl = s3.get_object_acl(Bucket=bucket, Key="k")
    sent = {"Owner": acl["Owner"], "Grants": acl["Grants"] + [granted(EVERYBODY, "READ")]}
    s3.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy=sent)
    assert is_public(bucket, "k")
    s3.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy={"Owner": acl["Owner"], "Grants": acl["Grants"]})
    assert not is_public(bucket, "k")


def test_whoever_may_write_an_acl_may_open_and_close_the_object(s3, bucket, other_tenant):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    owner = owner_of(s3)
    set_grants(s3, bucket, "k", (owner, "FULL_CONTROL"), ("other", "WRITE_ACP"))
    assert error_of(other_tenant.get_object, Bucket=bucket, Key="k") == DENIED
    assert error_of(other_tenant.get_object_acl, Bucket=bucket, Key="k") == DENIED
    set_grants(s3, bucket, "k", ("other", "FULL_CONTROL"), client=other_tenant)
    assert other_tenant.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY
    assert grants_of(other_tenant.get_object_acl(Bucket=bucket, Key="k")) == [("other", "FULL_CONTROL")]
    # Full control of an object is not the right to write another one in its place.
    assert error_of(other_tenant.put_object, Bucket=bucket, Key="k", Body=b"x") == DENIED
    assert error_of(other_tenant.delete_object, Bucket=bucket, Key="k") == DENIED
    other_tenant.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    assert error_of(other_tenant.get_object, Bucket=bucket, Key="k") == DENIED
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**OPEN, "BlockPublicAcls": True})
    set_grants(s3, bucket, "k", ("other", "WRITE_ACP"))
    assert error_of(other_tenant.put_object_acl, Bucket=bucket, Key="k", ACL="public-read") == DENIED


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        ("emailAddress=\"a@b.example\"", (405, "MethodNotAllowed")),
        ("id=no tenant", (400, "InvalidArgument")),
        ("uri=http://acs.amazonaws.com/groups/s3/LogDelivery", (400, "InvalidArgument")),
        ("other", (400, "InvalidArgument")),
        ("name=other", (400, "InvalidArgument")),
    ],
)
def test_grants_that_could_not_be_held_to_are_refused(s3, bucket, grant, expected):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    assert error_of(s3.put_object, Bucket=bucket, Key="n", Body=b"x", GrantRead=grant) == expected
    assert error_of(s3.create_multipart_upload, Bucket=bucket, Key="n", GrantRead=grant) == expected
    assert error_of(s3.put_object_acl, Bucket=bucket, Key="k", GrantRead=grant) == expected
    assert error_of(s3.put_bucket_acl, Bucket=bucket, GrantRead=grant) == expected
    assert error_of(s3.create_bucket, Bucket=new_name(), ObjectOwnership="ObjectWriter", GrantRead=grant) == expected
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_an_acl_is_said_in_one_way(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    both = {"ACL": "private", "GrantRead": "id=other"}
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **both) == (400, "InvalidRequest")
    assert error_of(s3.put_object_acl, Bucket=bucket, Key="k", **both) == (400, "InvalidRequest")
    sent = {"Owner": {"ID": owner_of(s3)}, "Grants": [granted("other", "READ")]}
    for more in [{"ACL": "private"}, {"GrantRead": "id=other"}]:
        refused = error_of(s3.put_object_acl, Bucket=bucket, Key="k", AccessControlPolicy=sent, **more)
        assert refused == (400, "UnexpectedContent")
    assert error_of(s3.put_object_acl, Bucket=bucket, Key="k") == (400, "MissingSecurityHeader")
    sent["Owner"]["ID"] = "other"
    assert error_of(s3.put_object_acl, Bucket=bucket, Key="k", AccessControlPolicy=sent) == DENIED
    assert grants_of(s3.get_object_acl(Bucket=bucket, Key="k")) == [(owner_of(s3), "FULL_CONTROL")]


def test_grants_on_buckets_by_header(s3, bucket, other_tenant, nobody):
    s3.put_bucket_acl(Bucket=bucket, GrantRead=f"uri={EVERYBODY}", GrantWrite="id=other")
    assert grants_of(s3.get_bucket_acl(Bucket=bucket)) == [(EVERYBODY, "READ"), ("other", "WRITE")]
    assert nobody.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert error_of(nobody.delete_object, Bucket=bucket, Key="k") == DENIED
    other_tenant.delete_object(Bucket=bucket, Key="k")
    made = new_name()
    s3.create_bucket(Bucket=made, ObjectOwnership="ObjectWriter", GrantRead="id=other")
    assert grants_of(s3.get_bucket_acl(Bucket=made)) == [("other", "READ")]
    assert other_tenant.list_objects_v2(Bucket=made)["KeyCount"] == 0
    s3.delete_bucket(Bucket=made)
    refused = error_of(s3.create_bucket, Bucket=made, ObjectOwnership="ObjectWriter", GrantRead=f"uri={EVERYBODY}")
    assert refused == (400, "InvalidBucketAclWithBlockPublicAccessError")
    assert error_of(s3.create_bucket, Bucket=made, GrantRead="id=other") == (400, "InvalidBucketAclWithObjectOwnership")


# ---- with the bucket's other rules ----


def test_public_grants_are_ignored_while_the_block_says_so(s3, bucket, other_tenant):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, GrantRead=f"uri={EVERYBODY}, id=other")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**OPEN, "IgnorePublicAcls": True})
    assert not is_public(bucket, "k")
    assert other_tenant.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY, "a tenant is not the public"
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**OPEN, "BlockPublicAcls": True})
    assert is_public(bucket, "k"), "what is there is not closed by what is refused from now on"


def test_an_enforced_owner_suspends_acls_and_does_not_forget_them(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ACL="public-read")
    own(s3, bucket, "BucketOwnerEnforced")
    assert not is_public(bucket, "k")
    assert grants_of(s3.get_object_acl(Bucket=bucket, Key="k")) == [(owner_of(s3), "FULL_CONTROL")]
    own(s3, bucket, "BucketOwnerPreferred")
    assert is_public(bucket, "k")


def test_a_denial_outweighs_an_acl(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ACL="public-read")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, "s3:GetObject", effect="Deny")))
    assert not is_public(bucket, "k")
    s3.delete_bucket_policy(Bucket=bucket)
    assert is_public(bucket, "k")


def test_a_policy_and_an_acl_open_what_each_opens(s3, bucket, nobody):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, "s3:GetObject", key="open/*")))
    s3.put_object(Bucket=bucket, Key="open/k", Body=BODY)
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ACL="public-read")
    s3.put_object(Bucket=bucket, Key="closed", Body=BODY)
    assert [is_public(bucket, key) for key in ["open/k", "k", "closed"]] == [True, True, False]
    # A public policy that is restricted lets nobody in, and takes no ACL away.
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**OPEN, "RestrictPublicBuckets": True})
    assert [is_public(bucket, key) for key in ["open/k", "k", "closed"]] == [False, True, False]


def test_who_may_list_is_told_that_a_key_is_missing(s3, bucket, nobody):
    assert error_of(nobody.get_object, Bucket=bucket, Key="missing") == DENIED
    assert error_of(nobody.get_object_acl, Bucket=bucket, Key="missing") == DENIED
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    assert error_of(nobody.get_object, Bucket=bucket, Key="k") == DENIED
    assert error_of(nobody.get_object, Bucket=bucket, Key="missing") == (404, "NoSuchKey")
    assert error_of(nobody.head_object, Bucket=bucket, Key="missing") == (404, "404")
    assert error_of(nobody.get_object_acl, Bucket=bucket, Key="missing") == (404, "NoSuchKey")
    assert error_of(nobody.delete_object, Bucket=bucket, Key="missing") == DENIED


def test_grants_take_the_right_to_write_acls(s3, bucket, other_tenant):
    own(s3, bucket, "BucketOwnerPreferred")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, "s3:PutObject", {"AWS": "other"})))
    put = lambda **more: other_tenant.put_object(Bucket=bucket, Key="k", Body=b"x", **more)  # noqa: E731
    assert error_of(put, ACL="bucket-owner-full-control") == DENIED
    assert error_of(put, GrantFullControl=f"id={owner_of(s3)}") == DENIED
    rights = statement(bucket, ["s3:PutObject", "s3:PutObjectAcl"], {"AWS": "other"})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(rights))
    put(ACL="bucket-owner-full-control")
    # It would be the other tenant's object.
    assert error_of(put, ACL="public-read") == (501, "NotImplemented")
    assert error_of(put, GrantRead="id=third") == (501, "NotImplemented")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_policy_can_ask_for_the_grants_of_a_request(s3, bucket, other_tenant):
    own(s3, bucket, "BucketOwnerEnforced")
    needs = {"StringEquals": {"s3:x-amz-grant-full-control": f"id={owner_of(s3)}"}}
    rights = statement(bucket, ["s3:PutObject", "s3:PutObjectAcl"], {"AWS": "other"}, Condition=needs)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(rights))
    put = lambda **more: other_tenant.put_object(Bucket=bucket, Key="k", Body=b"x", **more)  # noqa: E731
    assert error_of(put) == DENIED
    put(GrantFullControl=f"id={owner_of(s3)}")


def test_a_readable_object_can_be_copied_by_its_reader(s3, bucket, other_tenant):
    s3.put_object(Bucket=bucket, Key="small", Body=BODY, ACL="authenticated-read")
    s3.put_object(Bucket=bucket, Key="secret", Body=BODY)
    theirs = new_name()
    other_tenant.create_bucket(Bucket=theirs)
    other_tenant.copy_object(Bucket=theirs, Key="k", CopySource=f"{bucket}/small")
    assert other_tenant.get_object(Bucket=theirs, Key="k")["Body"].read() == BODY
    refused = error_of(other_tenant.copy_object, Bucket=theirs, Key="k", CopySource=f"{bucket}/secret")
    assert refused == DENIED
    upload = other_tenant.create_multipart_upload(Bucket=theirs, Key="m")["UploadId"]
    part = {"Bucket": theirs, "Key": "m", "UploadId": upload, "PartNumber": 1}
    other_tenant.upload_part_copy(CopySource=f"{bucket}/small", **part)
    assert error_of(other_tenant.upload_part_copy, CopySource=f"{bucket}/secret", **part) == DENIED
    end_job(other_tenant, theirs)


def test_a_changed_acl_holds_at_every_gateway_from_its_answer_on(s3, other_gateway, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    for n in range(6):
        client = (s3, other_gateway)[n % 2]
        client.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
        assert is_public(bucket, "k")
        client.put_object_acl(Bucket=bucket, Key="k", ACL="private")
        assert not is_public(bucket, "k")


def test_a_page_of_another_origin_reads_a_public_object(s3, bucket):
    rule = {"AllowedOrigins": ["https://page.example"], "AllowedMethods": ["GET"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ACL="public-read", ContentType="text/plain")
    answer = fetch(bucket, "k", headers={"Origin": "https://page.example"})
    assert (answer.content, answer.headers["Content-Type"]) == (BODY, "text/plain")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"


def test_a_link_in_a_list_of_a_public_bucket_leads_to_the_object(s3, bucket):
    """A data tool without credentials: it lists and reads what the list names."""
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    for n in range(3):
        s3.put_object(Bucket=bucket, Key=f"data/{n}.csv", Body=f"row {n}".encode(), ACL="public-read")
    client = make_client(ENDPOINTS[-1], signature_version=UNSIGNED)
    listed = client.list_objects_v2(Bucket=bucket, Prefix="data/")["Contents"]
    assert [client.get_object(Bucket=bucket, Key=o["Key"])["Body"].read() for o in listed] == [b"row 0", b"row 1", b"row 2"]
