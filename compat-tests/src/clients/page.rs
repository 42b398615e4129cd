//! `docs/clients.md`: for each client the configuration that its job uses, as its `config.md` says it.

use super::table::CLIENTS;
use super::{Client, Shows, Version, steps};
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# Clients

Real clients, each with a real job against a real server: data checked byte by byte, multipart uploads, ranges, lists of
more than 1,000 keys, odd keys, deletion, and the errors that the client expects: a key that is missing, a precondition that does
not hold, a server that is full. A job that leaves one of these out has failed, unless its section here says that the client
has no such thing. Endpoint, region, credentials and path style are all that is set; the jobs are set up by the very lines that
are shown here, with a bucket, an endpoint and keys of their own, and `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
`AWS_REGION` stand in the environment.

<!-- not run: an hour, and every tool chain -->
```console
$ cargo run -p pocket-compat-tests --bin clients
```

installs them in these versions under the target directory, runs all jobs and prints a table; `clients NAME...` runs some,
`--strict` counts what could not be run as a failure. `--short NAME` makes the longest jobs shorter: `spark-3.5` and `spark-4.1`
then sort 64 MB instead of 1 GB, and of the tests of `s3a-contract` run those that are marked so. Clients that need only Rust and
Python are part of `cargo test`. This page is written by `clients --write-docs`.
";

const TAIL: &str = "
## Not run here

Trino and Flink are set up as their documentation says, and stand on clients that are run above: Trino on the AWS SDK for Java, Flink's
`flink-s3-fs-hadoop` on S3A.

<!-- not run: Trino is not run here -->
```properties
# Trino, in the properties of a catalog
fs.native-s3.enabled=true
s3.endpoint=http://127.0.0.1:9000
s3.region=us-east-1
s3.path-style-access=true
```

<!-- not run: Flink is not run here -->
```yaml
# Flink
s3.endpoint: http://127.0.0.1:9000
s3.path.style.access: true
```
";

pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clients.md")
}

/// The whole page. A client without `config.md` is an error.
pub fn document() -> Result<String, String> {
    let mut text = format!("{HEAD}\n| client | version | needs | shows |\n|---|---|---|---|\n");
    let mut sections = String::new();
    for client in CLIENTS {
        let config = client.config()?;
        text.push_str(&format!(
            "| [{}](#{}) | {} | {} | {} |\n",
            client.name,
            // As a heading becomes an anchor.
            client.name.replace('.', ""),
            shown_version(client)?,
            client.needs_line(),
            shown_steps(client, &config)?
        ));
        sections.push_str(&format!("\n## {}\n\n{config}\n", client.name));
    }
    text.push_str(&sections);
    text.push_str(TAIL);
    Ok(text)
}

fn shown_steps(client: &Client, config: &str) -> Result<String, String> {
    let lacking = steps::lacking(config).map_err(|e| format!("{}: {e}", client.name))?;
    Ok(match client.shows {
        Shows::Counts => "tests of its own".into(),
        Shows::Steps if lacking.is_empty() => "all".into(),
        Shows::Steps => format!("all but {}", lacking.join(", ")),
    })
}

fn shown_version(client: &Client) -> Result<String, String> {
    match client.version {
        Version::Debian { .. } => Ok("as in Debian".into()),
        Version::Pinned { file, after } => client.version().ok_or_else(|| {
            format!("{}: there is no {after:?} in {file}, which says its version", client.name)
        }),
    }
}
