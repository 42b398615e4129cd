"""The settings of buckets in random sequences: documents that are stored and given back, good ones and bad ones."""

import json
from typing import Any, NamedTuple

from replay_store import answer, shown

# What stands for the bucket's name in a document.
BUCKET = "BUCKET"


class Setting(NamedTuple):
    # Names of the calls; the settings without a way to take them away have no `delete`.
    put: str
    get: str
    delete: str | None
    # Of the document in the call, and in the answer.
    argument: str
    field: str
    documents: list[Any]


def tag_set(*pairs):
    return {"TagSet": [{"Key": key, "Value": value} for key, value in pairs]}


def rule(**more):
    return {"Status": "Enabled", "Filter": {"Prefix": ""}, **more}


def policy(effect, action, resource, **more):
    statement = {"Effect": effect, "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{resource}", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def cors(**more):
    return {"CORSRules": [{"AllowedOrigins": ["https://page.example"], "AllowedMethods": ["GET"], **more}]}


SETTINGS = {
    "tagging": Setting(
        "put_bucket_tagging",
        "get_bucket_tagging",
        "delete_bucket_tagging",
        "Tagging",
        "TagSet",
        [tag_set(("k", "v")), tag_set(("k", "v"), ("l", "ü =+")), tag_set(), tag_set(("k", "1"), ("k", "2")), tag_set(("aws:k", "v"))],
    ),
    "cors": Setting(
        "put_bucket_cors",
        "get_bucket_cors",
        "delete_bucket_cors",
        "CORSConfiguration",
        "CORSRules",
        [cors(), cors(ID="one", AllowedHeaders=["*"], ExposeHeaders=["ETag"], MaxAgeSeconds=9), cors(AllowedMethods=["PATCH"])],
    ),
    "lifecycle": Setting(
        "put_bucket_lifecycle_configuration",
        "get_bucket_lifecycle_configuration",
        "delete_bucket_lifecycle",
        "LifecycleConfiguration",
        "Rules",
        [
            {"Rules": [rule(ID="days", Expiration={"Days": 3})]},
            {"Rules": [rule(ID="uploads", Filter={"Prefix": "a/"}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 2})]},
            {"Rules": [rule(ID="tagged", Filter={"And": {"Prefix": "a", "Tags": [{"Key": "k", "Value": "v"}]}}, Expiration={"Days": 1})]},
            {"Rules": [rule(ID="nothing")]},
            {"Rules": [rule(ID="never", Expiration={"Days": 0})]},
            {"Rules": [rule(ID="twice", Expiration={"Days": 1}), rule(ID="twice", Expiration={"Days": 2})]},
        ],
    ),
    "policy": Setting(
        "put_bucket_policy",
        "get_bucket_policy",
        "delete_bucket_policy",
        "Policy",
        "Policy",
        [
            policy("Allow", "s3:GetObject", f"{BUCKET}/a/*"),
            policy("Allow", "s3:GetObject", f"{BUCKET}/*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
            policy("Allow", "s3:GetObject", "another-bucket/*"),
            policy("Allow", "s3:NoSuchAction", f"{BUCKET}/*"),
            "no policy",
        ],
    ),
    "public_access_block": Setting(
        "put_public_access_block",
        "get_public_access_block",
        "delete_public_access_block",
        "PublicAccessBlockConfiguration",
        "PublicAccessBlockConfiguration",
        [
            {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": False, "RestrictPublicBuckets": False},
            {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": True, "RestrictPublicBuckets": True},
            {"BlockPublicAcls": True},
        ],
    ),
    "ownership": Setting(
        "put_bucket_ownership_controls",
        "get_bucket_ownership_controls",
        "delete_bucket_ownership_controls",
        "OwnershipControls",
        "OwnershipControls",
        [{"Rules": [{"ObjectOwnership": who}]} for who in ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter", "Nobody"]],
    ),
    "acl": Setting("put_bucket_acl", "get_bucket_acl", None, "ACL", "Grants", ["private", "public-read", "authenticated-read", "open"]),
}


def of_bucket(document, bucket):
    """With the bucket's name in it."""
    return document.replace(BUCKET, bucket) if isinstance(document, str) else document


def configure(store, bucket, what, n):
    setting = SETTINGS[what]
    document = of_bucket(setting.documents[n], bucket)
    return shown(answer(getattr(store.client, setting.put), Bucket=bucket, **{setting.argument: document}))


def grant(entry):
    """Without the id of whoever owns the store."""
    who = entry["Grantee"]
    return (who["Type"], who.get("URI"), entry["Permission"])


def configured(store, bucket, what):
    setting = SETTINGS[what]
    got = answer(getattr(store.client, setting.get), Bucket=bucket)
    if setting.field in got:
        found = got[setting.field]
        made = {"policy": json.loads, "acl": lambda grants: sorted(map(grant, grants), key=str)}
        got[setting.field] = made.get(what, lambda document: document)(found)
        if what == "tagging":
            got[setting.field] = sorted((tag["Key"], tag["Value"]) for tag in found)
    return shown(got, setting.field)


def unconfigure(store, bucket, what):
    """Settings that cannot be taken away are asked for."""
    call = SETTINGS[what].delete
    return shown(answer(getattr(store.client, call), Bucket=bucket)) if call else configured(store, bucket, what)


def policy_status(store, bucket):
    return shown(answer(store.client.get_bucket_policy_status, Bucket=bucket), "PolicyStatus")


def a_setting(pick, bucket):
    """One call about some setting of the bucket."""
    what = pick.choice(sorted(SETTINGS))
    kind = pick.choice(["put", "put", "get", "get", "delete", "status"])
    if kind == "put":
        return configure, (bucket, what, pick.randrange(len(SETTINGS[what].documents)))
    if kind == "status":
        return policy_status, (bucket,)
    return {"get": configured, "delete": unconfigure}[kind], (bucket, what)
