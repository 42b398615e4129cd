//! How many files and sockets this process may have open: as many as the system lets it have, where most shells and services give a
//! process 1,024 unless it asks for more.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Goes up to the hard limit. Where the system refuses, the process has what it was started with.
pub(crate) fn allow_as_many_as_there_may_be() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
