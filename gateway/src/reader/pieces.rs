//! The bytes of a read, piece by piece. A chunk that is in this process is handed out whole, as the memory that it lies in. One
//! that comes over a wire takes memory here, and is read in pieces for which there is room. So do bytes that shards hold.

use super::ReadError;
use super::segments::{Piece, Run, Segments, server_of};
use super::window::{FIRST_BYTES, PIECES_MAX, Room, Window};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use pocket_api::budget::ByteBudget;
use pocket_api::chunks::Chunks;
use pocket_api::cluster::Directory;
use std::sync::Arc;

/// Bytes of a chunk that may be fetched now.
pub(super) struct Fetch {
    directory: Arc<dyn Directory>,
    chunks: Arc<dyn Chunks>,
    run: Run,
    /// Where they take memory.
    room: Option<Room>,
}

impl Fetch {
    /// Of a chunk that is all there is to be read, where that can be done in one piece.
    pub(super) fn at_once(
        directory: &Arc<dyn Directory>,
        buffers: &ByteBudget,
        run: Run,
    ) -> Result<Option<Self>, ReadError> {
        let chunks = server_of(directory, run)?;
        let room = match chunks.lends_memory() {
            true => None,
            false if u64::from(run.len) > FIRST_BYTES => return Ok(None),
            false => match Room::alone(buffers, run.len.into()) {
                Some(room) => Some(room),
                None => return Ok(None),
            },
        };
        Ok(Some(Self { directory: directory.clone(), chunks, run, room }))
    }

    pub(super) async fn read(self) -> Result<Bytes, ReadError> {
        let bytes = self.run.read(&self.directory, &*self.chunks).await?;
        Ok(match self.room {
            Some(room) => room.hold(bytes),
            None => bytes,
        })
    }
}

/// All pieces of a read in order, fetched ahead of whoever takes them as far as its window says.
pub(super) fn ahead(
    directory: Arc<dyn Directory>,
    buffers: ByteBudget,
    segments: Segments,
) -> BoxStream<'static, Result<Bytes, ReadError>> {
    let pieces = Pieces { directory, segments, window: Window::new(buffers), rest: None };
    let pieces = stream::unfold(Some(pieces), |state| async move {
        let mut pieces = state?;
        match pieces.next().await {
            Ok(Some(next)) => Some((Ok(next), Some(pieces))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    let reads = pieces.map(|next| async move {
        match next? {
            Next::Here(bytes) => Ok(bytes),
            Next::Chunk(fetch) => fetch.read().await,
        }
    });
    reads.buffered(PIECES_MAX).boxed()
}

struct Pieces {
    directory: Arc<dyn Directory>,
    segments: Segments,
    window: Window,
    /// Of a piece of which something was handed out.
    rest: Option<Piece>,
}

enum Next {
    Here(Bytes),
    Chunk(Fetch),
}

impl Pieces {
    async fn next(&mut self) -> Result<Option<Next>, ReadError> {
        let piece = match self.rest.take() {
            Some(rest) => Some(rest),
            None => self.segments.next().await?,
        };
        match piece {
            Some(Piece::Chunk(run)) => self.fetch(run).await.map(Some),
            Some(Piece::Bytes(bytes)) => Ok(Some(self.hand_out(bytes).await)),
            None => Ok(None),
        }
    }

    async fn fetch(&mut self, run: Run) -> Result<Next, ReadError> {
        let (directory, chunks) = (self.directory.clone(), server_of(&self.directory, run)?);
        if chunks.lends_memory() {
            return Ok(Next::Chunk(Fetch { directory, chunks, run, room: None }));
        }
        let room = self.window.room(run.len.into()).await;
        let (run, rest) = run.split(room.bytes());
        self.rest = rest.map(Piece::Chunk);
        Ok(Next::Chunk(Fetch { directory, chunks, run, room: Some(room) }))
    }

    /// They are here already, but the next page is not asked for before there is room for all of these.
    async fn hand_out(&mut self, mut bytes: Bytes) -> Next {
        let room = self.window.room(bytes.len() as u64).await;
        let first = bytes.split_to(room.bytes() as usize);
        self.rest = (!bytes.is_empty()).then_some(Piece::Bytes(bytes));
        Next::Here(room.hold(first))
    }
}
