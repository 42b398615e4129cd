//! Objects that must be there again when something that was away is back.

use crate::s3::Client;
use crate::{bytes, unique_bucket};
use std::thread;
use std::time::{Duration, Instant};

/// By promise it is a second; the rest is for a machine that runs other tests too.
pub const BACK_WITHIN: Duration = Duration::from_secs(4);

/// Small and large objects of a bucket of their own, over all shards and servers.
#[derive(Debug)]
pub struct Objects {
    pub bucket: String,
    count: u64,
}

impl Objects {
    pub fn put(client: &Client, name: &str) -> Self {
        let objects = Self { bucket: unique_bucket(name), count: 24 };
        client.create_bucket(&objects.bucket, &[]).expect(200);
        for n in 0..objects.count {
            client.put(&objects.path(n), &Self::body(n)).expect(200);
        }
        objects
    }

    fn path(&self, n: u64) -> String {
        format!("/{}/k{n}", self.bucket)
    }

    fn body(n: u64) -> Vec<u8> {
        bytes(n, if n.is_multiple_of(3) { 500 } else { 400_000 })
    }

    /// Whether all is as it should be: every object is there, and more can be written.
    pub fn are_served(&self, client: &Client) -> bool {
        let is_there = |n| {
            let get = client.request("GET", &self.path(n)).try_send();
            get.is_ok_and(|answer| answer.status == 200 && answer.whole && answer.body == Self::body(n))
        };
        let put =
            || client.request("PUT", &format!("/{}/new", self.bucket)).body(&bytes(7, 3_000_000)).try_send();
        (0..self.count).all(is_there) && put().is_ok_and(|answer| answer.status == 200)
    }

    /// Time until that is so for the first time through every gateway; panics after [`BACK_WITHIN`].
    pub fn back_after(&self, gateways: &[Client]) -> Duration {
        let since = Instant::now();
        for client in gateways {
            while !self.are_served(client) {
                assert!(since.elapsed() < BACK_WITHIN, "not served again");
                thread::sleep(Duration::from_millis(20));
            }
        }
        since.elapsed()
    }
}
