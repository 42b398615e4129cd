"""zarr: arrays of format 3, over obstore and over fsspec."""

import asyncio

import numpy as np
import zarr
from obstore.store import S3Store
from pocket_job import *
from zarr.core.buffer.cpu import Buffer
from zarr.storage import ObjectStore


def arrays(store, path, name, prefix):
    """In a group at this path of the store, whose keys begin with the prefix."""
    data = np.arange(1_200 * 300, dtype="float64").reshape(1_200, 300)
    root = zarr.create_group(store, path=path, overwrite=True, attributes={"colour": "blue"})
    # More chunks than a page of a list has.
    small = root.create_array("small", shape=data.shape, chunks=(1, 300), dtype=data.dtype, compressors=None)
    small[:] = data
    large = root.create_array("grüße/large", shape=data.shape, chunks=(100, 100), shards=(600, 300), dtype=data.dtype)
    large[:] = data
    large[250:350, 50:70] = -1.0
    data_changed = data.copy()
    data_changed[250:350, 50:70] = -1.0

    again = zarr.open_group(store, path=path, mode="r")
    check(again.attrs["colour"] == "blue")
    check(np.array_equal(again["small"][:], data) and np.array_equal(again["small"][777, 5:9], data[777, 5:9]))
    check(np.array_equal(again["grüße/large"][:], data_changed))
    check(np.array_equal(again["grüße/large"][300, 40:80], data_changed[300, 40:80]))
    check(sorted(again.array_keys()) == ["small"] and sorted(again.group_keys()) == ["grüße"])
    ok(f"{prefix}: arrays in chunks and in shards, written, changed and read in parts", "bytes", "ranges")

    same(witness().get_object(Bucket=name, Key=f"{prefix}/small/c/7/0")["Body"].read(), data[7].tobytes())
    del root["small"]
    left = witness().list_objects_v2(Bucket=name, Prefix=f"{prefix}/small/")["KeyCount"]
    check(left == 0 and "small" not in zarr.open_group(store, path=path, mode="r"), left)
    raises(lambda: zarr.open_group(store, path=path, mode="r")["small"], KeyError)
    ok(f"{prefix}: an array of 1,200 chunks listed and deleted", "list", "deletion", "missing")


def odd_names(store, name):
    # Its paths have no empty segments, know one kind of slash, and end at an array.
    keys = [f"odd/{key}" for key in ODD_KEYS if "//" not in key and "\\" not in key and key != "a"]
    for i, key in enumerate(keys):
        zarr.create_array(store, name=key, data=np.frombuffer(content(99, i), dtype=np.uint8), compressors=None)
    for i, key in enumerate(keys):
        same(zarr.open_array(store, path=key, mode="r")[:].tobytes(), content(99, i))
        same(witness().get_object(Bucket=name, Key=f"{key}/c/0")["Body"].read(), content(99, i))
    found = {f"odd/{path}" for path, _ in zarr.open_group(store, path="odd", mode="r").members(max_depth=None)}
    check(set(keys) <= found, set(keys) - found)
    ok(f"{len(keys)} arrays of odd names", "odd-keys")


def once(store, name):
    """How groups above an array come to be without replacing what is there."""
    for data in [b"first", b"second"]:
        asyncio.run(store.set_if_not_exists("once", Buffer.from_bytes(data)))
    same(witness().get_object(Bucket=name, Key="once")["Body"].read(), b"first")
    ok("what is there is not replaced", "precondition")


def in_parts(store, name):
    data = np.frombuffer(content(LARGE), dtype=np.uint8)
    zarr.create_array(store, name="one ü+%", data=data, chunks=data.shape, compressors=None, zarr_format=3)
    parts = witness().head_object(Bucket=name, Key="one ü+%/c/0", PartNumber=1).get("PartsCount", 1)
    check(parts > 1, parts)
    same(zarr.open_array(store, path="one ü+%", mode="r")[:].tobytes(), data.tobytes())
    ok(f"a chunk of {LARGE} bytes by a multipart upload of {parts} parts", "multipart")


with bucket() as name:
    page = from_page(bucket=name, zarr=zarr, S3Store=S3Store, ObjectStore=ObjectStore)
    arrays(page["store"], "obstore", name, "obstore")
    odd_names(page["store"], name)
    once(page["store"], name)
    in_parts(page["store"], name)
    arrays(page["group"].store, "", name, "group")

with bucket(SMALL_ENDPOINT) as name:
    fill(witness(SMALL_ENDPOINT), name)
    # By default it goes on asking a server that is full for three minutes.
    options = {"client_options": {"allow_http": True}, "retry_config": {"max_retries": 1}}
    small = ObjectStore(S3Store(name, endpoint=SMALL_ENDPOINT, **options))
    error = raises(lambda: in_parts(small, name), Exception)
    check("503" in str(error) or "SlowDown" in str(error), error)
ok("a full server says so", "full")
