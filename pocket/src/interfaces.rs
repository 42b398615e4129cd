//! Where this machine is on its networks.

use std::net::IpAddr;

/// Of this machine's interfaces, as others may know them.
pub(crate) fn addresses() -> impl Iterator<Item = IpAddr> {
    // A machine that does not tell has none to show.
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let far =
        interfaces.into_iter().filter(|interface| !interface.is_loopback() && !interface.is_link_local());
    far.map(|interface| interface.ip())
}
