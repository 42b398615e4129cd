"""Random sequences of calls on Pocket and on moto, the mock of AWS that most tests of S3 code run against.

Whatever the two answer differently is in the table of `differences.py`, with who is right by S3's documentation. A plain
run replays a few sequences, the same every time, which together need every row of the table. More of them:

    POCKET_DIFFERENTIAL_SEQUENCES=300 cargo test -p pocket-compat-tests --test real_clients random_calls
"""

import contextlib
import os

import boto3
import pytest
from botocore.config import Config
from conftest import ENDPOINTS, REGION, end_job, new_name
from differences import DIFFERENCES, PAGE, explain, page
from moto.server import ThreadedMotoServer
from replay import furniture, sequence
from replay_store import Store

LENGTH = 100
OPEN = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
# Some 200 ms of a core go into ten calls, most of them into the clients and moto.
SEEDS = [0, 1, 3, 5, 8, 11]
MORE_SEEDS = range(int(os.environ.get("POCKET_DIFFERENTIAL_SEQUENCES", "0")))


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield client(f"http://{host}:{port}")
    server.stop()


def client(endpoint):
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})
    return boto3.client("s3", endpoint_url=endpoint, region_name=REGION, config=config)


@pytest.fixture(scope="module")
def pocket():
    return client(ENDPOINTS[0])


@pytest.fixture(scope="module")
def used():
    """Rows of the table that some difference needed."""
    return set()


@contextlib.contextmanager
def stores(pocket, moto, buckets):
    """Both, with the same in the same buckets. The last is open to ACLs and to rules that make it public, which new
    buckets are closed to."""
    for each in [pocket, moto]:
        for bucket in buckets:
            each.create_bucket(Bucket=bucket)
        each.put_bucket_ownership_controls(Bucket=buckets[-1], OwnershipControls=OPEN)
        each.delete_public_access_block(Bucket=buckets[-1])
    both = Store(pocket), Store(moto)
    try:
        for call, arguments in furniture(buckets):
            for each in both:
                call(each, *arguments)
        yield both
    finally:
        for bucket in buckets:
            with contextlib.suppress(pocket.exceptions.NoSuchBucket):
                end_job(pocket, bucket)


@pytest.mark.parametrize("seed", sorted({*SEEDS, *MORE_SEEDS}))
def test_pocket_answers_as_moto_does_or_the_difference_is_explained(pocket, moto, used, seed):
    buckets = []
    steps = enumerate(sequence(seed, buckets, LENGTH))
    is_over = False
    while not is_over:
        buckets[:] = [new_name("d"), new_name("d")]
        with stores(pocket, moto, buckets) as (ours, theirs):
            # Where the stores hold different things, the sequence goes on in new buckets.
            is_over = not any(parts_ways(seed, step, call, arguments, ours, theirs, used) for step, (call, arguments) in steps)


def parts_ways(seed, step, call, arguments, ours, theirs, used):
    """Does one call on both; whether they hold different things afterwards."""
    answers = call(ours, *arguments), call(theirs, *arguments)
    if answers[0] == answers[1]:
        return False
    row = explain(call.__name__, arguments, *answers)
    assert row, f"seed {seed}, step {step}: {call.__name__}{arguments}\nPocket: {answers[0]}\nmoto:   {answers[1]}"
    used.add(row.name)
    return row.parts_ways


def test_no_row_of_the_table_is_left_over(used):
    assert {row.name for row in DIFFERENCES} <= used


def test_the_page_shows_the_table():
    if PAGE.read_text() != page():
        PAGE.write_text(page())
        pytest.fail(f"{PAGE.name} did not match the table and was written anew: commit it")
