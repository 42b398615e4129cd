//! Where others reach a node: what it advertises, else where it listens, and where that is every address of the machine,
//! its end of the way to the controller.

use crate::config::address::Address;
use anyhow::{Context, ensure};
use pocket_api::limits::HEARTBEAT_EVERY;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// `table` of the configuration has the addresses. Waits until the way to the controller is known, where that is needed;
/// `None` when `until` was cancelled first.
pub(crate) async fn reached_at(
    table: &str,
    bound: &Address,
    advertise: Option<&Address>,
    controller: &Address,
    until: &CancellationToken,
) -> anyhow::Result<Option<Address>> {
    let address = advertise.unwrap_or(bound);
    if !address.is_wildcard() {
        return Ok(Some(address.clone()));
    }
    ensure!(
        advertise.is_none(),
        "{table}.advertise {address} is no address that others can call: set the one that they call"
    );
    let mut is_said = false;
    loop {
        match own_end(controller, bound.is_ipv6()).await {
            Ok(ip) => return Ok(Some(bound.with_host(ip))),
            Err(why) if !std::mem::replace(&mut is_said, true) => {
                warn!("{table}.listen {bound}: no way to the controller at {controller} yet: {why:#}");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(HEARTBEAT_EVERY) => {}
            () = until.cancelled() => return Ok(None),
        }
    }
}

/// This side's address on the way to `controller`. The system chooses it as for a connection; nothing is sent.
/// `ipv6`: whether an IPv6 address will do.
async fn own_end(controller: &Address, ipv6: bool) -> anyhow::Result<IpAddr> {
    let resolved = tokio::net::lookup_host((controller.host(), controller.port()))
        .await
        .context("its name is not known")?;
    let mut why = io::Error::from(io::ErrorKind::NotFound);
    for at in resolved.filter(|at| at.is_ipv4() || ipv6) {
        let any: IpAddr =
            if at.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let end = UdpSocket::bind((any, 0)).and_then(|socket| {
            socket.connect(at)?;
            socket.local_addr()
        });
        match end {
            Ok(end) => return Ok(end.ip()),
            Err(error) => why = error,
        }
    }
    Err(why).context("no route to it from an address that is listened on")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn reached(
        bound: &str,
        advertise: Option<&str>,
        controller: &str,
    ) -> anyhow::Result<Option<Address>> {
        let [bound, controller] = [bound, controller].map(|text| text.parse::<Address>().unwrap());
        let advertise = advertise.map(|text| text.parse().unwrap());
        let never = CancellationToken::new();
        reached_at("storage", &bound, advertise.as_ref(), &controller, &never).await
    }

    #[tokio::test]
    async fn what_is_advertised_comes_first_then_what_is_listened_on_then_the_way_to_the_controller() {
        for (bound, advertise, controller, expected) in [
            ("0.0.0.0:9030", Some("storage-1.internal:1"), "10.0.0.1:9010", "storage-1.internal:1"),
            ("10.0.0.7:9030", None, "127.0.0.1:9010", "10.0.0.7:9030"),
            ("0.0.0.0:9030", None, "127.0.0.1:9010", "127.0.0.1:9030"),
            ("[::]:9030", None, "127.0.0.1:9010", "127.0.0.1:9030"),
        ] {
            let address = reached(bound, advertise, controller).await.unwrap().unwrap();
            assert_eq!(address.to_string(), expected, "{bound} {advertise:?}");
        }
        let refused = reached("0.0.0.0:9030", Some("0.0.0.0:9030"), "127.0.0.1:9010").await.unwrap_err();
        assert!(refused.to_string().contains("storage.advertise"), "{refused}");
    }

    #[tokio::test]
    async fn an_ipv6_controller_is_reached_over_ipv6_by_whoever_listens_there() {
        let controller: Address = "[::1]:9010".parse().unwrap();
        // A machine without IPv6 says so, and nothing of IPv4.
        if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            assert_eq!(own_end(&controller, true).await.unwrap(), IpAddr::from(Ipv6Addr::LOCALHOST));
        }
        assert!(
            own_end(&controller, false).await.is_err(),
            "an IPv4 listener is not found at an IPv6 address"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_way_that_is_not_there_yet_is_waited_for_until_the_process_ends() {
        let [bound, controller] =
            ["0.0.0.0:9030", "no-such-name.invalid:9010"].map(|text| text.parse::<Address>().unwrap());
        let until = CancellationToken::new();
        let end = async {
            tokio::time::sleep(HEARTBEAT_EVERY * 3).await;
            until.cancel();
        };
        let (reached, ()) = tokio::join!(reached_at("storage", &bound, None, &controller, &until), end);
        assert_eq!(reached.unwrap(), None);
    }
}
