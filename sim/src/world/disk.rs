//! A machine's disk, in memory: it outlives processes, and can be full.

use parking_lot::Mutex;
use pocket_api::disk::Disk;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Default)]
pub(super) struct MemoryDisk(Mutex<State>);

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, Vec<u8>>,
    is_full: bool,
}

impl MemoryDisk {
    pub(super) fn set_full(&self, is_full: bool) {
        self.0.lock().is_full = is_full;
    }
}

/// Processes hold a machine's disk by this.
pub(super) struct Mounted(pub(super) Arc<MemoryDisk>);

impl Disk for Mounted {
    fn read(&self, file: &Path) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.0.lock().files.get(file).cloned())
    }

    fn replace(&self, file: &Path, content: Vec<u8>) -> io::Result<()> {
        let mut state = self.0.0.lock();
        if state.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.files.insert(file.into(), content);
        Ok(())
    }

    fn append(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        let mut state = self.0.0.lock();
        let is_full = state.is_full;
        let log = state.files.get_mut(file).ok_or(io::ErrorKind::NotFound)?;
        if is_full {
            // As a file system does, which takes what it still has room for.
            log.extend_from_slice(&content[..content.len() / 2]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        log.extend_from_slice(content);
        Ok(())
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.0.0.lock().files.remove(file);
        Ok(())
    }
}
