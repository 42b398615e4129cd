//! How much memory this process may use: what the machine has, or less where a cgroup says so. Read once, at the
//! start; limits that change later are not followed.

use procfs::prelude::*;
use procfs::process::Process;
use procfs::{Meminfo, ProcResult};
use std::fs;
use std::path::{Path, PathBuf};

/// Where cgroups are mounted on every distribution that matters.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The least of the machine's memory and the limits of all cgroups around this process, version 1 or 2. `None` where
/// `/proc` cannot be read.
pub fn memory_limit_bytes() -> Option<u64> {
    let machine = Meminfo::current().ok()?.mem_total;
    let groups = own_groups().unwrap_or_default();
    Some(groups.iter().filter_map(|g| g.limit_bytes(Path::new(CGROUPS))).fold(machine, u64::min))
}

/// A cgroup that can limit memory, with the path that the kernel shows.
#[derive(Debug, PartialEq, Eq)]
enum Group {
    V1(String),
    V2(String),
}

fn own_groups() -> ProcResult<Vec<Group>> {
    let groups = Process::myself()?.cgroups()?;
    let of_memory = groups.into_iter().filter_map(|group| {
        if group.hierarchy == 0 {
            return Some(Group::V2(group.pathname));
        }
        group.controllers.iter().any(|c| c == "memory").then_some(Group::V1(group.pathname))
    });
    Ok(of_memory.collect())
}

impl Group {
    /// The least limit from the group up to the root of its hierarchy: a parent's limit holds for its children. In a
    /// container the path may be the host's, of which only the root is mounted here, holding the container's own
    /// limit: so what is not there is passed over.
    fn limit_bytes(&self, mount: &Path) -> Option<u64> {
        let (roots, path, file): (Vec<PathBuf>, _, _) = match self {
            Self::V1(path) => (vec![mount.join("memory")], path, "memory.limit_in_bytes"),
            Self::V2(path) => (vec![mount.to_owned(), mount.join("unified")], path, "memory.max"),
        };
        let limits = roots.iter().flat_map(|root| {
            let group = root.join(path.trim_start_matches('/'));
            let upwards: Vec<PathBuf> =
                group.ancestors().take_while(|p| p.starts_with(root)).map(|p| p.join(file)).collect();
            upwards
        });
        limits.filter_map(|limit| parse(&fs::read_to_string(limit).ok()?)).min()
    }
}

/// `max` is no limit. Version 1 shows no limit as a number above any machine's memory, which needs no case of its own.
fn parse(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(mount: &Path, file: &str, text: &str) {
        let path = mount.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_least_limit_on_the_way_up_holds() {
        let mount = tempfile::tempdir().unwrap();
        let mount = mount.path();
        write(mount, "a/b/memory.max", "max\n");
        write(mount, "a/memory.max", "1000\n");
        write(mount, "c/memory.max", "70\n");
        let limit = |path: &str| Group::V2(path.into()).limit_bytes(mount);
        assert_eq!(
            (limit("/a/b"), limit("/a"), limit("/c"), limit("/")),
            (Some(1000), Some(1000), Some(70), None)
        );
    }

    #[test]
    fn in_a_container_the_root_of_the_mount_has_the_limit() {
        let mount = tempfile::tempdir().unwrap();
        write(mount.path(), "memory.max", "500\n");
        write(mount.path(), "memory/memory.limit_in_bytes", "9223372036854771712\n");
        let path = "/system.slice/container-0123".to_owned();
        assert_eq!(Group::V2(path.clone()).limit_bytes(mount.path()), Some(500));
        assert_eq!(Group::V1(path).limit_bytes(mount.path()), Some(9_223_372_036_854_771_712));
    }

    #[test]
    fn without_cgroups_there_is_no_limit_but_the_machine() {
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(Group::V1("/".into()).limit_bytes(nothing.path()), None);
        let limit = memory_limit_bytes().expect("there is a /proc");
        assert!(limit > 0 && limit <= Meminfo::current().unwrap().mem_total);
    }
}
