"""minio-py: objects, uploads in parts, lists, copies, composed objects, bulk deletion, presigned URLs."""

import io

import requests
from minio import Minio
from minio.commonconfig import REPLACE, ComposeSource, CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from pocket_job import *
from urllib3.exceptions import MaxRetryError


class MinioPy(Store):
    missing = (S3Error,)
    # It gives 503 up to urllib3, which repeats it and then says so.
    full = (S3Error, MaxRetryError)
    full_text = "503"
    # It refuses keys with "." and ".." between slashes by itself.
    odd_keys = ODD_KEYS + [key for key in RAW_KEYS if not {".", ".."} & set(key.split("/"))]

    def __init__(self, endpoint, bucket):
        self.client, self.bucket = from_page(endpoint, Minio=Minio)["client"], bucket

    def put(self, key, data):
        self.client.put_object(self.bucket, key, io.BytesIO(data), len(data), part_size=8 * MIB)

    def get(self, key, **where):
        answer = self.client.get_object(self.bucket, key, **where)
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    def get_range(self, key, start, length):
        return self.get(key, offset=start, length=length)

    def keys(self, prefix):
        return [entry.object_name for entry in self.client.list_objects(self.bucket, prefix, recursive=True)]

    def delete(self, key):
        self.client.remove_object(self.bucket, key)


def more():
    minio = from_page(Minio=Minio)["client"]
    made = new_name("minio")
    minio.make_bucket(made)
    try:
        check(minio.bucket_exists(made) and not minio.bucket_exists(new_name("never")))
        # Again by its owner: no error in this region, as in S3.
        minio.make_bucket(made)
        check(made in [entry.name for entry in minio.list_buckets()])
        body = content(6 * MIB)
        # Without a length: in parts, as it comes.
        minio.put_object(made, "stream", io.BytesIO(body), -1, part_size=5 * MIB, metadata={"colour": "blue"})
        check(minio.stat_object(made, "stream").metadata["x-amz-meta-colour"] == "blue")
        minio.copy_object(made, "copy", CopySource(made, "stream"))
        minio.compose_object(made, "composed", [ComposeSource(made, "stream"), ComposeSource(made, "copy")])
        same(MinioPy(ENDPOINT, made).get("composed"), body + body)
        ok("streams, copies and composed objects")

        etag, again = minio.stat_object(made, "copy").etag, {"metadata": {"colour": "red"}, "metadata_directive": REPLACE}
        minio.copy_object(made, "copy", CopySource(made, "copy", match_etag=etag), **again)
        for condition in [{"match_etag": "0" * 32}, {"not_match_etag": etag}]:
            source = CopySource(made, "copy", **condition)
            raises(lambda: minio.copy_object(made, "copy", source, **again), S3Error, text="PreconditionFailed")
        wrong = {"If-Match": '"0"'}
        raises(lambda: minio.get_object(made, "copy", request_headers=wrong), S3Error, text="PreconditionFailed")
        ok("conditions of copies and reads", "precondition")

        where = minio.presigned_put_object(made, "presigned")
        check(requests.put(where, data=body, timeout=20).status_code == 200)
        same(requests.get(minio.presigned_get_object(made, "presigned"), timeout=20).content, body)
        ok("presigned PUT and GET")

        raises(lambda: minio.remove_bucket(made), S3Error, text="BucketNotEmpty")
        put_many(witness(), made, "many/")
        entries = [DeleteObject(entry.object_name) for entry in minio.list_objects(made, recursive=True)]
        check(list(minio.remove_objects(made, entries)) == [])
        minio.remove_bucket(made)
        ok(f"a bucket with objects is kept, and goes after a bulk deletion of {len(entries)}")
    finally:
        end_bucket(made)


exercise(MinioPy)
more()
