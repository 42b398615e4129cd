use super::*;
use async_trait::async_trait;
use parking_lot::Mutex;
use pocket_api::budget::ByteBudget;
use pocket_api::ids::JobId;
use pocket_api::metadata::Metadata;
use proptest::prelude::*;

proptest! {
    #[test]
    fn chunks_cover_the_size_exactly(size in 0_u64..(40 << 20)) {
        let sizes = chunk_sizes(size);
        prop_assert_eq!(sizes.iter().map(|&s| u64::from(s)).sum::<u64>(), size);
        prop_assert!(sizes.iter().all(|&s| s > 0 && s <= CHUNK_MAX_BYTES));
        prop_assert!(sizes.iter().rev().skip(1).all(|&s| s == CHUNK_MAX_BYTES));
    }
}

#[test]
fn draws_fall_on_servers_by_their_weight_however_small() {
    let weights = [(1, 0.001), (2, 0.0), (3, 2.999)].map(|(n, weight)| Weight { server: NodeId(n), weight });
    let picked: Vec<u64> = [0.0, 0.000_3, 0.000_4, 0.5, 0.999_999].map(|d| pick(&weights, d).0).into();
    assert_eq!(picked, [1, 1, 3, 3, 3]);
    let few = (0..30_000).filter(|i| pick(&weights, f64::from(*i) / 30_000.0).0 == 1).count();
    assert_eq!(few, 10, "one draw in 3,000 falls on the share of 0.001 in 3");
}

/// A server with room for so many bytes, and what it counts as refused. One without a budget cannot be reached, and nobody knows what
/// it did.
struct Server {
    node: NodeId,
    budget: Option<ByteBudget>,
    numbers: Mutex<u64>,
}

#[async_trait]
impl Chunks for Server {
    async fn allocate(&self, request: Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        let Some(budget) = &self.budget else { return Err(ChunkError::Unavailable("gone".into())) };
        if !budget.take(request.sizes.iter().map(|&size| u64::from(size)).sum()) {
            let counted = if request.is_last { budget.refuse() } else { budget.shortage() };
            return Err(ChunkError::Full(counted));
        }
        let mut numbers = self.numbers.lock();
        let mut next = || {
            *numbers += 1;
            ChunkId { server: self.node, number: *numbers }
        };
        Ok(request.sizes.iter().map(|_| next()).collect())
    }
    async fn write(&self, _: ChunkId, _: u32, _: Bytes) -> Result<(), ChunkError> {
        unreachable!("only room is asked for")
    }
    async fn read(&self, _: ChunkId, _: u32, _: u32) -> Result<Bytes, ChunkError> {
        unreachable!("only room is asked for")
    }
    async fn free(&self, _: Vec<ChunkId>) -> Result<(), ChunkError> {
        Ok(())
    }
    async fn touch(&self, _: Vec<WriteId>) -> Result<(), ChunkError> {
        unreachable!("only room is asked for")
    }
    async fn end_jobs(&self, _: pocket_api::ids::Term, _: Vec<JobId>) -> Result<(), ChunkError> {
        unreachable!("only room is asked for")
    }
}

struct Servers(Vec<Arc<Server>>);

impl Directory for Servers {
    fn shard(&self, _: NodeId) -> Option<Arc<dyn Metadata>> {
        None
    }
    fn server(&self, node: NodeId) -> Option<Arc<dyn Chunks>> {
        self.0.iter().find(|s| s.node == node).map(|server| server.clone() as Arc<dyn Chunks>)
    }
    fn view(&self) -> Arc<ClusterView> {
        Arc::default()
    }
    fn update(&self, _: ClusterView) {}
}

/// Whether so many chunks find room on servers with room for these, or that are gone, and how often that was counted as refused.
async fn allocated(chunks: usize, rooms: &[Option<u64>]) -> (bool, u64) {
    let chunk = u64::from(CHUNK_MAX_BYTES);
    let server = |(n, &room): (u64, &Option<u64>)| {
        let budget = room.map(|room| ByteBudget::new(room * chunk));
        Arc::new(Server { node: NodeId(n), budget, numbers: Mutex::new(0) })
    };
    let servers: Vec<_> = (1..).zip(rooms).map(server).collect();
    let mut weights: Vec<_> = servers.iter().map(|s| Weight { server: s.node, weight: 1.0 }).collect();
    let directory = Arc::new(Servers(servers.clone()));
    let write = WriteId { gateway: NodeId(9), number: 1 };
    let request = Allocate { job: JobId(1), write, shard: NodeId(8), sizes: Vec::new(), is_last: false };
    let mut shortages = BTreeMap::new();
    let outcome = loop {
        let (directory, extents) = (directory.clone(), vec![None; chunks]);
        let mut room = Room { directory, env: Env::system(), extents, given_back: false };
        let sizes = vec![CHUNK_MAX_BYTES; chunks];
        match room.allocate(&sizes, &mut weights, &mut shortages, &request).await {
            Ok(()) => assert_eq!(room.extents().count(), chunks),
            Err(AllocateError::Full(shortage)) => break shortage,
            // Another act of writing: what this one got its servers take back by themselves.
            Err(AllocateError::Unsure) => {
                servers.iter().filter_map(|s| s.budget.as_ref()).for_each(|b| b.give_back(b.used_bytes()));
                continue;
            }
        }
        return (true, servers.iter().filter_map(|s| s.budget.as_ref()).map(ByteBudget::refusals).sum());
    };
    let limit = rooms.iter().flatten().sum::<u64>() * chunk;
    let is_any = rooms.iter().any(Option::is_some);
    assert_eq!(outcome.map(|s| s.limit_bytes), is_any.then_some(limit), "of all that answered");
    (false, servers.iter().filter_map(|s| s.budget.as_ref()).map(ByteBudget::refusals).sum())
}

#[tokio::test]
async fn a_server_without_room_counts_a_refusal_when_the_client_is_refused_and_once() {
    let (full, gone) = (Some(0), None);
    for _ in 0..50 {
        assert_eq!(allocated(1, &[full, full, Some(1)]).await, (true, 0));
        assert_eq!(allocated(6, &[full, Some(6), full]).await, (true, 0));
        assert_eq!(allocated(6, &[gone, Some(6), full]).await, (true, 0));
        assert_eq!(allocated(1, &[full, full, full]).await, (false, 1));
        assert_eq!(allocated(6, &[full, full, full]).await, (false, 1));
        assert_eq!(allocated(6, &[full]).await, (false, 1));
        assert_eq!(allocated(1, &[full, gone]).await, (false, 1));
        assert_eq!(allocated(6, &[gone, full, gone]).await, (false, 1));
        assert_eq!(allocated(1, &[gone, gone]).await, (false, 0), "nobody who could count");
        // What one has is drawn for it or not: as many as fit, if at all, on both.
        assert!(allocated(6, &[Some(1), full, Some(1)]).await.1 <= 1);
    }
}
