//! One connection at the client: callers queue frames and wake the task that owns the socket; the task sends what has
//! come together since its last turn, and hands each reply to the call that waits for it.
//!
//! Callers may be dropped at any time. What they were given, a place among the calls in flight, comes back when the
//! reply comes, because the frame may still be queued here or at work at the server: so both sides' bounds are exact. It does
//! not wait for the caller to take the reply: one that is slow keeps nobody else from calling.
//!
//! Calls have no timers of their own: the task keeps one alarm for all. A timer a call would be put into and taken out
//! of the runtime's wheel with every call, and wake its event loop whenever no other is set.

use crate::message::{Call, Response};
use crate::queue::FrameQueue;
use crate::reader::FrameReader;
use crate::session::{IN_FLIGHT_MAX, IN_FLIGHT_MAX_BYTES, WAITING_MAX};
use crate::turn::Turn;
use bytes::Bytes;
use futures::future::{BoxFuture, Either, FutureExt};
use parking_lot::{Mutex, MutexGuard};
use slab::Slab;
use std::future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Unit of the byte bound: a semaphore counts in 32 bits, and a call of less need not be counted exactly.
const WEIGHT_UNIT_BYTES: usize = 1 << 10;

/// Replies that are handed out in one poll: each takes well below a microsecond, and wakes its caller.
const TURN_REPLIES: usize = 64;

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// It may have happened.
    Unavailable(String),
    /// Too many lookups wait already.
    TooManyWaits,
    /// Longer than a frame may be; nothing was sent.
    TooLong(String),
}

/// How a call ended.
pub(crate) type Answered = Result<(Response, Bytes), CallError>;

/// A call on its way: a few words in the caller's future, unless it has to wait for room or has failed already.
pub(crate) type Calling = Either<Ticket, BoxFuture<'static, Answered>>;

pub(crate) fn failed(e: CallError) -> Calling {
    Either::Right(future::ready(Err(e)).boxed())
}

/// A call as the connection sees it.
pub(crate) struct Outgoing {
    pub(crate) call: Call,
    pub(crate) payload: Bytes,
    /// Bytes that the call carries in either direction: payload sent, or length read.
    pub(crate) weight_bytes: usize,
    pub(crate) deadline: Duration,
}

#[derive(Debug)]
pub(crate) struct Connection {
    shared: Mutex<Shared>,
    calls: Arc<Semaphore>,
    weight: Arc<Semaphore>,
    waits: Arc<Semaphore>,
    /// It came up, or has ended.
    settled: Notify,
}

#[derive(Debug, Default)]
struct Shared {
    slots: Slab<Slot>,
    /// Tells a slot's calls apart: an id is the slot and this.
    generation: u32,
    queue: FrameQueue,
    /// Of the task that owns the socket, while it sleeps.
    task: Option<Waker>,
    /// When the task looks for calls whose time is up: with the first deadline of those in flight, or before.
    look_at: Option<Instant>,
    /// The handshake is done.
    ready_since: Option<Instant>,
    closed: Option<Closed>,
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) reason: String,
    pub(crate) at: Instant,
    /// How long it was of use; `None` where it never came up.
    pub(crate) lived: Option<Duration>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    until: Instant,
    state: SlotState,
    /// Until the reply comes.
    permits: Option<Permits>,
}

#[derive(Debug)]
struct Permits {
    _call: OwnedSemaphorePermit,
    _weight: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum SlotState {
    Pending(Option<Waker>),
    /// The time is up, which the caller is yet to see.
    Overdue,
    Answered(Response, Bytes),
    /// The caller has gone; the reply is still to come.
    Abandoned,
}

impl Shared {
    /// Has the task woken by callers from now on; answers the reason when the connection was closed.
    fn listen(&mut self, cx: &Context<'_>) -> Option<String> {
        if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
        }
        self.closed.as_ref().map(|closed| closed.reason.clone())
    }

    /// Ends the wait of the calls whose time is up, and says when to look again. Calls that were answered do not move
    /// that time, so with calls coming and going this is done once in the time that one may take.
    fn end_overdue(&mut self, now: Instant) {
        self.look_at = None;
        for (_, slot) in &mut self.slots {
            let SlotState::Pending(waker) = &mut slot.state else { continue };
            if slot.until <= now {
                wake(waker.take());
                slot.state = SlotState::Overdue;
            } else {
                self.look_at = Some(self.look_at.map_or(slot.until, |at| at.min(slot.until)));
            }
        }
    }
}

impl Connection {
    /// Starts to connect, on the current runtime. Calls may be queued at once. `dial` is dropped unfinished when the
    /// connection is closed first.
    pub(crate) fn open<E: std::fmt::Display>(
        dial: impl Future<Output = Result<TcpStream, E>> + Send + 'static,
    ) -> Arc<Self> {
        let connection = Arc::new(Self {
            shared: Mutex::default(),
            calls: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            weight: Arc::new(Semaphore::new(IN_FLIGHT_MAX_BYTES / WEIGHT_UNIT_BYTES)),
            waits: Arc::new(Semaphore::new(WAITING_MAX)),
            settled: Notify::new(),
        });
        let owner = Owner { connection: connection.clone() };
        tokio::spawn(async move {
            let reason = owner.connect_and_run(dial).await;
            owner.connection.close(&reason);
        });
        connection
    }

    /// Queues a call, as soon as there is room for it; the future of its answer, which comes within its deadline.
    pub(crate) fn call(self: &Arc<Self>, outgoing: Outgoing) -> Calling {
        let (waits, weight_bytes, deadline) =
            (outgoing.call.waits(), outgoing.weight_bytes, outgoing.deadline);
        let until = Instant::now() + deadline;
        if let Some(permits) = self.permits_at_once(waits, weight_bytes) {
            return match self.enqueue(outgoing, until, deadline, permits) {
                Ok(ticket) => Either::Left(ticket),
                Err(e) => failed(e),
            };
        }
        let connection = self.clone();
        let crowded = async move {
            let permits = tokio::time::timeout_at(until, connection.permits(waits, weight_bytes)).await;
            let permits = permits.unwrap_or_else(|_| Err(CallError::overdue(deadline)))?;
            let remaining = until.saturating_duration_since(Instant::now());
            connection.enqueue(outgoing, until, remaining, permits)?.await
        };
        Either::Right(crowded.boxed())
    }

    /// The rule: there is room, and nothing to wait for.
    fn permits_at_once(&self, waits: bool, weight_bytes: usize) -> Option<Permits> {
        let calls = if waits { &self.waits } else { &self.calls };
        let _call = calls.clone().try_acquire_owned().ok()?;
        let _weight = match weight_units(weight_bytes) {
            0 => None,
            units => Some(self.weight.clone().try_acquire_many_owned(units).ok()?),
        };
        Some(Permits { _call, _weight })
    }

    async fn permits(&self, waits: bool, weight_bytes: usize) -> Result<Permits, CallError> {
        let closed = |_| CallError::Unavailable(self.reason());
        let _call = if waits {
            self.waits.clone().try_acquire_owned().map_err(|_| match self.closed() {
                Some(closed) => CallError::Unavailable(closed.reason),
                None => CallError::TooManyWaits,
            })?
        } else {
            self.calls.clone().acquire_owned().await.map_err(closed)?
        };
        let _weight = match weight_units(weight_bytes) {
            0 => None,
            units => Some(self.weight.clone().acquire_many_owned(units).await.map_err(closed)?),
        };
        Ok(Permits { _call, _weight })
    }

    /// `remaining` is what the caller will still wait: the time to `until`.
    fn enqueue(
        self: &Arc<Self>,
        outgoing: Outgoing,
        until: Instant,
        remaining: Duration,
        permits: Permits,
    ) -> Result<Ticket, CallError> {
        let Outgoing { call, payload, deadline, .. } = outgoing;
        let mut shared = self.shared.lock();
        if let Some(closed) = &shared.closed {
            return Err(CallError::Unavailable(closed.reason.clone()));
        }
        shared.generation = shared.generation.wrapping_add(1);
        let generation = shared.generation;
        let id = id_of(shared.slots.vacant_key(), generation);
        let deadline_ms = u32::try_from(remaining.as_millis()).unwrap_or(u32::MAX);
        call.push(&mut shared.queue, id, deadline_ms, payload)
            .map_err(|e| CallError::TooLong(e.to_string()))?;
        shared.slots.insert(Slot {
            generation,
            until,
            state: SlotState::Pending(None),
            permits: Some(permits),
        });
        shared.look_at = Some(shared.look_at.map_or(until, |at| at.min(until)));
        wake(shared.task.take());
        Ok(Ticket { connection: self.clone(), id, deadline, cancellable: call.waits(), taken: false })
    }

    /// Ends the connection; every call on it fails. The first reason stays.
    pub(crate) fn close(&self, reason: &str) {
        let mut shared = self.shared.lock();
        if shared.closed.is_some() {
            return;
        }
        let lived = shared.ready_since.map(|since| since.elapsed());
        shared.closed = Some(Closed { reason: reason.into(), at: Instant::now(), lived });
        shared.queue = FrameQueue::default();
        self.calls.close();
        self.weight.close();
        self.waits.close();
        shared.slots.retain(|_, slot| !matches!(slot.state, SlotState::Abandoned));
        for (_, slot) in &mut shared.slots {
            if let SlotState::Pending(waker) = &mut slot.state {
                wake(waker.take());
            }
        }
        wake(shared.task.take());
        self.settled.notify_waiters();
    }

    /// Shook hands, and did not end since.
    pub(crate) fn is_ready(&self) -> bool {
        let shared = self.shared.lock();
        shared.ready_since.is_some() && shared.closed.is_none()
    }

    /// As [`Self::is_ready`], once it is known whether it comes up.
    pub(crate) async fn becomes_ready(&self) -> bool {
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            // Before the look, so that what comes between it and the wait is not missed.
            settled.as_mut().enable();
            if self.is_ready() {
                return true;
            }
            if self.closed().is_some() {
                return false;
            }
            settled.await;
        }
    }

    pub(crate) fn closed(&self) -> Option<Closed> {
        self.shared.lock().closed.clone()
    }

    fn reason(&self) -> String {
        self.closed().map(|closed| closed.reason).unwrap_or_default()
    }

    /// Hands a reply to its call. One that nobody waits for is dropped; one that was never asked for is the peer's
    /// fault.
    fn answer(&self, id: u64, response: Response, payload: Bytes) -> Result<(), String> {
        let mut shared = self.shared.lock();
        let (key, generation) = parts_of(id);
        let slot = shared.slots.get_mut(key).filter(|slot| slot.generation == generation);
        let slot = slot.ok_or_else(|| format!("peer answered call {id:x}, which is not in flight"))?;
        slot.permits = None;
        match &mut slot.state {
            SlotState::Pending(waker) => {
                let waker = waker.take();
                slot.state = SlotState::Answered(response, payload);
                drop(shared);
                wake(waker);
                Ok(())
            }
            SlotState::Overdue => {
                slot.state = SlotState::Answered(response, payload);
                Ok(())
            }
            SlotState::Abandoned => {
                shared.slots.remove(key);
                Ok(())
            }
            SlotState::Answered(..) => Err(format!("peer answered call {id:x} twice")),
        }
    }
}

impl CallError {
    fn overdue(deadline: Duration) -> Self {
        Self::Unavailable(format!("no answer within {deadline:?}"))
    }
}

fn weight_units(weight_bytes: usize) -> u32 {
    (weight_bytes.min(IN_FLIGHT_MAX_BYTES) / WEIGHT_UNIT_BYTES) as u32
}

fn id_of(key: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | key as u64
}

fn parts_of(id: u64) -> (usize, u32) {
    ((id & u64::from(u32::MAX)) as usize, (id >> 32) as u32)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// A call that was queued: a future of its answer.
#[derive(Debug)]
pub(crate) struct Ticket {
    connection: Arc<Connection>,
    id: u64,
    deadline: Duration,
    /// The server is told when the caller goes, because it would wait for long.
    cancellable: bool,
    taken: bool,
}

impl Future for Ticket {
    type Output = Answered;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ticket = &mut *self;
        let mut shared = ticket.connection.shared.lock();
        let (key, _) = parts_of(ticket.id);
        match &mut shared.slots[key].state {
            SlotState::Answered(..) => {
                ticket.taken = true;
                match shared.slots.remove(key).state {
                    SlotState::Answered(response, payload) => Poll::Ready(Ok((response, payload))),
                    _ => unreachable!("the state was just looked at"),
                }
            }
            SlotState::Pending(waker) => {
                let keep = waker.as_ref().is_some_and(|w| w.will_wake(cx.waker()));
                if !keep {
                    *waker = Some(cx.waker().clone());
                }
                match &shared.closed {
                    Some(closed) => Poll::Ready(Err(CallError::Unavailable(closed.reason.clone()))),
                    None => Poll::Pending,
                }
            }
            SlotState::Overdue => Poll::Ready(Err(CallError::overdue(ticket.deadline))),
            SlotState::Abandoned => unreachable!("only a dropped ticket abandons its slot"),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut shared = self.connection.shared.lock();
        let (key, _) = parts_of(self.id);
        let pending = matches!(shared.slots[key].state, SlotState::Pending(_) | SlotState::Overdue);
        if !pending || shared.closed.is_some() {
            shared.slots.remove(key);
            return;
        }
        shared.slots[key].state = SlotState::Abandoned;
        if self.cancellable {
            let pushed = Call::Cancel.push(&mut shared.queue, self.id, 0, Bytes::new());
            pushed.expect("a frame without content fits");
            wake(shared.task.take());
        }
    }
}

/// The task's hold on a connection: closes it also when the runtime drops the task.
struct Owner {
    connection: Arc<Connection>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.connection.close("its runtime has ended");
    }
}

impl Owner {
    async fn connect_and_run<E: std::fmt::Display>(
        &self,
        dial: impl Future<Output = Result<TcpStream, E>>,
    ) -> String {
        let mut alarm = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        let mut dial = std::pin::pin!(dial);
        let dialled = future::poll_fn(|cx| match self.attend(alarm.as_mut(), cx).map(drop) {
            Err(reason) => Poll::Ready(Err(reason)),
            Ok(()) => dial.as_mut().poll(cx).map_err(|e| e.to_string()),
        });
        let stream = match dialled.await {
            Ok(stream) => stream,
            Err(reason) => return reason,
        };
        self.connection.shared.lock().ready_since = Some(Instant::now());
        self.connection.settled.notify_waiters();
        let (reader, sending) = (FrameReader::default(), FrameQueue::default());
        let mut pump = Pump { owner: self, alarm, stream, reader, sending };
        future::poll_fn(|cx| pump.poll(cx)).await
    }

    /// What callers have left for the task, which is woken when they leave more and when the time of one is up; the
    /// reason when the connection was closed.
    fn attend(
        &self,
        mut alarm: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Result<MutexGuard<'_, Shared>, String> {
        let mut shared = self.connection.shared.lock();
        if let Some(reason) = shared.listen(cx) {
            return Err(reason);
        }
        while let Some(at) = shared.look_at {
            if alarm.deadline() != at {
                alarm.as_mut().reset(at);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                break;
            }
            shared.end_overdue(Instant::now().max(at));
        }
        Ok(shared)
    }
}

/// Moves frames between the socket and the callers.
struct Pump<'a> {
    owner: &'a Owner,
    /// Set to [`Shared::look_at`].
    alarm: Pin<&'a mut Sleep>,
    stream: TcpStream,
    reader: FrameReader<Response>,
    /// Taken from the callers' queue, so that they are not held up by a system call.
    sending: FrameQueue,
}

impl Pump<'_> {
    /// Ready with the reason why the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        let mut turn = Turn::new(TURN_REPLIES);
        loop {
            match self.owner.attend(self.alarm.as_mut(), cx) {
                Ok(mut shared) => self.sending.append(&mut shared.queue),
                Err(reason) => return Poll::Ready(reason),
            }
            let mut progress = false;
            if !self.sending.is_empty() {
                match self.sending.poll_write(&mut self.stream, cx) {
                    Poll::Ready(Err(e)) => return Poll::Ready(e.to_string()),
                    Poll::Ready(Ok(_)) => progress = true,
                    Poll::Pending => {}
                }
            }
            // What an earlier turn left.
            if let Err(reason) = self.hand_out(&mut turn) {
                return Poll::Ready(reason);
            }
            if !turn.is_over() {
                match self.reader.poll_fill(&mut self.stream, cx) {
                    Poll::Ready(Err(e)) => return Poll::Ready(e.to_string()),
                    Poll::Ready(Ok(0)) => return Poll::Ready("closed by the peer".into()),
                    Poll::Ready(Ok(_)) => match self.hand_out(&mut turn) {
                        Ok(()) => progress = true,
                        Err(reason) => return Poll::Ready(reason),
                    },
                    Poll::Pending => {}
                }
            }
            if turn.is_over() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !progress {
                return Poll::Pending;
            }
        }
    }

    fn hand_out(&mut self, turn: &mut Turn) -> Result<(), String> {
        while !turn.is_over()
            && let Some((header, response, payload)) = self.reader.next_frame().map_err(|e| e.to_string())?
        {
            turn.spend(payload.len());
            self.owner.connection.answer(header.id, response, payload)?;
        }
        Ok(())
    }
}
