//! What a process takes of the machine that it runs on, as one value: time, chance, tasks and disk. Planes get it as an argument
//! and ask nobody else, so that a whole cluster can run in one process, with a time, a chance and faults of its own.
//!
//! Waiting is not part of it: that is tokio's (`tokio::time`), whose time stands still or jumps with its runtime.

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::disk::{Disk, FileSystem};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};

/// What one process has. Cheap to clone; all clones are of the same process.
#[derive(Clone)]
pub struct Env(Arc<Parts>);

struct Parts {
    clock: Arc<dyn Clock>,
    runtime: Handle,
    disk: Arc<dyn Disk>,
    /// `None`: the operating system's own.
    process: Option<Arc<dyn Process>>,
}

/// One of several processes that live in a single one of the operating system. It can be stopped, go on, and be killed.
pub trait Process: Send + Sync + 'static {
    /// `task` is the process's from here on, and is aborted when it is killed; at once where it was killed already.
    fn adopt(&self, task: AbortHandle);
    /// `Pending` while the process is stopped; the task is woken when it goes on.
    fn poll_runs(&self, cx: &mut Context<'_>) -> Poll<()>;
    /// The next number of its own chance, uniform over all.
    fn draw(&self) -> u64;
    /// Its own disk, or the machine's. Asked for once.
    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(FileSystem)
    }
}

impl Env {
    /// Of the operating system's process, on the current runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime; so do the next two.
    pub fn system() -> Self {
        Self::with_clock(Arc::new(SystemClock::start()))
    }

    /// As [`Self::system`], with another clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Parts { clock, runtime: Handle::current(), disk: Arc::new(FileSystem), process: None }))
    }

    /// Of `process`, whose tasks run on the current runtime.
    pub fn of(process: Arc<dyn Process>, clock: Arc<dyn Clock>) -> Self {
        let (runtime, disk) = (Handle::current(), process.disk());
        Self(Arc::new(Parts { clock, runtime, disk, process: Some(process) }))
    }

    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// For whoever needs nothing else.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    /// Calls to it take as long as the disk does: they are made [beside](Self::beside) the event loops.
    pub fn disk(&self) -> Arc<dyn Disk> {
        self.0.disk.clone()
    }

    /// Uniform over all numbers. The operating system's process draws what nobody can guess, so keys may be made of it.
    pub fn draw(&self) -> u64 {
        match &self.0.process {
            None => rand::random(),
            Some(process) => process.draw(),
        }
    }

    /// Begins a task, from any thread. It ends with the process, also when nobody waits for it.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let Some(process) = &self.0.process else { return self.0.runtime.spawn(task) };
        let own = process.clone();
        let begun = self.0.runtime.spawn(async move {
            let mut task = pin!(task);
            poll_fn(|cx| {
                ready!(own.poll_runs(cx));
                task.as_mut().poll(cx)
            })
            .await
        });
        process.adopt(begun.abort_handle());
        begun
    }

    /// Does what takes longer than a poll may, and waits for nothing but the disk, on a thread that is there for that. Once begun
    /// it ends, also when nobody waits for it. Of a [`Process`] it is a task: a world has one thread.
    pub fn beside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        match self.0.process {
            None => self.0.runtime.spawn_blocking(work),
            Some(_) => self.spawn(async { work() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::io;
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::task::Waker;
    use tokio::task::yield_now;

    /// A process that draws the numbers from 1 on.
    #[derive(Default)]
    struct Toy {
        life: Mutex<Life>,
        drawn: AtomicU64,
    }

    #[derive(Default)]
    struct Life {
        is_stopped: bool,
        is_killed: bool,
        tasks: Vec<AbortHandle>,
        waiting: Vec<Waker>,
    }

    impl Process for Toy {
        fn adopt(&self, task: AbortHandle) {
            let mut life = self.life.lock().unwrap();
            if life.is_killed {
                task.abort();
            }
            life.tasks.push(task);
        }

        fn poll_runs(&self, cx: &mut Context<'_>) -> Poll<()> {
            let mut life = self.life.lock().unwrap();
            if life.is_stopped {
                life.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        }

        fn draw(&self) -> u64 {
            self.drawn.fetch_add(1, Relaxed) + 1
        }

        fn disk(&self) -> Arc<dyn Disk> {
            Arc::new(Broken)
        }
    }

    /// A disk on which nothing is found and nothing can be kept.
    struct Broken;

    impl Disk for Broken {
        fn read(&self, _: &Path) -> io::Result<Option<Vec<u8>>> {
            Ok(None)
        }

        fn replace(&self, _: &Path, _: Vec<u8>) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn append(&self, _: &Path, _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn remove(&self, _: &Path) -> io::Result<()> {
            Ok(())
        }
    }

    impl Toy {
        fn stop(&self) {
            self.life.lock().unwrap().is_stopped = true;
        }

        fn go_on(&self) {
            let mut life = self.life.lock().unwrap();
            life.is_stopped = false;
            life.waiting.drain(..).for_each(Waker::wake);
        }

        fn kill(&self) {
            let mut life = self.life.lock().unwrap();
            life.is_killed = true;
            life.tasks.iter().for_each(AbortHandle::abort);
        }
    }

    fn of_toy() -> (Arc<Toy>, Env) {
        let toy = Arc::<Toy>::default();
        (toy.clone(), Env::of(toy, Arc::new(ManualClock::at(Timestamp(7)))))
    }

    /// A task that makes a step with each of its polls, and the steps that it has made.
    fn begin_to_step(env: &Env) -> (JoinHandle<()>, Arc<AtomicU64>) {
        let steps = Arc::<AtomicU64>::default();
        let count = steps.clone();
        let task = env.spawn(async move {
            loop {
                count.fetch_add(1, Relaxed);
                yield_now().await;
            }
        });
        (task, steps)
    }

    async fn let_others_run() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_task_of_a_stopped_process_makes_no_step_until_it_goes_on() {
        let (toy, env) = of_toy();
        let (_task, steps) = begin_to_step(&env);
        let_others_run().await;
        assert!(steps.load(Relaxed) > 0);
        toy.stop();
        let (_later, steps_of_later) = begin_to_step(&env);
        let before = steps.load(Relaxed);
        let_others_run().await;
        assert_eq!((steps.load(Relaxed), steps_of_later.load(Relaxed)), (before, 0));
        toy.go_on();
        let_others_run().await;
        assert!(steps.load(Relaxed) > before && steps_of_later.load(Relaxed) > 0);
    }

    #[tokio::test]
    async fn what_a_stopped_process_waited_for_is_there_when_it_goes_on() {
        let (toy, env) = of_toy();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let task = env.spawn(receiver);
        let_others_run().await;
        toy.stop();
        sender.send(42).unwrap();
        let_others_run().await;
        assert!(!task.is_finished());
        toy.go_on();
        assert_eq!(task.await.unwrap(), Ok(42));
    }

    #[tokio::test]
    async fn the_tasks_of_a_killed_process_are_gone_and_new_ones_do_not_begin() {
        let (toy, env) = of_toy();
        let (task, steps) = begin_to_step(&env);
        let_others_run().await;
        // Also while it is stopped.
        toy.stop();
        toy.kill();
        assert!(task.await.unwrap_err().is_cancelled());
        let before = steps.load(Relaxed);
        toy.go_on();
        assert!(env.beside(|| ()).await.unwrap_err().is_cancelled());
        let_others_run().await;
        assert_eq!(steps.load(Relaxed), before);
    }

    #[tokio::test]
    async fn time_and_draws_come_from_the_process_and_what_is_done_beside_it_stays_on_its_thread() {
        let (toy, env) = of_toy();
        assert_eq!((env.now(), env.clock().now()), (Timestamp(7), Timestamp(7)));
        assert_eq!([env.draw(), env.clone().draw()], [1, 2]);
        let here = std::thread::current().id();
        let there = env.beside(|| std::thread::current().id());
        toy.stop();
        let_others_run().await;
        assert!(!there.is_finished(), "the process is stopped");
        toy.go_on();
        assert_eq!(there.await.unwrap(), here);
    }

    #[tokio::test]
    async fn the_disk_is_that_of_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        Env::system().disk().replace(&file, b"the system's".into()).unwrap();
        let (_toy, env) = of_toy();
        assert_eq!(env.disk().read(&file).unwrap(), None);
        assert!(env.disk().replace(&file, Vec::new()).is_err());
        assert_eq!(Env::system().disk().read(&file).unwrap().unwrap(), b"the system's");
    }

    #[tokio::test]
    async fn the_system_draws_by_chance_and_does_elsewhere_what_takes_long() {
        let env = Env::system();
        assert_ne!([env.draw(), env.draw()], [env.draw(), env.draw()]);
        let here = std::thread::current().id();
        assert_eq!(env.spawn(async { std::thread::current().id() }).await.unwrap(), here);
        assert_ne!(env.beside(|| std::thread::current().id()).await.unwrap(), here);
    }
}
