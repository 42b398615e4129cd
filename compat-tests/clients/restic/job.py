"""restic: a repository in a bucket: backup, check of every byte, restore, forget and prune, and a wait for room."""

import hashlib
import json
import os
import subprocess

from pocket_job import *
from programs import *

TREE, BACK = path_of("tree"), path_of("back")
# More than one pack, and more files than a page of a list has keys.
FILES = {f"many/{i % 11}/{i:04}": content(50 + i, i) for i in range(1_500)}
FILES |= {"large": content(2 * LARGE), "ü d/a+b %": b"odd", "empty": b"", "dots/..x": b"."}


def restic(*words, endpoint=ENDPOINT, password="secret", **more):
    environment = os.environ | {"RESTIC_PASSWORD": password, "RESTIC_PACK_SIZE": "6"}
    return program(*page_command("init", endpoint, restic.bucket), *words, env=environment, **more)


def snapshots():
    return [entry["id"] for entry in json.loads(restic("snapshots", "--json"))]


def repository():
    s3 = witness()
    raises(lambda: restic("snapshots"), Refused, text="repository does not exist")
    restic("init")
    raises(lambda: restic("init"), Refused, text="already initialized")
    raises(lambda: restic("snapshots", password="wrong"), Refused, text="wrong password")
    ok("a repository made once, its bucket with it; one that is not there, and a wrong password, are refused")

    write_tree(TREE, FILES)
    restic("backup", TREE)
    packs = [entry for page in pages(s3) for entry in page["Contents"] if entry["Key"].startswith("data/")]
    check(len(packs) > 4, packs)
    restic("check", "--read-data")
    ok(f"a backup in {len(packs)} packs, every byte of it checked", "bytes")

    restic("restore", f"latest:{TREE}", "--target", BACK, "--verify")
    same_tree(BACK, FILES)
    same(restic("dump", "latest", f"{TREE}/large"), FILES["large"])
    raises(lambda: restic("dump", "latest", f"{TREE}/never"), Refused, text="not found")
    ok("restored byte by byte, and one file alone by ranges of packs", "ranges")

    changed = content(LARGE, 5)
    write_file(f"{TREE}/large", changed)
    os.unlink(f"{TREE}/empty")
    second = {name: data for name, data in FILES.items() if name != "empty"} | {"large": changed}
    summary = json.loads(lines(restic("backup", "--json", TREE))[-1])
    check(summary["files_changed"] == 1 and summary["data_added"] < 2 * LARGE, summary)
    first, latest = snapshots()
    restic("restore", f"latest:{TREE}", "--target", BACK, "--delete", "--overwrite", "if-changed")
    same_tree(BACK, second)
    check(b"large" in restic("diff", first, latest))
    ok("a second backup sends what is new, and is restored over the first")

    before = used(s3)
    restic("forget", "--keep-last", 1, "--prune")
    check(snapshots() == [latest] and used(s3) < before - LARGE, before, used(s3))
    restic("check", "--read-data")
    restic("restore", f"latest:{TREE}", "--target", path_of("again"))
    same_tree(path_of("again"), second)
    ok("forgotten and pruned: the space is back, and what is left is whole", "deletion")

    pack = next(e["Key"] for page in pages(s3) for e in page["Contents"] if e["Key"].startswith("data/"))
    s3.delete_object(Bucket=restic.bucket, Key=pack)
    raises(lambda: restic("check"), Refused, text="does not exist")
    ok("a pack that is missing is noticed", "missing")


def many_keys():
    """A repository has few and large objects; here it lists more than a page of them, which belong to nobody."""
    s3 = witness()
    names = [hashlib.sha256(bytes([i % 256, i // 256])).hexdigest() for i in range(MANY)]
    for name in names:
        s3.put_object(Bucket=restic.bucket, Key=f"data/{name[:2]}/{name}", Body=b"nothing")
    check(len(lines(restic("list", "packs"))) == MANY)
    restic("prune")
    check(lines(restic("list", "packs")) == [])
    check(not any(entry["Key"].startswith("data/") for page in pages(s3) for entry in page["Contents"]))
    ok(f"a list of {MANY} keys, all deleted", "list")


def waits_for_room():
    with bucket(SMALL_ENDPOINT) as name:
        restic.bucket = name
        small = witness(SMALL_ENDPOINT)
        restic("init", endpoint=SMALL_ENDPOINT)
        filler = fill(small, name)
        write_file(f"{TREE}/large", content(FILLER, 9))
        words = page_command("init", SMALL_ENDPOINT, name)
        said = path_of("said")
        with open(said, "wb") as log:
            environment = os.environ | {"RESTIC_PASSWORD": "secret"}
            backup = subprocess.Popen([*words, "backup", TREE], env=environment, stdout=log, stderr=log)
            try:
                until(lambda: b"retrying after" in read_file(said) or backup.poll() is not None)
                check(backup.poll() is None, read_file(said)[-2000:])
                for key in filler[:2]:
                    small.delete_object(Bucket=name, Key=key)
                check(backup.wait(LIMIT_SECONDS) == 0, read_file(said)[-2000:])
            finally:
                backup.kill()
        for key in filler[2:]:
            small.delete_object(Bucket=name, Key=key)
        restic("check", "--read-data", endpoint=SMALL_ENDPOINT)
    ok("a backup into a full server is told to slow down, waits, and ends well when there is room", "full")


def pages(s3):
    return list(s3.get_paginator("list_objects_v2").paginate(Bucket=restic.bucket))


def used(s3):
    return sum(entry["Size"] for page in pages(s3) for entry in page["Contents"])


restic.bucket = new_name("restic")
try:
    repository()
    end_bucket(restic.bucket)
    restic("init")
    many_keys()
finally:
    end_bucket(restic.bucket)
waits_for_room()
