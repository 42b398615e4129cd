"""Tags of objects: by header, by document, on copies and uploads; and the hints that tags and user metadata carry."""

import base64
import concurrent.futures as futures
import hashlib
import urllib.parse

import pytest
from conftest import content, end_job, error_of, exists, headers, make_client
from test_jobs import wait_until


def tag_set(**tags):
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def tags_of(client, bucket, key):
    return {t["Key"]: t["Value"] for t in client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}


def encoded(**tags):
    return urllib.parse.urlencode(tags)


def expires(client, bucket, key):
    return "Expiration" in client.head_object(Bucket=bucket, Key=key)


def count(answer):
    return int(answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-tagging-count", 0))


# ---- the three operations ----


def test_an_object_has_no_tags_until_somebody_tags_it(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert count(s3.head_object(Bucket=bucket, Key="k")) == 0


def test_tags_are_set_replaced_and_deleted(s3, other_gateway, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(team="blue", stage="1"))
    assert tags_of(other_gateway, bucket, "k") == {"team": "blue", "stage": "1"}
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(only="this"))
    assert tags_of(other_gateway, bucket, "k") == {"only": "this"}
    answer = s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert tags_of(other_gateway, bucket, "k") == {}
    s3.delete_object_tagging(Bucket=bucket, Key="k")


def test_an_empty_set_removes_all_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": []})
    assert tags_of(s3, bucket, "k") == {}


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_tagging_changes_nothing_else_of_the_object(s3, bucket, size):
    body = content(size)
    s3.put_object(
        Bucket=bucket, Key="k", Body=body, Metadata={"a": "b"}, ContentType="text/plain", StorageClass="STANDARD_IA"
    )
    names = ["ETag", "LastModified", "ContentLength", "Metadata", "ContentType", "StorageClass"]
    before = s3.head_object(Bucket=bucket, Key="k")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(a="b"))
    after = s3.head_object(Bucket=bucket, Key="k")
    assert {n: after[n] for n in names} == {n: before[n] for n in names}
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_tags_of_what_is_not_there_are_not_there_either(s3, bucket):
    assert error_of(s3.get_object_tagging, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    assert error_of(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tag_set(a="b")) == (404, "NoSuchKey")
    assert error_of(s3.delete_object_tagging, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    assert error_of(s3.get_object_tagging, Bucket="no-such-bucket-here", Key="k") == (404, "NoSuchBucket")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_the_null_version_is_the_object_and_no_other_is_there(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    version = {"Bucket": bucket, "Key": "k", "VersionId": "null"}
    s3.put_object_tagging(**version, Tagging=tag_set(a="b"))
    assert s3.get_object_tagging(**version)["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.delete_object_tagging(**version)
    other = {**version, "VersionId": "3sL4kqtJlcpXroDTDmJ"}
    assert error_of(s3.get_object_tagging, **other) == (404, "NoSuchVersion")
    assert error_of(s3.put_object_tagging, **other, Tagging=tag_set(a="b")) == (404, "NoSuchVersion")
    assert error_of(s3.delete_object_tagging, **other) == (404, "NoSuchVersion")
    assert tags_of(s3, bucket, "k") == {}


def test_a_new_object_of_the_key_does_not_inherit_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")
    s3.put_object(Bucket=bucket, Key="k", Body=b"y")
    assert tags_of(s3, bucket, "k") == {}


def test_the_body_of_tags_is_checked(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    wrong = base64.b64encode(hashlib.md5(b"another").digest()).decode()
    bad = error_of(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tag_set(a="b"), ContentMD5=wrong)
    assert bad == (400, "BadDigest")
    assert tags_of(s3, bucket, "k") == {}


def test_racing_sets_of_tags_leave_one_of_them_whole(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    sets = [{f"writer-{i}": "", "a": str(i), "b": str(i)} for i in range(8)]

    def put(tags):
        make_client().put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(**tags))

    with futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, sets * 4))
    assert tags_of(s3, bucket, "k") in sets


# ---- by header ----


def test_tags_come_with_a_put(s3, bucket):
    answer = s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging=encoded(team="blue", note="a b+c/ü"))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert tags_of(s3, bucket, "k") == {"team": "blue", "note": "a b+c/ü"}
    assert count(s3.head_object(Bucket=bucket, Key="k")) == 2
    assert count(s3.get_object(Bucket=bucket, Key="k")) == 2


def test_tags_come_with_a_multipart_upload(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", Tagging="a=1&b=2")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    assert tags_of(s3, bucket, "k") == {"a": "1", "b": "2"}


def test_a_part_takes_no_tags(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    with headers(make_client(), x_amz_tagging="a=b") as client:
        bad = error_of(client.upload_part, Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    assert bad == (400, "InvalidArgument")


def test_a_presigned_put_carries_the_tags_that_were_signed(s3, bucket):
    import urllib.request

    client = make_client(signature_version="s3v4")
    url = client.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k", "Tagging": "a=b"})
    request = urllib.request.Request(url, data=b"x", method="PUT", headers={"x-amz-tagging": "a=b"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    assert tags_of(s3, bucket, "k") == {"a": "b"}


# ---- limits ----

LONG_KEY, LONG_VALUE = "k" * 128, "ü" * 256


def test_the_largest_tags_are_kept(s3, bucket):
    tags = {f"{i}{LONG_KEY[1:]}": LONG_VALUE for i in range(10)}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(**tags))
    assert tags_of(s3, bucket, "k") == tags
    s3.put_object(Bucket=bucket, Key="signs", Body=b"x", Tagging=encoded(**{"+-=._:/@ 日本": "+-=._:/@ é"}))
    assert tags_of(s3, bucket, "signs") == {"+-=._:/@ 日本": "+-=._:/@ é"}


@pytest.mark.parametrize(
    "tags, code",
    [
        ({LONG_KEY + "k": "v"}, "InvalidTag"),
        ({"k": LONG_VALUE + "v"}, "InvalidTag"),
        ({"k*": "v"}, "InvalidTag"),
        ({"k": "<v>"}, "InvalidTag"),
        ({"k": "v\n"}, "InvalidTag"),
        ({"aws:k": "v"}, "InvalidTag"),
        ({f"k{i}": "v" for i in range(11)}, "BadRequest"),
    ],
)
def test_tags_beyond_the_limits_are_refused_and_change_nothing(s3, bucket, tags, code):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")
    by_document = error_of(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tag_set(**tags))
    assert by_document == (400, code)
    assert tags_of(s3, bucket, "k") == {"a": "b"}
    assert error_of(s3.put_object, Bucket=bucket, Key="new", Body=b"x", Tagging=encoded(**tags)) == (400, code)
    assert error_of(s3.create_multipart_upload, Bucket=bucket, Key="new", Tagging=encoded(**tags)) == (400, code)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_a_key_twice_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert error_of(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=twice) == (400, "InvalidTag")
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", Tagging="a=1&a=2") == (400, "InvalidArgument")
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", Tagging="a=%zz") == (400, "InvalidArgument")


@pytest.mark.parametrize(
    "document",
    [
        "<Tagging",
        "<Other/>",
        "<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>",
        "<Tagging><TagSet><Tag><Value>v</Value></Tag></TagSet></Tagging>",
        "<Tagging><TagSet><Tag><Key>k</Key><Key>l</Key><Value>v</Value></Tag></TagSet></Tagging>",
        "not xml",
    ],
)
def test_a_document_that_is_no_set_of_tags_is_refused(s3, bucket, document):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")
    client = make_client()
    bend = lambda params, **_: params.update(body=document.encode())  # noqa: E731
    client.meta.events.register("before-call.s3.PutObjectTagging", bend)
    assert error_of(client.put_object_tagging, Bucket=bucket, Key="k", Tagging=tag_set(c="d")) == (400, "MalformedXML")
    assert tags_of(s3, bucket, "k") == {"a": "b"}


# ---- copies ----


def copy(client, bucket, source, to, **more):
    return client.copy_object(Bucket=bucket, Key=to, CopySource=f"{bucket}/{source}", **more)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["inside", "between-buckets"])
@pytest.mark.parametrize("tags", ["COPY", "REPLACE"])
@pytest.mark.parametrize("metadata", ["COPY", "REPLACE"])
def test_tags_and_metadata_are_copied_or_replaced_each_by_itself(s3, make_bucket, bucket, metadata, tags, elsewhere):
    to = make_bucket() if elsewhere else bucket
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="from=source", Metadata={"from": "source"})
    more = {"Tagging": "from=request"} if tags == "REPLACE" else {}
    source = f"{bucket}/k"
    s3.copy_object(
        Bucket=to, Key="l", CopySource=source, MetadataDirective=metadata, Metadata={"from": "request"},
        TaggingDirective=tags, **more,
    )  # fmt: skip
    expected = {"COPY": {"from": "source"}, "REPLACE": {"from": "request"}}
    assert tags_of(s3, to, "l") == expected[tags]
    assert s3.head_object(Bucket=to, Key="l")["Metadata"] == expected[metadata]
    assert tags_of(s3, bucket, "k") == {"from": "source"}


def test_a_copy_keeps_the_tags_without_being_told(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")
    copy(s3, bucket, "k", "l")
    assert tags_of(s3, bucket, "l") == {"a": "b"}


def test_replacing_by_nothing_leaves_no_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")
    copy(s3, bucket, "k", "l", TaggingDirective="REPLACE", Tagging="")
    copy(s3, bucket, "k", "m", TaggingDirective="REPLACE")
    assert tags_of(s3, bucket, "l") == tags_of(s3, bucket, "m") == {}


def test_a_copy_without_a_directive_passes_over_the_tags_of_its_request(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="from=source")
    for to, more in [("l", {}), ("m", {"TaggingDirective": "COPY"})]:
        copy(s3, bucket, "k", to, Tagging="from=request", **more)
        assert tags_of(s3, bucket, to) == {"from": "source"}
    bad = error_of(copy, client=s3, bucket=bucket, source="k", to="n", TaggingDirective="MERGE")
    assert bad == (400, "InvalidArgument")
    hint = encoded(**{"pocket:ttl": "1s"})
    lost = error_of(copy, client=s3, bucket=bucket, source="k", to="n", Tagging=hint)
    assert lost == (400, "InvalidArgument"), "a hint that nobody would act on"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 3


# ---- hints ----


@pytest.mark.parametrize(
    "said",
    [{"Metadata": {"pocket-ttl": "1s"}}, {"Tagging": encoded(**{"pocket:ttl": "1s"})}],
    ids=["metadata", "tag"],
)
def test_a_ttl_without_any_header_of_ours(s3, bucket, said):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **said)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", **said)["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload=parts)
    assert expires(s3, bucket, "m")
    assert wait_until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0, 3)


def test_counted_reads_without_any_header_of_ours(s3, bucket):
    s3.put_object(Bucket=bucket, Key="by-metadata", Body=b"x", Metadata={"pocket-reads": "1"})
    s3.put_object(Bucket=bucket, Key="by-tag", Body=b"x", Tagging=encoded(**{"pocket:reads": "1"}))
    for key in ["by-metadata", "by-tag"]:
        s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert wait_until(lambda: not exists(s3, bucket, key), 2)


def test_what_was_said_is_given_back_as_it_was_sent(s3, bucket):
    metadata, tags = {"pocket-ttl": "1h", "colour": "blue"}, {"pocket:reads": "5", "team": "red"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata=metadata, Tagging=encoded(**tags))
    found = s3.head_object(Bucket=bucket, Key="k")
    assert found["Metadata"] == metadata
    assert tags_of(s3, bucket, "k") == tags
    assert found["ResponseMetadata"]["HTTPHeaders"]["x-pocket-reads-left"] == "5"


def test_headers_outweigh_metadata_and_metadata_outweighs_tags(s3, make_bucket):
    bucket = make_bucket(object_ttl="1s", reads="7")
    left = lambda key: s3.head_object(Bucket=bucket, Key=key)["ResponseMetadata"]["HTTPHeaders"].get(  # noqa: E731
        "x-pocket-reads-left"
    )
    tag, metadata = encoded(**{"pocket:reads": "2"}), {"pocket-reads": "3"}
    s3.put_object(Bucket=bucket, Key="job", Body=b"x")
    s3.put_object(Bucket=bucket, Key="tag", Body=b"x", Tagging=tag)
    s3.put_object(Bucket=bucket, Key="metadata", Body=b"x", Tagging=tag, Metadata=metadata)
    with headers(make_client(), x_pocket_reads="4") as client:
        client.put_object(Bucket=bucket, Key="header", Body=b"x", Tagging=tag, Metadata=metadata)
    assert [left(key) for key in ["job", "tag", "metadata", "header"]] == ["7", "2", "3", "4"]


@pytest.mark.parametrize("none", ["none", "unlimited"])
def test_an_object_may_have_no_bound_where_its_job_has_one(s3, make_bucket, none):
    bucket = make_bucket(object_ttl="1s", reads="1")
    with headers(make_client(), x_pocket_ttl=none, x_pocket_reads=none) as client:
        client.put_object(Bucket=bucket, Key="header", Body=b"x")
    s3.put_object(Bucket=bucket, Key="metadata", Body=b"x", Metadata={"pocket-ttl": none, "pocket-reads": none})
    s3.put_object(Bucket=bucket, Key="tag", Body=b"x", Tagging=encoded(**{"pocket:ttl": none, "pocket:reads": none}))
    s3.put_object(Bucket=bucket, Key="bounded", Body=b"x")
    for key in ["header", "metadata", "tag"]:
        assert not expires(s3, bucket, key)
        for _ in range(3):
            assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"
    assert wait_until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 3, 3)


def test_a_copy_may_be_freed_of_the_bounds_of_its_source(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"pocket-ttl": "1h", "pocket-reads": "2"})
    copy(s3, bucket, "k", "inherits")
    assert expires(s3, bucket, "inherits")
    copy(
        s3, bucket, "k", "free", MetadataDirective="REPLACE", Metadata={"pocket-ttl": "none", "pocket-reads": "none"}
    )  # fmt: skip
    copy(
        s3, bucket, "k", "tagged", TaggingDirective="REPLACE",
        Tagging=encoded(**{"pocket:ttl": "none", "pocket:reads": "none"}),
    )  # fmt: skip
    for key in ["free", "tagged"]:
        found = s3.head_object(Bucket=bucket, Key=key)
        assert "Expiration" not in found
        assert "x-pocket-reads-left" not in found["ResponseMetadata"]["HTTPHeaders"]


def test_a_hint_that_a_copy_would_pass_over_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    bad = error_of(copy, client=s3, bucket=bucket, source="k", to="l", Metadata={"pocket-ttl": "5s"})
    assert bad == (400, "InvalidArgument")


@pytest.mark.parametrize(
    "said, named",
    [
        ({"Metadata": {"pocket-tll": "5s"}}, "tll"),
        ({"Metadata": {"pocket-ttl": "soon"}}, "ttl"),
        ({"Metadata": {"pocket-workers": "5"}}, "workers"),
        ({"Metadata": {"pocket-ttl": "15M"}}, "15M"),
        ({"Metadata": {"pocket_ttl": "5s"}}, "pocket_ttl"),
        ({"Tagging": encoded(**{"pocket-ttl": "5s"})}, "pocket-ttl"),
        ({"Tagging": encoded(**{"Pocket:Reads": "1"})}, "Pocket:Reads"),
        ({"Tagging": encoded(**{"pocket:tll": "5s"})}, "tll"),
        ({"Tagging": encoded(**{"pocket:reads": "0"})}, "reads"),
        ({"Tagging": encoded(**{"pocket:ttl": "5s"}), "Metadata": {"pocket-ttl": "-1s"}}, "ttl"),
    ],
)
def test_a_hint_that_is_unknown_or_bad_is_refused_by_name_and_stores_nothing(s3, bucket, said, named):
    for call in [s3.put_object, s3.create_multipart_upload]:
        with pytest.raises(s3.exceptions.ClientError) as caught:
            call(Bucket=bucket, Key="k", **said)
        error = caught.value.response["Error"]
        assert error["Code"] == "InvalidArgument" and f'"{named}"' in error["Message"]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_a_ttl_put_as_a_tag_counts_from_now(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert not expires(s3, bucket, "k")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(**{"pocket:ttl": "1h"}))
    assert expires(s3, bucket, "k")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(team="blue"))
    assert expires(s3, bucket, "k"), "taking a tag away does not change the object's life"
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(**{"pocket:ttl": "none"}))
    assert not expires(s3, bucket, "k")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(**{"pocket:ttl": "1s"}))
    assert wait_until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0, 3)
    assert error_of(s3.get_object_tagging, Bucket=bucket, Key="k") == (404, "NoSuchKey")


def test_reads_put_as_a_tag_count_from_now(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(**{"pocket:reads": "1"}))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert wait_until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0, 2)


def test_a_bad_hint_among_new_tags_changes_nothing(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")
    for key, value in [("pocket:ttl", "soon"), ("pocket:tll", "5s"), ("pocket:reads", "0")]:
        bad = error_of(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tag_set(**{key: value}))
        assert bad == (400, "InvalidArgument")
    assert tags_of(s3, bucket, "k") == {"a": "b"}


def test_tags_go_with_their_job(s3, make_bucket):
    bucket = make_bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")
    end_job(s3, bucket)
    assert error_of(s3.get_object_tagging, Bucket=bucket, Key="k") == (404, "NoSuchBucket")
