//! Where real clients are installed and jobs leave their output: a folder under the target directory, so that
//! `cargo clean` removes it and nothing outside of it is touched.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Lines of an installer's output that a reason shows.
const SHOWN_LINES: usize = 15;

/// Why something could not be installed or started.
#[derive(Debug)]
pub struct Missing(pub String);

impl Missing {
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

#[derive(Debug)]
pub struct Workshop {
    folder: PathBuf,
}

impl Workshop {
    pub fn open() -> io::Result<Self> {
        let target = profile_folder().parent().expect("<target>/<profile>").to_owned();
        let folder = target.join("clients");
        fs::create_dir_all(folder.join("logs"))?;
        Ok(Self { folder })
    }

    /// A folder that stays from run to run, such as a cache of packages.
    pub fn kept(&self, name: &str) -> Result<PathBuf, Missing> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).map_err(Missing::new)?;
        Ok(folder)
    }

    /// Where a job's output goes.
    pub fn log(&self, client: &str) -> PathBuf {
        self.folder.join("logs").join(format!("{client}.log"))
    }

    /// A folder that `install` fills once, and again when one of the `inputs` (lock files, lists of versions, sources)
    /// has changed. Several processes may ask for it at the same time.
    pub fn installed(
        &self,
        name: &str,
        inputs: &[&Path],
        install: impl FnOnce(&Path) -> Result<(), Missing>,
    ) -> Result<PathBuf, Missing> {
        let folder = self.folder.join(name);
        let lock = File::create(self.folder.join(format!("{name}.lock"))).map_err(Missing::new)?;
        lock.lock().map_err(Missing::new)?;
        let mut wanted = Vec::new();
        for input in inputs {
            let content =
                fs::read(input).map_err(|e| Missing(format!("{} cannot be read: {e}", input.display())))?;
            wanted.extend_from_slice(&content);
        }
        let stamp = folder.join("installed.stamp");
        if fs::read(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(folder);
        }
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(Missing::new)?;
        install(&folder)?;
        fs::write(&stamp, wanted).map_err(Missing::new)?;
        Ok(folder)
    }
}

/// `<target>/<profile>`: tests lie in `deps` there, programs in the folder itself.
pub fn profile_folder() -> PathBuf {
    let own = std::env::current_exe().expect("this program has a path");
    let folder = own.parent().expect("programs lie in folders");
    let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    profile.expect("tests lie in <target>/<profile>/deps").to_owned()
}

/// Runs a command of an installer. The reason when it fails begins with a line that says enough for a table: what was run,
/// and the last that it said.
pub fn run(command: &mut Command) -> Result<(), Missing> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Missing(format!("{program} cannot be started: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let said = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
    let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let ran = format!("{program} {}", arguments.join(" "));
    Err(Missing(format!(
        "`{ran}` ended with {}: {}\n{}",
        output.status,
        said.trim(),
        last_lines(&text, SHOWN_LINES)
    )))
}

/// Whether a program is in the path.
pub fn has_program(name: impl AsRef<OsStr>) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name.as_ref()).is_file())
}

pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
