//! The world: processes of a cluster in one process of the operating system and on one thread, each with a clock, a chance and a disk
//! of its own, and a network between them. Time is the paused runtime's: it jumps to whatever happens next. All that happens
//! follows from one seed.

mod clock;
mod directory;
mod disk;
mod links;
mod net;
mod port;
mod process;
mod roles;
mod trace;

pub use clock::Drift;
pub use net::Weather;
pub use process::Place;
pub use roles::{ACCESS_KEY_ID, Kind, SECRET};

use crate::judges::declared::{Loss, Lost};
use crate::plants::Plant;
use crate::port::S3Port;
use directory::Registry;
use net::Net;
use parking_lot::Mutex;
use pocket_api::clock::Timestamp;
use pocket_api::limits::NODE_TIMEOUT;
use port::GatewayPort;
use process::{Machine, OsProcess};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use roles::Up;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What the clocks of a new world show: some moment that no certificate, date or id minds.
pub const EPOCH: Timestamp = Timestamp(1_800_000_000_000);

/// How many processes of each role there are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub shards: usize,
    pub servers: usize,
    pub gateways: usize,
}

impl Size {
    /// One controller and the others. Clients are at place 0.
    pub fn machines(self) -> Vec<(Place, Kind)> {
        let kinds = [
            (Kind::Controller, 1),
            (Kind::Shard, self.shards),
            (Kind::Server, self.servers),
            (Kind::Gateway, self.gateways),
        ];
        let kinds = kinds.into_iter().flat_map(|(kind, count)| std::iter::repeat_n(kind, count));
        kinds.zip(Place::CLIENTS.0 + 1..).map(|(kind, place)| (Place(place), kind)).collect()
    }
}

/// A cluster and what is around it.
pub struct World {
    started: Instant,
    net: Arc<Net>,
    registry: Arc<Registry>,
    machines: Vec<Arc<Machine>>,
    losses: Mutex<Vec<Loss>>,
    /// Since when.
    stopped: Mutex<BTreeMap<Place, Duration>>,
    /// Names of processes that stood still for longer than the cluster waits for one.
    long_silent: Mutex<BTreeSet<String>>,
    /// Names of the buckets that clients use, for losses.
    buckets: Vec<Arc<str>>,
}

impl World {
    /// Begins all processes, on the current runtime. `plant`: what is wrong with them.
    pub fn start(
        seed: u64,
        size: Size,
        weather: Weather,
        drift: Drift,
        buckets: Vec<Arc<str>>,
        plant: Option<Plant>,
    ) -> Arc<Self> {
        let mut chance = SmallRng::seed_from_u64(seed);
        let started = Instant::now();
        let net = Net::new(chance.random(), weather, started);
        let registry = Registry::new(net.clone(), plant);
        let mut counts = BTreeMap::new();
        let machines = size.machines().into_iter().map(|(place, kind)| {
            let nth: &mut usize = counts.entry(kind).or_default();
            *nth += 1;
            Machine::new(place, kind, *nth, drift.draw(&mut chance, started), chance.random())
        });
        let machines: Vec<_> = machines.collect();
        registry.know(&machines);
        let world = Arc::new(Self {
            started,
            net,
            registry,
            machines,
            losses: Mutex::default(),
            stopped: Mutex::default(),
            long_silent: Mutex::default(),
            buckets,
        });
        world.machines.iter().for_each(|machine| world.begin(machine));
        world
    }

    /// Since the start.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// One for each gateway.
    pub fn ports(&self) -> Vec<Arc<dyn S3Port>> {
        let gateways = self.of(Kind::Gateway);
        gateways
            .map(|machine| GatewayPort::new(machine.clone(), self.net.clone()) as Arc<dyn S3Port>)
            .collect()
    }

    /// What went away with all of its copies, by the world's own doing.
    pub fn losses(&self) -> Vec<Loss> {
        self.losses.lock().clone()
    }

    /// A number that two histories share only if all messages and their times were the same.
    pub fn trace(&self) -> u64 {
        self.net.trace()
    }

    /// Messages that were sent.
    pub fn messages(&self) -> u64 {
        self.net.messages()
    }

    /// Every process that the cluster gave up although it never died, nor stood still for as long as one may.
    pub fn expelled(&self) -> Vec<String> {
        let silent = self.long_silent.lock();
        self.registry.expelled().into_iter().filter(|name| !silent.contains(name)).collect()
    }

    /// What is still taken of each budget, by the name of its process; those that hold nothing are left out.
    pub fn held_bytes(&self) -> Vec<(String, u64)> {
        let held = |machine: &Arc<Machine>| Some((machine.name(), machine.budget()?.used_bytes()));
        self.machines.iter().filter_map(held).filter(|(_, bytes)| *bytes > 0).collect()
    }

    /// Where storage servers and shards do not agree on how many chunks there are: each such server, in words.
    pub fn unlike_the_ledger(&self) -> Vec<String> {
        let mut referred = BTreeMap::new();
        let mut there = Vec::new();
        for machine in &self.machines {
            match &*machine.up.lock() {
                Up::Shard(_, shard) => {
                    let of_shard = shard.chunks_by_server();
                    of_shard.into_iter().for_each(|(server, n)| *referred.entry(server).or_default() += n);
                }
                Up::Server(_, node, server) => there.push((machine.name(), *node, server.chunks() as u64)),
                Up::Gateway(_) | Up::Nothing => {}
            }
        }
        let unlike = there.into_iter().filter_map(|(name, node, chunks)| {
            let referred: u64 = referred.get(&node).copied().unwrap_or_default();
            (chunks != referred)
                .then(|| format!("{name} has {chunks} chunks, and shards refer to {referred}"))
        });
        unlike.collect()
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Arc<Machine>> {
        self.machines.iter().filter(move |machine| machine.kind == kind)
    }

    fn machine(&self, place: Place) -> &Arc<Machine> {
        let found = self.machines.iter().find(|machine| machine.place == place);
        found.expect("places come from machines()")
    }

    fn begin(&self, machine: &Arc<Machine>) {
        let process = machine.begin();
        roles::run(&process, machine.clone(), self.registry.clone());
    }

    // ---- what can be done to it ----

    /// As `kill -9`.
    pub fn kill(&self, place: Place) {
        let machine = self.machine(place);
        let at = self.now();
        let lost = |what| Loss { at, what };
        if !machine.kill() {
            return;
        }
        self.registry.died(place);
        match machine.kind {
            Kind::Server => self.losses.lock().push(lost(Lost::Chunks)),
            Kind::Shard => {
                self.losses.lock().extend(self.buckets.iter().map(|name| lost(Lost::Bucket(name.clone()))))
            }
            Kind::Controller | Kind::Gateway => {}
        }
    }

    /// Begins a process on a machine that has none; its disk is as it was.
    pub fn restart(&self, place: Place) {
        let machine = self.machine(place);
        if !machine.is_up() {
            self.begin(machine);
        }
    }

    /// As SIGSTOP.
    pub fn stop(&self, place: Place) {
        self.machine(place).each_process(OsProcess::stop);
        // Whoever stands still already has done so for longer.
        self.stopped.lock().entry(place).or_insert_with(|| self.now());
    }

    /// As SIGCONT.
    pub fn go_on(&self, place: Place) {
        self.machine(place).each_process(OsProcess::go_on);
        let since = self.stopped.lock().remove(&place);
        if since.is_some_and(|since| self.now() - since >= NODE_TIMEOUT) {
            self.long_silent.lock().insert(self.machine(place).name());
        }
    }

    /// Nothing comes from one place to the other any more; what is under way is lost.
    pub fn cut(&self, from: Place, to: Place) {
        self.net.cut(from, to);
    }

    /// What [`Self::cut`] did is over.
    pub fn mend(&self, from: Place, to: Place) {
        self.net.mend(from, to);
    }

    /// No disk of this machine takes anything, or all is well again.
    pub fn set_disk_full(&self, place: Place, is_full: bool) {
        self.machine(place).disk.set_full(is_full);
    }

    /// Whatever was done, but for what is lost.
    pub fn heal(&self) {
        self.net.heal();
        for place in self.machines.iter().map(|machine| machine.place) {
            self.set_disk_full(place, false);
            self.restart(place);
            self.go_on(place);
        }
    }
}

impl Machine {
    fn budget(&self) -> Option<pocket_api::budget::ByteBudget> {
        match &*self.up.lock() {
            Up::Shard(budget, _) | Up::Server(budget, ..) => Some(budget.clone()),
            _ => None,
        }
    }
}
