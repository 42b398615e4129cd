//! The store on disks that fail.

use super::*;
use crate::fixture::START;
use crate::state::State;
use crate::state::shown::Summaries;
use parking_lot::Mutex;
use pocket_api::cluster::{NodeSpec, Role};
use pocket_api::ids::NodeId;
use pocket_api::limits::NODE_TIMEOUT;

const HEAD: &str = "state.json";

/// A disk in memory that fails when it is told to, half way.
#[derive(Default)]
struct Faulty(Mutex<Files>);

#[derive(Default)]
struct Files {
    files: BTreeMap<PathBuf, Vec<u8>>,
    fails: bool,
    written_bytes: usize,
}

impl Faulty {
    fn fail(&self, fails: bool) {
        self.0.lock().fails = fails;
    }

    fn file(&self, name: &str) -> Vec<u8> {
        self.0.lock().files[Path::new(name)].clone()
    }

    fn put(&self, name: &str, content: &[u8]) {
        self.0.lock().files.insert(name.into(), content.into());
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().files.keys().map(|path| path.display().to_string()).collect()
    }
}

impl Disk for Faulty {
    fn read(&self, file: &Path) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().files.get(file).cloned())
    }

    fn replace(&self, file: &Path, content: Vec<u8>) -> io::Result<()> {
        let mut disk = self.0.lock();
        if disk.fails {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.written_bytes += content.len();
        disk.files.insert(file.into(), content);
        Ok(())
    }

    fn append(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock();
        let fails = disk.fails;
        disk.written_bytes += content.len();
        let log = disk.files.get_mut(file).ok_or(io::ErrorKind::NotFound)?;
        log.extend_from_slice(if fails { &content[..content.len() / 2] } else { content });
        if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.0.lock().files.remove(file);
        Ok(())
    }
}

fn key(id: u64) -> Key {
    Key::Node(NodeId(id))
}

fn value(text: &str) -> Vec<u8> {
    crate::state::record::written(&NodeSpec { host: text.into(), ..crate::fixture::spec(Role::Gateway) })
}

/// Takes over, and begins a term with what was found.
fn started(disk: &Arc<Faulty>) -> Store {
    let (_, store) = Store::take_over(disk.clone(), HEAD.into()).unwrap_or_else(|error| panic!("{error}"));
    let (term, records) = (head(disk).map_or(Term(1), |head| head.term), store.records.clone());
    store.begin(term, records.into_iter().collect()).unwrap_or_else(|error| panic!("{error}"))
}

fn head(disk: &Faulty) -> Option<Head> {
    read_head(disk.0.lock().files.get(Path::new(HEAD))?).ok()
}

/// What somebody who begins now finds.
fn found(disk: &Faulty) -> Result<Content, String> {
    let head = head(disk).ok_or("no head")?;
    let mut found = Content::new();
    frame::read(&disk.file(&head.log), |key, value| match value {
        Some(value) => drop(found.insert(key, value)),
        None => drop(found.remove(&key)),
    })?;
    Ok(found)
}

fn add(store: &mut Store, changes: &[(u64, Option<&str>)]) -> io::Result<()> {
    let writer_batch = |changes: Vec<Change>| Batch::of(1, changes);
    let change = |&(id, text): &(u64, Option<&str>)| (key(id), text.map(value));
    store.write(writer_batch(changes.iter().map(change).collect()), None)
}

fn content(of: &[(u64, &str)]) -> Content {
    of.iter().map(|&(id, text)| (key(id), value(text))).collect()
}

#[test]
fn what_was_added_is_found_and_a_torn_tail_is_not() {
    let disk = Arc::<Faulty>::default();
    let mut store = started(&disk);
    add(&mut store, &[(1, Some("one")), (2, Some("two"))]).unwrap();
    let before = disk.file("state.json.1").len();
    add(&mut store, &[(1, None), (3, Some("three"))]).unwrap();
    let whole = disk.file("state.json.1");
    assert_eq!(found(&disk).unwrap(), content(&[(2, "two"), (3, "three")]));
    for cut in before..whole.len() {
        disk.put("state.json.1", &whole[..cut]);
        assert_eq!(found(&disk).unwrap(), content(&[(1, "one"), (2, "two")]), "cut at {cut}");
        let mut torn = whole.clone();
        torn[cut] ^= 1;
        disk.put("state.json.1", &torn);
        assert_eq!(found(&disk).unwrap(), content(&[(1, "one"), (2, "two")]), "one bit at {cut}");
    }
}

#[test]
fn after_an_error_everything_is_written_anew_and_nothing_behind_a_torn_batch() {
    let disk = Arc::<Faulty>::default();
    let mut store = started(&disk);
    add(&mut store, &[(1, Some("one"))]).unwrap();
    disk.fail(true);
    assert!(add(&mut store, &[(2, Some("lost"))]).is_err() && store.is_broken());
    assert!(store.write(Batch::of(2, Vec::new()), Some(Vec::new())).is_err() && store.is_broken());
    assert_eq!(found(&disk).unwrap(), content(&[(1, "one")]), "what was told is there");
    disk.fail(false);
    let whole = content(&[(1, "one"), (3, "three")]).into_iter().collect();
    store.write(Batch::of(3, Vec::new()), Some(whole)).unwrap();
    assert!(!store.is_broken());
    add(&mut store, &[(4, Some("four"))]).unwrap();
    assert_eq!(found(&disk).unwrap(), content(&[(1, "one"), (3, "three"), (4, "four")]));
}

#[test]
fn a_log_that_has_grown_long_is_written_anew_and_a_change_costs_what_it_says() {
    let disk = Arc::<Faulty>::default();
    let mut store = started(&disk);
    let large = "x".repeat(1_000);
    for id in 0..10_000 {
        add(&mut store, &[(id, Some(&large))]).unwrap();
    }
    disk.0.lock().written_bytes = 0;
    let changes = 30_000;
    for i in 0..changes {
        add(&mut store, &[(i % 10_000, Some(&large))]).unwrap();
    }
    let each = disk.0.lock().written_bytes / changes as usize;
    assert!(each < 2_000, "{each} bytes for a change of 1,000");
    assert!(disk.file("state.json.1").len() < 50_000_000);
    assert_eq!(found(&disk).unwrap().len(), 10_000);
}

#[test]
fn whoever_has_been_followed_tells_nobody_and_disturbs_nobody() {
    let disk = Arc::<Faulty>::default();
    let mut old = started(&disk);
    add(&mut old, &[(1, Some("one"))]).unwrap();
    let (records, store) = Store::take_over(disk.clone(), HEAD.into()).unwrap();
    assert_eq!(records.about.map(|about| about.term), Some(Term(1)), "the next one is 2");
    assert!(add(&mut old, &[(2, Some("late"))]).is_err(), "from the taking over on");
    let mut new = store.begin(Term(2), content(&[(1, "one")]).into_iter().collect()).unwrap();
    assert_eq!(disk.names(), ["state.json", "state.json.2"]);
    assert!(old.write(Batch::of(9, Vec::new()), Some(Vec::new())).is_err());
    add(&mut new, &[(3, Some("three"))]).unwrap();
    assert_eq!(found(&disk).unwrap(), content(&[(1, "one"), (3, "three")]));
}

#[test]
fn a_start_that_failed_half_way_has_used_a_term_and_lost_nothing() {
    let disk = Arc::<Faulty>::default();
    add(&mut started(&disk), &[(1, Some("one"))]).unwrap();
    let (_, store) = Store::take_over(disk.clone(), HEAD.into()).unwrap();
    disk.fail(true);
    assert!(store.begin(Term(2), Vec::new()).is_err());
    disk.fail(false);
    let (records, store) = Store::take_over(disk.clone(), HEAD.into()).unwrap();
    assert_eq!(records.about.map(|about| about.term), Some(Term(2)), "the next one is 3");
    assert_eq!(store.records, content(&[(1, "one")]));
}

#[test]
fn files_that_make_no_sense_are_refused_by_name() {
    let disk = Arc::<Faulty>::default();
    for text in
        ["", "{}", "not json", r#"{"format":4,"term":1,"log":"x"}"#, r#"{"format":3,"term":1,"log":"../x"}"#]
    {
        disk.put(HEAD, text.as_bytes());
        let error = Store::take_over(disk.clone(), HEAD.into()).err().expect(text).to_string();
        assert!(error.contains(HEAD), "{error}");
    }
    disk.put(HEAD, br#"{"format":3,"term":1,"log":"state.json.1"}"#);
    assert!(Store::take_over(disk.clone(), HEAD.into()).is_err(), "there is no log");
    for log in [&b"something"[..], b"pocketS\x01", b"pocketS\x02rest"] {
        disk.put("state.json.1", log);
        assert!(Store::take_over(disk.clone(), HEAD.into()).is_err(), "{log:?}");
    }
}

#[test]
fn the_file_of_the_build_before_is_carried_over_once() {
    let disk = Arc::<Faulty>::default();
    disk.put(HEAD, include_bytes!("earlier.json"));
    let (records, _) = Store::take_over(disk.clone(), HEAD.into()).unwrap();
    let state = State::restored(records, NODE_TIMEOUT, START);
    assert_eq!(state.members.view().nodes.len(), 2);
    let mut jobs = Summaries::of(None);
    assert!(!jobs.step(&state, START));
    let jobs = jobs.into_found();
    let names: Vec<&str> = jobs.iter().map(|job| job.bucket.as_str()).collect();
    assert_eq!(names, ["data"], "one is ending");
    assert_eq!(jobs[0].servers, 1);
    assert_eq!(state.counts().operations, 1);
}
