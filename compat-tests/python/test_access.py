"""Who may do what: policies, public access blocks, ownership controls and ACLs, asked by the owner, another tenant and
nobody. What the owner says to one gateway holds at the other when it was answered."""

import json

import pytest
from botocore import UNSIGNED
from conftest import ENDPOINTS, OTHER_KEYS, content, error_of, exists, headers, make_client, new_name

DENIED = (403, "AccessDenied")
OPEN = {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False}
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"


def statement(bucket, action, principal="*", effect="Allow", key="*", **more):
    """About objects of the bucket, or about the bucket where `key` is None."""
    resource = f"arn:aws:s3:::{bucket}" + ("" if key is None else f"/{key}")
    return {"Effect": effect, "Principal": principal, "Action": action, "Resource": resource, **more}


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def unblock(s3, bucket):
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=OPEN)


@pytest.fixture
def open_bucket(s3, bucket):
    """A bucket that may become public, with one object in it."""
    unblock(s3, bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    return bucket


# ---- closed until opened ----


def test_a_new_bucket_is_its_owners_alone(s3, bucket, other_tenant, nobody):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(OPEN, True)
    controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert controls == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert error_of(s3.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")
    for client in [other_tenant, nobody]:
        for call, arguments in [
            (client.get_object, {"Key": "k"}),
            (client.put_object, {"Key": "k", "Body": b"bent"}),
            (client.delete_object, {"Key": "k"}),
            (client.copy_object, {"Key": "c", "CopySource": f"{bucket}/k"}),
            (client.create_multipart_upload, {"Key": "k"}),
            (client.list_objects_v2, {}),
            (client.get_bucket_policy, {}),
            (client.put_bucket_policy, {"Policy": policy(statement(bucket, "s3:*"))}),
            (client.delete_bucket_policy, {}),
            (client.put_public_access_block, {"PublicAccessBlockConfiguration": OPEN}),
            (client.delete_public_access_block, {}),
            (client.put_bucket_acl, {"ACL": "private"}),
            (client.get_bucket_acl, {}),
            (client.get_bucket_tagging, {}),
            (client.delete_bucket, {}),
        ]:
            assert error_of(call, Bucket=bucket, **arguments) == DENIED, call
        assert error_of(client.head_bucket, Bucket=bucket)[0] == 403
        assert error_of(client.head_object, Bucket=bucket, Key="k")[0] == 403
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_a_tenant_finds_its_own_id_in_its_list_of_buckets(s3, bucket, other_tenant):
    owner = s3.list_buckets()["Owner"]["ID"]
    s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=owner)
    assert s3.get_bucket_acl(Bucket=bucket)["Owner"]["ID"] == owner
    assert other_tenant.list_buckets()["Owner"]["ID"] == "other"
    assert error_of(s3.get_bucket_acl, Bucket=bucket, ExpectedBucketOwner="other") == DENIED


# ---- policies ----


def test_a_policy_comes_back_as_it_was_sent_and_goes(s3, bucket):
    text = " " + policy(statement(bucket, "s3:GetObject", {"AWS": "other"}, Sid="one")) + "\n"
    assert s3.put_bucket_policy(Bucket=bucket, Policy=text)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text
    for _ in range(2):
        assert s3.delete_bucket_policy(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error_of(s3.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")


def test_a_public_policy_lets_everybody_read_and_do_nothing_else(s3, open_bucket, other_tenant, nobody):
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket, "s3:GetObject")))
    for client in [other_tenant, nobody]:
        assert client.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"body"
        assert client.head_object(Bucket=open_bucket, Key="k")["ContentLength"] == 4
        assert client.get_object(Bucket=open_bucket, Key="k", Range="bytes=1-2")["Body"].read() == b"od"
        assert error_of(client.put_object, Bucket=open_bucket, Key="k", Body=b"bent") == DENIED
        assert error_of(client.delete_object, Bucket=open_bucket, Key="k") == DENIED
        assert error_of(client.list_objects_v2, Bucket=open_bucket) == DENIED
        assert error_of(client.get_object_tagging, Bucket=open_bucket, Key="k") == DENIED
    s3.delete_bucket_policy(Bucket=open_bucket)
    assert error_of(nobody.get_object, Bucket=open_bucket, Key="k") == DENIED


def test_only_who_signs_says_what_headers_an_answer_has(s3, open_bucket, other_tenant, nobody):
    """Else a link to a public file could make a page of it."""
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket, "s3:GetObject")))
    page = {"Bucket": open_bucket, "Key": "k", "ResponseContentType": "text/html"}
    assert error_of(nobody.get_object, **page) == (400, "InvalidRequest")
    assert error_of(nobody.head_object, **page)[0] == 400
    assert other_tenant.get_object(**page)["ContentType"] == "text/html"


def test_who_may_not_list_cannot_tell_which_keys_are_missing(s3, open_bucket, nobody):
    read = statement(open_bucket, "s3:GetObject")
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(read))
    assert error_of(nobody.get_object, Bucket=open_bucket, Key="missing") == DENIED
    assert error_of(nobody.head_object, Bucket=open_bucket, Key="missing")[0] == 403
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(read, statement(open_bucket, "s3:ListBucket", key=None)))
    assert error_of(nobody.get_object, Bucket=open_bucket, Key="missing") == (404, "NoSuchKey")
    assert [o["Key"] for o in nobody.list_objects_v2(Bucket=open_bucket)["Contents"]] == ["k"]
    assert nobody.head_bucket(Bucket=open_bucket)


def test_a_prefix_can_be_opened_and_listed_alone(s3, open_bucket, nobody):
    s3.put_object(Bucket=open_bucket, Key="public/a", Body=b"a")
    s3.put_object(Bucket=open_bucket, Key="private/b", Body=b"b")
    lists = statement(
        open_bucket, "s3:ListBucket", key=None, Condition={"StringLike": {"s3:prefix": ["public/*", "public"]}}
    )
    s3.put_bucket_policy(
        Bucket=open_bucket, Policy=policy(statement(open_bucket, "s3:GetObject", key="public/*"), lists)
    )
    assert nobody.get_object(Bucket=open_bucket, Key="public/a")["Body"].read() == b"a"
    assert error_of(nobody.get_object, Bucket=open_bucket, Key="private/b") == DENIED
    assert nobody.list_objects_v2(Bucket=open_bucket, Prefix="public/")["KeyCount"] == 1
    assert nobody.list_objects(Bucket=open_bucket, Prefix="public/a")["Contents"][0]["Key"] == "public/a"
    for arguments in [{}, {"Prefix": "private/"}, {"Prefix": "p"}]:
        assert error_of(nobody.list_objects_v2, Bucket=open_bucket, **arguments) == DENIED


@pytest.mark.parametrize("principal", ["other", "arn:aws:iam::other:root", f"arn:aws:iam::other:user/{OTHER_KEYS[0]}"])
def test_another_tenant_can_be_let_in_by_each_of_its_names(s3, bucket, other_tenant, nobody, principal):
    objects = statement(bucket, ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], {"AWS": principal})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(objects, statement(bucket, "s3:ListBucket", {"AWS": principal}, key=None)))
    other_tenant.put_object(Bucket=bucket, Key="theirs", Body=b"theirs")
    assert s3.get_object(Bucket=bucket, Key="theirs")["Body"].read() == b"theirs"
    assert other_tenant.get_object(Bucket=bucket, Key="theirs")["Body"].read() == b"theirs"
    assert [o["Key"] for o in other_tenant.list_objects_v2(Bucket=bucket)["Contents"]] == ["theirs"]
    assert bucket not in [b["Name"] for b in other_tenant.list_buckets()["Buckets"]]
    assert error_of(nobody.get_object, Bucket=bucket, Key="theirs") == DENIED
    other_tenant.delete_object(Bucket=bucket, Key="theirs")
    assert not exists(s3, bucket, "theirs")


def test_somebody_elses_key_is_not_meant(s3, bucket, other_tenant):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    another = {"AWS": "arn:aws:iam::other:user/ANOTHERKEY"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, "s3:GetObject", another)))
    assert error_of(other_tenant.get_object, Bucket=bucket, Key="k") == DENIED


def test_a_multipart_upload_by_another_tenant(s3, bucket, other_tenant):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, "s3:PutObject", {"AWS": "other"})))
    upload = other_tenant.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    named = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    body = content(5 << 20)
    part = other_tenant.upload_part(PartNumber=1, Body=body, **named)
    assert error_of(other_tenant.list_parts, **named) == DENIED
    assert error_of(other_tenant.abort_multipart_upload, **named) == DENIED
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    other_tenant.complete_multipart_upload(MultipartUpload=parts, **named)
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == body


def test_a_copy_takes_what_its_caller_may_read_to_where_it_may_write(s3, bucket, other_tenant):
    s3.put_object(Bucket=bucket, Key="plain", Body=b"plain")
    s3.put_object(Bucket=bucket, Key="tagged", Body=b"tagged", Tagging="a=b")
    s3.put_object(Bucket=bucket, Key="secret", Body=b"secret")
    theirs = new_name()
    other_tenant.create_bucket(Bucket=theirs)
    read = statement(bucket, "s3:GetObject", {"AWS": "other"})
    deny = statement(bucket, "s3:GetObject", {"AWS": "other"}, effect="Deny", key="secret")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(read, deny))
    copy = lambda key, **more: other_tenant.copy_object(Bucket=theirs, Key=key, CopySource=f"{bucket}/{key}", **more)  # noqa: E731
    copy("plain")
    assert other_tenant.get_object(Bucket=theirs, Key="plain")["Body"].read() == b"plain"
    assert error_of(copy, key="secret") == DENIED
    assert error_of(copy, key="missing") == DENIED
    # Tags are read as well, where there are some.
    assert error_of(copy, key="tagged") == DENIED
    copy("tagged", TaggingDirective="REPLACE")
    tags = statement(bucket, "s3:GetObjectTagging", {"AWS": "other"})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(read, tags))
    copy("tagged")
    assert other_tenant.get_object_tagging(Bucket=theirs, Key="tagged")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert error_of(other_tenant.copy_object, Bucket=bucket, Key="c", CopySource=f"{theirs}/plain") == DENIED
    with headers(other_tenant, x_pocket_force_delete="true"):
        other_tenant.delete_bucket(Bucket=theirs)


def test_an_explicit_denial_outweighs_the_owner_but_not_the_policy_itself(s3, bucket):
    s3.put_object(Bucket=bucket, Key="kept/k", Body=b"kept")
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    deny = statement(bucket, "s3:DeleteObject", effect="Deny", key="kept/*")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(deny))
    assert error_of(s3.delete_object, Bucket=bucket, Key="kept/k") == DENIED
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "kept/k"}, {"Key": "kept/missing"}]})
    assert [d["Key"] for d in answer["Deleted"]] == ["k"]
    assert sorted((e["Key"], e["Code"]) for e in answer["Errors"]) == [
        ("kept/k", "AccessDenied"),
        ("kept/missing", "AccessDenied"),
    ]
    assert exists(s3, bucket, "kept/k") and not exists(s3, bucket, "k")
    everything = [statement(bucket, "s3:*", effect="Deny"), statement(bucket, "s3:*", effect="Deny", key=None)]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(*everything))
    for call, arguments in [
        (s3.get_object, {"Key": "kept/k"}),
        (s3.list_objects_v2, {}),
        (s3.delete_bucket, {}),
        (s3.put_bucket_tagging, {"Tagging": {"TagSet": []}}),
    ]:
        assert error_of(call, Bucket=bucket, **arguments) == DENIED
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="kept/k")["Body"].read() == b"kept"


def test_policies_are_their_owners_business_even_where_everything_is_allowed(s3, bucket, other_tenant):
    everything = [statement(bucket, "s3:*", {"AWS": "other"}), statement(bucket, "s3:*", {"AWS": "other"}, key=None)]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(*everything))
    for call, arguments in [
        (other_tenant.get_bucket_policy, {}),
        (other_tenant.put_bucket_policy, {"Policy": policy(*everything)}),
        (other_tenant.delete_bucket_policy, {}),
    ]:
        assert error_of(call, Bucket=bucket, **arguments) == (405, "MethodNotAllowed")
    # Nor does what S3 knows as DeleteBucket take objects with it.
    other_tenant.put_object(Bucket=bucket, Key="k", Body=b"x")
    with headers(other_tenant, x_pocket_force_delete="true"):
        assert error_of(other_tenant.delete_bucket, Bucket=bucket) == DENIED
    other_tenant.delete_object(Bucket=bucket, Key="k")
    other_tenant.delete_bucket(Bucket=bucket)
    assert error_of(s3.head_bucket, Bucket=bucket)[0] == 404


def test_reading_an_object_away_takes_the_right_to_delete_it(s3, open_bucket, nobody):
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket, "s3:GetObject")))
    with headers(nobody, x_pocket_delete_after_read="true"):
        assert error_of(nobody.get_object, Bucket=open_bucket, Key="k") == DENIED
    assert exists(s3, open_bucket, "k")


def test_conditions_on_the_request(s3, open_bucket, nobody, other_tenant):
    read = lambda **condition: policy(statement(open_bucket, "s3:GetObject", Condition=condition))  # noqa: E731
    for condition, may in [
        ({"IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1"]}}, True),
        ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, False),
        ({"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"StringLike": {"aws:UserAgent": "*Boto3*"}}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, False),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
        ({"Null": {"aws:PrincipalArn": "true"}}, True),
        ({"StringEquals": {"s3:authType": "REST-HEADER"}}, False),
    ]:
        s3.put_bucket_policy(Bucket=open_bucket, Policy=read(**condition))
        if may:
            assert nobody.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"body", condition
        else:
            assert error_of(nobody.get_object, Bucket=open_bucket, Key="k") == DENIED, condition
    s3.put_bucket_policy(Bucket=open_bucket, Policy=read(StringEquals={"s3:authType": "REST-HEADER"}))
    assert other_tenant.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"body"


def test_a_referer_opens_a_door_that_anybody_can_knock_at(s3, open_bucket, nobody):
    condition = {"StringLike": {"aws:Referer": "https://www.example.com/*"}}
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket, "s3:GetObject", Condition=condition)))
    assert s3.get_bucket_policy_status(Bucket=open_bucket)["PolicyStatus"]["IsPublic"] is True
    assert error_of(nobody.get_object, Bucket=open_bucket, Key="k") == DENIED
    with headers(nobody, referer="https://www.example.com/page"):
        assert nobody.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"body"
    with headers(nobody, referer="https://www.example.org/page"):
        assert error_of(nobody.get_object, Bucket=open_bucket, Key="k") == DENIED


def test_tags_of_objects_decide_and_stop_deciding(s3, open_bucket, nobody):
    condition = {"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket, "s3:GetObject", Condition=condition)))
    s3.put_object(Bucket=open_bucket, Key="t", Body=b"tagged", Tagging="public=yes")
    assert nobody.get_object(Bucket=open_bucket, Key="t")["Body"].read() == b"tagged"
    assert error_of(nobody.get_object, Bucket=open_bucket, Key="k") == DENIED
    assert error_of(nobody.get_object, Bucket=open_bucket, Key="missing") == DENIED
    s3.put_object_tagging(Bucket=open_bucket, Key="t", Tagging={"TagSet": [{"Key": "public", "Value": "no"}]})
    assert error_of(nobody.get_object, Bucket=open_bucket, Key="t") == DENIED


def test_tags_that_a_writer_gives_decide(s3, bucket, other_tenant):
    only_raw = {"StringEquals": {"s3:RequestObjectTag/stage": "raw"}}
    put = statement(bucket, ["s3:PutObject", "s3:PutObjectTagging"], {"AWS": "other"}, Condition=only_raw)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(put))
    other_tenant.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="stage=raw")
    assert error_of(other_tenant.put_object, Bucket=bucket, Key="k", Body=b"x", Tagging="stage=done") == DENIED
    assert error_of(other_tenant.put_object, Bucket=bucket, Key="k", Body=b"x") == DENIED
    retag = {"Tagging": {"TagSet": [{"Key": "stage", "Value": "done"}]}}
    assert error_of(other_tenant.put_object_tagging, Bucket=bucket, Key="k", **retag) == DENIED


def test_what_a_writer_says_of_an_object_takes_rights_of_its_own(s3, bucket, other_tenant):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, "s3:PutObject", {"AWS": "other"})))
    put = lambda **more: other_tenant.put_object(Bucket=bucket, Key="k", Body=b"x", **more)  # noqa: E731
    etag = put()["ETag"]
    assert error_of(put, Tagging="a=b") == DENIED
    assert error_of(put, ACL="bucket-owner-full-control") == DENIED
    assert error_of(put, IfMatch=etag) == DENIED
    assert error_of(put, IfNoneMatch="*") == (412, "PreconditionFailed")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Action": "s3:FetchObject"}, "s3:FetchObject"),
        ({"Effect": "Permit"}, "Permit"),
        ({"Principal": {"AWS": "arn:aws:iam::other:role/x"}}, "role/x"),
        ({"Principal": {"AWS": "othr"}}, 'Invalid principal in policy: there is no tenant "othr"'),
        ({"Principal": {"AWS": ["other", "arn:aws:iam::othr:root"]}}, 'no tenant "othr"'),
        ({"Principal": {"AWS": "arn:aws:iam::othr:user/KEY"}}, 'no tenant "othr"'),
        ({"Principal": {"CanonicalUser": "othr"}}, 'no tenant "othr"'),
        ({"Resource": "arn:aws:s3:::somebody-elses/*"}, "somebody-elses"),
        ({"Condition": {"StringAlike": {"s3:prefix": "a"}}}, "StringAlike"),
        ({"Condition": {"StringEquals": {"aws:SourceVpc": "a"}}}, "aws:SourceVpc"),
        ({"Colour": "blue"}, "Colour"),
        ({"Action": "s3:ListBucket"}, "does not apply"),
    ],
)
def test_what_could_not_be_held_to_is_refused_by_name(s3, bucket, change, said):
    text = policy({**statement(bucket, "s3:GetObject"), **change})
    with pytest.raises(s3.exceptions.ClientError) as caught:
        s3.put_bucket_policy(Bucket=bucket, Policy=text)
    error = caught.value.response["Error"]
    assert error["Code"] == "MalformedPolicy" and said in error["Message"], error
    assert error_of(s3.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")


def test_a_request_whose_decision_would_take_too_long_is_denied(s3, bucket):
    """Patterns that begin in a thousand ways are tried in all of them, for a while."""
    long, slow = "a" * 1_000, "*?" + "a" * 450
    resources = [f"arn:aws:s3:::{bucket}/{slow}b{number}*" for number in range(35)]
    denial = {**statement(bucket, "s3:GetObject", effect="Deny"), "Resource": resources}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(denial))
    for key in [long, "short"]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"body")
    assert error_of(s3.get_object, Bucket=bucket, Key=long) == DENIED
    assert s3.get_object(Bucket=bucket, Key="short")["Body"].read() == b"body"
    # Whoever wrote it can take it away.
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key=long)["Body"].read() == b"body"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Statement": []}', "<Policy/>", '{"a": 1, "a": 2}', " " * 30_000 + "{}"])
def test_what_is_no_policy_is_refused(s3, bucket, text):
    status, code = error_of(s3.put_bucket_policy, Bucket=bucket, Policy=text)
    assert status == 400 and code in ("MalformedPolicy", "MissingRequestBodyError"), code


# ---- public access block ----


def test_a_public_policy_is_refused_while_it_is_blocked(s3, bucket):
    public = policy(statement(bucket, "s3:GetObject"))
    assert error_of(s3.put_bucket_policy, Bucket=bucket, Policy=public) == DENIED
    for condition in [{"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {"StringEquals": {"aws:PrincipalAccount": "other"}}]:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, "s3:GetObject", Condition=condition)))
        assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    unblock(s3, bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True


def test_a_public_bucket_is_closed_again_by_its_block(s3, open_bucket, other_tenant, nobody):
    both = policy(statement(open_bucket, "s3:GetObject"), statement(open_bucket, "s3:PutObject", {"AWS": "other"}))
    s3.put_bucket_policy(Bucket=open_bucket, Policy=both)
    assert nobody.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"body"
    s3.put_public_access_block(
        Bucket=open_bucket, PublicAccessBlockConfiguration={**OPEN, "RestrictPublicBuckets": True}
    )
    for client in [other_tenant, nobody]:
        assert error_of(client.get_object, Bucket=open_bucket, Key="k") == DENIED
        assert error_of(client.put_object, Bucket=open_bucket, Key="k", Body=b"x") == DENIED
    assert s3.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"body"
    assert s3.delete_public_access_block(Bucket=open_bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    missing = (404, "NoSuchPublicAccessBlockConfiguration")
    assert error_of(s3.get_public_access_block, Bucket=open_bucket) == missing
    assert nobody.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"body"


def test_switches_that_are_not_named_are_off(s3, bucket):
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert block == {**OPEN, "BlockPublicAcls": True}


# ---- ownership controls and ACLs ----


def own(s3, bucket, ownership):
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]}
    )


def test_acls_are_refused_where_the_owner_is_enforced(s3, bucket):
    refused = (400, "AccessControlListNotSupported")
    for acl in ["public-read", "public-read-write", "authenticated-read"]:
        assert error_of(s3.put_bucket_acl, Bucket=bucket, ACL=acl) == refused
        assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ACL=acl) == refused
        assert error_of(s3.create_multipart_upload, Bucket=bucket, Key="k", ACL=acl) == refused
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    for acl in ["private", "bucket-owner-full-control"]:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL=acl)
        s3.put_object_acl(Bucket=bucket, Key="k", ACL=acl)
    assert error_of(s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read") == refused
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ACL="publik")[0] == 400


def test_the_owner_has_full_control_of_buckets_and_objects(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for acl in [s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="k")]:
        (grant,) = acl["Grants"]
        assert grant["Permission"] == "FULL_CONTROL" and grant["Grantee"]["Type"] == "CanonicalUser"
        assert grant["Grantee"]["ID"] == acl["Owner"]["ID"]
    assert error_of(s3.get_object_acl, Bucket=bucket, Key="missing") == (404, "NoSuchKey")


def test_a_bucket_acl_lets_others_list_and_write(s3, open_bucket, other_tenant, nobody):
    own(s3, open_bucket, "BucketOwnerPreferred")
    s3.put_bucket_acl(Bucket=open_bucket, ACL="public-read")
    grants = s3.get_bucket_acl(Bucket=open_bucket)["Grants"]
    assert {"Grantee": {"Type": "Group", "URI": EVERYBODY}, "Permission": "READ"} in grants
    assert nobody.list_objects_v2(Bucket=open_bucket)["KeyCount"] == 1
    # A bucket's list says nothing of its objects.
    assert error_of(nobody.get_object, Bucket=open_bucket, Key="k") == DENIED
    assert error_of(nobody.put_object, Bucket=open_bucket, Key="n", Body=b"x") == DENIED
    s3.put_bucket_acl(Bucket=open_bucket, ACL="authenticated-read")
    assert error_of(nobody.list_objects_v2, Bucket=open_bucket) == DENIED
    assert other_tenant.list_objects_v2(Bucket=open_bucket)["KeyCount"] == 1
    s3.put_bucket_acl(Bucket=open_bucket, ACL="public-read-write")
    nobody.delete_object(Bucket=open_bucket, Key="k")
    assert not exists(s3, open_bucket, "k")
    s3.put_bucket_acl(Bucket=open_bucket, ACL="private")
    assert error_of(other_tenant.list_objects_v2, Bucket=open_bucket) == DENIED


def test_grants_to_one_tenant_are_that_tenants(s3, bucket, other_tenant, nobody):
    own(s3, bucket, "ObjectWriter")
    owner = s3.list_buckets()["Owner"]
    granted = lambda who, permission: {"Grantee": {"Type": "CanonicalUser", "ID": who}, "Permission": permission}  # noqa: E731
    sent = {"Owner": owner, "Grants": [granted(owner["ID"], "FULL_CONTROL"), granted("other", "READ")]}
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=sent)
    assert other_tenant.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert error_of(other_tenant.get_bucket_acl, Bucket=bucket) == DENIED
    assert error_of(nobody.list_objects_v2, Bucket=bucket) == DENIED
    sent["Grants"][1] = granted("other", "READ_ACP")
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=sent)
    assert len(other_tenant.get_bucket_acl(Bucket=bucket)["Grants"]) == 2
    assert error_of(other_tenant.list_objects_v2, Bucket=bucket) == DENIED


@pytest.mark.parametrize(
    ("grantee", "permission", "expected"),
    [
        ({"Type": "CanonicalUser", "ID": "no tenant"}, "READ", (400, "InvalidArgument")),
        ({"Type": "Group", "URI": "http://example.com/all"}, "READ", (400, "InvalidArgument")),
        ({"Type": "AmazonCustomerByEmail", "EmailAddress": "a@b.example"}, "READ", (405, "MethodNotAllowed")),
        ({"Type": "CanonicalUser", "ID": "other"}, "EVERYTHING", (400, "MalformedACLError")),
    ],
)
def test_grants_that_could_not_be_held_to_are_refused(s3, bucket, grantee, permission, expected):
    own(s3, bucket, "ObjectWriter")
    client = make_client(parameter_validation=False)
    sent = {"Owner": s3.list_buckets()["Owner"], "Grants": [{"Grantee": grantee, "Permission": permission}]}
    assert error_of(client.put_bucket_acl, Bucket=bucket, AccessControlPolicy=sent) == expected


def test_public_acls_are_blocked_and_ignored(s3, open_bucket, nobody):
    own(s3, open_bucket, "BucketOwnerPreferred")
    s3.put_bucket_acl(Bucket=open_bucket, ACL="public-read")
    s3.put_public_access_block(Bucket=open_bucket, PublicAccessBlockConfiguration={**OPEN, "IgnorePublicAcls": True})
    assert error_of(nobody.list_objects_v2, Bucket=open_bucket) == DENIED
    s3.put_public_access_block(Bucket=open_bucket, PublicAccessBlockConfiguration={**OPEN, "BlockPublicAcls": True})
    assert nobody.list_objects_v2(Bucket=open_bucket)["KeyCount"] == 1
    assert error_of(s3.put_bucket_acl, Bucket=open_bucket, ACL="public-read-write") == DENIED


def test_ownership_cannot_be_enforced_over_an_acl_and_goes_like_other_settings(s3, open_bucket):
    own(s3, open_bucket, "BucketOwnerPreferred")
    s3.put_bucket_acl(Bucket=open_bucket, ACL="public-read")
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    refused = error_of(s3.put_bucket_ownership_controls, Bucket=open_bucket, OwnershipControls=enforced)
    assert refused == (400, "InvalidBucketAclWithObjectOwnership")
    s3.put_bucket_acl(Bucket=open_bucket, ACL="private")
    s3.put_bucket_ownership_controls(Bucket=open_bucket, OwnershipControls=enforced)
    s3.delete_bucket_ownership_controls(Bucket=open_bucket)
    missing = error_of(s3.get_bucket_ownership_controls, Bucket=open_bucket)
    assert missing == (404, "OwnershipControlsNotFoundError")


def test_objects_belong_to_their_bucket_or_are_not_made(s3, bucket, other_tenant):
    rights = ["s3:PutObject", "s3:PutObjectAcl"]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, rights, {"AWS": "other"})))
    put = lambda **more: other_tenant.put_object(Bucket=bucket, Key="k", Body=b"x", **more)  # noqa: E731
    own(s3, bucket, "BucketOwnerPreferred")
    assert error_of(put) == (501, "NotImplemented")
    put(ACL="bucket-owner-full-control")
    own(s3, bucket, "ObjectWriter")
    assert error_of(put, ACL="bucket-owner-full-control") == (501, "NotImplemented")
    s3.put_object(Bucket=bucket, Key="mine", Body=b"x")


def test_a_bucket_is_created_with_an_ownership_and_no_public_acl(s3):
    name = new_name()
    s3.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerPreferred", ACL="private")
    controls = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
    assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerPreferred"}]
    s3.delete_bucket(Bucket=name)
    enforced = error_of(s3.create_bucket, Bucket=name, ACL="public-read")
    assert enforced == (400, "InvalidBucketAclWithObjectOwnership")
    blocked = error_of(s3.create_bucket, Bucket=name, ACL="public-read", ObjectOwnership="ObjectWriter")
    assert blocked == (400, "InvalidBucketAclWithBlockPublicAccessError")
    assert error_of(s3.create_bucket, Bucket=name, ObjectOwnership="Nobody") == (400, "InvalidArgument")
    assert error_of(s3.head_bucket, Bucket=name)[0] == 404


# ---- while requests are on their way ----


def test_a_change_holds_at_every_gateway_from_its_answer_on(s3, open_bucket):
    nobody_there = [make_client(endpoint, signature_version=UNSIGNED) for endpoint in ENDPOINTS]
    for _ in range(5):
        s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket, "s3:GetObject")))
        for client in nobody_there:
            assert client.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"body"
        s3.delete_bucket_policy(Bucket=open_bucket)
        for client in nobody_there:
            assert error_of(client.get_object, Bucket=open_bucket, Key="k") == DENIED
