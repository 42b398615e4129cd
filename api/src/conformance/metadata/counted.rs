//! Counted reads: exactly so many full deliveries.

use super::client::{Client, lookup};
use crate::hints::{Limit, ObjectHints};
use crate::limits::READ_LEASE;
use crate::metadata::{ByteRange, Delivery, Found, Lookup, MetadataError, Select, Want};
use std::time::Duration;

async fn put(client: &Client, name: &str, reads: u32) {
    client.put_with(name, b"0123456789", ObjectHints { ttl: None, reads: Some(Limit::Of(reads)) }).await;
}

async fn range(client: &Client, name: &str, from: u64, to: u64) -> Result<Found, MetadataError> {
    let select = Select::Range(ByteRange::FromTo(from, to));
    Ok(client.look(Lookup { select, ..lookup(name, Want::Data) }).await?.0)
}

fn missing<T>(answer: Result<T, MetadataError>) -> bool {
    matches!(answer, Err(MetadataError::NoSuchKey))
}

pub(super) async fn exactly_so_many_reads_succeed(client: Client) {
    put(&client, "k", 3).await;
    let racers: Vec<_> = (0..12)
        .map(|i| {
            let client = client.clone();
            tokio::spawn(async move {
                let (found, payload) = client.get("k").await.ok()?;
                assert!(found.counted && payload.len() == 10);
                // Every other transfer breaks off.
                let delivery = if i % 2 == 0 { Delivery::Sent } else { Delivery::Failed };
                client.release(found.lease, delivery).await;
                (delivery == Delivery::Sent).then_some(())
            })
        })
        .collect();
    let mut sent = 0;
    for racer in racers {
        sent += u32::from(racer.await.expect("no racer panics").is_some());
    }
    while let Ok((found, _)) = client.get("k").await {
        client.release(found.lease, Delivery::Sent).await;
        sent += 1;
        assert!(sent <= 3, "more reads than allowed");
    }
    assert_eq!(sent, 3);
    assert!(missing(client.head("k").await), "the last read takes the object along");
    assert!(client.names("", None).await.is_empty());
}

pub(super) async fn a_failed_read_is_given_back(client: Client) {
    put(&client, "k", 1).await;
    let (first, _) = client.get("k").await.unwrap();
    assert!(missing(client.get("k").await), "all reads are taken");
    assert_eq!(client.head("k").await.unwrap().meta.reads_left, Some(1), "a HEAD still sees it");
    client.release(first.lease, Delivery::Failed).await;
    let (second, _) = client.get("k").await.unwrap();
    client.world.advance(READ_LEASE);
    super::world::eventually("a dead reader's read is given back", async || client.get("k").await.is_ok())
        .await;
    client.release(second.lease, Delivery::Sent).await;
    assert!(client.head("k").await.is_ok(), "a lease that has ended settles nothing");
}

pub(super) async fn ranges_use_a_read_up_together(client: Client) {
    put(&client, "k", 1).await;
    let (a, b) = (range(&client, "k", 0, 4).await.unwrap(), range(&client, "k", 5, 9).await.unwrap());
    assert!(missing(range(&client, "k", 3, 6).await), "a second reader of the same bytes waits");
    assert!(missing(client.get("k").await));
    client.release(b.lease, Delivery::Sent).await;
    client.release(a.lease, Delivery::Failed).await;
    let again = range(&client, "k", 0, 3).await.unwrap();
    client.release(again.lease, Delivery::Sent).await;
    assert!(client.head("k").await.is_ok(), "a byte is missing");
    let last = range(&client, "k", 2, 4).await.unwrap();
    client.release(last.lease, Delivery::Sent).await;
    assert!(missing(client.head("k").await));
}

pub(super) async fn a_read_that_deletes_is_alone(client: Client) {
    client.put("k", b"0123456789").await;
    let take = async || client.look(lookup("k", Want::DataAndDelete)).await;
    let (first, _) = take().await.unwrap();
    assert!(first.counted);
    assert!(missing(take().await) && missing(client.get("k").await), "while it runs nobody else gets it");
    client.release(first.lease, Delivery::Failed).await;
    assert!(client.get("k").await.is_ok(), "a failed one leaves the object");
    let (second, _) = take().await.unwrap();
    client.put("k", b"newer").await;
    client.release(second.lease, Delivery::Sent).await;
    assert_eq!(&client.get("k").await.unwrap().1[..], b"newer", "it takes what it read, not what came later");
    let (third, _) = take().await.unwrap();
    client.release(third.lease, Delivery::Sent).await;
    assert!(missing(client.head("k").await));
    assert_eq!(client.world.budget().used_bytes(), 0);
}

pub(super) async fn a_given_back_read_wakes_who_waits(client: Client) {
    put(&client, "k", 1).await;
    let (first, _) = client.get("k").await.unwrap();
    let waiter = {
        let client = client.clone();
        let lookup = Lookup { wait: Duration::from_secs(60), ..lookup("k", Want::Data) };
        tokio::spawn(async move { client.look(lookup).await.map(|(found, _)| found.lease) })
    };
    tokio::task::yield_now().await;
    client.release(first.lease, Delivery::Failed).await;
    let lease = waiter.await.unwrap().expect("the read that was given back");
    client.release(lease, Delivery::Sent).await;
    assert!(missing(client.head("k").await));
}
