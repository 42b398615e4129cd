//! What a read of a chunk allocates, counted at the seam. A count is the same on every machine, so its limit is what it is
//! today.

mod lonely;

use allocation_counter::measure;
use bytes::Bytes;
use futures::FutureExt;
use lonely::{allocate, server};
use pocket_api::budget::ByteBudget;
use pocket_api::chunks::Chunks;
use std::sync::Arc;

const CAPACITY: u64 = 16 << 20;
const CHUNK: u32 = 64 << 10;

#[tokio::test]
async fn a_read_allocates_its_call_and_its_hold_on_the_arena() {
    let server = server(CAPACITY, &ByteBudget::new(CAPACITY));
    let chunk = allocate(&server, 1, 1, &[CHUNK]).await.unwrap()[0];
    server.write(chunk, 0, Bytes::from(vec![7; CHUNK as usize])).await.unwrap();
    let server: Arc<dyn Chunks> = server;
    let used = measure(|| {
        let read = server.read(chunk, 0, CHUNK).now_or_never().expect("an answer at once");
        assert_eq!(read.map(|bytes| bytes.len()), Ok(CHUNK as usize));
    });
    assert!(used.count_total <= 2, "{used:?}");
}
