"""s3fs-fuse: a bucket as a folder."""

import os

from pocket_job import *
from programs import *

PASSWORDS = os.path.expanduser("~/.passwd-s3fs")


def mount(name, endpoint=ENDPOINT, *more):
    folder = path_of("mounts", new_name("mount"))
    words = [folder if word == "/mnt" else word for word in page_command("", endpoint, name)]
    # A file of more than 5 MiB goes up in parts, not only one of more than 10.
    return mounted(folder, *words, "-f", "-o", "multipart_size=5", *more)


def files(s3, name):
    with mount(name) as folder:
        for size in [0, 1, 70_000, 5 * MIB, LARGE]:
            write_file(f"{folder}/size-{size}", content(size))
            same(read_file(f"{folder}/size-{size}"), content(size))
            same(s3.get_object(Bucket=name, Key=f"size-{size}")["Body"].read(), content(size))
        check(s3.head_object(Bucket=name, Key=f"size-{LARGE}", PartNumber=1)["PartsCount"] > 1)
    with mount(name) as folder:
        # What it reads now is on no disk yet.
        with open(f"{folder}/size-{LARGE}", "rb", buffering=0) as file:
            for start in [0, 5 * MIB - 7, LARGE - 10]:
                file.seek(start)
                same(file.read(10), content(LARGE)[start : start + 10])
        same(read_file(f"{folder}/size-{LARGE}"), content(LARGE))
    ok("files up and down, a large one in parts, read by ranges and as a whole", "bytes", "multipart", "ranges")

    with mount(name) as folder:
        with open(f"{folder}/size-{LARGE}", "r+b") as file:
            file.seek(6 * MIB)
            file.write(b"changed")
            file.seek(0, os.SEEK_END)
            file.write(b"more")
        expected = content(LARGE)[: 6 * MIB] + b"changed" + content(LARGE)[6 * MIB + 7 :] + b"more"
        same(s3.get_object(Bucket=name, Key=f"size-{LARGE}")["Body"].read(), expected)
        with open(f"{folder}/size-70000", "r+b") as file:
            file.truncate(100)
        same(s3.get_object(Bucket=name, Key="size-70000")["Body"].read(), content(70_000)[:100])
        os.chmod(f"{folder}/size-1", 0o640)
        os.symlink("size-1", f"{folder}/link")
        same(read_file(f"{folder}/link"), content(1))
        check(s3.head_object(Bucket=name, Key="size-1")["Metadata"]["mode"] == str(0o100640))
    ok("changed in the middle, appended to, cut short; modes and links")


def keys(s3, name):
    # What no file system has a name for, it cannot show.
    odd_keys = [key for key in ODD_KEYS if "//" not in key and key != "a"]
    with mount(name) as folder:
        for i, key in enumerate(odd_keys):
            write_file(f"{folder}/odd/{key}", content(100 + i, i))
            same(s3.get_object(Bucket=name, Key=f"odd/{key}")["Body"].read(), content(100 + i, i))
    with mount(name) as folder:
        same_tree(f"{folder}/odd", {key: content(100 + i, i) for i, key in enumerate(odd_keys)})
    ok(f"{len(odd_keys)} odd keys", "odd-keys")

    expected = put_many(s3, name, "many/")
    with mount(name) as folder:
        check(sorted(os.listdir(f"{folder}/many")) == [key.removeprefix("many/") for key in expected])
        same(read_file(f"{folder}/many/01099"), b"many/01099")
        os.rename(f"{folder}/odd", f"{folder}/moved")
        os.rename(f"{folder}/many/00001", f"{folder}/moved/00001")
        os.unlink(f"{folder}/many/00000")
        raises(lambda: os.rmdir(f"{folder}/moved"), OSError, text="not empty")
        raises(lambda: open(f"{folder}/many/00000", "rb"), FileNotFoundError)
        raises(lambda: open(f"{folder}/never", "rb"), FileNotFoundError)
    check("many/00000" not in {entry["Key"] for entry in s3.list_objects_v2(Bucket=name, Prefix="many/")["Contents"]})
    same(s3.get_object(Bucket=name, Key="moved/00001")["Body"].read(), b"many/00001")
    same(s3.get_object(Bucket=name, Key="moved/a b")["Body"].read(), content(100))
    check(s3.list_objects_v2(Bucket=name, Prefix="odd/")["KeyCount"] == 0)
    ok(f"a directory of {len(expected)} files, renamed and deleted ones, and those that are missing", "list", "deletion", "missing")


def is_full(name):
    small = witness(SMALL_ENDPOINT)
    filler = fill(small, name)
    # It waits for seconds before each retry.
    with mount(name, SMALL_ENDPOINT, "-o", "retries=1") as folder:
        raises(lambda: write_file(f"{folder}/one-too-many", content(FILLER)), OSError)
        for key in filler[:2]:
            small.delete_object(Bucket=name, Key=key)
        write_file(f"{folder}/fits", content(FILLER))
        same(small.get_object(Bucket=name, Key="fits")["Body"].read(), content(FILLER))
    ok("a full server is an error of the file, and takes more when there is room again", "full")


write_file(PASSWORDS, f"{KEY}:{SECRET}\n".encode())
os.chmod(PASSWORDS, 0o600)
with bucket() as name:
    files(witness(), name)
    keys(witness(), name)
with bucket(SMALL_ENDPOINT) as name:
    is_full(name)
