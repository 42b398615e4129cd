"""Spark sessions whose store is configured by the lines of config.md and by nothing else."""

import contextlib
import os
import re
import subprocess
from pathlib import Path

import pyspark
from pocket_job import ENDPOINT
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

SHOWN_ENDPOINT = "http://127.0.0.1:9000"
# One JVM drives everything; in local-cluster mode two executors stand beside it.
DRIVER_MEMORY = "1536m"
EXECUTOR_MEMORY_MIB = 512
LOCAL = "local[2]"
CLUSTER = f"local-cluster[2,1,{EXECUTOR_MEMORY_MIB}]"


def documented_settings(folder: Path) -> dict[str, str]:
    """The settings that docs/clients.md shows: those of the fenced block of config.md, for the real endpoint."""
    block = re.search(r"```properties\n(.*?)```", (folder / "config.md").read_text(), re.S).group(1)
    return dict(line.split("=", 1) for line in block.replace(SHOWN_ENDPOINT, ENDPOINT).splitlines())


@contextlib.contextmanager
def configured(spark: SparkSession, settings: dict[str, str]):
    """Settings of SQL for a while, without a session of its own for them."""
    before = {name: spark.conf.get(name, None) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.unset(name) if value is None else spark.conf.set(name, value)


def compiled(into: Path) -> str:
    """A class path of what these jobs have in Java and of the jars beside Spark."""
    jars, own = os.environ["POCKET_SPARK_CLASSPATH"], Path(pyspark.__file__).parent / "jars" / "*"
    sources = [str(source) for source in Path(__file__).parent.glob("*.java")]
    javac = [f"{os.environ['JAVA_HOME']}/bin/javac", "-nowarn", "-proc:none", "-d", str(into)]
    subprocess.run([*javac, "-classpath", f"{jars}:{own}", *sources], check=True)
    return f"{into}:{jars}"


class Sessions:
    """One session at a time, as Spark has it."""

    def __init__(self, folder: Path, scratch: Path):
        self.scratch = scratch
        self.classpath = compiled(scratch / "classes")
        self.settings = documented_settings(folder)
        self.running = None

    def get(self, master: str = LOCAL, **settings: str) -> SparkSession:
        """The session with just these settings; one that differs is stopped first."""
        if self.running is not None and self.running[0] != (master, settings):
            self.stop()
        if self.running is None:
            self.running = ((master, settings), self._start(master, settings))
        return self.running[1]

    def stop(self) -> None:
        if self.running is not None:
            self.running[1].stop()
            self.running = None

    def _start(self, master: str, settings: dict[str, str]) -> SparkSession:
        # Whatever the machine's name resolves to.
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        own = {
            "spark.driver.memory": DRIVER_MEMORY,
            "spark.executor.memory": f"{EXECUTOR_MEMORY_MIB}m",
            "spark.driver.extraClassPath": self.classpath,
            "spark.executor.extraClassPath": self.classpath,
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.local.dir": str(self.scratch / "local"),
            "spark.hadoop.hadoop.tmp.dir": str(self.scratch / "hadoop"),
            "spark.sql.warehouse.dir": str(self.scratch / "warehouse"),
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": "4",
            # Tasks that list folders: 10,000 where nothing is said, for a cluster.
            "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
            # The same for what Delta Lake knows of a table: 50.
            "spark.databricks.delta.snapshotPartitions": "4",
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        }
        # Not what the JVM was started with: that is the first session's.
        conf = SparkConf(loadDefaults=False).setMaster(master).setAppName("pocket-compat")
        for name, value in {**own, **self.settings, **settings}.items():
            conf.set(name, value)
        context = SparkContext(conf=conf)
        context.setLogLevel("ERROR")
        return SparkSession(context)
