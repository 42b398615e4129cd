//! Settings of Spark that the documentation shows, held against those that the jobs of Spark run with.

use crate::clients;
use std::fs;
use std::path::PathBuf;

/// Where Spark takes settings of Hadoop.
const OF_HADOOP: &str = "spark.hadoop.";
/// Values that are the reader's own.
const OF_THE_READER: [&str; 2] = ["http://", "s3a://"];

/// `lines`: `name=value`, or comments. The error names a setting that no job runs with.
pub fn check(lines: &str) -> Result<(), String> {
    let sources = sources()?;
    for line in lines.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once('=').ok_or_else(|| format!("{line:?} is no setting"))?;
        let short = name.strip_prefix(OF_HADOOP).unwrap_or(name);
        let own = OF_THE_READER.iter().any(|start| value.starts_with(start));
        if !sources.contains(short) || !own && !sources.contains(value) {
            return Err(format!("no job of Spark runs with {line}"));
        }
    }
    Ok(())
}

/// What the jobs are written in, and the pages that set them up.
fn sources() -> Result<String, String> {
    let folder = clients::folder();
    let read = |path: PathBuf| fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()));
    let mut text = String::new();
    for entry in fs::read_dir(folder.join("spark")).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.extension().is_some_and(|extension| extension == "py" || extension == "java") {
            text += &read(path)?;
        }
    }
    for page in ["spark-3.5/config.md", "spark-4.1/config.md", "s3a-contract/config.md"] {
        text += &read(folder.join(page))?;
    }
    Ok(text)
}
