"""Functions as they are deployed: each is given S3 URLs, leaves its data in S3, and answers with S3 URLs. They know no
endpoint: that is a variable of the function's configuration.
"""

import hashlib

import boto3

s3 = boto3.client("s3")


def where(url):
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


def fetch(event, context):
    """Between the function's own disk and a bucket, and what else a file system does."""
    target = where(event["url"])
    match event["do"]:
        case "put":
            s3.upload_file(event["file"], *target.values())
        case "get":
            s3.download_file(*target.values(), event["file"])
        case "range":
            first, length = event["first"], event["length"]
            answer = s3.get_object(**target, Range=f"bytes={first}-{first + length - 1}")
            with open(event["file"], "wb") as file:
                file.write(answer["Body"].read())
        case "list":
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=target["Bucket"], Prefix=target["Key"])
            return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        case "delete":
            s3.delete_object(**target)


def split(event, context):
    """Cuts an object into pieces."""
    source, piece_bytes = where(event["input"]), event["piece_bytes"]
    size = s3.head_object(**source)["ContentLength"]
    pieces = []
    for first in range(0, size, piece_bytes):
        body = s3.get_object(**source, Range=f"bytes={first}-{min(first + piece_bytes, size) - 1}")["Body"]
        pieces.append(f"{event['output']}/{first:012}")
        s3.upload_fileobj(body, *where(pieces[-1]).values())
    return pieces


def digest(event, context):
    """One piece -> its digest, named after the call: a function may be called twice for one event."""
    body = s3.get_object(**where(event["input"]))["Body"]
    output = f"{event['input']}.{context.aws_request_id}"
    s3.put_object(**where(output), Body=hashlib.sha256(body.read()).digest())
    return output


def collect(event, context):
    """All digests in one object, once; what came before it is not needed any more."""
    digests = b"".join(s3.get_object(**where(url))["Body"].read() for url in event["inputs"])
    s3.put_object(**where(event["output"]), Body=digests, IfNoneMatch="*")
    if event["done"]:
        done = [where(url) for url in event["done"]]
        objects = [{"Key": target["Key"]} for target in done]
        s3.delete_objects(Bucket=done[0]["Bucket"], Delete={"Objects": objects})
    return event["output"]
