"""All that Spark does with a bucket, in an order that ends with what needs a cluster of its own."""

import sys
from pathlib import Path

import committers
import delta
import fallback
import files
import formats
import partitions
import shuffle
import sort
import streaming
from pocket_job import SCRATCH
from session import Sessions

# Each has `run(spark)`, and a session that it may not reconfigure for the others.
PARTS = {part.__name__: part for part in (files, formats, committers, partitions, delta, streaming, sort, shuffle, fallback)}


def run(folder: Path) -> None:
    sessions = Sessions(folder, Path(SCRATCH))
    for name in sys.argv[1:] or PARTS:
        PARTS[name].run(sessions)
    sessions.stop()
