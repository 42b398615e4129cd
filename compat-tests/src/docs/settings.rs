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
        if !(own && sources.contains(short) || is_set(&sources, short, value)) {
            return Err(format!("no job of Spark runs with {line}"));
        }
    }
    Ok(())
}

/// Whether a source gives this value to this name: what stands between them is the source's own. A job that tries several names of
/// something may have the name in a list elsewhere; `true` or a number says nothing elsewhere.
fn is_set(sources: &str, name: &str, value: &str) -> bool {
    let says_itself = value.parse::<bool>().is_err() && value.parse::<f64>().is_err();
    if says_itself && sources.contains(name) && sources.contains(&format!("\"{value}\"")) {
        return true;
    }
    sources.match_indices(name).any(|(at, _)| {
        let behind = sources[at + name.len()..]
            .trim_start_matches(|c: char| c.is_whitespace() || "\"'=,:".contains(c));
        let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        behind.strip_prefix(value).is_some_and(|rest| !rest.starts_with(is_word))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_with_its_own_value_alone() {
        let sources =
            r#"conf.set("fs.s3a.path.style.access", "true"); --conf fs.s3a.threads.max=20 fs.s3a.wait = "1""#;
        for (name, value) in
            [("fs.s3a.path.style.access", "true"), ("fs.s3a.threads.max", "20"), ("fs.s3a.wait", "1")]
        {
            assert!(is_set(sources, name, value), "{name}");
        }
        for (name, value) in [
            ("fs.s3a.path.style.access", "false"),
            ("fs.s3a.path.style.access", "1"),
            ("fs.s3a.threads.max", "2"),
        ] {
            assert!(!is_set(sources, name, value), "{name} {value}");
        }
    }
}
