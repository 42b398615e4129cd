"""s5cmd: files, trees and batches, in parallel and in parts."""

import json
import os

import requests

from pocket_job import *
from programs import *

# The program inside the package of the same name, which counts its own versions.
VERSION = "2.3.0"
# In MiB; s5cmd would send 50 in one piece.
PARTS = ("--part-size", 5)
INPUT = path_of("in")


def s5cmd(*words, endpoint=ENDPOINT, options=(), **more):
    return program(*page_command("ls", endpoint), *options, *words, **more)


class S5cmd(Store):
    missing = (Refused,)
    full = (Refused,)
    full_text = "SlowDown"
    # There is no option for a range; files come down in ranges of five MiB.
    get_range = None
    # What ends with a slash is a folder to it, and its lists have no encoding for what XML cannot say.
    odd_keys = ODD_KEYS + [key for key in RAW_KEYS if key.isprintable() and not key.endswith("/")]

    def __init__(self, endpoint, bucket):
        self.endpoint, self.url = endpoint, f"s3://{bucket}/"

    def put(self, key, data):
        # Ten retries, each after twice the time, would take minutes.
        few = ("--retry-count", 2)
        write_file(INPUT, data)
        s5cmd("cp", "--raw", *PARTS, INPUT, self.url + key, endpoint=self.endpoint, options=few)

    def get(self, key):
        return s5cmd("cat", "--raw", *PARTS, self.url + key, endpoint=self.endpoint)

    def keys(self, prefix):
        found = lines(s5cmd("ls", self.url + prefix + "*", endpoint=self.endpoint, options=["--json"]))
        return [json.loads(entry)["key"].removeprefix(self.url) for entry in found]

    def delete(self, key):
        s5cmd("rm", "--raw", self.url + key, endpoint=self.endpoint)


def trees():
    s3 = witness()
    tree, back = path_of("tree"), path_of("back")
    files = {f"d{i % 7}/{i:04}": content(1 + i, i) for i in range(200)}
    files |= {"large": content(LARGE), "ü d/a+b %": b"odd", "empty": b""}
    write_tree(tree, files)
    make_old(tree)
    with bucket() as name:
        url = f"s3://{name}/t/"
        s5cmd("sync", *PARTS, f"{tree}/", url)
        check(lines(s5cmd("sync", *PARTS, f"{tree}/", url)) == [])
        s5cmd("cp", *PARTS, "--concurrency", 4, f"{url}*", f"{back}/")
        same_tree(back, files)
        ok("trees up and down, large files in parts and by ranges; what is the same is not sent again", "ranges")

        os.unlink(f"{tree}/large")
        files["d1/0001"] = content(5000)
        del files["large"]
        write_file(f"{tree}/d1/0001", files["d1/0001"])
        s5cmd("sync", "--delete", f"{tree}/", url)
        found = {entry["Key"][2:]: entry["Size"] for entry in s3.list_objects_v2(Bucket=name)["Contents"]}
        check(found == {file: len(data) for file, data in files.items()})
        s5cmd("sync", "--delete", f"{url}*", f"{back}/")
        same_tree(back, files)
        ok("what differs and what is gone follows, both ways")

        total, count = sum(map(len, files.values())), len(files)
        check(f"{total} bytes in {count} objects" in s5cmd("du", f"{url}*").decode())
        s5cmd("cp", f"{url}d1/*", f"s3://{name}/copy/")
        s5cmd("mv", f"s3://{name}/copy/*", f"s3://{name}/moved/")
        check("Contents" not in s3.list_objects_v2(Bucket=name, Prefix="copy/"))
        same(s5cmd("cat", f"s3://{name}/moved/0001"), files["d1/0001"])
        ok("copies and moves inside the bucket, and their sizes")

        s5cmd("pipe", *PARTS, f"s3://{name}/piped", input=content(LARGE))
        same(s3.get_object(Bucket=name, Key="piped")["Body"].read(), content(LARGE))
        batch = "".join(f'cp {INPUT} "s3://{name}/batch/{i} x"\n' for i in range(50))
        write_file(INPUT, content(999))
        s5cmd("run", input=batch.encode())
        same(s5cmd("cat", f"s3://{name}/batch/49 x"), content(999))
        check(s3.list_objects_v2(Bucket=name, Prefix="batch/")["KeyCount"] == 50)
        ok("from a pipe of unknown length, and a batch of commands")

        put_many(s3, name, "many/")
        s5cmd("rm", f"s3://{name}/many/*")
        check("Contents" not in s3.list_objects_v2(Bucket=name, Prefix="many/"))
        ok(f"{MANY} keys deleted by one pattern")


def buckets():
    s3, made = witness(), new_name("s5cmd")
    s5cmd("mb", f"s3://{made}")
    try:
        check(any(line.endswith(f"s3://{made}") for line in lines(s5cmd("ls"))))
        write_file(INPUT, b"<p>")
        s5cmd("cp", "--content-type", "text/x", "--metadata", "colour=blue", INPUT, f"s3://{made}/k")
        head = json.loads(s5cmd("head", f"s3://{made}/k"))
        check(head["content_type"] == "text/x" and head["size"] == 3, head)
        check(s3.head_object(Bucket=made, Key="k")["Metadata"] == {"colour": "blue"})
        link = lines(s5cmd("presign", f"s3://{made}/k"))[0]
        same(requests.get(link, timeout=20).content, b"<p>")
        raises(lambda: s5cmd("rb", f"s3://{made}"), Refused, text="BucketNotEmpty")
        raises(lambda: s5cmd("ls", f"s3://{new_name('never')}/"), Refused, text="NoSuchBucket")
        s5cmd("rm", f"s3://{made}/k")
        s5cmd("rb", f"s3://{made}")
        check(made not in s5cmd("ls").decode())
    finally:
        end_bucket(made)
    ok("buckets, metadata, presigned links")


check(f"v{VERSION}" in s5cmd("version").decode())
exercise(S5cmd)
trees()
buckets()
