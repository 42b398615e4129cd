"""s3cmd, as people type it."""

import os
import subprocess
from urllib.parse import urlsplit

from pocket_job import *
from programs import read_file, write_file

WORK = SCRATCH


def configure(endpoint):
    return write_file(f"{WORK}/{urlsplit(endpoint).port}.s3cfg", page_lines(endpoint).encode())


def s3cmd(*words, endpoint=ENDPOINT, fails=False, input=None):
    command = ["s3cmd", "-c", configure(endpoint), "--no-progress", *map(str, words)]
    done = subprocess.run(command, capture_output=True, input=input, timeout=300)
    check((done.returncode != 0) == fails, words, done.stdout[-500:], done.stderr[-800:])
    return (done.stdout + (done.stderr if fails else b"")).decode()


def main():
    s3, made = witness(), new_name("s3cmd")
    odd_keys = [*ODD_KEYS, "//x", "./a", "a/../b"]
    url = f"s3://{made}"
    s3cmd("mb", url)
    try:
        for size in [0, 1, 70_000]:
            s3cmd("put", write_file(f"{WORK}/in", content(size)), f"{url}/size")
            s3cmd("get", "--force", f"{url}/size", f"{WORK}/out")
            same(read_file(f"{WORK}/out"), content(size))
            same(s3.get_object(Bucket=made, Key="size")["Body"].read(), content(size))
        ok("files up and down, their MD5s checked", "bytes")

        s3cmd("put", "--multipart-chunk-size-mb=5", write_file(f"{WORK}/large", content(LARGE)), f"{url}/large")
        check(s3.head_object(Bucket=made, Key="large", PartNumber=1)["PartsCount"] == 4)
        write_file(f"{WORK}/out", content(LARGE)[:1_000_000])
        s3cmd("get", "--continue", f"{url}/large", f"{WORK}/out")
        same(read_file(f"{WORK}/out"), content(LARGE))
        ok("a multipart upload, and a download that goes on where it was broken off, by range", "multipart", "ranges")

        # Each is a process of its own: those that are names of files too go up and down at once.
        odd = {key: content(100, i) for i, key in enumerate(odd_keys)}
        names = [key for key in ODD_KEYS if key not in ["a//b", "a"]]
        for key in names:
            write_file(f"{WORK}/odd/{key}", odd[key])
        s3cmd("put", "--recursive", f"{WORK}/odd/", f"{url}/odd/")
        for key in odd.keys() - set(names):
            s3cmd("put", write_file(f"{WORK}/in", odd[key]), f"{url}/odd/{key}")
            s3cmd("get", "--force", f"{url}/odd/{key}", f"{WORK}/out")
            same(read_file(f"{WORK}/out"), odd[key])
        for key, data in odd.items():
            same(s3.get_object(Bucket=made, Key=f"odd/{key}")["Body"].read(), data)
        os.mkdir(f"{WORK}/odd-back")
        others = [f"--exclude={key}" for key in odd.keys() - set(names)]
        s3cmd("get", "--recursive", *others, f"{url}/odd/", f"{WORK}/odd-back/")
        for key in names:
            same(read_file(f"{WORK}/odd-back/{key}"), odd[key])
        listed = [line.split(f"{url}/odd/")[1] for line in s3cmd("ls", "--recursive", f"{url}/odd/").splitlines()]
        check(sorted(listed) == sorted(odd_keys), set(listed) ^ set(odd_keys))
        s3cmd("del", *(f"{url}/odd/{key}" for key in odd_keys))
        check("Contents" not in s3.list_objects_v2(Bucket=made, Prefix="odd/"))
        ok(f"{len(odd_keys)} odd keys", "odd-keys", "deletion")

        expected = put_many(s3, made, "many/")
        listed = s3cmd("ls", f"{url}/many/").splitlines()
        check(len(listed) == len(expected), len(listed))
        check("1100 objects" in s3cmd("du", f"{url}/many/"))
        s3cmd("del", "--recursive", "--force", f"{url}/many/")
        check(s3.list_objects_v2(Bucket=made, Prefix="many/")["KeyCount"] == 0)
        ok(f"a list of {len(expected)} keys, all of them deleted", "list")

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
        once = "--add-header=If-None-Match:*"
        check("PreconditionFailed" in s3cmd("put", once, write_file(f"{WORK}/in", b"new"), f"{url}/moved", fails=True))
        check("blue" in s3cmd("info", f"{url}/moved"))
        ok("a key that is not there, a bucket that is not empty, and a file that may not be replaced", "missing", "precondition")
        s3cmd("rb", "--recursive", "--force", url)
        check(made not in s3cmd("ls"))
        ok("the bucket removed with what was in it")
    finally:
        end_bucket(made)

    with bucket(SMALL_ENDPOINT) as name:
        fill(witness(SMALL_ENDPOINT), name)
        source = write_file(f"{WORK}/in", content(FILLER))
        check("503" in s3cmd("put", "--max-retries=1", source, f"s3://{name}/k", endpoint=SMALL_ENDPOINT, fails=True))
    ok("a full server says so", "full")


main()
