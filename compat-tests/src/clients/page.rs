//! `docs/clients.md`: for each client the configuration that its job uses, as its `config.md` says it.

use super::table::CLIENTS;
use super::{Client, Version};
use std::fs;
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# Clients

Real clients, each with a real job against a real server: data checked byte by byte, multipart uploads, ranges, lists of
more than 1,000 keys, odd keys, deletion, and the errors that the client expects. Endpoint, region, credentials and path style
are all that is set; what is shown here is what the jobs use, and `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_REGION`
stand in the environment.

```console
$ cargo run -p pocket-compat-tests --bin clients
```

installs them in these versions under the target directory, runs all jobs and prints a table; `clients NAME...` runs some,
`--strict` counts what could not be run as a failure, and with `--short` Spark sorts 64 MB instead of 1 GB and of the S3A
contract tests run those that are marked so. Those that need only Rust and Python are part of `cargo test`. This page
is written by `clients --write-docs`.
";

pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clients.md")
}

/// The whole page. A client without `config.md` is an error.
pub fn document() -> Result<String, String> {
    let mut text = format!("{HEAD}\n| client | version | needs |\n|---|---|---|\n");
    for client in CLIENTS {
        text.push_str(&format!(
            "| [{}](#{}) | {} | {} |\n",
            client.name,
            // As a heading becomes an anchor.
            client.name.replace('.', ""),
            shown_version(client)?,
            client.needs_line()
        ));
    }
    for client in CLIENTS {
        let path = client.folder().join("config.md");
        let config = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        text.push_str(&format!("\n## {}\n\n{}\n", client.name, config.trim()));
    }
    Ok(text)
}

fn shown_version(client: &Client) -> Result<String, String> {
    match client.version {
        Version::Debian { .. } => Ok("as in Debian".into()),
        Version::Pinned { file, after } => client.version().ok_or_else(|| {
            format!("{}: there is no {after:?} in {file}, which says its version", client.name)
        }),
    }
}
