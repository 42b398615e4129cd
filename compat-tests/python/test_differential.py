"""Random sequences of calls on Pocket and on moto, the mock of AWS that most tests of S3 code run against.

Whatever the two answer differently is in the table of `differences.py`, with who is right by S3's documentation.
"""

import contextlib

import boto3
import pytest
from botocore.config import Config
from conftest import ENDPOINTS, REGION, end_job, new_name
from differences import DIFFERENCES, PAGE, explain, page
from moto.server import ThreadedMotoServer
from replay import Store, sequence

LENGTH = 60
SEEDS = range(40)


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def used():
    """Rows of the table that some difference needed."""
    return set()


def store(endpoint):
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})
    return Store(boto3.client("s3", endpoint_url=endpoint, region_name=REGION, config=config))


@pytest.mark.parametrize("seed", SEEDS)
def test_pocket_answers_as_moto_does_or_the_difference_is_explained(moto, used, seed):
    pocket, other = store(ENDPOINTS[0]), store(moto)
    buckets = [new_name("d"), new_name("d")]
    for bucket in buckets:
        for each in [pocket, other]:
            each.client.create_bucket(Bucket=bucket)
    try:
        for step, (call, arguments) in enumerate(sequence(seed, buckets, LENGTH)):
            ours, theirs = call(pocket, *arguments), call(other, *arguments)
            if ours == theirs:
                continue
            row = explain(call.__name__, arguments, ours, theirs)
            assert row, f"seed {seed}, step {step}: {call.__name__}{arguments}\nPocket: {ours}\nmoto:   {theirs}"
            used.add(row.name)
            if row.parts_ways:
                # The stores hold different things from here on.
                break
    finally:
        for bucket in buckets:
            with contextlib.suppress(pocket.client.exceptions.NoSuchBucket):
                end_job(pocket.client, bucket)


def test_no_row_of_the_table_is_left_over(used):
    assert {row.name for row in DIFFERENCES} == used


def test_the_page_shows_the_table():
    if PAGE.read_text() != page():
        PAGE.write_text(page())
        pytest.fail(f"{PAGE.name} did not match the table and was written anew: commit it")
