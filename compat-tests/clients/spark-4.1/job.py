"""The job of this version of Spark: its own settings and jars, and what all versions do."""

from pathlib import Path

import job_of_spark

job_of_spark.run(Path(__file__).parent)
