//! The memory of a gateway for bodies that pass: whoever has no room there is told so, and it comes back on every way out.

use crate::cluster::{Cluster, deletion, eventually};
use bytes::Bytes;
use futures::stream;
use pocket_api::budget::ByteBudget;

/// Nothing of a document is read before there is room for all of it.
#[tokio::test]
async fn a_document_takes_room_while_it_is_read_and_gives_it_back_however_that_ends() {
    let buffers = ByteBudget::new(1_000);
    let cluster = Cluster::with_buffers(&buffers).await;
    cluster.bucket("bucket").await;
    let document = deletion(&[("k", None)], true);
    let length = document.len() as u64;

    cluster.delete_many("bucket", document.clone()).await.ok();
    assert_eq!(buffers.used_bytes(), 0, "after a good one");
    let bad = cluster.delete_many("bucket", document.replace("Key", "Kee")).await;
    assert_eq!((bad.code().as_str(), buffers.used_bytes()), ("MalformedXML", 0));
    let refused = cluster.delete_many("bucket", document.clone()).anonymous().await;
    assert_eq!((refused.code().as_str(), buffers.used_bytes()), ("AccessDenied", 0));

    let never = stream::pending::<Bytes>();
    let stuck = tokio::spawn(cluster.delete_many("bucket", document.clone()).stream(length, never).send());
    eventually("the document that does not come has its room", async || buffers.used_bytes() == length).await;
    let others = buffers.share(1_000 - length).unwrap();
    let crowded = cluster.delete_many("bucket", document.clone()).await;
    assert_eq!(crowded.code(), "SlowDown");
    drop(others);
    cluster.delete_many("bucket", document).await.ok();
    stuck.abort();
    eventually("the client that left gave its room back", async || buffers.used_bytes() == 0).await;
}
