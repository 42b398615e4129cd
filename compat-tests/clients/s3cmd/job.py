"""s3cmd, as people type it."""

import os
import subprocess
from urllib.parse import urlsplit

from pocket_job import *
from programs import read_file, write_file

WORK = SCRATCH


def configure(endpoint):
    address = urlsplit(endpoint).netloc
    settings = f"[default]\nhost_base = {address}\nhost_bucket = {address}\nuse_https = False\n"
    return write_file(f"{WORK}/{urlsplit(endpoint).port}.s3cfg", settings.encode())


def s3cmd(*words, endpoint=ENDPOINT, fails=False, input=None):
    command = ["s3cmd", "-c", configure(endpoint), "--no-progress", *map(str, words)]
    done = subprocess.run(command, capture_output=True, input=input, timeout=120)
    check((done.returncode != 0) == fails, words, done.stdout[-500:], done.stderr[-800:])
    return (done.stdout + (done.stderr if fails else b"")).decode()


def main():
    s3, made = witness(), new_name("s3cmd")
    url = f"s3://{made}"
    s3cmd("mb", url)
    try:
        for size in [0, 1, 70_000]:
            s3cmd("put", write_file(f"{WORK}/in", content(size)), f"{url}/size")
            s3cmd("get", "--force", f"{url}/size", f"{WORK}/out")
            same(read_file(f"{WORK}/out"), content(size))
            same(s3.get_object(Bucket=made, Key="size")["Body"].read(), content(size))
        ok("files up and down, their MD5s checked")

        s3cmd("put", "--multipart-chunk-size-mb=5", write_file(f"{WORK}/large", content(LARGE)), f"{url}/large")
        check(s3.head_object(Bucket=made, Key="large", PartNumber=1)["PartsCount"] == 4)
        write_file(f"{WORK}/out", content(LARGE)[:1_000_000])
        s3cmd("get", "--continue", f"{url}/large", f"{WORK}/out")
        same(read_file(f"{WORK}/out"), content(LARGE))
        ok("a multipart upload, and a download that goes on where it was broken off, by range")

        for i, key in enumerate(ODD_KEYS[:8] + ODD_KEYS[8:9]):
            s3cmd("put", write_file(f"{WORK}/in", content(100, i)), f"{url}/odd/{key}")
            same(s3.get_object(Bucket=made, Key=f"odd/{key}")["Body"].read(), content(100, i))
            s3cmd("get", "--force", f"{url}/odd/{key}", f"{WORK}/out")
            same(read_file(f"{WORK}/out"), content(100, i))
        listed = [line.split(f"{url}/odd/")[1] for line in s3cmd("ls", "--recursive", f"{url}/odd/").splitlines()]
        check(sorted(listed) == sorted(ODD_KEYS[:9]), listed)
        ok("odd keys")

        expected = put_many(s3, made, "many/")
        listed = s3cmd("ls", f"{url}/many/").splitlines()
        check(len(listed) == len(expected), len(listed))
        check("1100 objects" in s3cmd("du", f"{url}/many/"))
        s3cmd("del", "--recursive", "--force", f"{url}/many/")
        check(s3.list_objects_v2(Bucket=made, Prefix="many/")["KeyCount"] == 0)
        ok(f"a list of {len(expected)} keys, all of them deleted")

        for i, name in enumerate(["a", "b/c", "b/ü d"]):
            write_file(f"{WORK}/tree/{name}", content(1000, i))
        s3cmd("sync", f"{WORK}/tree/", f"{url}/tree/")
        check("upload" not in s3cmd("sync", f"{WORK}/tree/", f"{url}/tree/"))
        write_file(f"{WORK}/tree/a", content(1000, 9))
        s3cmd("sync", f"{WORK}/tree/", f"{url}/tree/")
        s3cmd("sync", f"{url}/tree/", f"{WORK}/back/")
        for name in ["a", "b/c", "b/ü d"]:
            same(read_file(f"{WORK}/back/{name}"), read_file(f"{WORK}/tree/{name}"))
        os.unlink(f"{WORK}/tree/a")
        s3cmd("sync", "--delete-removed", f"{WORK}/tree/", f"{url}/tree/")
        check("tree/a" not in s3cmd("ls", "--recursive", url))
        ok("trees in step both ways: what is the same is not sent, what differs is")

        s3cmd("cp", f"{url}/size", f"{url}/copy")
        s3cmd("mv", f"{url}/copy", f"{url}/moved")
        s3cmd("modify", "--add-header=x-amz-meta-colour:blue", f"{url}/moved")
        check(s3.head_object(Bucket=made, Key="moved")["Metadata"]["colour"] == "blue")
        check("blue" in s3cmd("info", f"{url}/moved"))
        ok("copies, moves, changed metadata, info")

        check("does not exist" in s3cmd("get", f"{url}/never", f"{WORK}/never", fails=True))
        check("BucketNotEmpty" in s3cmd("rb", url, fails=True))
        ok("a key that is not there, and a bucket that is not empty, are refused")
        s3cmd("rb", "--recursive", "--force", url)
        check(made not in s3cmd("ls"))
        ok("the bucket removed with what was in it")
    finally:
        end_bucket(made)

    with bucket(SMALL_ENDPOINT) as name:
        fill(witness(SMALL_ENDPOINT), name)
        source = write_file(f"{WORK}/in", content(FILLER))
        check("503" in s3cmd("put", "--max-retries=1", source, f"s3://{name}/k", endpoint=SMALL_ENDPOINT, fails=True))
    ok("a full server says so")


main()
