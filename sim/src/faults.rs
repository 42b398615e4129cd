//! What goes wrong, drawn from a seed: kinds of faults, and a plan of deeds with their times. All is mended before the clients rest.

use crate::world::{Drift, Kind, Place, Weather, World};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Kinds that can be switched on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Messages take up to half a second.
    Delay,
    /// Messages are lost with their connections: requests, and answers after the deed.
    Loss,
    /// Places do not hear each other for up to 15 s, in one direction or both.
    Partition,
    /// A process stands still for up to 15 s.
    Pause,
    /// A gateway stands still for eleven minutes.
    LongPause,
    /// A gateway or a controller is killed, and begins again with its disk.
    Crash,
    /// A storage server is killed, and begins again with nothing.
    CrashServer,
    /// A shard is killed, and begins again with nothing.
    CrashShard,
    /// Clocks differ by up to 800 ms, and run apart.
    Clock,
    /// The controller's disk is full for a while.
    Disk,
}

impl Fault {
    pub const ALL: [Self; 10] = [
        Self::Delay,
        Self::Loss,
        Self::Partition,
        Self::Pause,
        Self::LongPause,
        Self::Crash,
        Self::CrashServer,
        Self::CrashShard,
        Self::Clock,
        Self::Disk,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Partition => "partition",
            Self::Pause => "pause",
            Self::LongPause => "long-pause",
            Self::Crash => "crash",
            Self::CrashServer => "crash-server",
            Self::CrashShard => "crash-shard",
            Self::Clock => "clock",
            Self::Disk => "disk",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|fault| fault.as_str() == name);
        found.ok_or_else(|| format!("{name:?} is none of {}", names()))
    }
}

/// Something that is done to the world.
#[derive(Clone, Debug)]
enum Deed {
    Cut(Vec<(Place, Place)>),
    Mend(Vec<(Place, Place)>),
    Stop(Place),
    GoOn(Place),
    Kill(Place),
    Restart(Place),
    FillDisk(Place),
    EmptyDisk(Place),
}

/// Of one seed.
#[derive(Clone, Debug)]
pub struct Plan {
    pub weather: Weather,
    pub drift: Drift,
    /// In the order of their times since the world's start.
    deeds: Vec<(Duration, Deed)>,
}

/// Nothing is done before: processes join, and clients make buckets.
const FIRST: Duration = Duration::from_secs(3);
/// Nothing begins after.
const LAST: Duration = Duration::from_secs(60);
const SHORT_MAX: Duration = Duration::from_secs(15);
const LONG_PAUSE: Duration = Duration::from_secs(11 * 60);

impl Plan {
    pub fn draw(seed: u64, faults: &BTreeSet<Fault>, machines: &[(Place, Kind)]) -> Self {
        let mut chance = SmallRng::seed_from_u64(seed);
        let mut plan = Self { weather: Weather::default(), drift: Drift::default(), deeds: Vec::new() };
        // Each kind that is on is drawn in most seeds, so that kinds meet each other and also stand alone.
        for &fault in faults {
            if chance.random_bool(0.7) {
                plan.add(fault, &mut chance, machines);
            }
        }
        plan.deeds.sort_by_key(|(at, _)| *at);
        plan
    }

    fn add(&mut self, fault: Fault, chance: &mut SmallRng, machines: &[(Place, Kind)]) {
        let of = |kinds: &[Kind]| -> Vec<Place> {
            machines.iter().filter(|(_, kind)| kinds.contains(kind)).map(|(place, _)| *place).collect()
        };
        let all = of(&[Kind::Controller, Kind::Shard, Kind::Server, Kind::Gateway]);
        match fault {
            Fault::Delay => self.weather.delay_max = Duration::from_millis(chance.random_range(2..=500)),
            Fault::Loss => self.weather.lost_of_1000 = chance.random_range(1..=20),
            Fault::Clock => {
                self.drift = Drift { offset_max: Duration::from_millis(400), rate_max: 200 };
            }
            Fault::Partition => {
                for _ in 0..chance.random_range(1..=3) {
                    let pairs = parted(chance, &all);
                    self.during(chance, SHORT_MAX, Deed::Cut(pairs.clone()), Deed::Mend(pairs));
                }
            }
            Fault::Pause => {
                for _ in 0..chance.random_range(1..=3) {
                    let place = one(chance, &all);
                    self.during(chance, SHORT_MAX, Deed::Stop(place), Deed::GoOn(place));
                }
            }
            Fault::LongPause => {
                let (place, at) = (one(chance, &of(&[Kind::Gateway])), some_time(chance));
                self.deeds.push((at, Deed::Stop(place)));
                self.deeds.push((at + LONG_PAUSE, Deed::GoOn(place)));
            }
            Fault::Crash => self.crash(chance, &of(&[Kind::Controller, Kind::Gateway])),
            Fault::CrashServer => self.crash(chance, &of(&[Kind::Server])),
            Fault::CrashShard => self.crash(chance, &of(&[Kind::Shard])),
            Fault::Disk => {
                let place = one(chance, &of(&[Kind::Controller]));
                self.during(chance, SHORT_MAX, Deed::FillDisk(place), Deed::EmptyDisk(place));
            }
        }
    }

    fn crash(&mut self, chance: &mut SmallRng, of: &[Place]) {
        let place = one(chance, of);
        self.during(chance, SHORT_MAX, Deed::Kill(place), Deed::Restart(place));
    }

    /// Short ones are as likely as long ones.
    fn during(&mut self, chance: &mut SmallRng, longest: Duration, begin: Deed, end: Deed) {
        let at = some_time(chance);
        let share: f64 = chance.random();
        let lasts = longest.mul_f64(share.powi(3)) + Duration::from_millis(10);
        self.deeds.push((at, begin));
        self.deeds.push((at + lasts, end));
    }

    /// When all of it is over.
    pub fn over_at(&self) -> Duration {
        self.deeds.iter().map(|(at, _)| *at).max().unwrap_or_default()
    }

    /// In words, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{:?} {:?}", self.weather, self.drift)];
        lines.extend(self.deeds.iter().map(|(at, deed)| format!("{at:?} {deed:?}")));
        lines
    }

    /// Does it, each deed at its time.
    pub async fn carry_out(&self, world: &Arc<World>) {
        for (at, deed) in &self.deeds {
            tokio::time::sleep(at.saturating_sub(world.now())).await;
            match deed {
                Deed::Cut(pairs) => pairs.iter().for_each(|&(from, to)| world.cut(from, to)),
                Deed::Mend(pairs) => pairs.iter().for_each(|&(from, to)| world.mend(from, to)),
                Deed::Stop(place) => world.stop(*place),
                Deed::GoOn(place) => world.go_on(*place),
                Deed::Kill(place) => world.kill(*place),
                Deed::Restart(place) => world.restart(*place),
                Deed::FillDisk(place) => world.set_disk_full(*place, true),
                Deed::EmptyDisk(place) => world.set_disk_full(*place, false),
            }
        }
        world.heal();
    }
}

fn one(chance: &mut SmallRng, of: &[Place]) -> Place {
    of[chance.random_range(0..of.len())]
}

fn some_time(chance: &mut SmallRng) -> Duration {
    Duration::from_millis(chance.random_range(FIRST.as_millis() as u64..LAST.as_millis() as u64))
}

/// Some places and the others, which do not hear each other, or only in one direction. Clients reach whatever gateway they want.
fn parted(chance: &mut SmallRng, all: &[Place]) -> Vec<(Place, Place)> {
    let some: Vec<bool> = all.iter().map(|_| chance.random_bool(0.4)).collect();
    let (there, back) = [(true, true), (true, false), (false, true)][chance.random_range(0..3)];
    let mut pairs = Vec::new();
    for (a, in_a) in all.iter().zip(&some) {
        for (b, in_b) in all.iter().zip(&some) {
            if in_a != in_b && (*in_a && there || *in_b && back) {
                pairs.push((*a, *b));
            }
        }
    }
    pairs
}
