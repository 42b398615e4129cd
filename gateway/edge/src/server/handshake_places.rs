//! Places for those that shake hands: so many at once, and no more than half of them from one address, so that whoever
//! fills its own share keeps only itself waiting.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is made of a hello, and TLS's buffers, is up to some 200 KiB each. Clients beyond them wait with their hello as it came,
/// of at most [`HELLO_MAX_BYTES`](super::hello::HELLO_MAX_BYTES).
pub(crate) const HANDSHAKES_MAX: usize = 512;
const OF_ONE_ADDRESS_MAX: usize = HANDSHAKES_MAX / 2;

/// Clones share the places.
#[derive(Clone)]
pub(crate) struct HandshakePlaces(Arc<Places>);

struct Places {
    all: Arc<Semaphore>,
    /// Of addresses that have a place or wait for one: no more than there are connections.
    by_address: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// One place; free again when it is dropped. Also a wait for one.
struct Share {
    places: Arc<Places>,
    address: IpAddr,
    of_address: Arc<Semaphore>,
}

/// A place that was given.
pub(crate) struct HandshakePlace {
    // Given back before the share is, which may be the last of its address.
    _permits: [OwnedSemaphorePermit; 2],
    _share: Share,
}

impl HandshakePlaces {
    pub(crate) fn new() -> Self {
        let all = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        Self(Arc::new(Places { all, by_address: Mutex::default() }))
    }

    /// Waits for a place, behind others of the same address first and then behind everybody.
    pub(crate) async fn place(&self, address: IpAddr) -> HandshakePlace {
        let share = Share::of(&self.0, whose(address));
        let own = permit(&share.of_address).await;
        let one_of_all = permit(&self.0.all).await;
        HandshakePlace { _permits: [own, one_of_all], _share: share }
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.0.all.available_permits()
    }
}

async fn permit(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    places.clone().acquire_owned().await.expect("nobody closes it")
}

/// A host has an address, or in IPv6 a network of them.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

impl Share {
    fn of(places: &Arc<Places>, address: IpAddr) -> Self {
        let mut by_address = places.by_address.lock();
        let new = || Arc::new(Semaphore::new(OF_ONE_ADDRESS_MAX));
        let of_address = by_address.entry(address).or_insert_with(new).clone();
        Self { places: places.clone(), address, of_address }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut by_address = self.places.by_address.lock();
        // The table's and this one.
        if Arc::strong_count(&self.of_address) == 2 {
            by_address.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn one_address_gets_half_and_others_get_theirs_at_once() {
        let places = HandshakePlaces::new();
        let greedy = IpAddr::from([10, 0, 0, 1]);
        let mut held: Vec<_> = std::iter::from_fn(|| places.place(greedy).now_or_never()).collect();
        assert_eq!(held.len(), HANDSHAKES_MAX / 2);
        let mut waiting: Vec<_> = (0..1_000).map(|_| Box::pin(places.place(greedy))).collect();
        assert!(waiting.iter_mut().all(|place| place.now_or_never().is_none()));
        let other = places.place(IpAddr::from([10, 0, 0, 2])).now_or_never();
        assert!(other.is_some() && places.free() == HANDSHAKES_MAX / 2 - 1);
        held.pop();
        assert!(waiting.iter_mut().any(|place| place.now_or_never().is_some()));
        drop((held, waiting, other));
        assert!(places.0.by_address.lock().is_empty() && places.free() == HANDSHAKES_MAX);
    }

    #[test]
    fn a_host_is_its_address_however_it_is_written_and_a_network_in_ipv6() {
        let parse = |text: &str| whose(text.parse().unwrap());
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
        assert_eq!(parse("2001:db8:1:2:3::4"), parse("2001:db8:1:2::9"));
        assert_ne!(parse("2001:db8:1:2::1"), parse("2001:db8:1:3::1"));
    }
}
