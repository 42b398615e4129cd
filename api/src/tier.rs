//! Storage tiers: device classes with their price and speed.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A class of device, fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Dram,
    Nvme,
    Ssd,
    Hdd,
}

impl Tier {
    pub const ALL: [Tier; 4] = [Tier::Dram, Tier::Nvme, Tier::Ssd, Tier::Hdd];

    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Dram => "dram",
            Tier::Nvme => "nvme",
            Tier::Ssd => "ssd",
            Tier::Hdd => "hdd",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Tier {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        Tier::ALL.into_iter().find(|t| t.as_str() == s).ok_or(())
    }
}
