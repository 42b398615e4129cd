"""aws-cli 1, as people type it."""

import json
import os
import subprocess

from pocket_job import *
from programs import read_file, write_file

WORK = SCRATCH


def aws(*words, endpoint=ENDPOINT, fails=False, data=None, raw=False):
    environment = {**os.environ, "AWS_MAX_ATTEMPTS": "1"} if fails else os.environ
    command = ["aws", "--endpoint-url", endpoint, *map(str, words)]
    done = subprocess.run(command, capture_output=True, input=data, timeout=120, env=environment)
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
        ok("files and pipes, up in parts, down in ranges")

        for i, key in enumerate(ODD_KEYS):
            s3.put_object(Bucket=made, Key=f"odd/{key}", Body=content(100, i))
        listed = json.loads(aws("s3api", "list-objects-v2", "--bucket", made, "--prefix", "odd/"))
        check([entry["Key"] for entry in listed["Contents"]] == sorted((f"odd/{key}" for key in ODD_KEYS), key=str.encode))
        for i, key in list(enumerate(ODD_KEYS))[:8]:
            aws("s3", "mv", f"{url}/odd/{key}", f"{url}/moved/{key}")
            same(aws("s3", "cp", f"{url}/moved/{key}", "-", raw=True), content(100, i))
        aws("s3", "rm", "--recursive", f"{url}/odd/")
        check(s3.list_objects_v2(Bucket=made, Prefix="odd/")["KeyCount"] == 0)
        ok("odd keys")

        expected = put_many(s3, made, "many/")
        check(len(aws("s3", "ls", f"{url}/many/").splitlines()) == len(expected))
        aws("s3", "rm", "--recursive", "--quiet", f"{url}/many/")
        check(s3.list_objects_v2(Bucket=made, Prefix="many/")["KeyCount"] == 0)
        ok(f"a list of {len(expected)} keys, all of them deleted")

        for i, name in enumerate(["a", "b/c", "b/ü d"]):
            write_file(f"{WORK}/tree/{name}", content(1000, i))
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
        check("PreconditionFailed" in aws("s3api", "put-object", *where, "--if-none-match", "*", fails=True))
        check("404" in aws("s3", "cp", f"{url}/never", "-", fails=True))
        check("BucketNotEmpty" in aws("s3", "rb", url, fails=True))
        ok("ranges; a precondition, a missing key and a bucket that is not empty are refused")
        aws("s3", "rb", "--force", url)
        check(made not in aws("s3", "ls"))
        ok("the bucket removed with what was in it")
    finally:
        end_bucket(made)

    with bucket(SMALL_ENDPOINT) as name:
        fill(witness(SMALL_ENDPOINT), name)
        source = write_file(f"{WORK}/in", content(FILLER))
        check("SlowDown" in aws("s3", "cp", source, f"s3://{name}/k", endpoint=SMALL_ENDPOINT, fails=True))
    ok("a full server says so")


main()
