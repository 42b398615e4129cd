"""zarr: arrays of format 3, over obstore and over fsspec."""

import numpy as np
import zarr
from obstore.store import S3Store
from pocket_job import *
from zarr.storage import FsspecStore, ObjectStore


def arrays(store, name, prefix):
    data = np.arange(1_200 * 300, dtype="float64").reshape(1_200, 300)
    root = zarr.create_group(store, overwrite=True, attributes={"colour": "blue"})
    # More chunks than a page of a list has.
    small = root.create_array("small", shape=data.shape, chunks=(1, 300), dtype=data.dtype, compressors=None)
    small[:] = data
    large = root.create_array("grüße/large", shape=data.shape, chunks=(100, 100), shards=(600, 300), dtype=data.dtype)
    large[:] = data
    large[250:350, 50:70] = -1.0
    data_changed = data.copy()
    data_changed[250:350, 50:70] = -1.0

    again = zarr.open_group(store, mode="r")
    check(again.attrs["colour"] == "blue")
    check(np.array_equal(again["small"][:], data) and np.array_equal(again["small"][777, 5:9], data[777, 5:9]))
    check(np.array_equal(again["grüße/large"][:], data_changed))
    check(np.array_equal(again["grüße/large"][300, 40:80], data_changed[300, 40:80]))
    check(sorted(again.array_keys()) == ["small"] and sorted(again.group_keys()) == ["grüße"])
    ok(f"{prefix}: arrays in chunks and in shards, written, changed and read in parts")

    same(witness().get_object(Bucket=name, Key=f"{prefix}/small/c/7/0")["Body"].read(), data[7].tobytes())
    del root["small"]
    left = witness().list_objects_v2(Bucket=name, Prefix=f"{prefix}/small/")["KeyCount"]
    check(left == 0 and "small" not in zarr.open_group(store, mode="r"), left)
    raises(lambda: zarr.open_group(store, mode="r")["small"], KeyError)
    ok(f"{prefix}: an array of 1,200 chunks deleted")


def store_of(endpoint, bucket, **more):
    return ObjectStore(S3Store(bucket, prefix="obstore", endpoint=endpoint, client_options={"allow_http": True}, **more))


def in_parts(store, name):
    data = np.frombuffer(content(LARGE), dtype=np.uint8)
    zarr.create_array(store, name="one ü+%", data=data, chunks=data.shape, compressors=None, zarr_format=3)
    parts = witness().head_object(Bucket=name, Key="obstore/one ü+%/c/0", PartNumber=1).get("PartsCount", 1)
    check(parts > 1, parts)
    same(zarr.open_array(store, path="one ü+%", mode="r")[:].tobytes(), data.tobytes())
    ok(f"a chunk of {LARGE} bytes by a multipart upload of {parts} parts")


with bucket() as name:
    over = store_of(ENDPOINT, name)
    arrays(over, name, "obstore")
    in_parts(over, name)
    arrays(FsspecStore.from_url(f"s3://{name}/fsspec", storage_options={"endpoint_url": ENDPOINT}), name, "fsspec")

with bucket(SMALL_ENDPOINT) as name:
    fill(witness(SMALL_ENDPOINT), name)
    # By default it goes on asking a server that is full for three minutes.
    small = store_of(SMALL_ENDPOINT, name, retry_config={"max_retries": 1})
    error = raises(lambda: in_parts(small, name), Exception)
    check("503" in str(error) or "SlowDown" in str(error), error)
ok("a full server says so")
