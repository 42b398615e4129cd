//! One file a tool chain: a small function that installs pinned versions and says how the job is started.
//!
//! Installers use what the machine is configured with (proxies, mirrors, certificates); jobs see none of it.

pub mod apt;
pub mod go;
pub mod hadoop;
pub mod java;
pub mod node;
pub mod python;
pub mod rust;
pub mod spark;
