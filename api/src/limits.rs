//! Limits that planes share. Each has a name and a reason; a plane's own limits stand in that plane.

use std::time::Duration;

/// S3's bounds on bucket names.
pub const BUCKET_NAME_MIN_BYTES: usize = 3;
/// See [`BUCKET_NAME_MIN_BYTES`].
pub const BUCKET_NAME_MAX_BYTES: usize = 63;
/// S3's bound on object keys.
pub const KEY_MAX_BYTES: usize = 1024;
/// S3's largest object: 5 TiB.
pub const OBJECT_MAX_BYTES: u64 = 5 << 40;
/// S3's largest single PUT and largest part: 5 GiB.
pub const PUT_MAX_BYTES: u64 = 5 << 30;
/// S3's smallest part that is not the last: 5 MiB.
pub const PART_MIN_BYTES: u64 = 5 << 20;
/// S3's highest part number.
pub const PART_NUMBER_MAX: u16 = 10_000;
/// S3's page size for every listing.
pub const LIST_MAX_KEYS: u32 = 1_000;
/// S3's bound on user metadata: names and values together.
pub const USER_METADATA_MAX_BYTES: usize = 2_048;

/// Objects and parts up to this size travel with their commit and live in the shard: one hop instead of two, no slot of
/// the arena, and an ETag that is an MD5. `docs/benchmarks.md` shows what both ways cost around it.
pub const INLINE_MAX_BYTES: usize = 16 << 10;
/// Most pieces of an object that can be appended to: S3's bound on the parts of an object. Small appends share pieces of
/// up to [`INLINE_MAX_BYTES`], so there may be many more of them.
pub const APPEND_PIECES_MAX: usize = PART_NUMBER_MAX as usize;
/// Size of the chunks that larger objects are cut into; the last one is as long as what is left. Large enough that a
/// chunk's fixed cost (a frame, a slot, 24 bytes of manifest) vanishes, small enough that a PUT spreads over servers.
pub const CHUNK_MAX_BYTES: u32 = 1 << 20;
/// Most chunks in one allocation: those of the largest PUT, all on one server.
pub const ALLOCATE_MAX_CHUNKS: usize = (PUT_MAX_BYTES / CHUNK_MAX_BYTES as u64) as usize;
/// Most written runs of a chunk that are apart from its beginning and from each other. Far more than a writer with
/// several pieces in flight leaves; keeps what a server remembers of a half-written chunk below 2 KiB.
pub const CHUNK_GAPS_MAX: usize = 128;
/// Most segments in one answer to a lookup: at 1 MiB a chunk, 1 GiB of object in some 32 KiB of answer. Longer
/// manifests are read in pages.
pub const SEGMENTS_PER_PAGE: usize = 1_024;

/// How long a read lease lives without renewal. Long enough to survive a pause of the gateway, short enough that the
/// space of a dead gateway's reads comes back soon.
pub const READ_LEASE: Duration = Duration::from_secs(15);
/// A write that was neither committed nor touched for this long is asked about at its shard. Gateways touch their
/// open writes every [`WRITE_TOUCH_EVERY`].
pub const WRITE_IDLE_BEFORE_ASKING: Duration = Duration::from_secs(30);
/// How long a request may take until its change reaches the shard: from its beginning, or where it has written chunks from when
/// their servers last heard of it. A write id that was given up as idle is remembered for twice as long, so that nothing
/// that was freed is ever committed; the other half is for clocks that differ.
pub const CHANGE_WITHIN: Duration = Duration::from_secs(300);
/// How often a gateway tells servers that a write is still going on: three touches may be lost.
pub const WRITE_TOUCH_EVERY: Duration = Duration::from_secs(8);
/// How long a transfer may stand still before the gateway cuts it. Below [`WRITE_IDLE_BEFORE_ASKING`], so that a
/// stalled upload is ended by its gateway and not behind its back.
pub const TRANSFER_STALL: Duration = Duration::from_secs(20);
/// Bytes that a client has to send or take within [`TRANSFER_STALL`] of being waited for: at 13 KB/s it is not cut. What
/// is shorter has to be through by then.
pub const TRANSFER_PACE_BYTES: usize = 256 << 10;
/// How long a client may be waited for in all during one request's body: the largest, of 5 GiB, has to come at 1.5 MB/s.
pub const UPLOAD_WAIT_MAX: Duration = Duration::from_secs(60 * 60);
/// Longest time that a GET may wait for a key.
pub const WAIT_MAX: Duration = Duration::from_secs(300);

/// How often a node reports to the controller.
pub const HEARTBEAT_EVERY: Duration = Duration::from_millis(500);
/// A node that has been silent this long gets no new data.
pub const SUSPECT_AFTER: Duration = Duration::from_millis(1_500);
/// A node of whose end there is no evidence is dead when it has been silent this long, unless the controller was told
/// another time: longer than a network is away or a process stands still on an ordinary bad day, because what the node
/// held is lost then.
pub const NODE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a frozen job stays frozen without word from the controller. Longer than the controller's own deadline for
/// ending a job, so that a freeze never lapses under a fence that is still on its way.
pub const FREEZE_LEASE: Duration = Duration::from_secs(10);
