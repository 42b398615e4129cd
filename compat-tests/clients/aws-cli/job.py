"""aws-cli 1, as people type it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from pocket_job import *
from programs import make_old, read_file, write_file

WORK = SCRATCH
# The version 2 that does this job too may be older than the option.
CONDITIONS = "- no precondition" not in (Path(sys.argv[0]).parent / "config.md").read_text()


def aws(*words, endpoint=ENDPOINT, fails=False, data=None, raw=False):
    environment = {**os.environ, "AWS_MAX_ATTEMPTS": "1"} if fails else os.environ
    command = [*page_command("s3 ls", endpoint), *map(str, words)]
    done = subprocess.run(command, capture_output=True, input=data, timeout=300, env=environment)
    check((done.returncode != 0) == fails, words, done.stdout[-500:], done.stderr[-800:])
    if raw:
        return done.stdout
    return (done.stdout + (done.stderr if fails else b"")).decode()


def main():
    s3, made = witness(), new_name("awscli")
    url = f"s3://{made}"
    aws("s3", "mb", url)
    try:
        for size in [0, 70_000, LARGE]:
            aws("s3", "cp", write_file(f"{WORK}/in", content(size)), f"{url}/f")
            aws("s3", "cp", f"{url}/f", f"{WORK}/out")
            same(read_file(f"{WORK}/out"), content(size))
            same(s3.get_object(Bucket=made, Key="f")["Body"].read(), content(size))
        check(s3.head_object(Bucket=made, Key="f", PartNumber=1)["PartsCount"] == 3)
        aws("s3", "cp", "-", f"{url}/piped", data=content(9 * MIB))
        same(aws("s3", "cp", f"{url}/piped", "-", raw=True), content(9 * MIB))
        ok("files and pipes, up in parts, down in ranges", "bytes", "multipart")

        # A command takes half a second of a core: a few of them for many keys at once, and two for each of the oddest.
        odd = {key: content(100, i) for i, key in enumerate(ODD_KEYS + RAW_KEYS)}
        names = {key: data for key, data in odd.items() if key in ODD_KEYS and key not in ["a//b", "a"]}
        for key, data in names.items():
            write_file(f"{WORK}/odd/{key}", data)
        aws("s3", "cp", "--recursive", f"{WORK}/odd", f"{url}/odd/")
        for key, data in odd.items():
            if key in names:
                continue
            if key not in ["//x", "dir/", "a/../b", "\x01\x1f\x7f"]:
                s3.put_object(Bucket=made, Key=f"odd/{key}", Body=data)
            else:
                aws("s3api", "put-object", "--bucket", made, "--key", f"odd/{key}", "--body", write_file(f"{WORK}/in", data))
                aws("s3api", "get-object", "--bucket", made, "--key", f"odd/{key}", f"{WORK}/out")
                same(read_file(f"{WORK}/out"), data)
        listed = json.loads(aws("s3api", "list-objects-v2", "--bucket", made, "--prefix", "odd/"))
        check([entry["Key"] for entry in listed["Contents"]] == sorted((f"odd/{key}" for key in odd), key=str.encode), listed)
        for key, data in odd.items():
            same(s3.get_object(Bucket=made, Key=f"odd/{key}")["Body"].read(), data)
        aws("s3", "mv", "--recursive", f"{url}/odd/", f"{url}/moved/")
        check(s3.list_objects_v2(Bucket=made, Prefix="odd/")["KeyCount"] == 0)
        for key, data in odd.items():
            same(s3.get_object(Bucket=made, Key=f"moved/{key}")["Body"].read(), data)
        others = [word for key in odd if key not in names for word in ("--exclude", key)]
        aws("s3", "cp", "--recursive", *others, f"{url}/moved/", f"{WORK}/moved")
        for key, data in names.items():
            same(read_file(f"{WORK}/moved/{key}"), data)
        gone = {"Objects": [{"Key": f"moved/{key}"} for key in odd], "Quiet": True}
        aws("s3api", "delete-objects", "--bucket", made, "--delete", json.dumps(gone))
        check(s3.list_objects_v2(Bucket=made, Prefix="moved/")["KeyCount"] == 0)
        ok(f"{len(odd)} odd keys, up, listed, moved, down, and deleted all at once", "odd-keys", "deletion")

        expected = put_many(s3, made, "many/")
        check(len(aws("s3", "ls", f"{url}/many/").splitlines()) == len(expected))
        aws("s3", "rm", "--recursive", "--quiet", f"{url}/many/")
        check(s3.list_objects_v2(Bucket=made, Prefix="many/")["KeyCount"] == 0)
        ok(f"a list of {len(expected)} keys, all of them deleted", "list")

        for i, name in enumerate(["a", "b/c", "b/ü d"]):
            write_file(f"{WORK}/tree/{name}", content(1000, i))
        make_old(f"{WORK}/tree")
        aws("s3", "sync", f"{WORK}/tree", f"{url}/tree")
        check(aws("s3", "sync", f"{WORK}/tree", f"{url}/tree") == "")
        aws("s3", "sync", f"{url}/tree", f"{url}/again")
        aws("s3", "sync", f"{url}/again", f"{WORK}/back")
        for name in ["a", "b/c", "b/ü d"]:
            same(read_file(f"{WORK}/back/{name}"), read_file(f"{WORK}/tree/{name}"))
        os.unlink(f"{WORK}/tree/a")
        aws("s3", "sync", "--delete", f"{WORK}/tree", f"{url}/tree")
        check("tree/a" not in aws("s3", "ls", "--recursive", url))
        ok("trees in step: up, between prefixes, down, and with deletion")

        where = ["--bucket", made, "--key", "f"]
        aws("s3api", "get-object", *where, "--range", "bytes=5-9", f"{WORK}/part")
        same(read_file(f"{WORK}/part"), content(LARGE)[5:10])
        if CONDITIONS:
            check("PreconditionFailed" in aws("s3api", "put-object", *where, "--if-none-match", "*", fails=True))
            ok("a precondition that does not hold", "precondition")
        check("404" in aws("s3", "cp", f"{url}/never", "-", fails=True))
        check("BucketNotEmpty" in aws("s3", "rb", url, fails=True))
        ok("ranges; a missing key and a bucket that is not empty are refused", "ranges", "missing")
        aws("s3", "rb", "--force", url)
        check(made not in aws("s3", "ls"))
        ok("the bucket removed with what was in it")
    finally:
        end_bucket(made)

    with bucket(SMALL_ENDPOINT) as name:
        fill(witness(SMALL_ENDPOINT), name)
        source = write_file(f"{WORK}/in", content(FILLER))
        check("SlowDown" in aws("s3", "cp", source, f"s3://{name}/k", endpoint=SMALL_ENDPOINT, fails=True))
    ok("a full server says so", "full")


main()
