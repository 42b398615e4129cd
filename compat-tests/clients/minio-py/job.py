"""minio-py: objects, uploads in parts, lists, copies, composed objects, bulk deletion, presigned URLs."""

import io
from urllib.parse import urlsplit

import requests
from minio import Minio
from minio.commonconfig import ComposeSource, CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from pocket_job import *
from urllib3 import PoolManager
from urllib3.exceptions import MaxRetryError
from urllib3.util import Retry


def client(endpoint=ENDPOINT, **more):
    address = urlsplit(endpoint).netloc
    return Minio(address, access_key=KEY, secret_key=SECRET, secure=False, region=REGION, **more)


class MinioPy(Store):
    missing = (S3Error,)
    # It gives 503 up to urllib3, which repeats it and then says so.
    full = (S3Error, MaxRetryError)
    full_text = "503"

    def __init__(self, endpoint, bucket):
        # Its own pool repeats a 503 for seconds before it gives up; here it does so once.
        more = {"http_client": PoolManager(retries=Retry(1, status_forcelist=[503]))} if endpoint == SMALL_ENDPOINT else {}
        self.client, self.bucket = client(endpoint, **more), bucket

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
    minio = client()
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

        where = minio.presigned_put_object(made, "presigned")
        check(requests.put(where, data=body, timeout=20).status_code == 200)
        same(requests.get(minio.presigned_get_object(made, "presigned"), timeout=20).content, body)
        ok("presigned PUT and GET")

        raises(lambda: minio.remove_bucket(made), S3Error, text="BucketNotEmpty")
        entries = [DeleteObject(entry.object_name) for entry in minio.list_objects(made, recursive=True)]
        check(list(minio.remove_objects(made, entries)) == [])
        minio.remove_bucket(made)
        ok("a bucket with objects is kept, and goes after a bulk deletion")
    finally:
        end_bucket(made)


exercise(MinioPy)
more()
