"""What Pocket and moto answer differently, and who is right by S3's documentation.

Each row says which pairs of answers it is about, as narrowly as it can; `test_differential.py` fails for a difference
without a row and for a row without a difference. `docs/s3-differences.md` is written from it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote


class Difference(NamedTuple):
    name: str
    pocket: str
    moto: str
    right: str
    because: str
    # (call, arguments, Pocket's answer, moto's answer) -> whether it is this one
    is_it: Callable
    # The stores hold different things afterwards.
    parts_ways: bool = False


def fields(ours, theirs):
    """Names of what differs."""
    return {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}


def error(answer):
    return answer.get("error", (None, None))


def opaque_etags(call, arguments, ours, theirs):
    return fields(ours, theirs) == {"ETag"} and "-" in ours["ETag"]


def echoed_arguments(call, arguments, ours, theirs):
    if call != "listed":
        return False
    different = fields(ours, theirs)
    wrong = {
        "Marker": ours.get("Marker") == arguments[-1].get("Marker", ""),
        "Prefix": ours.get("Prefix") == arguments[-1].get("Prefix", ""),
        "MaxKeys": ours.get("MaxKeys") == min(arguments[-1].get("MaxKeys", 1000), 1000),
    }
    return all(wrong.get(name) for name in different)


def encoded_prefix(call, arguments, ours, theirs):
    asked = arguments[-1].get("Prefix", "") if call == "listed" else ""
    return call == "listed" and ours.get("Prefix") == quote(asked) != asked == theirs.get("Prefix")


def pages_of_v1(call, arguments, ours, theirs):
    if call != "listed" or arguments[1] != "v1" or not {"NextMarker", "Prefixes", "Keys"} & fields(ours, theirs):
        return False
    # What Pocket gives is a page by the definition: in order, behind the marker, no longer than asked for.
    names = [*[key for key, _ in ours["Keys"]], *ours["Prefixes"]]
    asked = arguments[-1]
    last = max((name.encode() for name in names), default=None)
    follows = ours.get("NextMarker") is None or ours["NextMarker"].encode() == last
    return len(names) <= asked.get("MaxKeys", 1000) and follows and all(n > asked.get("Marker", "") for n in names)


# Documents of `replay_settings.py`: (setting, its number), and what Pocket says of them.
BAD_SETTINGS = {
    ("policy", 2): "MalformedPolicy",
    ("policy", 3): "MalformedPolicy",
    ("policy", 4): "MalformedPolicy",
    ("ownership", 3): "MalformedXML",
    ("acl", 3): "InvalidArgument",
    ("lifecycle", 3): "InvalidRequest",
    ("lifecycle", 4): "InvalidArgument",
}


def is_bad_setting(call, arguments, ours, theirs):
    if call != "configure" or error(ours) != (400, BAD_SETTINGS.get(arguments[1:])):
        return False
    return "error" not in theirs or error(theirs)[0] == 500


def is_of_new_buckets(call, arguments, ours, theirs):
    if call == "configured" and arguments[1] in ["public_access_block", "ownership"]:
        return "error" not in ours and error(theirs)[0] == 404
    refused = {"acl": (400, "AccessControlListNotSupported"), "policy": (403, "AccessDenied")}
    return call == "configure" and error(ours) == refused.get(arguments[1]) and "error" not in theirs


DIFFERENCES = [
    Difference(
        "ETags of objects that are not small",
        "opaque, with a dash",
        "the MD5 of the content",
        "both",
        "An ETag may or may not be an MD5 of the data. Pocket computes one where the client relies on it, see objects.md.",
        opaque_etags,
    ),
    Difference(
        "what a list says of the request",
        "`Marker` and `Prefix` also when empty, `MaxKeys` as it was applied",
        "leaves empty ones out, repeats a `MaxKeys` above 1,000",
        "Pocket",
        "S3's samples show `<Marker/>` and `<Prefix/>`, and at most 1,000 keys are returned.",
        echoed_arguments,
    ),
    Difference(
        "the prefix in a list whose keys are URL-encoded",
        "encoded as they are",
        "as it was sent",
        "Pocket",
        "encoding-type is said to apply to Delimiter, Marker, Prefix, NextMarker and Key.",
        encoded_prefix,
    ),
    Difference(
        "pages of ListObjects, version 1",
        "common prefixes count as keys; `NextMarker` is the last name of the page, with a delimiter alone",
        "all common prefixes on every page; `NextMarker` is a token",
        "Pocket",
        "All keys that roll up into a common prefix count as a single return; NextMarker is returned only with a delimiter, and is a key.",
        pages_of_v1,
    ),
    Difference(
        "parts for an upload that does not exist",
        "404 NoSuchUpload",
        "500",
        "Pocket",
        "NoSuchUpload: the specified multipart upload does not exist.",
        lambda call, arguments, ours, theirs: call in ["part", "complete"]
        and error(ours) == (404, "NoSuchUpload")
        and error(theirs)[0] == 500,
    ),
    Difference(
        "an upload that was completed or aborted is aborted (again)",
        "204",
        "404 NoSuchUpload",
        "Pocket",
        "It might be necessary to abort a given multipart upload multiple times. S3 answers 204 to each for a while.",
        lambda call, arguments, ours, theirs: call == "abort" and ours.get("status") == 204 and error(theirs) == (404, "NoSuchUpload"),
    ),
    Difference(
        "tags of a missing object deleted",
        "404 NoSuchKey",
        "500",
        "Pocket",
        "NoSuchKey: the specified key does not exist.",
        lambda call, arguments, ours, theirs: call == "untag" and error(ours) == (404, "NoSuchKey") and error(theirs)[0] == 500,
    ),
    Difference(
        "the same tag twice",
        "400 InvalidTag",
        "taken",
        "Pocket",
        "Tag keys must be unique.",
        lambda call, arguments, ours, theirs: call == "tag" and error(ours) == (400, "InvalidTag") and "error" not in theirs,
        parts_ways=True,
    ),
    Difference(
        "an empty set of tags",
        "taken, and none are left",
        "500",
        "Pocket",
        "PutObjectTagging replaces the whole set.",
        lambda call, arguments, ours, theirs: call == "tag" and arguments[2] == [] and "error" not in ours and error(theirs)[0] == 500,
        parts_ways=True,
    ),
    Difference(
        "bulk deletion in quiet mode",
        "says nothing of what was deleted",
        "lists it all",
        "Pocket",
        "In quiet mode the response includes only keys where the delete operation encountered an error.",
        lambda call, arguments, ours, theirs: call == "delete_many"
        and arguments[2]
        and fields(ours, theirs) == {"Deleted"}
        and ours["Deleted"] is None,
    ),
    Difference(
        "what is no range of bytes: another unit, or an end before the start",
        "ignored, 200",
        "bytes all the same, or 416",
        "Pocket",
        "S3 refers to RFC 9110, by which a recipient ignores a Range that is invalid or in a unit that it does not understand.",
        lambda call, arguments, ours, theirs: call == "read"
        and arguments[3] in ["lines=1-2", "bytes=4-2"]
        and ours.get("status") == 200
        and (error(theirs)[0] == 416 or theirs.get("status") == 206),
    ),
    Difference(
        "a copy on the condition of its source's ETag",
        "412 PreconditionFailed when it does not hold",
        "copied all the same",
        "Pocket",
        "x-amz-copy-source-if-match: copies the object if its entity tag matches the specified tag, else 412.",
        lambda call, arguments, ours, theirs: call == "copy"
        and arguments[5]
        and error(ours) == (412, "PreconditionFailed")
        and "error" not in theirs,
        parts_ways=True,
    ),
    Difference(
        "an object copied onto itself without a change, where it is missing or its condition does not hold",
        "400 InvalidRequest, for the request is illegal whatever is there",
        "404 NoSuchKey or 412 PreconditionFailed",
        "both",
        "The order of the checks is not documented.",
        lambda call, arguments, ours, theirs: call == "copy"
        and arguments[1] == (arguments[0], arguments[2])
        and error(ours) == (400, "InvalidRequest")
        and error(theirs) in [(404, "NoSuchKey"), (412, "PreconditionFailed")],
    ),
    Difference(
        "the same tag twice in the header of a PUT",
        "400 InvalidArgument",
        "taken",
        "Pocket",
        "The header is to be encoded as URL query parameters, and tag keys must be unique.",
        lambda call, arguments, ours, theirs: call == "put"
        and error(ours) == (400, "InvalidArgument")
        and arguments[4].get("Tagging") == "k=1&k=2",
        parts_ways=True,
    ),
    Difference(
        "a part copied to an upload or with a number that does not exist, or from what does not exist",
        "404 NoSuchUpload, NoSuchKey or NoSuchBucket, or 400 InvalidArgument",
        "404 without a code, 500, or takes the number",
        "Pocket",
        "NoSuchUpload: the specified multipart upload does not exist. Part numbers are from 1 to 10,000.",
        lambda call, arguments, ours, theirs: call == "part_copy"
        and error(ours)[1] in ["NoSuchUpload", "NoSuchKey", "NoSuchBucket", "InvalidArgument"]
        and (error(theirs)[0] in [404, 500] or arguments[2] == 10_001),
        parts_ways=True,
    ),
    Difference(
        "the status of PutBucketTagging and of PutBucketPolicy",
        "200 of tags, 204 of a policy",
        "204 of tags, 200 of a policy",
        "both",
        "The reference says 200 of both, and its samples show 204.",
        lambda call, arguments, ours, theirs: call == "configure"
        and arguments[1] in ["tagging", "policy"]
        and fields(ours, theirs) == {"status"}
        and {ours["status"], theirs["status"]} == {200, 204},
    ),
    Difference(
        "a bucket that nobody said anything of",
        "blocks public access and has its owner own all objects, so that public policies and ACLs are refused",
        "has neither, and takes all",
        "Pocket",
        "Since April 2023 S3 Block Public Access is enabled and ACLs are disabled for all new buckets.",
        is_of_new_buckets,
        parts_ways=True,
    ),
    Difference(
        "the type of a checksum among an object's attributes",
        "`ChecksumType`",
        "leaves it out",
        "Pocket",
        "GetObjectAttributes returns the ChecksumType beside the checksum.",
        lambda call, arguments, ours, theirs: call == "attributes"
        and fields(ours, theirs) <= {"Checksum", "ETag"}
        and {**(ours["Checksum"] or {}), "ChecksumType": None} == {**(theirs["Checksum"] or {}), "ChecksumType": None},
    ),
    Difference(
        "a list of uploads with a delimiter",
        "rolls keys up into common prefixes",
        "ignores the delimiter",
        "Pocket",
        "All keys that contain the same string between the prefix and the delimiter are grouped under CommonPrefixes.",
        lambda call, arguments, ours, theirs: call == "uploads"
        and "Delimiter" in arguments[1]
        and fields(ours, theirs) == {"Uploads", "Prefixes"}
        and theirs["Prefixes"] == [],
    ),
    Difference(
        "bad tags or settings for what is missing",
        "400, for what they are",
        "404 NoSuchKey or NoSuchBucket",
        "both",
        "Both are wrong with the request, and the order of the checks is not documented.",
        lambda call, arguments, ours, theirs: call in ["tag", "configure"] and error(ours)[0] == 400 and error(theirs)[0] == 404,
    ),
    Difference(
        "settings that are not valid: what is no policy, an ACL or an ownership that there is not, a lifecycle rule without an action or of 0 days",
        "400 with its code",
        "taken, or 500",
        "Pocket",
        "The values that are valid are said with each element; a rule needs at least one action; 'Days' must be a positive integer.",
        is_bad_setting,
        parts_ways=True,
    ),
    Difference(
        "a part copied from a range that its source does not have",
        "400 InvalidArgument",
        "takes what there is of it",
        "Pocket",
        "The range is of bytes of the source object, which must be as long.",
        lambda call, arguments, ours, theirs: call == "part_copy"
        and arguments[4] == "bytes=0-99999"
        and error(ours) == (400, "InvalidArgument"),
        parts_ways=True,
    ),
]


def explain(call, arguments, ours, theirs):
    """The row of a difference; `None` when there is none."""
    return next((row for row in DIFFERENCES if row.is_it(call, arguments, ours, theirs)), None)


PAGE = Path(__file__).parents[2] / "docs" / "s3-differences.md"
HEAD = """\
# Where Pocket and moto differ

moto is the mock of AWS that most tests of S3 code run against. Random sequences of calls are replayed on both
(`compat-tests/python/test_differential.py`); a difference that is not in this table fails, and so does a row that none needed.
Who is right is said by S3's documentation. This page is written from `compat-tests/python/differences.py`. A plain
`cargo test` replays a few sequences that need every row; with `POCKET_DIFFERENTIAL_SEQUENCES=300` it replays so many.

| what | Pocket | moto | right | because |
|---|---|---|---|---|
"""


def page():
    """The table as `docs/s3-differences.md` shows it."""
    return HEAD + "".join(f"| {row.name} | {row.pocket} | {row.moto} | {row.right} | {row.because} |\n" for row in DIFFERENCES)
