//! One connection at the client: callers queue frames and wake the task that owns the socket; the task sends what has
//! come together since its last turn, and hands each reply to the call that waits for it.
//!
//! Callers may be dropped at any time. What they were given, a place among the calls in flight, comes back when the
//! reply comes, because the frame may still be queued here or at work at the server: so both sides' bounds are exact.

use crate::message::{Call, Response};
use crate::queue::FrameQueue;
use crate::reader::FrameReader;
use crate::session::{IN_FLIGHT_MAX, IN_FLIGHT_MAX_BYTES, WAITING_MAX};
use bytes::Bytes;
use parking_lot::Mutex;
use slab::Slab;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Unit of the byte bound: a semaphore counts in 32 bits, and a call of less need not be counted exactly.
const WEIGHT_UNIT_BYTES: usize = 1 << 10;

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
}

#[derive(Debug, Default)]
struct Shared {
    slots: Slab<Slot>,
    /// Tells a slot's calls apart: an id is the slot and this.
    generation: u32,
    queue: FrameQueue,
    /// Of the task that owns the socket, while it sleeps.
    task: Option<Waker>,
    /// The handshake is done.
    ready_since: Option<Instant>,
    closed: Option<Closed>,
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) reason: String,
    pub(crate) at: Instant,
    /// How long it was of use.
    pub(crate) lived: Duration,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    state: SlotState,
    _permits: Permits,
}

#[derive(Debug)]
struct Permits {
    _call: OwnedSemaphorePermit,
    _weight: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum SlotState {
    Pending(Option<Waker>),
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
        });
        let owner = Owner { connection: connection.clone() };
        tokio::spawn(async move {
            let reason = owner.connect_and_run(dial).await;
            owner.connection.close(&reason);
        });
        connection
    }

    /// Sends a call and waits for its answer, at most for its deadline.
    pub(crate) async fn call(&self, outgoing: Outgoing) -> Result<(Response, Bytes), CallError> {
        let deadline = outgoing.deadline;
        let until = tokio::time::Instant::now() + deadline;
        match tokio::time::timeout_at(until, self.call_unbounded(outgoing, until)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unavailable(format!("no answer within {deadline:?}"))),
        }
    }

    async fn call_unbounded(
        &self,
        outgoing: Outgoing,
        until: tokio::time::Instant,
    ) -> Result<(Response, Bytes), CallError> {
        let cancellable = outgoing.call.waits();
        let permits = self.permits(cancellable, outgoing.weight_bytes).await?;
        let id =
            self.enqueue(outgoing, until.saturating_duration_since(tokio::time::Instant::now()), permits)?;
        Ticket { connection: self, id, cancellable, taken: false }.await
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
        let units = weight_bytes.min(IN_FLIGHT_MAX_BYTES) / WEIGHT_UNIT_BYTES;
        let _weight = match units {
            0 => None,
            units => Some(self.weight.clone().acquire_many_owned(units as u32).await.map_err(closed)?),
        };
        Ok(Permits { _call, _weight })
    }

    /// `remaining` is what the caller will still wait.
    fn enqueue(&self, outgoing: Outgoing, remaining: Duration, permits: Permits) -> Result<u64, CallError> {
        let mut shared = self.shared.lock();
        if let Some(closed) = &shared.closed {
            return Err(CallError::Unavailable(closed.reason.clone()));
        }
        shared.generation = shared.generation.wrapping_add(1);
        let generation = shared.generation;
        let id = id_of(shared.slots.vacant_key(), generation);
        let deadline_ms = u32::try_from(remaining.as_millis()).unwrap_or(u32::MAX);
        outgoing
            .call
            .push(&mut shared.queue, id, deadline_ms, outgoing.payload)
            .map_err(|e| CallError::TooLong(e.to_string()))?;
        shared.slots.insert(Slot { generation, state: SlotState::Pending(None), _permits: permits });
        wake(shared.task.take());
        Ok(id)
    }

    /// Ends the connection; every call on it fails. The first reason stays.
    pub(crate) fn close(&self, reason: &str) {
        let mut shared = self.shared.lock();
        if shared.closed.is_some() {
            return;
        }
        let lived = shared.ready_since.map(|since| since.elapsed()).unwrap_or_default();
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
    }

    /// Shook hands, and did not end since.
    pub(crate) fn is_ready(&self) -> bool {
        let shared = self.shared.lock();
        shared.ready_since.is_some() && shared.closed.is_none()
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
        match &mut slot.state {
            SlotState::Pending(waker) => {
                let waker = waker.take();
                slot.state = SlotState::Answered(response, payload);
                drop(shared);
                wake(waker);
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
struct Ticket<'a> {
    connection: &'a Connection,
    id: u64,
    /// The server is told when the caller goes, because it would wait for long.
    cancellable: bool,
    taken: bool,
}

impl Future for Ticket<'_> {
    type Output = Result<(Response, Bytes), CallError>;

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
            SlotState::Abandoned => unreachable!("only a dropped ticket abandons its slot"),
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut shared = self.connection.shared.lock();
        let (key, _) = parts_of(self.id);
        let pending = matches!(shared.slots[key].state, SlotState::Pending(_));
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
        let mut dial = std::pin::pin!(dial);
        let dialled = std::future::poll_fn(|cx| match self.connection.shared.lock().listen(cx) {
            Some(reason) => Poll::Ready(Err(reason)),
            None => dial.as_mut().poll(cx).map_err(|e| e.to_string()),
        });
        let stream = match dialled.await {
            Ok(stream) => stream,
            Err(reason) => return reason,
        };
        self.connection.shared.lock().ready_since = Some(Instant::now());
        let mut pump =
            Pump { owner: self, stream, reader: FrameReader::default(), sending: FrameQueue::default() };
        std::future::poll_fn(|cx| pump.poll(cx)).await
    }
}

/// Moves frames between the socket and the callers.
struct Pump<'a> {
    owner: &'a Owner,
    stream: TcpStream,
    reader: FrameReader<Response>,
    /// Taken from the callers' queue, so that they are not held up by a system call.
    sending: FrameQueue,
}

impl Pump<'_> {
    /// Ready with the reason why the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        loop {
            {
                let mut shared = self.owner.connection.shared.lock();
                if let Some(reason) = shared.listen(cx) {
                    return Poll::Ready(reason);
                }
                self.sending.append(&mut shared.queue);
            }
            let mut progress = false;
            if !self.sending.is_empty() {
                match self.sending.poll_write(&mut self.stream, cx) {
                    Poll::Ready(Err(e)) => return Poll::Ready(e.to_string()),
                    Poll::Ready(Ok(_)) => progress = true,
                    Poll::Pending => {}
                }
            }
            match self.reader.poll_fill(&mut self.stream, cx) {
                Poll::Ready(Err(e)) => return Poll::Ready(e.to_string()),
                Poll::Ready(Ok(0)) => return Poll::Ready("closed by the peer".into()),
                Poll::Ready(Ok(_)) => match self.hand_out() {
                    Ok(()) => progress = true,
                    Err(reason) => return Poll::Ready(reason),
                },
                Poll::Pending => {}
            }
            if !progress {
                return Poll::Pending;
            }
        }
    }

    fn hand_out(&mut self) -> Result<(), String> {
        while let Some((header, response, payload)) = self.reader.next_frame().map_err(|e| e.to_string())? {
            self.owner.connection.answer(header.id, response, payload)?;
        }
        Ok(())
    }
}
