//! One job at this shard: its state under its lock, who waits in it, when it was last used. What is done around the pure
//! state, and nothing of what it decides.

use crate::state::effects::{Effects, Output};
use crate::state::{Command, JobState, Remains, apply};
use crate::waiters::{Call, WaiterCount, Waiters};
use parking_lot::RwLock;
use pocket_api::clock::{Clock, Timestamp};
use pocket_api::env::Env;
use pocket_api::ids::{Epoch, JobId, OperationId};
use pocket_api::metadata::{Answer, MetadataError, Request};
use pocket_api::usage::{JobUse, SpaceUse};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) state: RwLock<JobState>,
    pub(crate) waiters: Waiters,
    own: Weak<Job>,
    env: Env,
    clock: Arc<dyn Clock>,
    last_used_ms: AtomicU64,
    /// Some object is on its way to another shard.
    moving: AtomicBool,
}

impl Job {
    pub(crate) fn new(state: JobState, env: Env, waiting: WaiterCount) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            own: own.clone(),
            id: state.job,
            state: RwLock::new(state),
            waiters: Waiters::new(waiting),
            last_used_ms: AtomicU64::new(env.now().0),
            moving: AtomicBool::new(false),
            clock: env.clock(),
            env,
        })
    }

    /// Wakes who waits: the first at once, the rest in turns of their own.
    pub(crate) fn wake(&self, call: Call) {
        let rest = if self.waiters.is_empty() { None } else { self.waiters.wake(call) };
        if let Some(rest) = rest
            && let Some(job) = self.own.upgrade()
        {
            self.env.spawn(async move {
                let mut rest = Some(rest);
                while let Some(call) = rest {
                    tokio::task::yield_now().await;
                    rest = job.waiters.wake(call);
                }
            });
        }
    }

    /// The job was used. Requests of one moment write this once: all threads read it.
    pub(crate) fn touch(&self, now: Timestamp) {
        if self.last_used_ms.load(Ordering::Relaxed) != now.0 {
            self.last_used_ms.store(now.0, Ordering::Relaxed);
        }
    }

    /// Answers a request that changes nothing; `None` for one that has to be applied.
    pub(crate) fn query(&self, epoch: Epoch, request: &Request) -> Option<Result<Answer, MetadataError>> {
        let is_use = match request {
            Request::CheckEpoch | Request::Describe { .. } => false,
            Request::Ping
            | Request::Lookup(_)
            | Request::Segments(_)
            | Request::Parts { .. }
            | Request::Upload { .. } => true,
            _ => return None,
        };
        let state = self.state.read();
        let now = self.clock.now();
        if is_use {
            self.touch(now);
        }
        state.query(epoch, request, now)
    }

    /// Whether a request may have to wait for an object. One that misses the beginning of a move is told by the state.
    pub(crate) fn is_moving(&self) -> bool {
        self.moving.load(Ordering::Acquire)
    }

    /// Applies a command and wakes whoever waits for what it changed. The rest of the effects is the caller's.
    pub(crate) fn apply(&self, command: Command) -> (Result<Output, MetadataError>, Effects) {
        let mut outcome = {
            let mut state = self.state.write();
            // Under the lock, so that a later command never has an earlier time.
            let now = self.clock.now();
            if matches!(command, Command::Request { .. } | Command::Release(..)) {
                self.touch(now);
            }
            // Whoever begins to wait from here on looks when this is done, and finds what has changed.
            state.is_awaited = !self.waiters.is_empty();
            let outcome = apply(&mut state, command, now);
            let is_moving = !state.departures.is_empty();
            if is_moving != self.is_moving() {
                self.moving.store(is_moving, Ordering::Release);
            }
            outcome
        };
        for key in std::mem::take(&mut outcome.effects.woken) {
            self.wake(Call::of_key(key));
        }
        (outcome.output, outcome.effects)
    }

    /// Freezes the job if it was not used for `idle_for` and nobody reads or waits.
    pub(crate) fn freeze(
        &self,
        by: OperationId,
        idle_for: Option<Duration>,
    ) -> Result<Output, MetadataError> {
        let mut state = self.state.write();
        let now = self.clock.now();
        if let Some(idle_for) = idle_for
            && (self.is_open(&state, now) || self.unused_since(now) < idle_for)
        {
            return Err(MetadataError::Busy);
        }
        apply(&mut state, Command::Freeze(by), now).output
    }

    /// Ends the job. The remains are to be dropped where it may take its time.
    pub(crate) fn end(&self) -> Remains {
        let remains = self.state.write().end();
        self.wake(Call::all());
        remains
    }

    /// Transfers or waits are going on.
    fn is_open(&self, state: &JobState, now: Timestamp) -> bool {
        !self.waiters.is_empty() || state.leases.any_open(now)
    }

    fn unused_since(&self, now: Timestamp) -> Duration {
        now.since(Timestamp(self.last_used_ms.load(Ordering::Relaxed)))
    }

    /// And what it takes of the shard's memory.
    pub(crate) fn usage(&self) -> (JobUse, SpaceUse) {
        let state = self.state.read();
        let now = self.clock.now();
        let idle = if self.is_open(&state, now) { Duration::ZERO } else { self.unused_since(now) };
        let inline_bytes = state.account.inline_bytes();
        let metadata_bytes = state.account.used_bytes() - inline_bytes;
        let used = JobUse {
            job: self.id,
            objects: state.present_objects(),
            bytes: state.logical_bytes,
            idle_ms: idle.as_millis() as u64,
        };
        (used, SpaceUse { metadata_bytes, inline_bytes, ..SpaceUse::default() })
    }
}
