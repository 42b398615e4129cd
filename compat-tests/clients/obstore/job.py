"""obstore: Rust's object_store, as Python calls it."""

from datetime import timedelta

import obstore
from obstore.exceptions import AlreadyExistsError, GenericError, NotFoundError, PreconditionError
from obstore.store import S3Store
from pocket_job import *


def store_of(endpoint, bucket):
    if endpoint == ENDPOINT:
        return from_page(endpoint, bucket, S3Store=S3Store)["store"]
    # By default it goes on asking a server that is full for three minutes.
    patience = {"max_retries": 1}
    return S3Store(bucket, endpoint=endpoint, client_options={"allow_http": True}, retry_config=patience)


class Obstore(Store):
    missing = (FileNotFoundError,)
    full = (GenericError,)
    full_text = "SlowDown"
    # Its paths are made of segments that are not empty.
    odd_keys = [key for key in ODD_KEYS if "//" not in key]

    def __init__(self, endpoint, bucket):
        self.store = store_of(endpoint, bucket)

    def put(self, key, data):
        obstore.put(self.store, key, data, use_multipart=len(data) >= LARGE, chunk_size=5 * MIB)

    def get(self, key):
        return obstore.get(self.store, key).bytes()

    def get_range(self, key, start, length):
        return obstore.get_range(self.store, key, start=start, length=length)

    def keys(self, prefix):
        return [entry["path"] for page in obstore.list(self.store, prefix) for entry in page]

    def delete(self, key):
        obstore.delete(self.store, key)


def more():
    with bucket() as name:
        store = store_of(ENDPOINT, name)
        first = obstore.put(store, "k", b"one", mode="create")
        raises(lambda: obstore.put(store, "k", b"two", mode="create"), AlreadyExistsError)
        second = obstore.put(store, "k", b"two", mode={"e_tag": first["e_tag"]})
        raises(lambda: obstore.put(store, "k", b"three", mode={"e_tag": first["e_tag"]}), PreconditionError)
        raises(lambda: obstore.get(store, "k", options={"if_match": first["e_tag"]}), PreconditionError)
        same(obstore.get(store, "k", options={"if_match": second["e_tag"]}).bytes(), b"two")
        ok("conditional writes and reads", "precondition")

        obstore.copy(store, "k", "copy")
        obstore.rename(store, "copy", "renamed")
        raises(lambda: obstore.head(store, "copy"), NotFoundError, FileNotFoundError)
        check(obstore.head(store, "renamed")["size"] == 3)
        ok("copies and renames")

        keys = put_many(witness(), name, "d/")
        listed = obstore.list_with_delimiter(store)
        check([str(prefix) for prefix in listed["common_prefixes"]] == ["d"], listed)
        after = obstore.list(store, "d/", offset=keys[500], chunk_size=10_000).collect()
        check([entry["path"] for entry in after] == keys[501:])
        ranges = obstore.get_ranges(store, keys[0], starts=[0, 2], lengths=[2, 3])
        check([bytes(part) for part in ranges] == [b"d/", b"000"])
        obstore.delete(store, keys)
        check(obstore.list(store, "d/").collect() == [])
        ok("lists by delimiter and offset, several ranges at once, bulk deletion")

        url = obstore.sign(store, "GET", "k", expires_in=timedelta(minutes=1))
        import requests

        same(requests.get(url, timeout=20).content, b"two")
        ok("signed URLs")


exercise(Obstore)
more()
