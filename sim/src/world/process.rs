//! A machine of the world, and the processes that live on it one after the other.

use super::clock::MachineClock;
use super::disk::{MemoryDisk, Mounted};
use super::roles::{Kind, Up};
use parking_lot::Mutex;
use pocket_api::disk::Disk;
use pocket_api::env::{Env, Process};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::task::AbortHandle;

/// Where a machine is on the network; 0 are the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u32);

impl Place {
    pub const CLIENTS: Place = Place(0);
}

pub(super) struct Machine {
    pub(super) place: Place,
    pub(super) kind: Kind,
    nth: usize,
    clock: Arc<MachineClock>,
    pub(super) disk: Arc<MemoryDisk>,
    chance: Mutex<SmallRng>,
    process: Mutex<Option<Arc<OsProcess>>>,
    /// What its process serves.
    pub(super) up: Mutex<Up>,
}

impl Machine {
    pub(super) fn new(place: Place, kind: Kind, nth: usize, clock: MachineClock, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            place,
            kind,
            nth,
            clock: Arc::new(clock),
            disk: Arc::default(),
            chance: Mutex::new(SmallRng::seed_from_u64(seed)),
            process: Mutex::default(),
            up: Mutex::default(),
        })
    }

    /// Of its role; also the label of its host.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.kind.as_str(), self.nth)
    }

    /// What its process listens on.
    pub(super) fn address(&self) -> String {
        format!("{}:1", self.name())
    }

    /// A new process, on the current runtime.
    pub(super) fn begin(&self) -> Arc<OsProcess> {
        let process =
            OsProcess::begin(self.place, self.chance.lock().random(), self.disk.clone(), self.clock.clone());
        *self.process.lock() = Some(process.clone());
        process
    }

    pub(super) fn process(&self) -> Option<Arc<OsProcess>> {
        self.process.lock().clone()
    }

    pub(super) fn is_up(&self) -> bool {
        self.process.lock().is_some()
    }

    pub(super) fn each_process(&self, deed: impl Fn(&OsProcess)) {
        self.process().iter().for_each(|process| deed(process));
    }

    /// Whether there was one.
    pub(super) fn kill(&self) -> bool {
        let process = self.process.lock().take();
        // What it served is dropped with it, like its memory.
        let _up = std::mem::take(&mut *self.up.lock());
        process.inspect(|process| process.kill()).is_some()
    }
}

/// One process, from its beginning to its end.
pub(super) struct OsProcess {
    pub(super) place: Place,
    chance: Mutex<SmallRng>,
    disk: Arc<MemoryDisk>,
    life: Mutex<Life>,
}

#[derive(Default)]
struct Life {
    /// `None` once it is killed.
    env: Option<Env>,
    is_stopped: bool,
    tasks: Vec<AbortHandle>,
    /// When so many tasks are known, those that have ended are forgotten.
    forget_at: usize,
    waiting: Vec<Waker>,
}

impl OsProcess {
    fn begin(place: Place, seed: u64, disk: Arc<MemoryDisk>, clock: Arc<MachineClock>) -> Arc<Self> {
        let chance = Mutex::new(SmallRng::seed_from_u64(seed));
        let process = Arc::new(Self { place, chance, disk, life: Mutex::default() });
        // The two hold each other until the process is killed; a world ends with its runtime.
        process.life.lock().env = Some(Env::of(process.clone(), clock));
        process
    }

    /// `None` once it is killed.
    pub(super) fn env(&self) -> Option<Env> {
        self.life.lock().env.clone()
    }

    pub(super) fn stop(&self) {
        self.life.lock().is_stopped = true;
    }

    pub(super) fn go_on(&self) {
        let waiting = {
            let mut life = self.life.lock();
            life.is_stopped = false;
            std::mem::take(&mut life.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn kill(&self) {
        let life = std::mem::take(&mut *self.life.lock());
        life.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Process for OsProcess {
    fn adopt(&self, task: AbortHandle) {
        let mut life = self.life.lock();
        if life.env.is_none() {
            return task.abort();
        }
        if life.tasks.len() >= life.forget_at {
            life.tasks.retain(|task| !task.is_finished());
            life.forget_at = 2 * life.tasks.len() + 64;
        }
        life.tasks.push(task);
    }

    fn poll_runs(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut life = self.life.lock();
        if life.is_stopped {
            life.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn draw(&self) -> u64 {
        self.chance.lock().random()
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(Mounted(self.disk.clone()))
    }
}
