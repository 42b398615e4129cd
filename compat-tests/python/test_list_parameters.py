"""What a list's parameters mean, by a model of a few lines: every combination of prefix, delimiter, start and page size."""

import itertools

import pytest
from conftest import end_job, new_name

KEYS = sorted(
    ["a", "a/", "a/b", "a/b/c", "a/c", "a//d", "ab", "b", "b/", "b-c/d", "b-c/e", "ü/1", "ü/2", "~"], key=str.encode
)


@pytest.fixture(scope="module")
def filled(s3):
    bucket = new_name("listed")
    s3.create_bucket(Bucket=bucket)
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    yield bucket
    end_job(s3, bucket)


def model(prefix, delimiter, start, most, marker=False):
    """Names of a page in their order, those of common prefixes among them, and whether there is more.

    A start that lies within what rolls up into a prefix does not hide the prefix. A marker that is one does: it is where
    the page before has ended.
    """
    names = []
    for key in KEYS:
        if not key.startswith(prefix) or key.encode() <= start.encode():
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        name = (key[: cut + len(delimiter)], True) if cut >= 0 else (key, False)
        if marker and name == (start, True):
            continue
        if name not in names:
            names.append(name)
    return names[:most], len(names) > most > 0


def check(page, expected):
    names, more = expected
    assert [entry["Key"] for entry in page.get("Contents", [])] == [name for name, rolled in names if not rolled]
    assert [entry["Prefix"] for entry in page.get("CommonPrefixes", [])] == [name for name, rolled in names if rolled]
    assert page["IsTruncated"] is more


PREFIXES = ["", "a", "a/", "a/b", "b-", "ü/", "x"]
DELIMITERS = ["", "/", "//", "b", "-c"]
STARTS = ["", "a", "a/", "a/b", "a/zzz", "b-c/d", "ü/1", "~"]


@pytest.mark.parametrize("prefix, delimiter", list(itertools.product(PREFIXES, DELIMITERS)))
def test_a_page_is_what_the_model_says(s3, filled, prefix, delimiter):
    for start, most in itertools.product(STARTS, [1, 3, 1000]):
        said = {"Bucket": filled, "Prefix": prefix, "Delimiter": delimiter, "MaxKeys": most}
        expected = model(prefix, delimiter, start, most)
        two = s3.list_objects_v2(**said, StartAfter=start)
        check(two, expected)
        assert two["KeyCount"] == len(expected[0])
        check(s3.list_objects(**said, Marker=start), model(prefix, delimiter, start, most, marker=True))


@pytest.mark.parametrize("call", ["list_objects", "list_objects_v2", "list_object_versions"])
@pytest.mark.parametrize("prefix, delimiter", list(itertools.product(["", "a", "a/"], ["", "/", "b"])))
@pytest.mark.parametrize("most", [1, 2, 5])
def test_pages_join_to_the_whole(other_gateway, filled, call, prefix, delimiter, most):
    pages = other_gateway.get_paginator(call).paginate(
        Bucket=filled, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": most}
    )
    found = []
    for page in pages:
        entries = page.get("Contents", []) + page.get("Versions", [])
        names = [(e["Key"], False) for e in entries] + [(e["Prefix"], True) for e in page.get("CommonPrefixes", [])]
        assert len(names) <= most
        found += sorted(names, key=lambda name: name[0].encode())
    assert found == model(prefix, delimiter, "", 1000)[0]


def test_sizes_times_and_etags_are_those_of_a_head(s3, filled):
    for entry in s3.list_objects_v2(Bucket=filled)["Contents"]:
        head = s3.head_object(Bucket=filled, Key=entry["Key"])
        assert entry["Size"] == head["ContentLength"] == len(entry["Key"].encode())
        assert entry["ETag"] == head["ETag"]
        assert entry["LastModified"] == head["LastModified"]
        assert entry["StorageClass"] == "STANDARD"


@pytest.mark.parametrize("most", [1, 2, 1000])
def test_uploads_are_listed_by_prefix_delimiter_and_page(s3, make_bucket, most):
    bucket = make_bucket()
    ids = {}
    for key in ["a", "a/b", "a/c/d", "a/c/e", "b", "b"]:
        ids.setdefault(key, []).append(s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])
    whole = sorted((key, upload) for key, uploads in ids.items() for upload in uploads)

    def walk(**said):
        uploads, prefixes = [], []
        for page in s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket, **said, PaginationConfig={"PageSize": most}
        ):
            uploads += [(entry["Key"], entry["UploadId"]) for entry in page.get("Uploads", [])]
            prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        return uploads, prefixes

    uploads, prefixes = walk()
    assert sorted(uploads) == whole and [key for key, _ in uploads] == [key for key, _ in whole] and not prefixes
    uploads, prefixes = walk(Prefix="a")
    assert sorted(uploads) == [entry for entry in whole if entry[0].startswith("a")]
    uploads, prefixes = walk(Prefix="a/", Delimiter="/")
    assert (uploads, prefixes) == ([("a/b", ids["a/b"][0])], ["a/c/"])
    for key, upload in whole:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
    assert walk() == ([], [])
