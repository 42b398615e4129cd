//! What survives a restart: a map of keys to records, as a snapshot and a log of what has changed since. A change costs
//! what it says and one sync, however many jobs there are.
//!
//! - The *head* is the file that the configuration names: a line of JSON with the term of the controller that may write,
//!   and the name of the log that counts. It is replaced when a controller takes over, and by nobody else.
//! - A *log* is of one term. It lies beside the head and begins with a snapshot, which is written before the head names it.
//!   Then come batches, each with its length and a checksum ([`frame`]). A tail that is torn was told to nobody, and is
//!   dropped.
//! - *After an error* nobody knows what of a batch is on disk, so nothing is told, and the next write replaces the log by a
//!   snapshot. So it is when the log has grown long.
//! - *Two at once*: who takes over writes its term into the head before it reads the log; who writes reads the head after
//!   each write, and tells nobody where it names another term. So whatever was told is in the log that is read.
//!
//! The calls take as long as the disk does.

mod earlier;
mod frame;
mod writer;

pub(crate) use writer::{Batch, Writer};

use crate::state::record::{Key, Records};
use pocket_api::disk::Disk;
use pocket_api::ids::Term;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Format of the head; the one before is read and carried over, another one is refused.
const FORMAT: u32 = 3;
/// A log that is shorter is not worth a snapshot.
const LOG_MIN_BYTES: usize = 4 << 20;
/// A log is written anew when it is this many times as long as its snapshot.
const LOG_PER_SNAPSHOT: usize = 3;

/// Why a controller did not start.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("state file {}: {source}", path.display())]
    StateFile { path: PathBuf, source: io::Error },
    #[error("state file {} cannot be used: {reason}", path.display())]
    BadStateFile { path: PathBuf, reason: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    format: u32,
    term: Term,
    /// Name of the file, in the folder of the head.
    log: String,
}

pub(crate) struct Store {
    disk: Arc<dyn Disk>,
    /// The head.
    path: PathBuf,
    term: Term,
    log: PathBuf,
    /// What the log says.
    records: Content,
    log_bytes: usize,
    snapshot_bytes: usize,
    /// The log may say anything at its end.
    is_broken: bool,
}

/// The map.
type Content = BTreeMap<Key, Vec<u8>>;
/// A change of it.
type Change = (Key, Option<Vec<u8>>);

impl Store {
    /// Takes the store over from whoever has written it, and reads it. From here on nobody else tells anybody what it writes.
    pub(crate) fn take_over(disk: Arc<dyn Disk>, path: PathBuf) -> Result<(Records, Self), StoreError> {
        let (records, head) = match read(&*disk, &path) {
            Ok(read) => read,
            Err(Trouble::Disk(source)) => return Err(StoreError::StateFile { path, source }),
            Err(Trouble::Content(reason)) => return Err(StoreError::BadStateFile { path, reason }),
        };
        let log = head.as_ref().map_or_else(|| path.clone(), |head| path.with_file_name(&head.log));
        let mut read = match Records::of(&records) {
            Ok(read) => read,
            Err(reason) => return Err(StoreError::BadStateFile { path, reason }),
        };
        if let Some(head) = head {
            // A start that failed after it took over has used a term, too.
            read.about.get_or_insert_default().term = Term(head.term.0 - 1);
        }
        let (term, log_bytes, snapshot_bytes, is_broken) = (Term(0), 0, 0, true);
        Ok((read, Self { disk, path, term, log, records, log_bytes, snapshot_bytes, is_broken }))
    }

    /// Writes the first records of the term that begins, so that a file that cannot be written is found at the start.
    pub(crate) fn begin(self, term: Term, records: Vec<(Key, Vec<u8>)>) -> Result<Self, StoreError> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", term.0));
        let log = self.path.with_file_name(&name);
        let (old, mut store) = (self.log.clone(), Self { term, log, ..self });
        let begun = store.replace_log(records.into_iter().collect());
        if let Err(source) = begun.and_then(|()| store.write_head()) {
            return Err(StoreError::StateFile { path: store.path, source });
        }
        if old != store.path
            && let Err(error) = store.disk.remove(&old)
        {
            tracing::warn!(%error, file = %old.display(), "cannot remove what is not needed any more");
        }
        Ok(store)
    }

    /// Whether what is to be written next has to be everything.
    fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Writes a batch, or `whole` in its place. Where this ends well it is on the disk, and no other controller had taken over by
    /// then.
    pub(crate) fn write(&mut self, batch: Batch, whole: Option<Vec<(Key, Vec<u8>)>>) -> io::Result<()> {
        if let Some(records) = whole {
            self.replace_log(records.into_iter().collect())?;
            if self.disk.read(&self.path)?.is_none() {
                self.write_head()?;
            }
            return self.check_term();
        }
        let content = frame::written(&batch.changes);
        let added = self.disk.append(&self.log, &content).and_then(|()| self.check_term());
        if added.is_err() {
            self.is_broken = true;
            return added;
        }
        self.log_bytes += content.len();
        for (key, value) in batch.changes {
            match value {
                Some(value) => drop(self.records.insert(key, value)),
                None => drop(self.records.remove(&key)),
            }
        }
        if self.log_bytes > LOG_MIN_BYTES.max(LOG_PER_SNAPSHOT * self.snapshot_bytes) {
            // The batch is on disk, whatever becomes of this.
            let records = std::mem::take(&mut self.records);
            if let Err(error) = self.replace_log(records) {
                tracing::warn!(%error, "cannot write a shorter state file");
            }
        }
        Ok(())
    }

    /// The log is a snapshot from here on.
    fn replace_log(&mut self, records: Content) -> io::Result<()> {
        self.is_broken = true;
        let changes: Vec<Change> = records.iter().map(|(key, value)| (*key, Some(value.clone()))).collect();
        let content = frame::log(&changes);
        let bytes = content.len();
        self.disk.replace(&self.log, content)?;
        (self.log_bytes, self.snapshot_bytes, self.records, self.is_broken) = (bytes, bytes, records, false);
        Ok(())
    }

    fn write_head(&self) -> io::Result<()> {
        let log = self.log.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.disk.replace(&self.path, written(&Head { format: FORMAT, term: self.term, log }))
    }

    /// Nobody else has taken over.
    fn check_term(&self) -> io::Result<()> {
        let head = self.disk.read(&self.path)?.ok_or(io::ErrorKind::NotFound)?;
        let head = read_head(&head).map_err(io::Error::other)?;
        match head.term == self.term {
            true => Ok(()),
            false => Err(io::Error::other(format!("another controller has taken over as {}", head.term))),
        }
    }
}

enum Trouble {
    Disk(io::Error),
    Content(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Self::Content(reason)
    }
}

/// What is kept, and the head as the next controller has claimed it; none of the build before, or where there is nothing yet.
fn read(disk: &dyn Disk, path: &Path) -> Result<(Content, Option<Head>), Trouble> {
    let mut records = Content::new();
    let Some(text) = disk.read(path)? else { return Ok((records, None)) };
    if let Some(carried) = earlier::read(&text)? {
        return Ok((carried, None));
    }
    let found = read_head(&text)?;
    let head = Head { term: Term(found.term.0 + 1), ..found };
    disk.replace(path, written(&head))?;
    let content = disk.read(&path.with_file_name(&head.log))?;
    let content = content.ok_or_else(|| format!("there is no {}", head.log))?;
    frame::read(&content, |key, value| match value {
        Some(value) => drop(records.insert(key, value)),
        None => drop(records.remove(&key)),
    })?;
    Ok((records, Some(head)))
}

fn read_head(text: &[u8]) -> Result<Head, String> {
    let head: Head = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    match head.format == FORMAT && Path::new(&head.log).file_name() == Some(head.log.as_ref()) {
        true => Ok(head),
        false => Err(format!("format {} where {FORMAT} is known", head.format)),
    }
}

fn written(head: &Head) -> Vec<u8> {
    crate::state::record::written(head)
}

#[cfg(test)]
mod tests;
