"""Listings: order, prefixes, delimiters, pages, every change seen at once."""

import botocore.handlers
import pytest
from conftest import error_of, make_client


def fill(client, bucket, keys):
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")


def walk(client, call, items, **arguments):
    """All pages of a listing: names of the items and the number of pages."""
    found, pages = [], 0
    for page in client.get_paginator(call).paginate(**arguments):
        pages += 1
        for field, name in items:
            found += [entry[name] for entry in page.get(field, [])]
    return found, pages


@pytest.fixture(scope="module")
def many(s3):
    """2,345 keys in 5 directories."""
    from conftest import end_job, new_name

    name = new_name("many")
    s3.create_bucket(Bucket=name)
    keys = sorted(f"dir-{i % 5}/key-{i:05}" for i in range(2345))
    fill(s3, name, keys)
    yield name, keys
    end_job(s3, name)


@pytest.mark.parametrize("call", ["list_objects_v2", "list_objects"])
@pytest.mark.parametrize("size", [1000, 999, 17])
def test_pages_are_whole_ordered_and_without_repeats(other_gateway, many, call, size):
    bucket, keys = many
    arguments = {"Bucket": bucket, "PaginationConfig": {"PageSize": size}}
    if size == 17:
        arguments["Prefix"] = "dir-3/"
        keys = [k for k in keys if k.startswith("dir-3/")]
    found, pages = walk(other_gateway, call, [("Contents", "Key")], **arguments)
    assert found == keys
    assert pages == -(-len(keys) // size)


@pytest.mark.parametrize("call", ["list_objects_v2", "list_objects"])
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_directories_come_once_whatever_the_page_size(s3, many, call, size):
    bucket, _ = many
    arguments = {"Bucket": bucket, "Delimiter": "/", "PaginationConfig": {"PageSize": size}}
    found, pages = walk(s3, call, [("CommonPrefixes", "Prefix")], **arguments)
    assert found == [f"dir-{i}/" for i in range(5)]
    assert pages == -(-5 // size)


def test_at_most_1000_keys_a_page(s3, many):
    bucket, keys = many
    page = s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)
    assert page["KeyCount"] == 1000 and page["IsTruncated"]
    assert [o["Key"] for o in page["Contents"]] == keys[:1000]


def test_a_page_that_ends_with_the_last_key_is_not_truncated(s3, bucket):
    fill(s3, bucket, ["a", "b", "c"])
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=3)["IsTruncated"] is False
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=2)["IsTruncated"] is True
    none = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (none["KeyCount"], none["IsTruncated"]) == (0, False)


def test_start_after_and_marker(s3, bucket):
    fill(s3, bucket, ["a", "b", "b/x", "c"])
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="b")
    assert [o["Key"] for o in after["Contents"]] == ["b/x", "c"]
    marker = s3.list_objects(Bucket=bucket, Marker="a-not-a-key")
    assert [o["Key"] for o in marker["Contents"]] == ["b", "b/x", "c"]


def test_delimiters_of_any_kind(s3, bucket):
    fill(s3, bucket, ["a--1", "a--2", "a-1", "b--1", "c", "日本/語", "日本/人"])
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="--")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["a--", "b--"]
    assert [o["Key"] for o in page["Contents"]] == ["a-1", "c", "日本/人", "日本/語"]
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="本")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["日本"]


def test_prefix_and_delimiter(s3, bucket):
    fill(s3, bucket, ["d/", "d/a", "d/e/f", "d/e/g", "da", "e"])
    page = s3.list_objects_v2(Bucket=bucket, Prefix="d/", Delimiter="/")
    assert [o["Key"] for o in page["Contents"]] == ["d/", "d/a"]
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["d/e/"]
    page = s3.list_objects_v2(Bucket=bucket, Prefix="d", Delimiter="/")
    assert [o["Key"] for o in page["Contents"]] == ["da"]
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["d/"]


def test_a_prefix_goes_with_its_last_key(s3, other_gateway, bucket):
    fill(s3, bucket, ["p/1", "p/2", "q"])
    for key in ["p/1", "p/2"]:
        other_gateway.delete_object(Bucket=bucket, Key=key)
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert "CommonPrefixes" not in page and [o["Key"] for o in page["Contents"]] == ["q"]


def test_every_acknowledged_change_is_listed_by_every_gateway(s3, other_gateway, bucket):
    for i in range(30):
        s3.put_object(Bucket=bucket, Key=f"k{i}", Body=b"x")
        assert f"k{i}" in [o["Key"] for o in other_gateway.list_objects_v2(Bucket=bucket)["Contents"]]
    for i in range(30):
        other_gateway.delete_object(Bucket=bucket, Key=f"k{i}")
        assert f"k{i}" not in [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_owners_are_told_when_asked_for(s3, bucket):
    fill(s3, bucket, ["a"])
    assert "Owner" not in s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]["Owner"]["ID"]
    assert s3.list_objects(Bucket=bucket)["Contents"][0]["Owner"]["ID"]


def test_keys_survive_a_listing_without_url_encoding(bucket):
    """As Spark lists them: escaped in the XML and no other way."""
    client = make_client()
    for call in ["ListObjects", "ListObjectsV2"]:
        client.meta.events.unregister(
            f"before-parameter-build.s3.{call}", botocore.handlers.set_list_objects_encoding_type_url
        )
    keys = ["a\nb", "a\rb", "a\r\nb", "a\tb", "<&>\"'", "]]>", "%41+", "日本"]
    fill(client, bucket, keys)
    for call in [client.list_objects, client.list_objects_v2]:
        page = call(Bucket=bucket)
        assert "EncodingType" not in page
        assert [o["Key"] for o in page["Contents"]] == sorted(keys, key=str.encode)
    deleted = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys]})["Deleted"]
    assert sorted(d["Key"] for d in deleted) == sorted(keys)
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


def test_bad_arguments(s3, bucket):
    assert error_of(s3.list_objects_v2, Bucket=bucket, MaxKeys=-1) == (400, "InvalidArgument")
    assert error_of(s3.list_objects_v2, Bucket=bucket, ContinuationToken="nonsense") == (400, "InvalidArgument")
