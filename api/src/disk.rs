//! Files that are read and replaced as a whole, and logs that are added to: all that the planes ask of a disk. The machine's here; a
//! world has disks of its own that fail when they are told to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

pub trait Disk: Send + Sync + 'static {
    /// `None` where there is no such file.
    fn read(&self, file: &Path) -> io::Result<Option<Vec<u8>>>;

    /// The file is `content` from here on, whether or not it was there; its folder has to be. However this ends, and be it that the
    /// machine fails in the middle, the file is the old one or the new one, whole; where it ends well it is the new one.
    fn replace(&self, file: &Path, content: Vec<u8>) -> io::Result<()>;

    /// The file, which has to be there, goes on with `content`. Where this ends well, all of it is on the device. Else, and where the
    /// machine fails in the middle, any part of it may be there, torn in any way; what was before it is as it was.
    fn append(&self, file: &Path, content: &[u8]) -> io::Result<()>;

    /// There is no such file from here on; it may be back after the machine has failed.
    fn remove(&self, file: &Path) -> io::Result<()>;
}

/// The machine's.
#[derive(Debug)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn read(&self, file: &Path) -> io::Result<Option<Vec<u8>>> {
        match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            content => content.map(Some),
        }
    }

    /// Writes beside the file, under its name and `.new`, and gives it the name once it is on the device.
    fn replace(&self, file: &Path, content: Vec<u8>) -> io::Result<()> {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let path = file.with_file_name(name);
        let mut fresh = File::create(&path)?;
        fresh.write_all(&content)?;
        fresh.sync_all()?;
        fs::rename(&path, file)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn append(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        let mut log = OpenOptions::new().append(true).open(file)?;
        log.write_all(content)?;
        log.sync_data()
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        match fs::remove_file(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_was_last_replaced_by_and_nothing_lies_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        assert_eq!(FileSystem.read(&file).unwrap(), None);
        for content in ["a longer one", "short", ""] {
            FileSystem.replace(&file, content.into()).unwrap();
            assert_eq!(FileSystem.read(&file).unwrap().unwrap(), content.as_bytes());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_log_goes_on_and_is_made_by_nobody_but_replace() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        assert!(FileSystem.append(&file, b"lost").is_err());
        FileSystem.replace(&file, b"one".into()).unwrap();
        FileSystem.append(&file, b" two").unwrap();
        FileSystem.append(&file, b"").unwrap();
        FileSystem.append(&file, b" three").unwrap();
        assert_eq!(FileSystem.read(&file).unwrap().unwrap(), b"one two three");
        FileSystem.remove(&file).unwrap();
        FileSystem.remove(&file).unwrap();
        assert_eq!(FileSystem.read(&file).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_replaced_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        FileSystem.replace(&file, b"old".into()).unwrap();
        fs::create_dir(folder.path().join("state.new")).unwrap();
        assert!(FileSystem.replace(&file, b"new".into()).is_err());
        assert_eq!(FileSystem.read(&file).unwrap().unwrap(), b"old");
        assert!(FileSystem.replace(&folder.path().join("missing/state"), Vec::new()).is_err());
        assert!(FileSystem.read(folder.path()).is_err(), "a folder is no file");
    }
}
