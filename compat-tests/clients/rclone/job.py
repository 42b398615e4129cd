"""rclone: single objects, trees in step and checked by download, copies inside the server, a mount."""

import contextlib
import json
import os

import requests
from pocket_job import *
from programs import *

INPUT = path_of("in")
# rclone sends up to 200 MiB in one piece otherwise.
PARTS = ("--s3-upload-cutoff", "5Mi")
FEW_RETRIES = ("--retries", 1, "--low-level-retries", 2)


def configure():
    text = page_lines() + page_lines(SMALL_ENDPOINT).replace("[pocket]", "[small]")
    write_file(os.path.expanduser("~/.config/rclone/rclone.conf"), text.encode())


def rclone(*words, **more):
    return program("rclone", *words, **more)


class Rclone(Store):
    missing = (Refused,)
    full = (Refused,)
    full_text = "SlowDown"
    # In a path of rclone's "//" is "/".
    odd_keys = [key for key in ODD_KEYS if "//" not in key]

    def __init__(self, endpoint, bucket):
        self.root = f"{'pocket' if endpoint == ENDPOINT else 'small'}:{bucket}/"

    def put(self, key, data):
        write_file(INPUT, data)
        rclone("copyto", *PARTS, *FEW_RETRIES, INPUT, self.root + key)

    def get(self, key):
        # Without this, what is not there is an empty directory.
        return rclone("cat", "--error-on-no-transfer", self.root + key)

    def get_range(self, key, start, length):
        return rclone("cat", "--offset", start, "--count", length, self.root + key)

    def keys(self, prefix):
        check(prefix.endswith("/"))
        found = lines(rclone("lsf", "-R", "--files-only", self.root + prefix))
        check(sorted(found) == sorted(lines(rclone("lsf", "-R", "--files-only", "--fast-list", self.root + prefix))))
        return [prefix + name for name in found]

    def delete(self, key):
        rclone("deletefile", self.root + key)


def trees():
    s3, tree, back = witness(), path_of("tree"), path_of("back")
    files = {f"d{i % 7}/{i:04}": content(1 + i, i) for i in range(200)}
    files |= {"large": content(LARGE), "ü d/a+b %": b"odd", "empty": b""}
    write_tree(tree, files)
    with bucket() as name:
        root = f"pocket:{name}/t"
        rclone("sync", *PARTS, tree, root)
        rclone("check", "--download", tree, root)
        rclone("check", tree, root)
        ok("a tree synchronised, checked by download and by MD5, a multipart upload among it")

        before = s3.list_objects_v2(Bucket=name, Prefix="t/")["Contents"]
        rclone("sync", *PARTS, tree, root)
        check(s3.list_objects_v2(Bucket=name, Prefix="t/")["Contents"] == before)
        s3.put_object(Bucket=name, Key="t/d1/0001", Body=content(2, 77))
        raises(lambda: rclone("check", "--download", tree, root), Refused, text="1 differences found")
        raises(lambda: rclone("check", tree, root), Refused, text="1 differences found")
        del files["large"]
        os.unlink(f"{tree}/large")
        files["d1/0001"] = content(5000)
        write_file(f"{tree}/d1/0001", files["d1/0001"])
        rclone("sync", tree, root)
        rclone("sync", root, back)
        same_tree(back, files)
        check("Contents" not in s3.list_objects_v2(Bucket=name, Prefix="t/large"))
        ok("what is the same stays, what differs and what is gone follows, both ways")

        size = json.loads(rclone("size", "--json", root))
        check((size["count"], size["bytes"]) == (len(files), sum(map(len, files.values()))), size)
        write_file(INPUT, content(LARGE))
        rclone("copyto", *PARTS, INPUT, f"pocket:{name}/large")
        rclone("copyto", "--s3-copy-cutoff", "5Mi", f"pocket:{name}/large", f"pocket:{name}/copy")
        check(s3.head_object(Bucket=name, Key="copy", PartNumber=1)["PartsCount"] == 4)
        rclone("moveto", f"pocket:{name}/copy", f"pocket:{name}/moved")
        same(s3.get_object(Bucket=name, Key="moved")["Body"].read(), content(LARGE))
        check(rclone("md5sum", f"pocket:{name}/moved").split()[0] == rclone("md5sum", INPUT).split()[0])
        same(rclone("cat", "--multi-thread-cutoff", "1Mi", f"pocket:{name}/moved"), content(LARGE))
        rclone("copyto", "--multi-thread-cutoff", "1Mi", f"pocket:{name}/moved", path_of("out"))
        same(read_file(path_of("out")), content(LARGE))
        ok("copies in parts and moves inside the server, downloads in several ranges at once")

        rclone("rcat", *PARTS, f"pocket:{name}/piped", input=content(LARGE))
        same(s3.get_object(Bucket=name, Key="piped")["Body"].read(), content(LARGE))
        link = lines(rclone("link", f"pocket:{name}/t/d1/0001"))[0]
        same(requests.get(link, timeout=20).content, files["d1/0001"])
        s3.create_multipart_upload(Bucket=name, Key="given-up")
        rclone("backend", "cleanup", "-o", "max-age=0s", f"pocket:{name}")
        check(s3.list_multipart_uploads(Bucket=name).get("Uploads", []) == [])
        ok("from a pipe of unknown length, presigned links, uploads that were given up cleaned away")

        put_many(s3, name, "many/")
        rclone("delete", f"pocket:{name}/many")
        check("Contents" not in s3.list_objects_v2(Bucket=name, Prefix="many/"))
        rclone("purge", f"pocket:{name}/t")
        check("Contents" not in s3.list_objects_v2(Bucket=name, Prefix="t/"))
        ok(f"{MANY} keys and a tree deleted")


def buckets():
    made = new_name("rclone")
    rclone("mkdir", f"pocket:{made}")
    try:
        check(f"{made}/" in lines(rclone("lsf", "pocket:")))
        rclone("rcat", f"pocket:{made}/k", input=b"x")
        raises(lambda: rclone("rmdir", f"pocket:{made}"), Refused, text="BucketNotEmpty")
        raises(lambda: rclone("lsf", f"pocket:{made}-never"), Refused, text="directory not found")
        rclone("purge", f"pocket:{made}")
        check(f"{made}/" not in lines(rclone("lsf", "pocket:")))
    finally:
        end_bucket(made)
    ok("buckets made, listed and purged")


def mount():
    s3, folder = witness(), path_of("mounted")
    with bucket() as name:
        expected = put_many(s3, name, "many/")
        s3.put_object(Bucket=name, Key="large", Body=content(LARGE))
        # Writes anywhere in a file need a copy of it on disk, which is sent when the file is closed.
        words = ["mount", "--vfs-cache-mode", "writes", "--vfs-write-back", "0s", *PARTS, f"pocket:{name}", folder]
        with mounted(folder, "rclone", *words):
            check(sorted(os.listdir(f"{folder}/many")) == [key.removeprefix("many/") for key in expected])
            same(read_file(f"{folder}/many/01099"), b"many/01099")
            with open(f"{folder}/large", "rb") as file:
                file.seek(5 * MIB - 7)
                same(file.read(100), content(LARGE)[5 * MIB - 7 :][:100])
            same(read_file(f"{folder}/large"), content(LARGE))
            ok("a mount: a directory of more than a page, ranges and whole files")

            files = {"dir/ü a+b": b"odd", "dir/large": content(LARGE, 1), "empty": b""}
            write_tree(folder, files)
            with open(f"{folder}/dir/large", "r+b") as file:
                file.seek(1000)
                file.write(b"changed")
            files["dir/large"] = content(LARGE, 1)[:1000] + b"changed" + content(LARGE, 1)[1007:]
            os.rename(f"{folder}/empty", f"{folder}/renamed")
            files["renamed"] = files.pop("empty")
            os.unlink(f"{folder}/many/00000")
            raises(lambda: open(f"{folder}/never", "rb"), FileNotFoundError)

            def stored(key):
                with contextlib.suppress(s3.exceptions.NoSuchKey):
                    return s3.get_object(Bucket=name, Key=key)["Body"].read()

            until(lambda: all(stored(key) == data for key, data in files.items()) and stored("empty") is None)
            check(s3.list_objects_v2(Bucket=name, Prefix="many/00000")["KeyCount"] == 0)
            check(s3.head_object(Bucket=name, Key="dir/large", PartNumber=1)["PartsCount"] == 4)
        ok("files written, changed in the middle, renamed and deleted there")


configure()
exercise(Rclone)
trees()
buckets()
mount()
